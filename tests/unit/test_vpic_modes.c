/* The modes of the 8259 pair: automatic EOI, rotation, special masks, polling. */
/* links: tests/unit/fake_vmm.c kernel/vmm/bus.c kernel/vmm/vpic.c */
#include "tests/unit/vpic_machine.h"

static void automatic_eoi(void **state)
{
	(void)state;
	program(3);
	pulse(4);
	pulse(9);
	assert_int_equal(take(), SLAVE_BASE + 1);
	assert_int_equal(take(), MASTER_BASE + 4);
	assert_int_equal(isr(MASTER) | isr(SLAVE), 0);
	out(MASTER, 0x80); /* rotate on it */
	pulse(0);
	take(); /* 0 is lowest now */
	pulse(0);
	pulse(7);
	assert_int_equal(take(), MASTER_BASE + 7);
	assert_int_equal(take(), MASTER_BASE + 0);
	out(MASTER, 0x00); /* no more */
	pulse(5);
	take();
	pulse(0);
	pulse(6);
	assert_int_equal(take(), MASTER_BASE + 6);
}

static void rotation(void **state)
{
	(void)state;
	out(MASTER, 0xc3); /* 3 lowest, 4 highest */
	pulse(3);
	pulse(0);
	pulse(4);
	assert_int_equal(take(), MASTER_BASE + 4);
	out(MASTER, 0xa0); /* end it, and 4 lowest */
	pulse(4);
	assert_int_equal(take(), MASTER_BASE + 0);
	out(MASTER, 0xe0); /* the same, by name */
	assert_int_equal(take(), MASTER_BASE + 3);
	out(MASTER, EOI);
	assert_int_equal(take(), MASTER_BASE + 4);
	out(MASTER, EOI);
	out(MASTER, EOI); /* nothing to end */
	out(MASTER, 0xa0);
	assert_int_equal(isr(MASTER), 0);
}

static void special_mask_mode(void **state)
{
	(void)state;
	pulse(2 + 1);
	assert_int_equal(take(), MASTER_BASE + 3);
	pulse(6);
	assert_false(vm->pic_intr);
	out(MASTER + 1, 0x08);
	out(MASTER, 0x68); /* on: what is masked does not hold 6 back */
	assert_int_equal(take(), MASTER_BASE + 6);
	out(MASTER, EOI); /* ends 6, not the masked 3 */
	assert_int_equal(isr(MASTER), 0x08);
	out(MASTER, 0x48); /* off */
	pulse(7);
	assert_false(vm->pic_intr);
	out(MASTER, 0x08); /* neither */
	out(MASTER, EOI);
	assert_int_equal(isr(MASTER), 0);
}

static void special_fully_nested_mode(void **state)
{
	(void)state;
	program(0x11);
	pulse(12);
	assert_int_equal(take(), SLAVE_BASE + 4);
	pulse(9); /* higher within the slave: interrupts it */
	assert_int_equal(take(), SLAVE_BASE + 1);
	pulse(13);
	assert_false(vm->pic_intr);
	assert_int_equal(isr(SLAVE), 0x12);
}

static void polling(void **state)
{
	(void)state;
	out(MASTER, 0x0c);
	assert_int_equal(in(MASTER), 0);
	pulse(6);
	out(MASTER, 0x0c);
	assert_int_equal(in(MASTER + 1), 0x86);
	assert_int_equal(isr(MASTER), 0x40);
	assert_false(vm->pic_intr);
	out(MASTER, EOI);
	pulse(14);
	out(MASTER, 0x0c);
	assert_int_equal(in(MASTER), 0x82);
	out(SLAVE, 0x0c);
	assert_int_equal(in(SLAVE), 0x86);
	assert_int_equal(isr(SLAVE), 0x40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(automatic_eoi),	 TEST(rotation),
		TEST(special_mask_mode), TEST(special_fully_nested_mode),
		TEST(polling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
