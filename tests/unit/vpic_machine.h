/* The 8259 pair of a VM of three vCPUs, as tests drive it: by its ports and its lines. */
#ifndef TESTS_UNIT_VPIC_MACHINE_H
#define TESTS_UNIT_VPIC_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vpic.h"
#include "tests/unit/fake_vmm.h"

#define MASTER	    0x20
#define SLAVE	    0xa0
#define ELCR	    0x4d0
#define MASTER_BASE 0x30
#define SLAVE_BASE  0x38
#define EOI	    0x20

#define VCPUS	    3

struct vlapic {
	bool extint; /* LINT0 takes INTR */
};

static struct vlapic lapics[VCPUS];
static struct vm *vm;

bool vlapic_accepts_extint(const struct vlapic *lapic)
{
	return lapic->extint;
}

static inline void out(uint16_t port, uint8_t value)
{
	fake_write(vm, &vm->pio, port, 1, value);
}

static inline uint8_t in(uint16_t port)
{
	return fake_read(vm, &vm->pio, port, 1);
}

static inline void line(unsigned irq, bool level)
{
	vpic_set_line(vm->pic, irq, level);
}

static inline void pulse(unsigned irq)
{
	line(irq, true);
	line(irq, false);
}

static inline void program(uint8_t icw4)
{
	out(MASTER, 0x11);
	out(MASTER + 1, MASTER_BASE);
	out(MASTER + 1, 0x04);
	out(MASTER + 1, icw4);
	out(SLAVE, 0x11);
	out(SLAVE + 1, SLAVE_BASE);
	out(SLAVE + 1, 0x02);
	out(SLAVE + 1, icw4);
}

static inline uint8_t isr(uint16_t port)
{
	out(port, 0x0b);
	return in(port);
}

static inline uint8_t irr(uint16_t port)
{
	out(port, 0x0a);
	return in(port);
}

/* INTR must be up; the vector that comes. */
static inline uint8_t take(void)
{
	assert_true(vm->pic_intr);
	return vpic_acknowledge(vm->pic);
}

static inline int set_up(void **state)
{
	(void)state;
	vm = fake_vm_create(VCPUS, 0);
	for (unsigned i = 0; i < VCPUS; i++)
		lapics[i].extint = i == 0, vm->vcpus[i]->lapic = &lapics[i];
	vm->pic = vpic_create(vm);
	program(1);
	out(ELCR, 0); /* edges, but where a test says otherwise */
	out(ELCR + 1, 0);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	vpic_destroy(vm->pic);
	fake_vm_destroy(vm);
	return 0;
}

static inline void end(unsigned irq)
{
	if (irq >= 8)
		out(SLAVE, EOI);
	out(MASTER, EOI);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
