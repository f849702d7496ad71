/*
 * CPUs of the build machine for the scheduler's own part, two and one at a time. Stacks are not
 * switched: switch_stacks() comes back at once, and the test goes on as whoever is current
 * then.
 */
#ifndef TESTS_UNIT_SCHED_HOUSE_H
#define TESTS_UNIT_SCHED_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/smp.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/internal.h"
#include "tests/unit/checks_host.h"

#define ARCH_SET_GS 0x1001
#define CPUS	    2

static struct cpu parts[CPUS];
struct cpu cpu_boot, *cpus[CPU_MAX];
unsigned cpu_count = CPUS;
struct aspace kernel_aspace;

static uint64_t now_ns = NSEC_PER_SEC;
static unsigned clock_reads;
static char steps[64]; /* of a switch, the first ones */
static bool no_memory, no_timers;
static unsigned kicks[CPUS];
static struct thread *buried, *left;
static sigjmp_buf idle_end, gone;
static bool in_idle;
static struct thread *idle_threads[CPUS]; /* one of each CPU */
static unsigned idle_count;
static struct timer *slices[CPUS];

/* ---- what it stands on --------------------------------------------------------------------
 */

uint64_t clock_now_ns(void)
{
	clock_reads++;
	return now_ns;
}

uint64_t clock_deadline_tsc(uint64_t deadline_ns)
{
	return 3 * deadline_ns;
}

void smp_kick(unsigned index)
{
	kicks[index]++;
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	assert_int_equal(bytes, sizeof(struct thread));
	if (no_memory)
		return NULL;
	assert_true(idle_count < ARRAY_SIZE(idle_threads));
	return idle_threads[idle_count++] = calloc(1, bytes);
}

size_t strlcpy(char *to, const char *from, size_t room)
{
	(void)room;
	strcpy(to, from);
	return strlen(from);
}

void timer_init(struct timer *timer, void (*fn)(struct timer *))
{
	*timer = (struct timer){.fn = fn};
	slices[cpu_this()->index] = timer;
}

void timer_arm(struct timer *timer, uint64_t deadline_ns)
{
	timer->deadline_ns = deadline_ns;
	timer->armed = true;
}

void timer_cancel_here(struct timer *timer)
{
	timer->armed = false;
}

bool timer_armed(const struct timer *timer)
{
	return timer->armed;
}

int timer_init_this_cpu(void)
{
	return no_timers ? -ENOMEM : 0;
}

void thread_bury(struct thread *t)
{
	buried = t;
}

noreturn void thread_exit(void)
{
	siglongjmp(gone, 2);
}

static bool is_idle(const struct thread *t)
{
	return t == idle_threads[0] || t == idle_threads[1];
}

/* The idle loop begins with this each time; it has switched before when another is current. */
void irq_disable(void)
{
	checks_irqs_off = true;
	if (in_idle && !is_idle(thread_current()))
		siglongjmp(idle_end, 1);
}

void irq_enable(void)
{
	checks_irqs_off = false;
}

noreturn void panic(const char *fmt, ...)
{
	fail_msg("panic: %s", fmt);
	abort();
}

static void step(const char *what)
{
	if (strlen(steps) + strlen(what) < sizeof(steps))
		strcat(steps, what);
}

/* What is switched to goes on behind its own switch_stacks(): in thread_block() it forgets its
 * wake-up. `gone`, of thread.c alone, says here who sleeps. One that is dead never comes back.
 */
void switch_stacks(uint64_t *save_rsp, uint64_t load_rsp)
{
	struct thread *from = container_of(save_rsp, struct thread, rsp),
		      *to = thread_current();

	(void)load_rsp;
	assert_false(check_irqs_on());
	assert_int_equal(checks_this_cpu()->count, 1); /* the queue's */
	step("switch ");
	left = from;
	from->gone = from->state == THREAD_BLOCKED;
	if (to->gone)
		to->wake_pending = false;
	if (from->state == THREAD_DEAD)
		siglongjmp(gone, 1);
}

/* STI, which no process may. */
static void halted(int signal)
{
	(void)signal;
	siglongjmp(idle_end, 2);
}

/* ---- CPUs and threads ----------------------------------------------------------------------
 */

static void use(unsigned cpu)
{
	syscall(SYS_arch_prctl, ARCH_SET_GS, &parts[cpu]);
}

/* The CPU's idle thread, until it has switched to another: that; or halts: NULL. */
static struct thread *idle(unsigned cpu)
{
	struct sigaction action = {.sa_handler = halted, .sa_flags = SA_NODEFER}, before;
	int how;

	use(cpu);
	sigaction(SIGSEGV, &action, &before);
	how = sigsetjmp(idle_end, 1);
	if (!how) {
		parts[cpu].current = idle_threads[0];
		in_idle = true;
		sched_run_this_cpu();
	}
	sigaction(SIGSEGV, &before, NULL);
	in_idle = false;
	checks_irqs_off = false;
	return how == 1 ? thread_current() : NULL;
}

static struct thread *make(unsigned cpus_allowed, unsigned weight, unsigned cap_percent)
{
	struct thread *t = calloc(1, sizeof(*t));

	t->entity.allowed.bits[0] = cpus_allowed;
	t->entity.weight = weight;
	t->entity.cap_ns = RUNQ_CAP_PERIOD_NS / 100 * cap_percent;
	t->ops = &thread_no_ops;
	t->gone = true;
	t->home = cpus_allowed & 1 ? 0 : 1;
	return t;
}

/* Who runs on the CPU sleeps. */
static struct thread *block(unsigned cpu)
{
	use(cpu);
	thread_block();
	return thread_current();
}

static const struct cpumask first = {{1}};

static void reset(void)
{
	for (unsigned i = 0; i < CPUS; i++) {
		parts[i] = (struct cpu){.self = &parts[i], .index = i};
		cpus[i] = &parts[i];
		kicks[i] = 0;
	}
	use(0);
	buried = left = NULL;
	steps[0] = 0;
	no_memory = no_timers = false;
}

static inline int off(void **state)
{
	(void)state;
	reset();
	return 0;
}

static int fresh(void **state)
{
	(void)state;
	reset();
	assert_int_equal(sched_init(&first), 0);
	for (unsigned i = 0; i < CPUS; i++)
		assert_null(idle(i)); /* it is up, and halts */
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_true(check_irqs_on());
	while (idle_count)
		free(idle_threads[--idle_count]);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, end)

#endif
