/* The local APIC but its timer (test_vlapic_timer.c): priorities, EOI, destinations, modes. */
/* links: tests/unit/fake_vmm.c kernel/vmm/bus.c kernel/vmm/vioapic.c */
/* links: kernel/vmm/vlapic.c kernel/vmm/vlapic_ipi.c kernel/vmm/vlapic_timer.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "kernel/vmm/vioapic.h"
#include "kernel/vmm/vlapic_internal.h"
#include "tests/unit/fake_vmm.h"

#define VCPUS	    20
#define BASE_MSR    0x1b
#define ENABLED	    0x1ff /* SVR */
#define ICR_LOGICAL 0x800
#define ICR_SELF    0x40000
#define ICR_ALL	    0x80000
#define ICR_OTHERS  0xc0000

static struct vm *vm;

static struct vlapic *lapic(unsigned i)
{
	return vm->vcpus[i]->lapic;
}

static uint32_t get(unsigned i, enum lapic_reg reg)
{
	struct bus_access access = {.vcpu = vm->vcpus[i], .offset = reg * 16, .bytes = 4};

	vlapic_mmio(NULL, &access);
	return access.value;
}

static void set(unsigned i, enum lapic_reg reg, uint32_t value)
{
	struct bus_access access = {
		.vcpu = vm->vcpus[i],
		.offset = reg * 16,
		.value = value,
		.bytes = 4,
		.write = true,
	};

	vlapic_mmio(NULL, &access);
}

static int write_x2(unsigned i, enum lapic_reg reg, uint64_t value)
{
	return vlapic_wrmsr(lapic(i), 0x800 + reg, value);
}

static uint64_t read_x2(unsigned i, enum lapic_reg reg)
{
	uint64_t value = 0xdead;

	assert_int_equal(vlapic_rdmsr(lapic(i), 0x800 + reg, &value), 0);
	return value;
}

static void to_x2(unsigned i)
{
	uint64_t base;

	assert_int_equal(vlapic_rdmsr(lapic(i), BASE_MSR, &base), 0);
	assert_int_equal(vlapic_wrmsr(lapic(i), BASE_MSR, base | 0xc00), 0);
}

static unsigned fixed(unsigned i, unsigned vector, bool level)
{
	struct vlapic_message m = {.dest = i, .vector = vector, .level_triggered = level};

	return vlapic_deliver(vm, &m);
}

/* The vCPUs that hold `vector` in IRR, as bits; clears it there. */
static uint32_t takers(unsigned vector)
{
	uint32_t who = 0;

	for (unsigned i = 0; i < VCPUS; i++)
		if (vlapic_pending(lapic(i)) == (int)vector) {
			who |= 1u << i;
			vlapic_accept(lapic(i), vector);
			if (lapic_is_x2(lapic(i)))
				write_x2(i, LAPIC_EOI, 0);
			else
				set(i, LAPIC_EOI, 0);
		}
	return who;
}

/* Who was posted the request; clears it. */
static uint32_t posted(uint32_t request)
{
	uint32_t who = 0;

	for (unsigned i = 0; i < VCPUS; i++) {
		if (vm->vcpus[i]->requests & request)
			who |= 1u << i;
		vm->vcpus[i]->requests &= ~request;
	}
	return who;
}

static int set_up(void **state)
{
	(void)state;
	vm = fake_vm_create(VCPUS, 1000);
	vm->ioapic = vioapic_create(vm);
	for (unsigned i = 0; i < VCPUS; i++) {
		vm->vcpus[i]->lapic = vlapic_create(vm->vcpus[i]);
		set(i, LAPIC_SVR, ENABLED);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VCPUS; i++)
		vlapic_destroy(lapic(i));
	vioapic_destroy(vm->ioapic);
	fake_vm_destroy(vm);
	return 0;
}

static void registers_after_reset(void **state)
{
	static const struct {
		enum lapic_reg reg;
		uint32_t value;
	} after[] = {
		{LAPIC_ID, 3u << 24},
		{LAPIC_VERSION, 0x50014},
		{LAPIC_TPR, 0},
		{LAPIC_PPR, 0},
		{LAPIC_LDR, 0},
		{LAPIC_DFR, 0xffffffff},
		{LAPIC_SVR, 0xff},
		{LAPIC_LVT_TIMER, 0x10000},
		{LAPIC_LVT_THERMAL, 0x10000},
		{LAPIC_LVT_COUNTER, 0x10000},
		{LAPIC_LVT_LINT0, 0x10000},
		{LAPIC_LVT_LINT1, 0x10000},
		{LAPIC_LVT_ERROR, 0x10000},
		{LAPIC_TIMER_INITIAL, 0},
		{LAPIC_TIMER_DIVIDE, 0},
		{LAPIC_ESR, 0},
	};

	(void)state;
	fixed(3, 0x50, false);
	set(3, LAPIC_TPR, 0x20);
	vlapic_reset(lapic(3), true);
	for (unsigned i = 0; i < ARRAY_SIZE(after); i++)
		assert_int_equal(get(3, after[i].reg), after[i].value);
	assert_int_equal(vlapic_pending(lapic(3)), -1);
	assert_false(vlapic_accepts_extint(lapic(3)));

	/* The first CPU is as firmware leaves it, but only at power-on. */
	vlapic_reset(lapic(0), false);
	assert_int_equal(get(0, LAPIC_SVR), 0x1ff);
	assert_true(vlapic_accepts_extint(lapic(0)));
	vlapic_reset(lapic(0), true);
	assert_int_equal(get(0, LAPIC_SVR), 0xff);
	assert_false(vlapic_accepts_extint(lapic(0)));
}

static void interrupts_come_by_priority(void **state)
{
	(void)state;
	fixed(0, 0x31, false);
	fixed(0, 0x95, false);
	fixed(0, 0x3f, false);
	assert_int_equal(posted(VCPU_REQ_IRQ), 1);
	assert_int_equal(vlapic_pending(lapic(0)), 0x95);
	vlapic_accept(lapic(0), 0x95);
	assert_int_equal(get(0, LAPIC_PPR), 0x90);
	assert_int_equal(vlapic_pending(lapic(0)), -1);
	fixed(0, 0x9f, false); /* same class: waits */
	assert_int_equal(vlapic_pending(lapic(0)), -1);
	fixed(0, 0xa0, false); /* higher class: nests */
	assert_int_equal(vlapic_pending(lapic(0)), 0xa0);
	vlapic_accept(lapic(0), 0xa0);
	set(0, LAPIC_EOI, 0);
	assert_int_equal(get(0, LAPIC_PPR), 0x90);
	assert_int_equal(vlapic_pending(lapic(0)), -1);
	set(0, LAPIC_EOI, 0);
	assert_int_equal(vlapic_pending(lapic(0)), 0x9f);
	set(0, LAPIC_TPR, 0x90);
	assert_int_equal(vlapic_pending(lapic(0)), -1);
	assert_int_equal(vlapic_get_cr8(lapic(0)), 9);
	assert_int_equal(vlapic_tpr_threshold(lapic(0)), 9);
	vlapic_set_cr8(lapic(0), 8);
	assert_int_equal(get(0, LAPIC_TPR), 0x80);
	assert_int_equal(vlapic_tpr_threshold(lapic(0)), 0);
	assert_int_equal(vlapic_pending(lapic(0)), 0x9f);
	vlapic_accept(lapic(0), 0x9f);
	set(0, LAPIC_EOI, 0);
	set(0, LAPIC_EOI, 0); /* one too many */
	vlapic_set_cr8(lapic(0), 0);
	assert_int_equal(vlapic_pending(lapic(0)), 0x3f);
}

/* The PPR keeps TPR's low bits where TPR decides (SDM vol. 3A 10.8.3.1). */
static void ppr_follows_tpr_and_isr(void **state)
{
	static const struct {
		unsigned tpr, isr, ppr;
	} cases[] = {
		{0x00, 0, 0x00},    {0x35, 0, 0x35},	{0x35, 0x2f, 0x35},
		{0x35, 0x3f, 0x35}, {0x35, 0x41, 0x40}, {0xff, 0xf1, 0xff},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		set(0, LAPIC_TPR, 0);
		if (cases[i].isr)
			vlapic_accept(lapic(0), cases[i].isr);
		set(0, LAPIC_TPR, cases[i].tpr);
		assert_int_equal(get(0, LAPIC_PPR), cases[i].ppr);
		set(0, LAPIC_EOI, 0);
	}
}

static void software_disable_masks_and_drops(void **state)
{
	(void)state;
	set(1, LAPIC_LVT_ERROR, 0x40);
	fixed(1, 0x50, false);
	set(1, LAPIC_SVR, 0xff);
	assert_int_equal(get(1, LAPIC_LVT_ERROR), 0x10040);
	set(1, LAPIC_LVT_ERROR, 0x41); /* stays masked */
	assert_int_equal(get(1, LAPIC_LVT_ERROR), 0x10041);
	assert_int_equal(fixed(1, 0x60, false), 0);
	assert_int_equal(vlapic_pending(lapic(1)), 0x50); /* held, as it was before */
	set(1, LAPIC_ICR_HIGH, 1u << 24);
	set(1, LAPIC_ICR, 0x400); /* NMI goes through, both ways */
	assert_int_equal(posted(VCPU_REQ_NMI), 2);
}

static void errors_are_latched_by_a_write(void **state)
{
	(void)state;
	set(0, LAPIC_LVT_ERROR, 0xfe);
	assert_int_equal(fixed(0, 3, false), 0);
	assert_int_equal(vlapic_pending(lapic(0)), 0xfe);
	assert_int_equal(get(0, LAPIC_ESR), 0);
	set(0, LAPIC_ESR, 0);
	assert_int_equal(get(0, LAPIC_ESR), 0x40);
	set(0, LAPIC_ESR, 0);
	assert_int_equal(get(0, LAPIC_ESR), 0);
	set(0, LAPIC_ICR, ICR_SELF | 15);
	get(0, 0x3a);
	set(0, LAPIC_LVT_ERROR, 7); /* an error about an error ends somewhere */
	set(0, 0x01, 0);
	set(0, LAPIC_ESR, 0);
	assert_int_equal(get(0, LAPIC_ESR), 0xa0);
}

static void physical_destinations(void **state)
{
	(void)state;
	set(2, LAPIC_ICR_HIGH, 5u << 24);
	set(2, LAPIC_ICR, 0x40);
	assert_int_equal(get(2, LAPIC_ICR), 0x40);
	assert_int_equal(takers(0x40), 1 << 5);
	set(2, LAPIC_ICR_HIGH, 0xffu << 24);
	set(2, LAPIC_ICR, 0x41);
	assert_int_equal(takers(0x41), (1u << VCPUS) - 1);
	set(2, LAPIC_ICR_HIGH, 77u << 24); /* nobody */
	set(2, LAPIC_ICR, 0x42);
	assert_int_equal(takers(0x42), 0);
}

static void logical_destinations(void **state)
{
	static const struct {
		uint32_t dfr;
		uint8_t ldr[4]; /* of vCPUs 0 to 3 */
		uint8_t dest;
		uint32_t who;
	} cases[] = {
		{0xffffffff, {1, 2, 4, 8}, 0x05, 5},
		{0xffffffff, {1, 2, 4, 0x80}, 0x80, 8},
		{0xffffffff, {1, 1, 4, 8}, 0x01, 3},
		{0xffffffff, {1, 2, 4, 8}, 0x10, 0},
		{0x0fffffff, {0x11, 0x12, 0x21, 0x22}, 0x13, 3},
		{0x0fffffff, {0x11, 0x12, 0x21, 0x22}, 0x22, 8},
		{0x0fffffff, {0x11, 0x12, 0x21, 0x22}, 0x31, 0},
		{0x0fffffff, {0x11, 0x12, 0x21, 0x22}, 0x14, 0},
	};

	(void)state;
	for (unsigned c = 0; c < ARRAY_SIZE(cases); c++) {
		for (unsigned i = 0; i < 4; i++) {
			set(i, LAPIC_DFR, cases[c].dfr);
			set(i, LAPIC_LDR, (uint32_t)cases[c].ldr[i] << 24);
		}
		set(9, LAPIC_ICR_HIGH, (uint32_t)cases[c].dest << 24);
		set(9, LAPIC_ICR, ICR_LOGICAL | 0x50);
		assert_int_equal(takers(0x50), cases[c].who);
	}
	set(9, LAPIC_ICR_HIGH, 0xffu << 24);
	set(9, LAPIC_ICR, ICR_LOGICAL | 0x50);
	assert_int_equal(takers(0x50), (1u << VCPUS) - 1);
}

static void shorthands(void **state)
{
	const uint32_t all = (1u << VCPUS) - 1;

	(void)state;
	set(4, LAPIC_ICR, ICR_SELF | 0x60);
	assert_int_equal(takers(0x60), 1 << 4);
	set(4, LAPIC_ICR, ICR_ALL | 0x61);
	assert_int_equal(takers(0x61), all);
	set(4, LAPIC_ICR, ICR_OTHERS | 0x62);
	assert_int_equal(takers(0x62), all & ~(1u << 4));
	set(4, LAPIC_ICR, ICR_OTHERS | 0x400);
	assert_int_equal(posted(VCPU_REQ_NMI), all & ~(1u << 4));
	/* INIT and NMI for oneself do not exist (SDM vol. 3A table 10-3). */
	set(4, LAPIC_ICR, ICR_SELF | 0x500);
	set(4, LAPIC_ICR, ICR_ALL | 0x400);
	assert_int_equal(posted(VCPU_REQ_NMI | VCPU_REQ_INIT), 0);
}

static void starting_processors(void **state)
{
	(void)state;
	posted(~0u);
	set(0, LAPIC_ICR_HIGH, 6u << 24);
	set(0, LAPIC_ICR, 0xc500); /* INIT, level, assert */
	assert_int_equal(posted(VCPU_REQ_INIT), 1 << 6);
	set(0, LAPIC_ICR, 0x8500); /* de-assert: nothing */
	assert_int_equal(posted(~0u), 0);
	set(0, LAPIC_ICR, 0x500); /* INIT, edge */
	assert_int_equal(posted(VCPU_REQ_INIT), 1 << 6);
	set(0, LAPIC_ICR, 0x69a);
	assert_int_equal(posted(VCPU_REQ_SIPI), 1 << 6);
	assert_int_equal(vm->vcpus[6]->sipi_vector, 0x9a);
	set(0, LAPIC_ICR, 0x200); /* SMI */
	set(0, LAPIC_ICR, 0x300); /* reserved */
	set(0, LAPIC_ICR, 0x700); /* ExtINT */
	assert_int_equal(posted(~0u), 0);
}

static void lowest_priority_finds_the_idle_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VCPUS; i++)
		set(i, LAPIC_TPR, 0x80);
	set(7, LAPIC_TPR, 0x30);
	set(8, LAPIC_TPR, 0x20);
	set(8, LAPIC_SVR, 0xff); /* the idlest one does not take part */
	set(0, LAPIC_ICR_HIGH, 0xffu << 24);
	set(0, LAPIC_ICR, 0x100 | 0x90);
	assert_int_equal(takers(0x90), 1 << 7);

	/* Among equals, vectors spread. */
	set(8, LAPIC_SVR, ENABLED);
	for (unsigned i = 0; i < VCPUS; i++)
		set(i, LAPIC_TPR, 0);
	set(0, LAPIC_ICR, 0x100 | 0xa0);
	set(0, LAPIC_ICR, 0x100 | 0xa1);
	assert_int_equal(takers(0xa0), 1 << 0xa0 % VCPUS);
	assert_int_equal(takers(0xa1), 1 << 0xa1 % VCPUS);
}

static void messages_of_devices(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		set(i, LAPIC_LDR, 1u << (24 + i));
	vlapic_msi(vm, 0xfee03000, 0x4041);
	assert_int_equal(takers(0x41), 1 << 3);
	vlapic_msi(vm, 0xfee06004, 0x42); /* logical */
	assert_int_equal(takers(0x42), 6);
	vlapic_msi(vm, 0xfee0600c, 0x43); /* logical with hint: one of them */
	assert_int_equal(__builtin_popcount(takers(0x43)), 1);
	vlapic_msi(vm, 0xfee03000, 0x8044); /* level, de-asserted */
	vlapic_msi(vm, 0xfed03000, 0x45);   /* not the APIC's address */
	vlapic_msi(vm, 0x1fee03000, 0x46);
	assert_int_equal(vlapic_pending(lapic(3)), -1);
	vlapic_msi(vm, 0xfee02000, 0x400);
	assert_int_equal(posted(VCPU_REQ_NMI), 4);
	to_x2(3);
	vlapic_msi(vm, 0xfeeff000, 0x47); /* broadcast reaches x2APICs too */
	assert_int_equal(takers(0x47), (1u << VCPUS) - 1);
}

static void level_interrupts_tell_the_ioapic(void **state)
{
	(void)state;
	/* Pin 5: vector 0x71, level, to vCPU 1. */
	fake_write(vm, &vm->mmio, VIOAPIC_BASE, 4, 0x1b);
	fake_write(vm, &vm->mmio, VIOAPIC_BASE + 0x10, 4, 1u << 24);
	fake_write(vm, &vm->mmio, VIOAPIC_BASE, 4, 0x1a);
	fake_write(vm, &vm->mmio, VIOAPIC_BASE + 0x10, 4, 0x8071);
	vioapic_set_pin(vm->ioapic, 5, true);
	assert_int_equal(get(1, LAPIC_TMR + 3), 1 << 17);
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(vlapic_pending(lapic(1)), 0x71);
		vlapic_accept(lapic(1), 0x71);
		assert_int_equal(fake_read(vm, &vm->mmio, VIOAPIC_BASE + 0x10, 4), 0xc071);
		set(1, LAPIC_EOI, 0); /* still asserted: comes again */
	}
	vlapic_accept(lapic(1), 0x71);
	vioapic_set_pin(vm->ioapic, 5, false);
	set(1, LAPIC_EOI, 0);
	assert_int_equal(vlapic_pending(lapic(1)), -1);
	assert_int_equal(fake_read(vm, &vm->mmio, VIOAPIC_BASE + 0x10, 4), 0x8071);
	fixed(1, 0x71, false); /* an edge with that vector is not a level */
	assert_int_equal(get(1, LAPIC_TMR + 3), 0);
}

static void extint_goes_through_lint0(void **state)
{
	(void)state;
	set(2, LAPIC_LVT_LINT0, 0x700);
	assert_true(vlapic_accepts_extint(lapic(2)));
	set(2, LAPIC_LVT_LINT0, 0x10700);
	assert_false(vlapic_accepts_extint(lapic(2)));
	set(2, LAPIC_LVT_LINT0, 0x40);
	assert_false(vlapic_accepts_extint(lapic(2)));
	assert_int_equal(vlapic_wrmsr(lapic(2), BASE_MSR, VLAPIC_DEFAULT_BASE), 0);
	assert_true(vlapic_accepts_extint(lapic(2))); /* no APIC in the way */
}

/* SDM vol. 3A figure 10-27, and reserved bits. The state after each step is checked. */
static void base_transitions(void **state)
{
	static const struct {
		uint64_t value;
		int result;
		uint64_t after;
	} steps[] = {
		{0xfee00c00, 0, 0xfee00c00},	  /* xAPIC to x2APIC */
		{0xfee00800, -EPERM, 0xfee00c00}, /* not back */
		{0xfee00400, -EPERM, 0xfee00c00}, /* not a mode */
		{0xfee00000, 0, 0xfee00000},	  /* off */
		{0xfee00c00, -EPERM, 0xfee00000}, /* not at once */
		{0xfee00400, -EPERM, 0xfee00000},   {0xfee00800, 0, 0xfee00800},
		{0xfee00801, -EPERM, 0xfee00800},   {0xfee00a00, -EPERM, 0xfee00800},
		{0x80fee00800, -EPERM, 0xfee00800}, /* beyond MAXPHYADDR */
		{0xfed00900, 0, 0xfee00800},	    /* address and BSP do not change */
		{0xfee00c00, 0, 0xfee00c00},	    {0xfee00c00, 0, 0xfee00c00},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		uint64_t base;

		assert_int_equal(vlapic_wrmsr(lapic(9), BASE_MSR, steps[i].value),
				 steps[i].result);
		assert_int_equal(vlapic_rdmsr(lapic(9), BASE_MSR, &base), 0);
		assert_int_equal(base, steps[i].after);
	}
	vlapic_reset(lapic(9), true); /* INIT keeps the mode */
	assert_int_equal(read_x2(9, LAPIC_ID), 9);
	vlapic_reset(lapic(9), false);
	assert_int_equal(get(9, LAPIC_ID), 9u << 24);
}

static void disabled_apic_is_not_there(void **state)
{
	uint64_t value;

	(void)state;
	fixed(3, 0x50, false);
	assert_int_equal(vlapic_wrmsr(lapic(3), BASE_MSR, VLAPIC_DEFAULT_BASE), 0);
	assert_int_equal(get(3, LAPIC_VERSION), 0xffffffff);
	set(3, LAPIC_SVR, ENABLED);
	assert_int_equal(fixed(3, 0x51, false), 0);
	assert_int_equal(vlapic_pending(lapic(3)), -1);
	assert_int_equal(vlapic_rdmsr(lapic(3), 0x802, &value), -EPERM);
	assert_int_equal(vlapic_wrmsr(lapic(3), BASE_MSR, VLAPIC_DEFAULT_BASE | 0x800), 0);
	assert_int_equal(get(3, LAPIC_SVR), 0xff); /* as after reset */
	assert_int_equal(vlapic_pending(lapic(3)), -1);
}

static void x2apic_registers(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(vlapic_rdmsr(lapic(18), 0x802, &value), -EPERM); /* not yet */
	set(18, LAPIC_TPR, 0x30);
	to_x2(18);
	assert_int_equal(read_x2(18, LAPIC_ID), 18);
	assert_int_equal(read_x2(18, LAPIC_LDR), 0x10004);
	assert_int_equal(read_x2(18, LAPIC_TPR), 0x30);
	assert_int_equal(get(18, LAPIC_ID), 0xffffffff); /* no MMIO any more */
	assert_int_equal(write_x2(18, LAPIC_ICR, 0x0000001200000043), 0);
	assert_int_equal(read_x2(18, LAPIC_ICR), 0x0000001200000043);
	assert_int_equal(takers(0x43), 1 << 18);
	assert_int_equal(write_x2(18, LAPIC_SELF_IPI, 0x44), 0);
	assert_int_equal(takers(0x44), 1 << 18);
	assert_int_equal(write_x2(18, LAPIC_ICR, 0xffffffff00000045), 0);
	assert_int_equal(takers(0x45), (1u << VCPUS) - 1);
	assert_int_equal(write_x2(18, LAPIC_ICR, 0x000000ff00000046), 0); /* an ID now */
	assert_int_equal(takers(0x46), 0);
	for (unsigned i = 15; i < 18; i++)
		to_x2(i);
	assert_int_equal(write_x2(18, LAPIC_ICR, 0x0001000700000847), 0);
	assert_int_equal(takers(0x47), 7 << 16);
	assert_int_equal(write_x2(18, LAPIC_ICR, 0x0000800100000848), 0);
	assert_int_equal(takers(0x48), 1 << 15);
}

/* Reserved bits, read-only, write-only and absent registers raise #GP (SDM 10.12.1.3). */
static void x2apic_refusals(void **state)
{
	static const struct {
		unsigned reg;
		uint64_t value;
		int result;
	} writes[] = {
		{LAPIC_ID, 0, -EPERM},
		{LAPIC_VERSION, 0, -EPERM},
		{LAPIC_TPR, 0x100, -EPERM},
		{LAPIC_TPR, 0xff, 0},
		{LAPIC_TPR, 1ull << 32, -EPERM},
		{LAPIC_TPR, 0, 0},
		{LAPIC_PPR, 0, -EPERM},
		{LAPIC_EOI, 1, -EPERM},
		{LAPIC_EOI, 0, 0},
		{LAPIC_LDR, 0, -EPERM},
		{LAPIC_DFR, 0, -EPERM},
		{LAPIC_SVR, 0x1000, -EPERM},
		{LAPIC_SVR, 0x1ff, 0},
		{LAPIC_IRR, 0, -EPERM},
		{LAPIC_ESR, 1, -EPERM},
		{LAPIC_ESR, 0, 0},
		{LAPIC_ICR, 0x00100041, -EPERM},
		{LAPIC_ICR, 0x00020041, -EPERM},
		{LAPIC_ICR, 0x00002041, -EPERM},
		{LAPIC_ICR, 0x00041041, 0}, /* the old busy bit */
		{LAPIC_ICR_HIGH, 0, -EPERM},
		{LAPIC_LVT_TIMER, 0x80040, -EPERM},
		{LAPIC_LVT_TIMER, 0x11040, 0}, /* delivery status is read-only */
		{LAPIC_LVT_LINT0, 0x1f7ff, 0},
		{LAPIC_LVT_ERROR, 0x10700, -EPERM},
		{LAPIC_TIMER_CURRENT, 0, -EPERM},
		{LAPIC_TIMER_INITIAL, 0x100000000, -EPERM},
		{LAPIC_TIMER_DIVIDE, 4, -EPERM},
		{LAPIC_TIMER_DIVIDE, 0xb, 0},
		{LAPIC_SELF_IPI, 0x100, -EPERM},
		{0x2f, 0x10000, -EPERM}, /* CMCI */
		{0x40, 0, -EPERM},
		{0xff, 0, -EPERM},
	};
	static const unsigned unreadable[] = {0,
					      LAPIC_APR,
					      LAPIC_EOI,
					      LAPIC_RRD,
					      LAPIC_DFR,
					      LAPIC_ICR_HIGH,
					      LAPIC_SELF_IPI,
					      0x2f,
					      0x40,
					      0xff};
	uint64_t value;

	(void)state;
	to_x2(0);
	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
		assert_int_equal(write_x2(0, writes[i].reg, writes[i].value), writes[i].result);
	assert_int_equal(read_x2(0, LAPIC_LVT_LINT0), 0x1a7ff);
	assert_int_equal(read_x2(0, LAPIC_LVT_TIMER), 0x10040);
	for (unsigned i = 0; i < ARRAY_SIZE(unreadable); i++)
		assert_int_equal(vlapic_rdmsr(lapic(0), 0x800 + unreadable[i], &value), -EPERM);
	assert_true(vlapic_owns_msr(0x1b) && vlapic_owns_msr(0x6e0) && vlapic_owns_msr(0x8ff));
	assert_false(vlapic_owns_msr(0x900) || vlapic_owns_msr(0x7ff) || vlapic_owns_msr(0x1c));
}

/* Every register, width and offset with any value: nothing may break, least of all memory. */
static void hostile_accesses(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned n = 0; n < 200000; n++) {
		uint64_t random = fake_random(&seed), value = fake_random(&seed);
		unsigned who = random % 4;
		struct bus_access access = {
			.vcpu = vm->vcpus[who],
			.offset = random >> 8 & 0xfff,
			.value = value,
			.bytes = 1u << (random >> 24 & 3),
			.write = random & BIT(30),
		};
		uint32_t msr = 0x800 + (random >> 40 & 0x4f);

		if (random & BIT(31))
			access.offset &= 0x3f0;
		access.offset = MIN(access.offset, PAGE_BYTES - access.bytes);
		if (random & BIT(32))
			value &= 0xfff;
		switch (random >> 33 & 7) {
		case 0: vlapic_rdmsr(lapic(who), msr, &value); break;
		case 1: vlapic_wrmsr(lapic(who), msr, value); break;
		case 2: vlapic_wrmsr(lapic(who), BASE_MSR, 0xfee00000 | (value & 0xc00)); break;
		case 3: vlapic_msi(vm, 0xfee00000 | (value & 0xfffff), value >> 32); break;
		default: vlapic_mmio(NULL, &access);
		}
		if (vlapic_pending(lapic(who)) >= 0)
			vlapic_accept(lapic(who), vlapic_pending(lapic(who)));
		fake_run_until(fake_now_ns + (random >> 48 & 0xff));
	}
}

/* The plainest model of priorities, for random_operations_agree_with_a_model(). */
struct model {
	bool irr[256], isr[256];
	unsigned tpr;
};

static int model_highest(const bool *set_of)
{
	for (int v = 255; v >= 0; v--)
		if (set_of[v])
			return v;
	return -1;
}

static int model_pending(const struct model *m)
{
	int irr = model_highest(m->irr), isr = model_highest(m->isr);

	return irr >= 0 && irr / 16 > isr / 16 && irr / 16 > (int)m->tpr / 16 ? irr : -1;
}

static void random_operations_agree_with_a_model(void **state)
{
	struct model m = {.tpr = 0};
	uint64_t seed = 99;

	(void)state;
	for (unsigned n = 0; n < 100000; n++) {
		unsigned vector = 16 + fake_random(&seed) % 240;
		int pending = model_pending(&m), served;

		assert_int_equal(vlapic_pending(lapic(0)), pending);
		switch (fake_random(&seed) % 4) {
		case 0:
			m.irr[vector] = true;
			assert_int_equal(fixed(0, vector, vector & 1), 1);
			break;
		case 1:
			if (pending < 0)
				break;
			m.irr[pending] = false;
			m.isr[pending] = true;
			vlapic_accept(lapic(0), pending);
			break;
		case 2:
			served = model_highest(m.isr);
			if (served >= 0)
				m.isr[served] = false;
			set(0, LAPIC_EOI, 0);
			break;
		case 3:
			m.tpr = fake_random(&seed) & fake_random(&seed) & 0xff;
			set(0, LAPIC_TPR, m.tpr);
			break;
		}
		for (unsigned reg = 0; n % 64 == 0 && reg < 8; reg++)
			for (unsigned bit = 0; bit < 32; bit++) {
				assert_int_equal(get(0, LAPIC_IRR + reg) >> bit & 1,
						 m.irr[reg * 32 + bit]);
				assert_int_equal(get(0, LAPIC_ISR + reg) >> bit & 1,
						 m.isr[reg * 32 + bit]);
			}
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers_after_reset),
		TEST(interrupts_come_by_priority),
		TEST(ppr_follows_tpr_and_isr),
		TEST(software_disable_masks_and_drops),
		TEST(errors_are_latched_by_a_write),
		TEST(physical_destinations),
		TEST(logical_destinations),
		TEST(shorthands),
		TEST(starting_processors),
		TEST(lowest_priority_finds_the_idle_one),
		TEST(messages_of_devices),
		TEST(level_interrupts_tell_the_ioapic),
		TEST(extint_goes_through_lint0),
		TEST(base_transitions),
		TEST(disabled_apic_is_not_there),
		TEST(x2apic_registers),
		TEST(x2apic_refusals),
		TEST(hostile_accesses),
		TEST(random_operations_agree_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
