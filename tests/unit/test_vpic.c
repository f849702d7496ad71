/* The 8259 pair: initialisation, priorities, ending an interrupt, the cascade. Its modes are
 * test_vpic_modes'. */
/* links: tests/unit/fake_vmm.c kernel/vmm/bus.c kernel/vmm/vpic.c */
#include "tests/unit/vpic_machine.h"

static void silent_until_initialised(void **state)
{
	(void)state;
	vpic_destroy(vm->pic);
	fake_vm_destroy(vm);
	vm = fake_vm_create(VCPUS, 0);
	for (unsigned i = 0; i < VCPUS; i++)
		vm->vcpus[i]->lapic = &lapics[i];
	vm->pic = vpic_create(vm);
	for (unsigned irq = 0; irq < 16; irq++)
		pulse(irq);
	assert_false(vm->pic_intr);
	assert_int_equal(in(MASTER + 1), 0xff);
	/* PCI's IRQs, 5, 10 and 11, and the SCI's, 9, are levels, as firmware leaves them. */
	assert_int_equal(in(ELCR), 0x20);
	assert_int_equal(in(ELCR + 1), 0x0e);
	program(1); /* which is none of ICW1's business */
	assert_int_equal(in(ELCR + 1), 0x0e);
}

/* Each wire arrives as the IRQ that it is soldered to, and as no other. */
static void pci_wires_have_irqs(void **state)
{
	static const uint8_t irqs[VPIC_PCI_WIRES] = {11, 5, 10, 11, 5, 10, 11, 5};

	(void)state;
	for (unsigned i = 0; i < VPIC_PCI_WIRES; i++) {
		assert_int_equal(vpic_pci_irq(16 + i), irqs[i]);
		line(16 + i, true);
		assert_int_equal(take(), MASTER_BASE + irqs[i]);
		line(16 + i, false);
		end(irqs[i]);
		assert_false(vm->pic_intr);
	}
	line(VPIC_SOURCES, true); /* no such source */
	assert_false(vm->pic_intr);
	assert_int_equal(irr(MASTER) | irr(SLAVE), 0);
}

/* Wires 16, 19 and 22, and the ISA line of the same number, make one level. */
static void a_shared_irq_is_asserted_by_any(void **state)
{
	(void)state;
	out(ELCR + 1, 0x08);
	line(16, true);
	line(19, true);
	assert_int_equal(take(), SLAVE_BASE + 3);
	line(16, false);
	end(11);
	assert_int_equal(take(), SLAVE_BASE + 3); /* the other's */
	line(11, true);
	line(19, false);
	end(11);
	assert_int_equal(take(), SLAVE_BASE + 3);
	line(11, false);
	end(11);
	assert_false(vm->pic_intr);
	assert_int_equal(irr(SLAVE), 0);

	out(ELCR + 1, 0); /* as an edge, once for as long as any asserts it */
	line(22, true);
	assert_int_equal(take(), SLAVE_BASE + 3);
	line(16, true);
	line(22, false);
	end(11);
	assert_false(vm->pic_intr);
}

static void every_line_has_its_vector(void **state)
{
	(void)state;
	for (unsigned irq = 0; irq < 16; irq++) {
		if (irq == 2)
			continue;
		vm->vcpus[0]->requests = 0;
		pulse(irq);
		assert_int_equal(vm->vcpus[0]->requests, VCPU_REQ_IRQ);
		assert_int_equal(take(), irq < 8 ? MASTER_BASE + irq : SLAVE_BASE + irq - 8);
		assert_false(vm->pic_intr);
		if (irq >= 8) {
			assert_int_equal(isr(SLAVE), 1 << (irq - 8));
			assert_int_equal(isr(MASTER), 1 << 2);
			out(SLAVE, EOI);
		}
		out(MASTER, EOI);
		assert_int_equal(isr(MASTER) | isr(SLAVE), 0);
	}
	line(2, true); /* not a line */
	line(VPIC_SOURCES, true);
	assert_false(vm->pic_intr);
}

static void higher_priority_nests(void **state)
{
	(void)state;
	pulse(4);
	assert_int_equal(take(), MASTER_BASE + 4);
	pulse(5);
	pulse(4);
	assert_false(vm->pic_intr);
	pulse(12); /* by way of input 2 */
	assert_int_equal(take(), SLAVE_BASE + 4);
	pulse(9);
	assert_false(vm->pic_intr); /* the master sees one input for all eight */
	pulse(1);
	assert_int_equal(take(), MASTER_BASE + 1);
	assert_int_equal(isr(MASTER), 0x16);
	out(MASTER, EOI); /* ends 1 */
	assert_int_equal(isr(MASTER), 0x14);
	out(SLAVE, EOI);
	out(MASTER, EOI);
	assert_int_equal(take(), SLAVE_BASE + 1);
	out(SLAVE, EOI);
	out(MASTER, EOI);
	out(MASTER, 0x64); /* specific, 4 */
	assert_int_equal(isr(MASTER), 0);
	assert_int_equal(take(), MASTER_BASE + 4);
}

static void masks_hold_back(void **state)
{
	(void)state;
	out(MASTER + 1, 0xfb);
	out(SLAVE + 1, 0xfe);
	assert_int_equal(in(MASTER + 1), 0xfb);
	pulse(3);
	pulse(9);
	assert_false(vm->pic_intr);
	assert_int_equal(irr(MASTER), 0x08);
	assert_int_equal(irr(SLAVE), 0x02);
	out(SLAVE + 1, 0xff);
	pulse(8);
	assert_false(vm->pic_intr);
	out(SLAVE + 1, 0xfc);
	assert_int_equal(take(), SLAVE_BASE);
	out(MASTER + 1, 0xf7);
	out(MASTER, EOI);
	assert_int_equal(take(), MASTER_BASE + 3);
}

static void edges_and_levels(void **state)
{
	(void)state;
	line(5, true);
	line(5, true);
	take();
	out(MASTER, EOI);
	assert_false(vm->pic_intr); /* an edge counts once */
	line(5, false);

	out(ELCR, 0xff);
	out(ELCR + 1, 0xff);
	assert_int_equal(in(ELCR), 0xf8);
	assert_int_equal(in(ELCR + 1), 0xde);
	line(11, true);
	assert_int_equal(take(), SLAVE_BASE + 3);
	out(SLAVE, EOI);
	out(MASTER, EOI);
	assert_int_equal(take(), SLAVE_BASE + 3); /* still asserted */
	line(11, false);
	out(SLAVE, EOI);
	out(MASTER, EOI);
	assert_false(vm->pic_intr);
	line(5, true);
	assert_true(vm->pic_intr);
	line(5, false); /* gone before it was looked at */
	assert_false(vm->pic_intr);
	line(5, true);
	out(ELCR, 0); /* a level that becomes an edge stays latched */
	line(5, false);
	assert_int_equal(take(), MASTER_BASE + 5);
}

static void nothing_there_is_spurious(void **state)
{
	(void)state;
	assert_int_equal(vpic_acknowledge(vm->pic), MASTER_BASE + 7);
	assert_int_equal(isr(MASTER), 0);
	out(ELCR + 1, 0x08);
	line(11, true);
	line(11, false);
	assert_int_equal(vpic_acknowledge(vm->pic), MASTER_BASE + 7);
	assert_int_equal(isr(MASTER) | isr(SLAVE), 0);
}

static void initialisation_forgets(void **state)
{
	(void)state;
	line(3, true);
	pulse(4);
	take();
	out(MASTER + 1, 0xff);
	program(1);
	assert_int_equal(isr(MASTER) | irr(MASTER) | in(MASTER + 1), 0);
	assert_false(vm->pic_intr);
	line(3, true); /* it never fell: no edge */
	assert_false(vm->pic_intr);
	line(3, false);
	line(3, true);
	assert_int_equal(take(), MASTER_BASE + 3);

	/* ICW3 and ICW4 come only where ICW1 says so. */
	out(MASTER, 0x12); /* single, no ICW4 */
	out(MASTER + 1, 0x47);
	out(MASTER + 1, 0xaa);
	assert_int_equal(in(MASTER + 1), 0xaa);
	out(MASTER + 1, 0);
	pulse(1);
	assert_int_equal(take(), 0x41); /* low bits of ICW2 do not count */
}

static void words_are_two_bytes(void **state)
{
	(void)state;
	fake_write(vm, &vm->pio, MASTER, 2, 0x5a0b); /* OCW3, then the mask */
	assert_int_equal(in(MASTER + 1), 0x5a);
	assert_int_equal(fake_read(vm, &vm->pio, MASTER, 2), 0x5a00);
	fake_write(vm, &vm->pio, ELCR, 2, 0x0810);
	assert_int_equal(fake_read(vm, &vm->pio, ELCR, 2), 0x0810);
	/* 0xa0-0xa3: two bytes of it are nobody's. */
	assert_int_equal(fake_read(vm, &vm->pio, SLAVE, 4) >> 16, 0xffff);
}

/* Whatever is written: INTR is up exactly when an acknowledgement finds something. */
static void intr_tells_the_truth(void **state)
{
	static const uint16_t ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1};
	uint64_t seed = 3;

	(void)state;
	for (unsigned n = 0; n < 200000; n++) {
		uint64_t random = fake_random(&seed);
		uint16_t port = ports[random % ARRAY_SIZE(ports)];
		uint8_t before, vector;
		bool intr;

		if (random & BIT(8))
			line((random >> 16) % (VPIC_SOURCES + 1), random & BIT(9));
		else if (random & BIT(10))
			out(port, random >> 24);
		else
			in(port);
		if (n % 16)
			continue;
		out(MASTER + 1, 0); /* ends an initialisation that is under way */
		out(MASTER + 1, 0);
		out(MASTER + 1, 0);
		in(MASTER); /* and a poll */
		intr = vm->pic_intr;
		before = isr(MASTER);
		vector = vpic_acknowledge(vm->pic);
		if (!intr) {
			assert_int_equal(vector & 7, 7);
			assert_int_equal(isr(MASTER), before);
		}
		program(1 | (random >> 40 & 0x12));
	}
}

/* Whose LINT0 is in ExtINT mode is told, once for each rise of INTR; the others are not. */
static void intr_reaches_whoever_takes_it(void **state)
{
	(void)state;
	for (unsigned takers = 0; takers < 1 << VCPUS; takers++) {
		program(1);
		for (unsigned i = 0; i < VCPUS; i++) {
			lapics[i].extint = takers & BIT(i);
			vm->vcpus[i]->requests = 0;
		}
		pulse(3);
		for (unsigned i = 0; i < VCPUS; i++) {
			assert_int_equal(vm->vcpus[i]->requests,
					 takers & BIT(i) ? VCPU_REQ_IRQ : 0);
			vm->vcpus[i]->requests = 0;
		}
		pulse(4); /* INTR is up */
		for (unsigned i = 0; i < VCPUS; i++)
			assert_int_equal(vm->vcpus[i]->requests, 0);
	}
}

/* Without memory, or where something else has its addresses. */
static void creation_that_fails(void **state)
{
	(void)state;
	assert_null(vpic_create(vm));
	fake_heap_left = 0;
	assert_null(vpic_create(vm));
	fake_heap_left = FAKE_HEAP_ALL;
	vpic_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(creation_that_fails),
		TEST(silent_until_initialised),
		TEST(pci_wires_have_irqs),
		TEST(a_shared_irq_is_asserted_by_any),
		TEST(every_line_has_its_vector),
		TEST(higher_priority_nests),
		TEST(masks_hold_back),
		TEST(edges_and_levels),
		TEST(nothing_there_is_spurious),
		TEST(initialisation_forgets),
		TEST(words_are_two_bytes),
		TEST(intr_tells_the_truth),
		TEST(intr_reaches_whoever_takes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
