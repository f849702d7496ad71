/* See fake_threads.h. Each thread is a context of its own, which thread_block() leaves. */
#include "tests/unit/fake_threads.h"

#include <sanitizer/common_interface_defs.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "kernel/lib/checks.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_cpu.h"

#define ARCH_SET_GS 0x1001
#define THREADS	    128
#define STACK_BYTES (256 * KIB)
#define YIELDS_MAX  100000

struct thread {
	ucontext_t context;
	void (*fn)(void *);
	void *arg;
	const struct thread_ops *ops;
	char *stack;
	bool woken, ended;
	bool gives_way; /* it runs again once no other does */
	struct thread *joiner;
};

bool fake_threads_refused, fake_threads_waiting;
void (*fake_threads_on_create)(void);
unsigned fake_threads_yields;
void (*fake_threads_on_yield)(void);

/* Where a test has fake CPUs, threads run on the one that it chose. */
#pragma weak fake_cpu
__attribute__((weak)) struct cpu *cpus[CPU_MAX];

static struct cpu cpu = {.self = &cpu};
static struct thread *threads[THREADS], *running;
static ucontext_t test;
static unsigned yields; /* of the one that runs */

static const void *test_stack;
static size_t test_stack_bytes;

/* AddressSanitizer is told whose stack it is on. */
static void to_thread(struct thread *t)
{
	void *fake;

	__sanitizer_start_switch_fiber(&fake, t->stack, STACK_BYTES);
	swapcontext(&test, &t->context);
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
}

static void to_test(struct thread *t)
{
	void *fake;

	__sanitizer_start_switch_fiber(&fake, test_stack, test_stack_bytes);
	swapcontext(&t->context, &test);
	__sanitizer_finish_switch_fiber(fake, &test_stack, &test_stack_bytes);
}

static void enter(void)
{
	__sanitizer_finish_switch_fiber(NULL, &test_stack, &test_stack_bytes);
	running->fn(running->arg);
	__sanitizer_start_switch_fiber(NULL, test_stack, test_stack_bytes);
	running->ended = true;
}

static void make_context(struct thread *t)
{
	getcontext(&t->context);
	t->context.uc_stack.ss_sp = t->stack;
	t->context.uc_stack.ss_size = STACK_BYTES;
	t->context.uc_link = &test;
	makecontext(&t->context, enter, 0);
}

void thread_set_share(struct thread *t, const struct thread_share *share)
{
	(void)t, (void)share;
}

struct thread *thread_create(const struct thread_params *params)
{
	struct thread *t;
	unsigned slot = 0;

	if (fake_threads_refused)
		return NULL;
	while (threads[slot])
		if (++slot == THREADS)
			abort();
	if (!&fake_cpu)
		syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu); /* where cpu_this() looks */
	t = threads[slot] = calloc(1, sizeof(*t));
	t->fn = params->fn;
	t->arg = params->arg;
	t->ops = params->ops;
	t->stack = malloc(STACK_BYTES);
	t->woken = true;
	make_context(t);
	if (fake_threads_on_create) {
		void (*then)(void) = fake_threads_on_create;

		fake_threads_on_create = NULL;
		then();
	}
	return t;
}

void thread_wake(struct thread *t)
{
	t->woken = true;
}

static void run(struct thread *t)
{
	t->woken = false;
	running = t;
	yields = 0;
	if (t->ops)
		t->ops->switch_in(t);
	to_thread(t);
	if (t->ops)
		t->ops->switch_out(t);
	running = NULL;
	if (t->ended && t->joiner)
		thread_wake(t->joiner);
}

void thread_block(void)
{
	struct thread *t = running;

	check_may_wait("sleeping");
	if (!t) { /* the test itself, which waits for others */
		fake_threads_run();
		return;
	}
	if (!t->woken)
		to_test(t);
	t->woken = false;
}

/* For threads with state in the CPU all others have a turn. For the rest nothing happens
 * meanwhile: who yields that often would never sleep. */
void thread_yield(void)
{
	struct thread *t = running;

	check_may_wait("giving way");
	fake_threads_yields++;
	if (fake_threads_on_yield)
		fake_threads_on_yield();
	if (t && t->ops) {
		cpu_this()->need_resched = false;
		t->woken = true;
		to_test(t);
	} else if (++yields > YIELDS_MAX) {
		abort();
	}
}

bool thread_others_waiting(void)
{
	return fake_threads_waiting;
}

void *thread_arg(const struct thread *t)
{
	return t->arg;
}

bool fake_threads_pending(void)
{
	for (unsigned i = 0; i < THREADS; i++)
		if (threads[i] && threads[i]->woken && !threads[i]->ended)
			return true;
	return false;
}

void fake_threads_disturb(void)
{
	for (unsigned i = 0; i < THREADS; i++)
		if (threads[i] && !threads[i]->ended)
			threads[i]->woken = true;
	fake_threads_run();
}

static bool run_woken(void)
{
	bool any = false;

	for (unsigned i = 0; i < THREADS; i++)
		if (threads[i] && threads[i]->woken && !threads[i]->ended &&
		    !threads[i]->gives_way) {
			run(threads[i]);
			any = true;
		}
	return any;
}

static struct thread *giving_way(void)
{
	for (unsigned i = 0; i < THREADS; i++)
		if (threads[i] && threads[i]->gives_way)
			return threads[i];
	return NULL;
}

void fake_threads_run(void)
{
	struct thread *t;

	do {
		while (run_woken())
			;
		t = giving_way();
		if (t) {
			t->gives_way = false;
			run(t);
		}
	} while (t || fake_threads_pending());
}

void fake_threads_give_way(void)
{
	struct thread *t = running;

	for (unsigned i = 0; i < THREADS; i++)
		if (threads[i] && threads[i] != t && !threads[i]->ended)
			threads[i]->woken = true;
	t->gives_way = true;
	to_test(t);
}

struct thread *fake_threads_current(void)
{
	return running;
}

unsigned fake_threads_alive(void)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < THREADS; i++)
		alive += threads[i] != NULL;
	return alive;
}

void thread_leave_cpu(struct thread *t)
{
	t->joiner = running;
	if (!running) /* the test itself */
		fake_threads_run();
	while (running && !t->ended)
		thread_block();
	if (!t->ended)
		abort();
}

void thread_join(struct thread *t)
{
	thread_leave_cpu(t);
	for (unsigned i = 0; i < THREADS; i++)
		if (threads[i] == t)
			threads[i] = NULL;
	free(t->stack);
	free(t);
}
