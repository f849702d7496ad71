/* How a PC is wired: which line is which pin, and where messages and ends of interrupts go. */
/* links: kernel/vmm/pc_irqs.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/vmm/pc_irqs.h"
#include "kernel/vmm/vioapic.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vpic.h"

/* The controllers, and what each was told last. */
struct vioapic {
	bool there, level;
	unsigned pin, eois;
	uint8_t eoi_vector;
};
struct vpic {
	bool there, level;
	unsigned line;
};

static struct vm vm;
static struct vioapic ioapic;
static struct vpic pic;
static uint64_t msi_address;
static uint32_t msi_data;

struct vioapic *vioapic_create(struct vm *of)
{
	assert_ptr_equal(of, &vm);
	ioapic.there = true;
	return &ioapic;
}

void vioapic_destroy(struct vioapic *it)
{
	it->there = false;
}

void vioapic_set_pin(struct vioapic *it, unsigned pin, bool level)
{
	it->pin = pin;
	it->level = level;
}

void vioapic_eoi(struct vioapic *it, uint8_t vector)
{
	it->eoi_vector = vector;
	it->eois++;
}

struct vpic *vpic_create(struct vm *of)
{
	assert_ptr_equal(of, &vm);
	pic.there = true;
	return &pic;
}

void vpic_destroy(struct vpic *it)
{
	it->there = false;
}

void vpic_set_line(struct vpic *it, unsigned line, bool level)
{
	it->line = line;
	it->level = level;
}

void vlapic_msi(struct vm *of, uint64_t address, uint32_t data)
{
	assert_ptr_equal(of, &vm);
	msi_address = address;
	msi_data = data;
}

/* Each line reaches both controllers, IRQ 0 by pin 2 of the I/O APIC (ACPI 6.5 5.2.12.5); the
 * end of an interrupt reaches the I/O APIC, and a message the local APICs. */
static void wires_of_a_pc(void **state)
{
	const struct irqchip *irqs = &vm.board.irqs;

	(void)state;
	assert_int_equal(pc_irqs_create(&vm), 0);
	for (unsigned line = 0; line < IRQCHIP_LINES; line++)
		for (unsigned down = 0; down < 2; down++) {
			(down ? irqchip_lower : irqchip_raise)(irqs, line);
			assert_int_equal(pic.line, line);
			assert_int_equal(ioapic.pin, line ? line : 2);
			assert_true(pic.level == !down && ioapic.level == !down);
		}
	irqchip_eoi(irqs, 0x71);
	assert_int_equal(ioapic.eois, 1);
	assert_int_equal(ioapic.eoi_vector, 0x71);
	irqchip_msi(irqs, 0xfee01000, 0x4041);
	assert_int_equal(msi_address, 0xfee01000);
	assert_int_equal(msi_data, 0x4041);
	pc_irqs_destroy(&vm);
	assert_false(ioapic.there || pic.there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wires_of_a_pc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
