/*
 * A VM of twenty vCPUs with local APICs and an I/O APIC, and what its guest would do to them.
 * For the tests of vlapic.c and vlapic_ipi.c.
 */
#ifndef TESTS_UNIT_FAKE_LAPICS_H
#define TESTS_UNIT_FAKE_LAPICS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/vmm/vioapic.h"
#include "kernel/vmm/vlapic_internal.h"
#include "tests/unit/fake_vmm.h"

#define VCPUS	   20
#define BASE_MSR   0x1b
#define ENABLED	   0x1ff /* SVR */
#define ICR_SELF   0x40000
#define ICR_ALL	   0x80000
#define ICR_OTHERS 0xc0000

static struct vm *vm;

static inline struct vlapic *lapic(unsigned i)
{
	return vm->vcpus[i]->lapic;
}

static inline uint32_t get(unsigned i, enum lapic_reg reg)
{
	struct bus_access access = {.vcpu = vm->vcpus[i], .offset = reg * 16, .bytes = 4};

	vlapic_mmio(NULL, &access);
	return access.value;
}

static inline void set(unsigned i, enum lapic_reg reg, uint32_t value)
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

static inline int write_x2(unsigned i, enum lapic_reg reg, uint64_t value)
{
	return vlapic_wrmsr(lapic(i), 0x800 + reg, value);
}

static inline uint64_t read_x2(unsigned i, enum lapic_reg reg)
{
	uint64_t value = 0xdead;

	assert_int_equal(vlapic_rdmsr(lapic(i), 0x800 + reg, &value), 0);
	return value;
}

static inline void to_x2(unsigned i)
{
	uint64_t base;

	assert_int_equal(vlapic_rdmsr(lapic(i), BASE_MSR, &base), 0);
	assert_int_equal(vlapic_wrmsr(lapic(i), BASE_MSR, base | 0xc00), 0);
}

static inline unsigned fixed(unsigned i, unsigned vector, bool level)
{
	struct vlapic_message m = {.dest = i, .vector = vector, .level_triggered = level};

	return vlapic_deliver(vm, &m);
}

/* The vCPUs that hold `vector` in IRR, as bits; clears it there. */
static inline uint32_t takers(unsigned vector)
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
static inline uint32_t posted(uint32_t request)
{
	uint32_t who = 0;

	for (unsigned i = 0; i < VCPUS; i++) {
		if (vm->vcpus[i]->requests & request)
			who |= 1u << i;
		vm->vcpus[i]->requests &= ~request;
	}
	return who;
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VCPUS; i++)
		vlapic_destroy(lapic(i));
	vioapic_destroy(vm->ioapic);
	fake_vm_destroy(vm);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
