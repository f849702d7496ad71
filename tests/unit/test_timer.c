/*
 * The timer queue of one CPU against a model, on a clock that the test moves; and two CPUs
 * where a timer's function runs on one of them. Not the local APIC.
 */
/* links: kernel/sched/timer.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/prctl.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/cpu/apic.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/traps.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/timer.h"

#define TIMERS 200

static struct cpu cpu = {.self = &cpu}, other_cpu = {.self = &other_cpu};
static uint64_t now_ns, armed_ns, other_armed_ns;
static trap_handler interrupt;
static bool no_memory;

uint64_t clock_now_ns(void)
{
	return now_ns;
}

void apic_timer_arm(uint64_t deadline_ns)
{
	*(cpu_this() == &cpu ? &armed_ns : &other_armed_ns) = deadline_ns;
}

void trap_register(unsigned vector, trap_handler handler, void *arg)
{
	(void)arg;
	assert_int_equal(vector, VECTOR_TIMER);
	interrupt = handler;
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	return no_memory ? NULL : test_calloc(1, bytes);
}

static struct sim_timer {
	struct timer timer;
	uint64_t deadline_ns; /* 0: not armed */
	unsigned fired;
	uint64_t again_ns; /* arms itself this much later */
} sim[TIMERS];
static uint64_t last_deadline_ns;

static void fired(struct timer *timer)
{
	struct sim_timer *t = container_of(timer, struct sim_timer, timer);

	assert_false(timer_armed(timer));
	assert_true(t->deadline_ns && t->deadline_ns <= now_ns);
	assert_true(t->deadline_ns >= last_deadline_ns); /* in order */
	last_deadline_ns = t->deadline_ns;
	t->fired++;
	t->deadline_ns = t->again_ns ? now_ns + t->again_ns : 0;
	if (t->again_ns)
		timer_arm(timer, t->deadline_ns);
	t->again_ns = 0;
}

/* The hardware's timer is of one shot. */
static void fire(void)
{
	armed_ns = 0;
	interrupt(VECTOR_TIMER, NULL);
}

static uint64_t earliest(void)
{
	uint64_t least = 0;

	for (unsigned i = 0; i < TIMERS; i++)
		if (sim[i].deadline_ns && (!least || sim[i].deadline_ns < least))
			least = sim[i].deadline_ns;
	return least;
}

static void go_to(struct cpu *where)
{
	syscall(SYS_arch_prctl, ARCH_SET_GS, where); /* where cpu_this() looks */
}

static int start(void **state)
{
	(void)state;
	go_to(&other_cpu);
	assert_int_equal(timer_init_this_cpu(), 0);
	go_to(&cpu);
	assert_int_equal(timer_init_this_cpu(), 0);
	now_ns = 1000;
	armed_ns = other_armed_ns = 0;
	last_deadline_ns = 0;
	for (unsigned i = 0; i < TIMERS; i++) {
		sim[i] = (struct sim_timer){0};
		timer_init(&sim[i].timer, fired);
	}
	return 0;
}

static int stop(void **state)
{
	(void)state;
	test_free(cpu.timer);
	test_free(other_cpu.timer);
	cpu.timer = other_cpu.timer = NULL;
	return 0;
}

/* Whatever is armed, moved and cancelled: all fire in order, none early, and the hardware is
 * always set to the earliest. */
static void test_random_operations(void **state)
{
	(void)state;
	srand(2);
	for (unsigned step = 0; step < 200000; step++) {
		struct sim_timer *t = &sim[rand() % TIMERS];

		switch (rand() % 4) {
		case 0:
		case 1:
			t->deadline_ns = now_ns + (unsigned)rand() % 5000;
			t->again_ns = rand() % 3 ? 0 : 1 + (unsigned)rand() % 3000;
			timer_arm(&t->timer, t->deadline_ns);
			break;
		case 2:
			t->deadline_ns = 0;
			timer_cancel(&t->timer);
			break;
		case 3:
			now_ns += (unsigned)rand() % 200;
			if (armed_ns && armed_ns <= now_ns) {
				last_deadline_ns = 0;
				fire();
				assert_true(!earliest() || earliest() > now_ns);
			}
			break;
		}
		assert_int_equal(timer_armed(&t->timer), t->deadline_ns != 0);
		assert_int_equal(armed_ns, earliest());
	}
}

/* An interrupt that comes early, as a far deadline's may, arms the hardware again. */
static void test_early_interrupt(void **state)
{
	(void)state;
	sim[0].deadline_ns = now_ns + 5000;
	timer_arm(&sim[0].timer, sim[0].deadline_ns);
	fire();
	assert_int_equal(sim[0].fired, 0);
	assert_int_equal(armed_ns, sim[0].deadline_ns);
}

static void test_cancel_disarms_the_hardware(void **state)
{
	(void)state;
	sim[0].deadline_ns = now_ns + 5000;
	timer_arm(&sim[0].timer, sim[0].deadline_ns);
	timer_cancel(&sim[0].timer);
	assert_int_equal(armed_ns, 0);
	timer_cancel(&sim[1].timer); /* never armed */
}

/* What lies beyond all time is armed, but the hardware is not bothered with it. */
static void test_far_deadline(void **state)
{
	(void)state;
	timer_arm(&sim[2].timer, BIT(61));
	assert_int_equal(armed_ns, 0);
	timer_arm(&sim[2].timer, BIT(61) - 1);
	assert_int_equal(armed_ns, BIT(61) - 1);
	timer_cancel(&sim[2].timer);
	timer_arm(&sim[0].timer, UINT64_MAX - 5);
	assert_true(timer_armed(&sim[0].timer));
	assert_int_equal(armed_ns, 0);
	sim[1].deadline_ns = now_ns + 10;
	timer_arm(&sim[1].timer, sim[1].deadline_ns);
	assert_int_equal(armed_ns, now_ns + 10);
	now_ns += 10;
	fire();
	assert_int_equal(sim[1].fired, 1);
	assert_int_equal(armed_ns, 0);
}

static void armed_elsewhere_meanwhile(struct timer *timer)
{
	go_to(&other_cpu);
	timer_arm(timer, now_ns + 100);
	timer_arm(timer, now_ns + 50);
	go_to(&cpu);
}

/* A device's register is written on one CPU while its timer's function runs on another: the
 * timer stays where a cancellation would wait for that function. */
static void test_armed_elsewhere_while_its_function_runs(void **state)
{
	struct timer timer;

	(void)state;
	timer_init(&timer, armed_elsewhere_meanwhile);
	timer_arm(&timer, now_ns + 10);
	now_ns += 10;
	fire();
	assert_true(timer_armed(&timer));
	assert_ptr_equal(timer.owner, cpu.timer);
	assert_int_equal(armed_ns, now_ns + 50);
	assert_int_equal(other_armed_ns, 0);

	/* Afterwards it moves, as any. */
	go_to(&other_cpu);
	timer_arm(&timer, now_ns + 70);
	assert_ptr_equal(timer.owner, other_cpu.timer);
	assert_int_equal(other_armed_ns, now_ns + 70);
	timer_cancel(&timer);
	go_to(&cpu);
}

/* By the CPU that armed it, which waits for nobody. */
static void test_cancel_here(void **state)
{
	struct timer timer;

	(void)state;
	timer_init(&timer, NULL);
	timer_cancel_here(&timer); /* never armed */
	timer_arm(&timer, now_ns + 100);
	assert_int_equal(armed_ns, now_ns + 100);
	timer_cancel_here(&timer);
	assert_false(timer_armed(&timer));
	assert_int_equal(armed_ns, 0);
	now_ns += 200;
	interrupt(0, NULL); /* it has no function */
}

static atomic_bool begun, done;

static void take_long(struct timer *timer)
{
	(void)timer;
	begun = true;
	usleep(20000);
	done = true;
}

static void *run_elsewhere(void *arg)
{
	syscall(SYS_arch_prctl, ARCH_SET_GS, &other_cpu);
	timer_arm(arg, now_ns);
	interrupt(0, NULL);
	return NULL;
}

/* Who has cancelled may free it: its function does not run any more. */
static void test_cancel_waits_for_another_cpu(void **state)
{
	struct timer timer;
	pthread_t thread;

	(void)state;
	timer_init(&timer, take_long);
	assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, &timer), 0);
	while (!begun)
		sched_yield();
	timer_cancel(&timer);
	assert_true(done);
	pthread_join(thread, NULL);
}

/* Armed by one CPU and then by another, it is the other's alone: in time, and once. */
static void test_moves_to_the_cpu_that_arms_it(void **state)
{
	(void)state;
	sim[0].deadline_ns = sim[1].deadline_ns = 5000;
	go_to(&other_cpu);
	timer_arm(&sim[0].timer, 5000);
	timer_arm(&sim[1].timer, 5000);
	go_to(&cpu);
	sim[0].deadline_ns = 6000;
	timer_arm(&sim[0].timer, 6000);
	assert_int_equal(armed_ns, 6000);
	now_ns = 5000;
	go_to(&other_cpu);
	fire();
	assert_int_equal(other_armed_ns, 0);
	assert_int_equal(sim[0].fired, 0);
	assert_int_equal(sim[1].fired, 1);
	assert_true(timer_armed(&sim[0].timer));
	go_to(&cpu);
	now_ns = 6000;
	fire();
	assert_int_equal(sim[0].fired, 1);
	assert_false(timer_armed(&sim[0].timer));
}

/* Once each CPU; without memory there are no timers. */
static void test_start(void **state)
{
	struct timer_cpu *first = cpu.timer;

	(void)state;
	assert_int_equal(timer_init_this_cpu(), 0);
	assert_ptr_equal(cpu.timer, first);
	cpu.timer = NULL;
	no_memory = true;
	assert_int_equal(timer_init_this_cpu(), -ENOMEM);
	assert_null(cpu.timer);
	no_memory = false;
	cpu.timer = first;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_operations, start, stop),
		cmocka_unit_test_setup_teardown(test_early_interrupt, start, stop),
		cmocka_unit_test_setup_teardown(test_far_deadline, start, stop),
		cmocka_unit_test_setup_teardown(test_cancel_disarms_the_hardware, start, stop),
		cmocka_unit_test_setup_teardown(test_armed_elsewhere_while_its_function_runs,
						start, stop),
		cmocka_unit_test_setup_teardown(test_moves_to_the_cpu_that_arms_it, start,
						stop),
		cmocka_unit_test_setup_teardown(test_start, start, stop),
		cmocka_unit_test_setup_teardown(test_cancel_here, start, stop),
		cmocka_unit_test_setup_teardown(test_cancel_waits_for_another_cpu, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
