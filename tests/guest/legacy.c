/*
 * What systems use that know neither ACPI nor messages: the MP table, which must name every CPU
 * and tell truly by which pin a slot interrupts; the interrupt line register, and the 8259
 * input that it names, a level that is shared and comes again until its cause is gone; ELCR,
 * which says so beforehand. The device is the random number generator that every guest has.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/rng.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define BIOS_AREA	0xf0000u
#define BIOS_END	0x100000u
#define MP_ENTRIES	0x2c /* behind the header */
#define MP_LOCAL_APIC	0x24
#define MP_PROCESSOR	0
#define MP_IO_INTERRUPT 3
#define MP_TYPES	5
#define NO_PIN		0xff

#define INTERRUPT_LINE	0x3c
#define COMMAND_PIN	0x007 /* ports, memory, master, and a pin that is on */
#define COMMAND_NO_PIN	0x407

#define PIC		0x20
#define PIC2		0xa0
#define CASCADE		2
#define OCW2_EOI	0x20
#define OCW3_IRR	0x0a
#define ELCR		0x4d0
#define VECTOR_PIN	0x71

static volatile unsigned interrupts, ignore; /* how many interrupts leave their cause alone */
static unsigned irq;

/* ---- the MP table ---- */

static const uint8_t *at(uint32_t address)
{
	return (const uint8_t *)(uintptr_t)address;
}

static bool sums_to_zero(const uint8_t *p, unsigned count)
{
	uint8_t sum = 0;

	while (count--)
		sum += *p++;
	return !sum;
}

static uint32_t dword(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool begins(const uint8_t *p, const char *with)
{
	for (unsigned i = 0; i < 4; i++)
		if (p[i] != with[i])
			return false;
	return true;
}

/* The table's header, or NULL. */
static const uint8_t *find_mp_table(void)
{
	for (uint32_t address = BIOS_AREA; address < BIOS_END; address += 16) {
		const uint8_t *pointer = at(address), *header;

		if (!begins(pointer, "_MP_") || !sums_to_zero(pointer, 16 * pointer[8]))
			continue;
		header = at(dword(pointer + 4));
		return begins(header, "PCMP") &&
				       sums_to_zero(header, header[4] | header[5] << 8)
			       ? header
			       : NULL;
	}
	return NULL;
}

/* Checks the processors; returns the I/O APIC's pin of a slot's INTA#, or NO_PIN. */
static unsigned read_mp_table(unsigned cpus, unsigned slot)
{
	const uint8_t *header = find_mp_table(), *p;
	unsigned known = 0, pin = NO_PIN;

	if (!check(header, "an MP table", "none that sums to zero"))
		return NO_PIN;
	check(dword(header + MP_LOCAL_APIC) == APIC_PAGE, "it knows the local APIC", "0x%x",
	      dword(header + MP_LOCAL_APIC));
	p = header + MP_ENTRIES;
	for (unsigned i = 0; i < (unsigned)(header[0x22] | header[0x23] << 8); i++) {
		if (*p >= MP_TYPES)
			give_up("MP table: an entry of type %u", *p);
		if (*p == MP_PROCESSOR && p[1] < cpus && (p[3] & 1) &&
		    !(p[3] & 2) == (p[1] != apic_id()))
			known |= 1u << p[1];
		if (*p == MP_IO_INTERRUPT && p[4] == 0 && p[5] == slot << 2)
			pin = p[7];
		p += *p == MP_PROCESSOR ? 20 : 8;
	}
	check(known == (1u << cpus) - 1, "it names every CPU", "0x%x", known);
	return pin;
}

/* ---- the device ---- */

static void on_apic(struct frame *frame)
{
	(void)frame;
	interrupts++;
	*rng.isr; /* takes the level away */
	apic_eoi();
}

static void on_pic(struct frame *frame)
{
	(void)frame;
	interrupts++;
	if (ignore)
		ignore--;
	else
		*rng.isr;
	if (irq >= 8)
		out8(PIC2, OCW2_EOI);
	out8(PIC, OCW2_EOI);
}

/* Lets interrupts in until there are `count`, and long enough for one too many. */
static bool arrive(unsigned count)
{
	irq_on();
	for (unsigned ms = 0; interrupts < count && ms < 1000; ms++)
		delay_us(1000);
	delay_us(20000);
	irq_off();
	return interrupts == count;
}

static void test_io_apic(unsigned pin)
{
	if (!check(pin < 24, "it has the slot", "pin %u", pin))
		return;
	interrupts = 0;
	trap_handler(VECTOR_PIN, on_apic);
	ioapic_route(pin, VECTOR_PIN, IOAPIC_LEVEL | IOAPIC_LOW);
	check(rng_works() && arrive(1), "the pin that it says", "%u interrupts", interrupts);
	ioapic_route(pin, VECTOR_PIN, IOAPIC_MASKED);
}

static uint16_t pic_masks(void)
{
	return in8(PIC + 1) | in8(PIC2 + 1) << 8;
}

static void set_pic_masks(uint16_t masks)
{
	out8(PIC + 1, masks);
	out8(PIC2 + 1, masks >> 8);
}

static bool requested(void)
{
	out8(PIC, OCW3_IRR);
	out8(PIC2, OCW3_IRR);
	return (in8(PIC) | in8(PIC2) << 8) & 1u << irq;
}

static void test_8259(void)
{
	uint16_t open;

	irq = pci_read(rng.slot, INTERRUPT_LINE, 1);
	if (!check(irq >= 3 && irq < 16, "an interrupt line", "%u", irq))
		return;
	check((in8(ELCR) | in8(ELCR + 1) << 8) & 1u << irq, "ELCR calls it a level", "0x%x",
	      in8(ELCR) | in8(ELCR + 1) << 8);
	open = pic_masks() & ~(1u << irq) & ~(1u << CASCADE);
	apic_write(APIC_LVT_LINT0, LVT_EXTINT);
	trap_handler(VECTOR_PIC + irq, on_pic);
	interrupts = 0;

	check(rng_works() && requested() && arrive(0), "masked", "%u interrupts", interrupts);
	*rng.isr;
	check(!requested(), "a level leaves no request", "it is still there");

	set_pic_masks(open);
	check(rng_works() && arrive(1), "by the 8259 pair", "%u interrupts", interrupts);
	ignore = 3;
	check(rng_works() && arrive(5), "again until its cause is gone", "%u interrupts",
	      interrupts);
	pci_write(rng.slot, PCI_COMMAND, 2, COMMAND_NO_PIN);
	check(rng_works() && arrive(5), "none while the pin is off", "%u interrupts",
	      interrupts);
	pci_write(rng.slot, PCI_COMMAND, 2, COMMAND_PIN);
	check(arrive(6), "the one that waited", "%u interrupts", interrupts);
	set_pic_masks(0xffff);
}

void test(void)
{
	unsigned pin;

	if (!check(rng_find(), "a random number generator", "there is none"))
		return;
	pin = read_mp_table(smp_start(), rng.slot);
	rng_set_up();
	pci_write(rng.slot, PCI_COMMAND, 2, COMMAND_PIN);
	test_io_apic(pin);
	test_8259();
}
