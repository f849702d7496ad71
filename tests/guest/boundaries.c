/*
 * What may come between two instructions, and what not, while a timer's interrupts come at any
 * of them, the guest's and with each one or more of the host's. An exception goes to its
 * handler once, with the state that it was raised in; with IF clear no interrupt comes, though
 * one waits and others follow. Once more in x2APIC mode, where CPUs deliver interrupts
 * themselves.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define VECTOR_TICK 0x62
#define TICK	    100000 /* of the APIC timer, undivided */
#define ROUNDS	    200
#define EXCEPTIONS  200 /* in a round */
#define CLEAR_US    500 /* some ticks */
#define RFLAGS_IF   0x200
#define UD2_BYTES   2

static volatile bool clear;
static volatile unsigned ticks, within, exceptions, astray;
static volatile uint64_t raised_rip, raised_rsp;

static void on_tick(struct frame *frame)
{
	ticks++;
	if (clear || !(frame->rflags & RFLAGS_IF))
		within++;
	apic_eoi();
}

/* Goes on behind the UD2 in any case. */
static void on_invalid(struct frame *frame)
{
	exceptions++;
	if (frame->rip != raised_rip || frame->rsp != raised_rsp ||
	    !(frame->rflags & RFLAGS_IF))
		astray++;
	frame->rip = raised_rip + UD2_BYTES;
	frame->rsp = raised_rsp;
	frame->rflags |= RFLAGS_IF;
}

static void raise(void)
{
	asm volatile("lea 1f(%%rip), %%rax\n\t"
		     "mov %%rax, %[rip]\n\t"
		     "mov %%rsp, %[rsp]\n"
		     "1:\tud2"
		     : [rip] "=m"(raised_rip), [rsp] "=m"(raised_rsp)
		     :
		     : "rax", "memory");
}

static bool tick_waits(void)
{
	return apic_read(APIC_IRR + VECTOR_TICK / 32 * 0x10) & BIT(VECTOR_TICK % 32);
}

/* For as long as some ticks take; where the machine is busy, until there is one. */
static void keep_clear(uint64_t tsc)
{
	uint64_t begin;

	irq_off();
	clear = true;
	begin = rdtsc();
	while (rdtsc() - begin < tsc || (!tick_waits() && rdtsc() - begin < 1000 * tsc))
		;
	clear = false;
	irq_on();
}

static void test_mode(const char *mode)
{
	uint64_t tsc = tsc_khz() * CLEAR_US / 1000;

	ticks = within = exceptions = astray = 0;
	apic_write(APIC_TIMER_DIVIDE, TIMER_BY_1);
	apic_write(APIC_LVT_TIMER, TIMER_PERIODIC | VECTOR_TICK);
	apic_write(APIC_TIMER_INITIAL, TICK);
	irq_on();
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < EXCEPTIONS; i++)
			raise();
		keep_clear(tsc);
	}
	irq_off();
	apic_write(APIC_TIMER_INITIAL, 0);
	print("%s: %u exceptions, %u ticks\n", mode, exceptions, ticks);
	check(exceptions == ROUNDS * EXCEPTIONS && !astray, "each exception once",
	      "%s: %u of %u, %u of them with another state", mode, exceptions,
	      ROUNDS * EXCEPTIONS, astray);
	check(!within, "none with IF clear", "%s: %u of %u", mode, within, ticks);
	check(ticks >= ROUNDS, "they come", "%s: %u", mode, ticks);
}

void test(void)
{
	trap_handler(VECTOR_TICK, on_tick);
	trap_handler(VECTOR_UD, on_invalid);
	test_mode("xAPIC");
	if (!apic_has_x2()) {
		skip("x2APIC", "this CPU has none");
		return;
	}
	apic_enable_x2();
	test_mode("x2APIC");
}
