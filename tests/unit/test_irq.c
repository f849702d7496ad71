/* Pins that several devices share, and one that interrupts without end. The I/O APIC here is
 * two registers: what was written last is what is read. */
/* links: kernel/io/irq.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/io/acpi.h"
#include "kernel/io/irq.h"
#include "kernel/io/pic.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"

#define MASKED	   0x10000u
#define LEVEL	   0x8000u
#define ACTIVE_LOW 0x2000u

struct acpi_machine acpi_machine;
struct cpu cpu_boot;

static uint32_t registers[8]; /* select, and at 0x10 the window */
static unsigned errors, vectors;
static trap_handler pin_handler;
static void *pin_arg;

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	(void)area, (void)fmt;
	errors += level == LOG_ERROR;
}

static void *allocated[64];
static unsigned allocations, fail_at; /* allocations until one fails; 0: none does */
static bool unmapped;

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	if (fail_at && !--fail_at)
		return NULL;
	return allocated[allocations++] = calloc(1, bytes);
}

void heap_free(void *p)
{
	for (unsigned i = 0; i < allocations; i++)
		if (allocated[i] == p)
			allocated[i] = NULL;
	free(p);
}

void *vmap(uint64_t phys, uint64_t bytes, unsigned prot)
{
	(void)phys, (void)bytes, (void)prot;
	return unmapped ? NULL : registers;
}

int trap_alloc_vector(trap_handler handler, void *arg)
{
	pin_handler = handler;
	pin_arg = arg;
	return vectors ? 0x30 + (int)vectors++ : -ENOSPC;
}

void pic_mask_all(void)
{
}

static struct device {
	unsigned calls, claims;
} one, two;

static bool on_interrupt(void *arg)
{
	struct device *d = arg;

	d->calls++;
	return d->claims && d->claims--;
}

static void interrupt(unsigned times)
{
	while (times--)
		pin_handler(0x31, pin_arg);
}

static int start(void **state)
{
	(void)state;
	one = two = (struct device){0};
	errors = 0;
	vectors = 1;
	return 0;
}

/* The first: one whose registers cannot be mapped is as good as none. */
static void test_machines_without_io_apics(void **state)
{
	(void)state;
	unmapped = true;
	assert_int_equal(irq_init(), -ENODEV);
	assert_int_equal(irq_connect(11, IRQ_LEVEL_LOW, on_interrupt, &one), -ENXIO);
	unmapped = false;
	assert_int_equal(irq_init(), 0);
}

static void test_level_pins_are_shared(void **state)
{
	(void)state;
	assert_int_equal(irq_connect(11, IRQ_LEVEL_LOW, on_interrupt, &one), 0);
	assert_int_equal(registers[4], LEVEL | ACTIVE_LOW | 0x31);
	assert_int_equal(irq_connect(11, IRQ_LEVEL_LOW, on_interrupt, &two), 0);
	assert_int_equal(vectors, 2); /* of one vector */
	assert_int_equal(irq_connect(11, IRQ_LEVEL_HIGH, on_interrupt, &two), -EBUSY);
	interrupt(3);
	assert_int_equal(one.calls, 3);
	assert_int_equal(two.calls, 3);
}

static void test_edge_pins_are_not(void **state)
{
	(void)state;
	assert_int_equal(irq_connect(4, IRQ_EDGE_HIGH, on_interrupt, &one), 0);
	assert_int_equal(registers[4], 0x31);
	assert_int_equal(irq_connect(4, IRQ_EDGE_HIGH, on_interrupt, &two), -EBUSY);
	interrupt(100000); /* nor can they be stuck */
	assert_int_equal(registers[4], 0x31);
}

static void test_what_cannot_be_connected(void **state)
{
	(void)state;
	assert_int_equal(irq_connect(24, IRQ_LEVEL_LOW, on_interrupt, &one), -ENXIO);
	vectors = 0;
	assert_int_equal(irq_connect(12, IRQ_LEVEL_LOW, on_interrupt, &one), -ENOSPC);
}

/* Memory that is short at any place leaves the pin as it was. */
static void test_without_memory(void **state)
{
	unsigned n = 1;

	(void)state;
	for (;; n++) {
		fail_at = n;
		if (!irq_connect(13, IRQ_LEVEL_LOW, on_interrupt, &one))
			break;
		fail_at = 0;
		assert_int_equal(vectors, 1);
	}
	assert_int_equal(n, 3);
	fail_at = 1; /* and a second device */
	assert_int_equal(irq_connect(13, IRQ_LEVEL_LOW, on_interrupt, &two), -ENOMEM);
	fail_at = 0;
}

/* As the MADT says, or as ISA has it. */
static void test_isa_interrupts(void **state)
{
	static const struct {
		bool level, active_low;
		uint32_t entry;
	} cases[] = {{false, false, 0},
		     {false, true, ACTIVE_LOW},
		     {true, false, LEVEL},
		     {true, true, LEVEL | ACTIVE_LOW}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		acpi_machine.isa[1 + i] =
			(struct acpi_isa_irq){.gsi = 16 + i,
					      .level = cases[i].level,
					      .active_low = cases[i].active_low};
		vectors = 1;
		assert_int_equal(irq_connect_isa(1 + i, on_interrupt, &one), 0);
		assert_int_equal(registers[4], cases[i].entry | 0x31);
	}
	acpi_machine.isa[9].gsi = 24;
	assert_int_equal(irq_connect_isa(9, on_interrupt, &one), -ENXIO);
}

static void test_a_pin_that_nobody_explains_is_masked(void **state)
{
	(void)state;
	assert_int_equal(irq_connect(10, IRQ_LEVEL_LOW, on_interrupt, &one), 0);
	interrupt(9999);
	one.claims = 1;
	interrupt(9999); /* that one was explained: counting begins anew */
	assert_int_equal(registers[4] & MASKED, 0);
	assert_int_equal(errors, 0);
	interrupt(1000);
	assert_int_equal(registers[4] & MASKED, MASKED);
	assert_int_equal(errors, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_machines_without_io_apics, start),
		cmocka_unit_test_setup(test_level_pins_are_shared, start),
		cmocka_unit_test_setup(test_edge_pins_are_not, start),
		cmocka_unit_test_setup(test_what_cannot_be_connected, start),
		cmocka_unit_test_setup(test_without_memory, start),
		cmocka_unit_test_setup(test_isa_interrupts, start),
		cmocka_unit_test_setup(test_a_pin_that_nobody_explains_is_masked, start),
	};
	int failed;

	acpi_machine.ioapic_count = 1;
	registers[4] = 23 << 16; /* the version says how many pins there are, less one */
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (unsigned i = 0; i < allocations; i++)
		free(allocated[i]);
	return failed;
}
