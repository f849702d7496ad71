/* See stress.h. */
#define _GNU_SOURCE /* pthread_setname_np */
#include "tests/stress/stress.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/timer.h"

#define ARCH_SET_GS 0x1001

_Atomic unsigned stress_log_lines;
unsigned char stress_window[STRESS_WINDOW_BYTES] __attribute__((aligned(4096)));
struct cpu *cpus[CPU_MAX];
struct cpu cpu_boot;
struct cpu_features cpu_features;

void stress_fail(const char *file, int line, const char *condition)
{
	printf("%s:%d: not so: %s\n", file, line, condition);
	fflush(stdout);
	_exit(1);
}

uint64_t stress_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ull;
}

/* ---- memory, log ------------------------------------------------------------------------ */

__attribute__((weak)) void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	void *p = aligned_alloc(64, ALIGN_UP(bytes, 64));

	(void)account;
	return p ? memset(p, 0, ALIGN_UP(bytes, 64)) : NULL;
}

__attribute__((weak)) void heap_free(void *p)
{
	free(p);
}

__attribute__((weak)) uint64_t frames_alloc(unsigned order, struct mem_account *account)
{
	void *p = aligned_alloc(PAGE_BYTES, PAGE_BYTES << order);

	(void)account;
	return directmap_phys(memset(p, 0, PAGE_BYTES << order));
}

__attribute__((weak)) void frames_free(uint64_t phys, unsigned order,
				       struct mem_account *account)
{
	(void)order, (void)account;
	free(directmap(phys));
}

__attribute__((weak)) void log_line(enum log_level level, const char *area, const char *fmt,
				    ...)
{
	(void)level, (void)area, (void)fmt;
	stress_log_lines++;
}

/* ---- threads ----------------------------------------------------------------------------- */

struct thread {
	pthread_t pthread;
	pthread_mutex_t lock; /* guards `woken` */
	pthread_cond_t change;
	bool woken;
	struct cpu cpu; /* "the CPU it runs on": its own */
	void (*fn)(void *arg);
	void *arg;
	struct thread *ended; /* the one that was joined before */
};

static void bind(struct thread *t)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->change, &attributes);
	t->cpu.self = &t->cpu;
	t->cpu.current = t;
}

static void *enter(void *arg)
{
	struct thread *t = arg;

	syscall(SYS_arch_prctl, ARCH_SET_GS, &t->cpu);
	t->fn(t->arg);
	return NULL;
}

struct thread *stress_thread(const char *name, void (*fn)(void *arg), void *arg)
{
	struct thread *t = calloc(1, sizeof(*t));

	bind(t);
	t->fn = fn;
	t->arg = arg;
	demand(!pthread_create(&t->pthread, NULL, enter, t));
	pthread_setname_np(t->pthread, name);
	return t;
}

struct thread *thread_create(const struct thread_params *params)
{
	return stress_thread("device", params->fn, params->arg);
}

static struct thread *_Atomic ended;

/* It stays allocated: who told it last that it may end may still be waking it. */
void thread_join(struct thread *t)
{
	demand(!pthread_join(t->pthread, NULL));
	t->ended = atomic_exchange(&ended, t);
}

void thread_wake(struct thread *t)
{
	pthread_mutex_lock(&t->lock);
	t->woken = true;
	pthread_cond_signal(&t->change);
	pthread_mutex_unlock(&t->lock);
}

void thread_block_until(uint64_t deadline_ns)
{
	struct thread *t = thread_current();
	uint64_t wall_ns = deadline_ns / STRESS_CLOCK;
	struct timespec until = {(time_t)(wall_ns / NSEC_PER_SEC),
				 (long)(wall_ns % NSEC_PER_SEC)};

	pthread_mutex_lock(&t->lock);
	while (!t->woken) {
		if (deadline_ns == UINT64_MAX)
			pthread_cond_wait(&t->change, &t->lock);
		else if (pthread_cond_timedwait(&t->change, &t->lock, &until) == ETIMEDOUT)
			break;
	}
	t->woken = false;
	pthread_mutex_unlock(&t->lock);
}

void thread_block(void)
{
	thread_block_until(UINT64_MAX);
}

void thread_sleep_ns(uint64_t ns)
{
	struct timespec wall = {0, (long)(ns / STRESS_CLOCK)};

	nanosleep(&wall, NULL);
}

void thread_yield(void)
{
	sched_yield();
}

struct aspace *thread_set_aspace(struct aspace *as)
{
	return as; /* there is one */
}

/* ---- time -------------------------------------------------------------------------------- */

uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec) * STRESS_CLOCK;
}

/* One queue, one thread for all. `owner` says that a timer is in the queue's list; which one
 * runs now is `running`. */
static pthread_mutex_t timers_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t timers_change;
static struct timer *first_timer, *running;
static pthread_t timers_thread;

static void take_out(struct timer *timer)
{
	struct timer **link = &first_timer;

	while (*link && *link != timer)
		link = &(*link)->right;
	if (*link)
		*link = timer->right;
	timer->armed = false;
}

static void put_in(struct timer *timer)
{
	struct timer **link = &first_timer;

	while (*link && (*link)->deadline_ns <= timer->deadline_ns)
		link = &(*link)->right;
	timer->right = *link;
	*link = timer;
	timer->armed = true;
}

static void *run_timers(void *arg)
{
	struct thread self = {0};

	(void)arg;
	bind(&self);
	syscall(SYS_arch_prctl, ARCH_SET_GS, &self.cpu);
	pthread_mutex_lock(&timers_lock);
	for (;;) {
		struct timer *timer = first_timer;
		uint64_t wall_ns;
		struct timespec until;

		if (!timer) {
			pthread_cond_wait(&timers_change, &timers_lock);
			continue;
		}
		if (timer->deadline_ns > clock_now_ns()) {
			wall_ns = timer->deadline_ns / STRESS_CLOCK + 1;
			until = (struct timespec){(time_t)(wall_ns / NSEC_PER_SEC),
						  (long)(wall_ns % NSEC_PER_SEC)};
			pthread_cond_timedwait(&timers_change, &timers_lock, &until);
			continue;
		}
		take_out(timer);
		running = timer;
		pthread_mutex_unlock(&timers_lock);
		timer->fn(timer);
		pthread_mutex_lock(&timers_lock);
		running = NULL;
		pthread_cond_broadcast(&timers_change);
	}
	return NULL;
}

void timer_init(struct timer *timer, void (*fn)(struct timer *))
{
	*timer = (struct timer){.fn = fn};
}

void timer_arm(struct timer *timer, uint64_t deadline_ns)
{
	pthread_mutex_lock(&timers_lock);
	take_out(timer);
	timer->deadline_ns = deadline_ns;
	put_in(timer);
	pthread_cond_broadcast(&timers_change);
	pthread_mutex_unlock(&timers_lock);
}

void timer_cancel(struct timer *timer)
{
	pthread_mutex_lock(&timers_lock);
	take_out(timer);
	while (running == timer && !pthread_equal(timers_thread, pthread_self()))
		pthread_cond_wait(&timers_change, &timers_lock);
	take_out(timer); /* it may have armed itself again */
	pthread_mutex_unlock(&timers_lock);
}

bool timer_armed(const struct timer *timer)
{
	bool armed;

	pthread_mutex_lock(&timers_lock);
	armed = timer->armed;
	pthread_mutex_unlock(&timers_lock);
	return armed;
}

int stress_start(void **state)
{
	static struct thread self;
	pthread_condattr_t attributes;

	(void)state;
	bind(&self);
	syscall(SYS_arch_prctl, ARCH_SET_GS, &self.cpu);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&timers_change, &attributes);
	return pthread_create(&timers_thread, NULL, run_timers, NULL);
}
