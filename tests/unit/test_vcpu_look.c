/*
 * What a look at a vCPU says, and when one is asked for: how long interrupts are off, by which
 * clock, what ends it; that one that is well is neither woken nor interrupted for it.
 */
/* links: kernel/vmm/vcpu_look.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/lib/x86.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vcpu_look.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

static uint64_t now_ns, run_ns;
static int pending;
static bool by_hardware, extint, enabled;
static unsigned posts;
static struct vm vm;
static struct vcpu vcpu;

uint64_t clock_now_ns(void)
{
	return now_ns;
}

uint64_t thread_time_run_ns(const struct thread *t)
{
	(void)t;
	return run_ns;
}

int vlapic_pending(struct vlapic *lapic)
{
	(void)lapic;
	return pending;
}

bool vlapic_by_hardware(const struct vlapic *lapic)
{
	(void)lapic;
	return by_hardware;
}

bool vlapic_takes_interrupts(const struct vlapic *lapic)
{
	(void)lapic;
	return enabled;
}

bool vlapic_accepts_extint(const struct vlapic *lapic)
{
	(void)lapic;
	return extint;
}

void vcpu_post(struct vcpu *v, uint32_t requests)
{
	assert_ptr_equal(v, &vcpu);
	atomic_fetch_or(&v->requests, requests);
	posts++;
}

static int fresh(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof vm);
	memset(&vcpu, 0, sizeof vcpu);
	vcpu.vm = &vm;
	vcpu.state = VCPU_RUNNING;
	now_ns = run_ns = 1000 * NSEC_PER_SEC;
	pending = -1;
	by_hardware = extint = false;
	enabled = true;
	posts = 0;
	return 0;
}

static void pass(uint64_t ns)
{
	now_ns += ns;
	if (vcpu.state == VCPU_RUNNING)
		run_ns += ns;
}

/* It is awake between two exits, and takes its requests. */
static void takes(void)
{
	if (atomic_exchange(&vcpu.requests, 0) & VCPU_REQ_LOOK)
		vcpu_look(&vcpu);
}

static void exits(void)
{
	vcpu.counters.exits[VMEXIT_HOST_INTERRUPT]++;
	takes();
}

static void look_after(uint64_t ns)
{
	pass(ns);
	vcpu_look(&vcpu);
}

/* The last of too little, and the first of enough. */
static void enough(void)
{
	look_after(VCPU_LOOK_OFF_NS - 1);
	assert_int_equal(vcpu_look_off_ns(&vcpu), 0);
	look_after(1);
	assert_int_equal(vcpu_look_off_ns(&vcpu), VCPU_LOOK_OFF_NS);
	look_after(5 * NSEC_PER_SEC);
	assert_int_equal(vcpu_look_off_ns(&vcpu), VCPU_LOOK_OFF_NS + 5 * NSEC_PER_SEC);
}

static void it_runs(void **state)
{
	(void)state;
	vcpu_look(&vcpu);
	now_ns += 100 * NSEC_PER_SEC; /* others had the CPU */
	vcpu_look(&vcpu);
	assert_int_equal(vcpu_look_off_ns(&vcpu), 0);
	enough();
	vcpu.rflags = RFLAGS_IF;
	vcpu_look(&vcpu);
	assert_int_equal(vcpu_look_off_ns(&vcpu), 0);
	vcpu.rflags = 0; /* and begins anew */
	vcpu_look(&vcpu);
	enough();
}

static void it_is_halted(void **state)
{
	(void)state;
	vcpu_look(&vcpu);
	look_after(20 * NSEC_PER_SEC);
	vcpu.state = VCPU_HALTED;
	vcpu_look(&vcpu);
	enough();
	vcpu.state = VCPU_RUNNING; /* an NMI woke it */
	vcpu_look(&vcpu);
	assert_int_equal(vcpu_look_off_ns(&vcpu), 0);
}

/* Its guest has taken it offline; the boot processor alone stays behind in no guest that is
 * well, and one that runs so does something. */
static void it_is_offline(void **state)
{
	(void)state;
	vcpu.id = 1;
	vcpu.state = VCPU_HALTED;
	enabled = false;
	vcpu_look(&vcpu);
	look_after(20 * NSEC_PER_SEC);
	assert_int_equal(vcpu_look_off_ns(&vcpu), 0);
	assert_false(vcpu.look.off);
	vcpu_look_ask(&vcpu); /* and is let sleep */
	takes();
	vcpu_look_ask(&vcpu);
	assert_false(atomic_load(&vcpu.requests) & VCPU_REQ_LOOK);
	enabled = true;
	vcpu_look(&vcpu);
	enough();
	enabled = false;
	vcpu.id = 0;
	vcpu_look(&vcpu);
	assert_int_not_equal(vcpu_look_off_ns(&vcpu), 0);
	vcpu.id = 1;
	vcpu.state = VCPU_RUNNING;
	vcpu_look(&vcpu);
	enough();
}

/* INIT ends whatever it was; one that waits for SIPI is well. */
static void it_waits_to_be_started(void **state)
{
	(void)state;
	vcpu_look(&vcpu);
	look_after(20 * NSEC_PER_SEC);
	vcpu.state = VCPU_WAIT_SIPI;
	look_after(NSEC_PER_SEC);
	assert_int_equal(vcpu_look_off_ns(&vcpu), 0);
	assert_false(vcpu.look.off);
}

/* That it took an interrupt shows that they were on in between. */
static void it_took_an_interrupt(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		look_after(NSEC_PER_SEC);
		vcpu.counters.injected[VMEVENT_INTERRUPT]++;
	}
	assert_int_equal(vcpu_look_off_ns(&vcpu), 0);
	vcpu_look(&vcpu);
	vcpu.counters.injected[VMEVENT_NMI]++; /* shows nothing */
	enough();
}

/* Where the CPU delivers interrupts by itself: only while one waits. */
static void interrupts_by_hardware(void **state)
{
	(void)state;
	by_hardware = true;
	for (unsigned i = 0; i < 20; i++)
		look_after(NSEC_PER_SEC);
	assert_int_equal(vcpu_look_off_ns(&vcpu), 0);
	pending = 0x41;
	vcpu_look(&vcpu);
	enough();
	pending = -1;
	vcpu_look(&vcpu);
	assert_int_equal(vcpu_look_off_ns(&vcpu), 0);
	vcpu.held = true;
	vcpu_look(&vcpu);
	enough();
	vcpu.held = false;
	vm.pic_intr = true;
	vcpu_look(&vcpu);
	assert_int_equal(vcpu_look_off_ns(&vcpu), 0); /* not for this CPU */
	extint = true;
	vcpu_look(&vcpu);
	enough();
	vm.pic_intr = false; /* HLT itself exits */
	vcpu.state = VCPU_HALTED;
	vcpu_look(&vcpu);
	enough();
}

/* ---- asking ------------------------------------------------------------------------------ */

static bool asked(void)
{
	return atomic_load(&vcpu.requests) & VCPU_REQ_LOOK;
}

static void one_that_is_well_is_not_disturbed(void **state)
{
	(void)state;
	vcpu.rflags = RFLAGS_IF;
	for (unsigned i = 0; i < 100; i++) {
		vcpu_look_ask(&vcpu);
		assert_true(asked());
		exits();
		exits();
	}
	assert_int_equal(posts, 0);
	vcpu.state = VCPU_HALTED; /* the look before it was asleep was the last */
	vcpu_look_ask(&vcpu);
	vcpu_look_ask(&vcpu);
	assert_int_equal(posts, 1);
	takes();
	for (unsigned i = 0; i < 100; i++)
		vcpu_look_ask(&vcpu);
	assert_int_equal(posts, 1);
	assert_false(asked());
	vcpu.state = VCPU_RUNNING; /* woken; no exit yet */
	vcpu_look_ask(&vcpu);
	assert_true(asked());
}

static void one_that_does_not_exit_is_kicked(void **state)
{
	(void)state;
	vcpu.rflags = RFLAGS_IF;
	vcpu_look_ask(&vcpu);
	assert_int_equal(posts, 0);
	vcpu_look_ask(&vcpu);
	assert_int_equal(posts, 1);
	exits();
	vcpu_look_ask(&vcpu);
	assert_int_equal(posts, 1);
}

static void one_that_looks_bad_is_kicked(void **state)
{
	(void)state;
	vcpu_look_ask(&vcpu);
	exits(); /* by itself, and with interrupts off */
	vcpu_look_ask(&vcpu);
	assert_int_equal(posts, 1);
	vcpu.state = VCPU_HALTED;
	exits();
	vcpu_look_ask(&vcpu);
	assert_int_equal(posts, 2); /* for as long as it is so */
	exits();
	vcpu_look_ask(&vcpu);
	assert_int_equal(posts, 3);
	vcpu.rflags = RFLAGS_IF;
	exits();
	vcpu_look_ask(&vcpu); /* it exited since */
	exits();
	vcpu_look_ask(&vcpu);
	exits();
	assert_int_equal(posts, 3);
}

static void those_that_wait_to_be_started_are_not_asked(void **state)
{
	(void)state;
	vcpu.state = VCPU_WAIT_SIPI;
	vcpu_look_ask(&vcpu);
	vcpu.state = VCPU_PARKED;
	vcpu_look_ask(&vcpu);
	assert_false(asked());
	vcpu.state = VCPU_RUNNING;
	vcpu_look(&vcpu);
	vcpu.state = VCPU_WAIT_SIPI; /* but once, if it looked bad */
	vcpu_look_ask(&vcpu);
	exits();
	vcpu_look_ask(&vcpu);
	assert_false(asked());
	assert_int_equal(posts, 1);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_runs),
		TEST(it_is_halted),
		TEST(it_is_offline),
		TEST(it_waits_to_be_started),
		TEST(it_took_an_interrupt),
		TEST(interrupts_by_hardware),
		TEST(one_that_is_well_is_not_disturbed),
		TEST(one_that_does_not_exit_is_kicked),
		TEST(one_that_looks_bad_is_kicked),
		TEST(those_that_wait_to_be_started_are_not_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
