/* The I/O APIC: registers, edges and levels, remote IRR; and a comparison with a model. */
/* links: tests/unit/fake_vmm.c kernel/vmm/bus.c kernel/vmm/vioapic.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "kernel/vmm/vioapic.h"
#include "kernel/vmm/vlapic.h"
#include "tests/unit/fake_vmm.h"

#define MASKED	   0x10000u
#define LEVEL	   0x8000u
#define REMOTE_IRR 0x4000u
#define LOGICAL	   0x800u

static struct vm *vm;
static struct vlapic_message last; /* sent to the local APICs */
static unsigned sent, takers;

unsigned vlapic_deliver(struct vm *to, const struct vlapic_message *message)
{
	assert_ptr_equal(to, vm);
	last = *message;
	sent++;
	return takers;
}

static uint32_t get(unsigned reg)
{
	fake_write(vm, &vm->mmio, VIOAPIC_BASE, 4, reg);
	return fake_read(vm, &vm->mmio, VIOAPIC_BASE + 0x10, 4);
}

static void set(unsigned reg, uint32_t value)
{
	fake_write(vm, &vm->mmio, VIOAPIC_BASE, 4, reg);
	fake_write(vm, &vm->mmio, VIOAPIC_BASE + 0x10, 4, value);
}

static void program(unsigned pin, uint32_t low, uint8_t dest)
{
	set(0x11 + 2 * pin, (uint32_t)dest << 24);
	set(0x10 + 2 * pin, low);
}

static int set_up(void **state)
{
	(void)state;
	vm = fake_vm_create(1, 0);
	vm->ioapic = vioapic_create(vm);
	sent = 0;
	takers = 1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	vioapic_destroy(vm->ioapic);
	fake_vm_destroy(vm);
	return 0;
}

static void registers(void **state)
{
	(void)state;
	assert_int_equal(get(1), 0x170011);
	set(0, 0xffffffff);
	assert_int_equal(get(0), 0x0f000000);
	assert_int_equal(get(2), 0x0f000000);
	set(1, 0xffffffff);
	assert_int_equal(get(1), 0x170011);
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++)
		assert_int_equal(get(0x10 + 2 * pin), MASKED);
	program(23, 0xffffffff, 0xab);
	assert_int_equal(get(0x10 + 46), 0x1afff);
	assert_int_equal(get(0x11 + 46), 0xab000000);
	set(0x40, 0xffffffff); /* no such pin */
	set(0xff, 0xffffffff);
	assert_int_equal(get(0x40), 0);
	assert_int_equal(get(0xff), 0);
	assert_int_equal(get(0x03), 0);
	set(0x103, 0); /* eight bits select */
	assert_int_equal(fake_read(vm, &vm->mmio, VIOAPIC_BASE, 4), 3);
}

static void only_dwords_at_two_places(void **state)
{
	(void)state;
	set(0, 0x05000000);
	for (unsigned bytes = 1; bytes <= 8; bytes *= 2)
		for (unsigned offset = 0; offset < 0x80; offset++) {
			if (bytes == 4 && (offset == 0 || offset == 0x10))
				continue;
			assert_int_equal(fake_read(vm, &vm->mmio, VIOAPIC_BASE + offset, bytes),
					 0);
			fake_write(vm, &vm->mmio, VIOAPIC_BASE + offset, bytes, ~0ull);
		}
	assert_int_equal(fake_read(vm, &vm->mmio, VIOAPIC_BASE, 4), 0);
	assert_int_equal(get(0), 0x05000000);
}

static void an_edge_is_sent_once(void **state)
{
	(void)state;
	program(4, 0x931 | LOGICAL, 0x3c);
	vioapic_set_pin(vm->ioapic, 4, true);
	vioapic_set_pin(vm->ioapic, 4, true);
	assert_int_equal(sent, 1);
	assert_int_equal(last.vector, 0x31);
	assert_int_equal(last.delivery, LAPIC_LOWEST);
	assert_int_equal(last.dest, 0x3c);
	assert_true(last.logical);
	assert_false(last.level_triggered || last.deassert || last.x2apic);
	assert_int_equal(last.shorthand, 0);
	vioapic_set_pin(vm->ioapic, 4, false);
	vioapic_set_pin(vm->ioapic, 4, true);
	assert_int_equal(sent, 2);
	assert_int_equal(get(0x18) & REMOTE_IRR, 0);
	vioapic_set_pin(vm->ioapic, 24, true); /* there is none */
	vioapic_set_pin(vm->ioapic, ~0u, true);
	assert_int_equal(sent, 2);
}

static void an_edge_at_a_masked_pin_is_lost(void **state)
{
	(void)state;
	program(4, MASKED | 0x31, 0);
	vioapic_set_pin(vm->ioapic, 4, true);
	set(0x18, 0x31);
	assert_int_equal(sent, 0);
	vioapic_set_pin(vm->ioapic, 4, false);
	vioapic_set_pin(vm->ioapic, 4, true);
	assert_int_equal(sent, 1);
}

static void a_level_waits_for_eoi(void **state)
{
	(void)state;
	program(9, LEVEL | 0x52, 1);
	vioapic_set_pin(vm->ioapic, 9, true);
	assert_int_equal(sent, 1);
	assert_true(last.level_triggered);
	assert_int_equal(get(0x22), LEVEL | REMOTE_IRR | 0x52);
	vioapic_set_pin(vm->ioapic, 9, false);
	vioapic_set_pin(vm->ioapic, 9, true);
	assert_int_equal(sent, 1); /* still in hand */
	vioapic_eoi(vm->ioapic, 0x53);
	assert_int_equal(sent, 1); /* another's */
	vioapic_eoi(vm->ioapic, 0x52);
	assert_int_equal(sent, 2); /* asserted: again */
	vioapic_set_pin(vm->ioapic, 9, false);
	vioapic_eoi(vm->ioapic, 0x52);
	assert_int_equal(sent, 2);
	assert_int_equal(get(0x22), LEVEL | 0x52);
}

static void a_masked_level_comes_when_unmasked(void **state)
{
	(void)state;
	program(9, MASKED | LEVEL | 0x52, 1);
	vioapic_set_pin(vm->ioapic, 9, true);
	assert_int_equal(sent, 0);
	set(0x22, LEVEL | 0x52);
	assert_int_equal(sent, 1);
	set(0x22, MASKED | LEVEL | 0x52);
	vioapic_eoi(vm->ioapic, 0x52);
	assert_int_equal(sent, 1);
	set(0x22, LEVEL | 0x52);
	assert_int_equal(sent, 2);
}

/* How Linux ends a level interrupt where there is no EOI register. */
static void edge_mode_clears_remote_irr(void **state)
{
	(void)state;
	program(9, LEVEL | 0x52, 1);
	vioapic_set_pin(vm->ioapic, 9, true);
	set(0x22, MASKED | 0x52);
	assert_int_equal(get(0x22), MASKED | 0x52);
	set(0x22, LEVEL | 0x52);
	assert_int_equal(sent, 2);
}

/* Nobody took it: it does not hang in remote IRR, and is tried again. */
static void a_level_nobody_takes(void **state)
{
	(void)state;
	takers = 0;
	program(9, LEVEL | 0x52, 1);
	vioapic_set_pin(vm->ioapic, 9, true);
	assert_int_equal(get(0x22), LEVEL | 0x52);
	takers = 1;
	set(0x23, 0);
	assert_int_equal(sent, 2);
	assert_int_equal(get(0x22), LEVEL | REMOTE_IRR | 0x52);
}

/* NMI, INIT and the like are edges whatever the trigger mode says. */
static void level_is_for_fixed_and_lowest_alone(void **state)
{
	(void)state;
	program(3, LEVEL | 0x400, 0);
	vioapic_set_pin(vm->ioapic, 3, true);
	assert_int_equal(last.delivery, LAPIC_NMI);
	assert_false(last.level_triggered);
	assert_int_equal(get(0x16), LEVEL | 0x400);
	assert_int_equal(sent, 1);
}

static void random_operations_agree_with_a_model(void **state)
{
	struct {
		uint32_t low;
		bool line;
	} pins[VIOAPIC_PINS];
	unsigned expected = 0;
	uint64_t seed = 5;

	(void)state;
	for (unsigned i = 0; i < VIOAPIC_PINS; i++) {
		pins[i].low = MASKED;
		pins[i].line = false;
	}
	for (unsigned n = 0; n < 100000; n++) {
		uint64_t random = fake_random(&seed);
		unsigned pin = random >> 8 & 3, vector = 0x30 + (random >> 16 & 3);
		bool rises = false;
		uint32_t *low = &pins[pin].low;

		switch (random & 3) {
		case 0:
			program(pin, (random >> 32 & (MASKED | LEVEL | REMOTE_IRR)) | vector,
				0);
			*low = (*low & REMOTE_IRR) | (random >> 32 & (MASKED | LEVEL)) | vector;
			if (!(*low & LEVEL))
				*low &= ~REMOTE_IRR;
			/* program() writes the high half first: a level is looked at twice. */
			break;
		case 1:
			vioapic_eoi(vm->ioapic, vector);
			for (unsigned i = 0; i < VIOAPIC_PINS; i++)
				if ((pins[i].low & 0xff) == vector)
					pins[i].low &= ~REMOTE_IRR;
			break;
		default:
			rises = !pins[pin].line && random & BIT(20);
			pins[pin].line = random & BIT(20);
			vioapic_set_pin(vm->ioapic, pin, pins[pin].line);
			if (rises && !(*low & (MASKED | LEVEL)))
				expected++;
		}
		for (unsigned i = 0; i < VIOAPIC_PINS; i++)
			if (pins[i].line &&
			    (pins[i].low & (LEVEL | MASKED | REMOTE_IRR)) == LEVEL) {
				pins[i].low |= REMOTE_IRR;
				expected++;
			}
		assert_int_equal(get(0x10 + 2 * pin), pins[pin].low);
		assert_int_equal(sent, expected);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* Without memory, or where something else has its addresses. */
static void creation_that_fails(void **state)
{
	(void)state;
	assert_null(vioapic_create(vm));
	fake_heap_left = 0;
	assert_null(vioapic_create(vm));
	fake_heap_left = FAKE_HEAP_ALL;
	vioapic_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(creation_that_fails),
		TEST(registers),
		TEST(only_dwords_at_two_places),
		TEST(an_edge_is_sent_once),
		TEST(an_edge_at_a_masked_pin_is_lost),
		TEST(a_level_waits_for_eoi),
		TEST(a_masked_level_comes_when_unmasked),
		TEST(edge_mode_clears_remote_irr),
		TEST(a_level_nobody_takes),
		TEST(level_is_for_fixed_and_lowest_alone),
		TEST(random_operations_agree_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
