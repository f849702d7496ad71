/*
 * The PCI bus and what a function on it owes a guest: both ways into configuration space, BARs
 * that are sized, and moved while other CPUs use them, MSI-X with its masks and tables full of
 * nonsense, a pin, function-level reset. The function is the random number generator that every
 * guest has. On other machines only what PCI promises is checked.
 */
#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/rng.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define ECAM	       0xe0000000ull
#define WINDOW	       0xc0000000u
#define WINDOW_BYTES   0x20000000u
#define IO_WINDOW      0xc000u

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc

#define VENDOR_ID      0x00
#define STATUS	       0x06
#define CLASS	       0x0a
#define BAR(n)	       (0x10 + 4 * (n))
#define BARS	       6
#define BAR_OF_64_BITS 4 /* in the low bits; its upper half is the next one */
#define COMMAND_IO     0x001
#define COMMAND_MEMORY 0x002
#define COMMAND_MASTER 0x004
#define COMMAND_NO_PIN 0x400
#define STATUS_PIN     0x0008
#define CAPABILITY_AF  0x13
#define MSIX_ENABLE    0x8000
#define MSIX_MASK      0x4000
#define PBA	       (0x800 / 4) /* doubleword of the table's page */

#define VECTOR_DEVICE  0x70
#define VECTOR_PIN     0x71
#define LIMIT_MS       3000

static volatile unsigned interrupts, pin_interrupts;
static unsigned cpus;

static void on_interrupt(struct frame *frame)
{
	(void)frame;
	interrupts++;
	apic_eoi();
}

/* Reading the ISR takes the level away. */
static void on_pin(struct frame *frame)
{
	(void)frame;
	pin_interrupts++;
	*rng.isr;
	apic_eoi();
}

static volatile uint8_t *ecam(unsigned slot, unsigned offset)
{
	return (volatile uint8_t *)(ECAM + slot * 32768ull + offset);
}

static uint32_t ecam32(unsigned slot, unsigned offset)
{
	return *(volatile uint32_t *)ecam(slot, offset);
}

/* ---- configuration space ---- */

static void test_address_register(void)
{
	uint32_t bridge;

	out32(CONFIG_ADDRESS, 0x80000000);
	check(in32(CONFIG_ADDRESS) == 0x80000000, "CONFIG_ADDRESS", "0x%x",
	      in32(CONFIG_ADDRESS));
	bridge = in32(CONFIG_DATA);
	check(bridge != 0xffffffff, "a host bridge", "nobody is in slot 0");
	out8(CONFIG_ADDRESS + 3, 1); /* as a probe for mechanism 2 does */
	check(in32(CONFIG_ADDRESS) == 0x80000000, "bytes don't reach it", "0x%x",
	      in32(CONFIG_ADDRESS));
	check(pci_read(0, CLASS, 2) == 0x0600, "its class", "0x%x", pci_read(0, CLASS, 2));
	check(pci_read(0, VENDOR_ID, 2) == (bridge & 0xffff) &&
		      pci_read(0, VENDOR_ID + 2, 2) == bridge >> 16 &&
		      pci_read(0, VENDOR_ID + 1, 1) == (bridge >> 8 & 0xff),
	      "words and bytes of CONFIG_DATA", "not those of 0x%x", bridge);
	out32(CONFIG_ADDRESS, 0); /* not enabled */
	check(in32(CONFIG_DATA) == 0xffffffff, "CONFIG_DATA not enabled", "0x%x",
	      in32(CONFIG_DATA));
	out32(CONFIG_ADDRESS, 0x80000000 | 0xff << 16);
	check(in32(CONFIG_DATA) == 0xffffffff, "no bus 255", "0x%x", in32(CONFIG_DATA));
}

/* All functions of bus 0, dword by dword. */
static void test_ecam(void)
{
	unsigned present = 0, differ = 0, beyond = 0;

	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		present += pci_read(slot, VENDOR_ID, 2) != 0xffff;
		for (unsigned offset = 0; offset < 256; offset += 4)
			differ += ecam32(slot, offset) != pci_read(slot, offset, 4);
		beyond += ecam32(slot, 256) != 0xffffffff;
		beyond += ecam32(slot, 4096) != 0xffffffff; /* function 1 */
	}
	check(present >= 2, "functions", "%u", present);
	check(!differ, "ECAM and ports agree", "%u doublewords differ", differ);
	check(!beyond, "nothing beyond", "%u things", beyond);
	check(*(volatile uint16_t *)ecam(0, CLASS) == 0x0600 &&
		      *(volatile uint64_t *)ecam(0, 0) ==
			      (ecam32(0, 0) | (uint64_t)ecam32(0, 4) << 32),
	      "ECAM's widths", "not those of doublewords");
}

/* Restored as it was; other CPUs don't use the device meanwhile. */
static void size_bar(unsigned slot, unsigned bar)
{
	uint32_t before = pci_read(slot, BAR(bar), 4), sized, size;
	uint32_t flags = before & 1 ? 3 : 15;

	pci_write(slot, BAR(bar), 4, 0xffffffff);
	sized = pci_read(slot, BAR(bar), 4);
	pci_write(slot, BAR(bar), 4, before);
	size = -(sized & ~flags);
	check(!(size & (size - 1)) && (sized & flags) == (before & flags) &&
		      pci_read(slot, BAR(bar), 4) == before,
	      "a BAR is sized", "slot %u BAR %u: 0x%x, 0x%x", slot, bar, before, sized);
}

static void test_sizing(void)
{
	for (unsigned slot = 1; slot < PCI_SLOTS; slot++) {
		uint16_t command = pci_read(slot, PCI_COMMAND, 2);

		if (pci_read(slot, VENDOR_ID, 2) == 0xffff || pci_read(slot, 0x0e, 1) & 0x7f)
			continue;
		pci_write(slot, PCI_COMMAND, 2,
			  command & ~(uint32_t)(COMMAND_IO | COMMAND_MEMORY));
		for (unsigned bar = 0; bar < BARS; bar++) {
			size_bar(slot, bar);
			bar += (pci_read(slot, BAR(bar), 4) & 7) == BAR_OF_64_BITS;
		}
		pci_write(slot, PCI_COMMAND, 2, command);
	}
}

/* ---- the function ---- */

/* Lets interrupts in for a moment, or until there are `count` at *of. */
static bool arrives(volatile unsigned *of, unsigned count)
{
	irq_on();
	for (unsigned ms = 0; *of < count && ms < 500; ms++)
		delay_us(1000);
	irq_off();
	return *of == count;
}

/* The same for nothing new: it had time to come. */
static bool stays(volatile unsigned *of, unsigned count)
{
	irq_on();
	delay_us(20000);
	irq_off();
	return *of == count;
}

static void set_vector(unsigned vector, uint64_t address, uint32_t data, bool masked)
{
	volatile uint32_t *entry = rng.msix + 4 * vector;

	*(volatile uint64_t *)entry = address;
	entry[2] = data;
	entry[3] = masked;
}

static void msix(uint32_t control)
{
	pci_write(rng.slot, rng.msix_capability + 2, 2, control);
}

static void test_messages(void)
{
	volatile uint32_t *pba = rng.msix + PBA;

	interrupts = 0;
	set_vector(1, APIC_PAGE, VECTOR_DEVICE, false);
	check(*(volatile uint64_t *)(rng.msix + 4) == APIC_PAGE &&
		      rng.msix[6] == VECTOR_DEVICE && !rng.msix[7],
	      "MSI-X table", "not as written");
	rng.common->queue_select = 0;
	rng.common->queue_vector = 1;
	msix(MSIX_ENABLE);
	check(rng_works() && arrives(&interrupts, 1), "a message", "%u", interrupts);

	msix(MSIX_ENABLE | MSIX_MASK);
	check(rng_works() && stays(&interrupts, 1) && *pba == 2, "all masked", "%u, 0x%x",
	      interrupts, *pba);
	msix(MSIX_ENABLE);
	check(arrives(&interrupts, 2) && !*pba, "all unmasked", "%u, 0x%x", interrupts, *pba);

	rng.msix[7] = 1;
	check(rng_works() && rng_works() && stays(&interrupts, 2) && *pba == 2, "one masked",
	      "%u, 0x%x", interrupts, *pba);
	rng.msix[7] = 0;
	check(arrives(&interrupts, 3) && !*pba, "one unmasked", "%u, 0x%x", interrupts, *pba);

	pci_write(rng.slot, PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY);
	check(rng_works() && stays(&interrupts, 3), "no messages without mastering the bus",
	      "%u", interrupts);
	pci_write(rng.slot, PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
	check(arrives(&interrupts, 4), "with it", "%u", interrupts);
}

/* Messages to anywhere, and of every kind that cannot stop a CPU, INIT and SIPI: they are lost,
 * or arrive as what they are. */
static void test_nonsense_in_the_table(void)
{
	static const uint64_t addresses[] = {
		0,	    ~0ull,	0x100000, APIC_PAGE | 0xff << 12,
		0xfec00000, 1ull << 40, ECAM,	  WINDOW,
	};

	for (unsigned i = 0; i < 64; i++) {
		uint64_t address = addresses[i % ARRAY_SIZE(addresses)];

		/* Where it is an APIC's, to nobody that is there. */
		set_vector(1, i % 8 == 3 ? address & ~4ull : address,
			   address >> 20 == APIC_PAGE >> 20 ? VECTOR_DEVICE : random32(),
			   false);
		rng_works();
	}
	set_vector(1, APIC_PAGE | 1 << 12 << 3, VECTOR_DEVICE | 0x300, false); /* reserved */
	rng_works();
	set_vector(1, APIC_PAGE, VECTOR_DEVICE | 0x700, false); /* ExtINT */
	check(rng_works(), "nonsense in the MSI-X table", "the device has stopped");
	for (unsigned i = 0; i < 64; i++) { /* beyond the vectors, and over the edges */
		*(volatile uint16_t *)((uintptr_t)rng.msix + 62 * i) = 0xffff;
		*(volatile uint32_t *)((uintptr_t)rng.msix + 61 * i) = 0xffffffff;
	}
	irq_on();
	delay_us(1000);
	irq_off();
	interrupts = 0;
	set_vector(1, APIC_PAGE, VECTOR_DEVICE, false);
	check(rng_works() && arrives(&interrupts, 1), "messages after it", "%u", interrupts);
}

static void test_pin(void)
{
	unsigned pin = 16 + rng.slot % 8;

	msix(0);
	rng_set_up();
	pin_interrupts = 0;
	pci_write(rng.slot, PCI_COMMAND, 2,
		  COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_PIN);
	ioapic_route(pin, VECTOR_PIN, IOAPIC_LEVEL | IOAPIC_LOW);
	check(rng_works() && stays(&pin_interrupts, 0), "a pin that is off", "%u",
	      pin_interrupts);
	check(pci_read(rng.slot, STATUS, 2) & STATUS_PIN, "interrupt status", "0x%x",
	      pci_read(rng.slot, STATUS, 2));
	pci_write(rng.slot, PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
	check(arrives(&pin_interrupts, 1), "a pin that is on", "%u", pin_interrupts);
	check(!(pci_read(rng.slot, STATUS, 2) & STATUS_PIN), "the ISR clears it", "0x%x",
	      pci_read(rng.slot, STATUS, 2));
	check(rng_works() && arrives(&pin_interrupts, 2), "once more", "%u", pin_interrupts);
	ioapic_route(pin, VECTOR_PIN, IOAPIC_MASKED);
}

static void test_function_reset(void)
{
	unsigned af = pci_capability(rng.slot, CAPABILITY_AF, 0);
	uint32_t bars[BARS];

	if (!check(af && pci_read(rng.slot, af + 2, 2) == 0x0306, "function-level reset",
		   "not offered"))
		return;
	for (unsigned bar = 0; bar < BARS; bar++)
		bars[bar] = pci_read(rng.slot, BAR(bar), 4);
	pci_write(rng.slot, af + 4, 1, 1);
	delay_us(100000);
	check(!(pci_read(rng.slot, PCI_COMMAND, 2) & 7) &&
		      !(pci_read(rng.slot, BAR(2), 4) & ~15u),
	      "it is as at power-on", "command 0x%x", pci_read(rng.slot, PCI_COMMAND, 2));
	for (unsigned bar = 0; bar < BARS; bar++)
		pci_write(rng.slot, BAR(bar), 4, bars[bar]);
	pci_write(rng.slot, PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
	check(!rng.common->status, "the device too", "status 0x%x", rng.common->status);
	rng_set_up();
	check(rng_works(), "and works again", "no random bytes");
}

/* ---- moving BARs ---- */

static volatile bool stop;
static volatile unsigned wrong, seen;
static const uint32_t places[] = {WINDOW + 0x100000, 0x40000000, WINDOW + WINDOW_BYTES - 0x1000,
				  0xf0000000, 0xfed00000};
#define NUM_QUEUES 18

/* Reads a register wherever it may be: its value, or ones. And kicks, wherever that leads. */
static void use_places(uint64_t arg)
{
	(void)arg;
	while (!stop) {
		for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
			uint16_t value =
				*(volatile uint16_t *)(uintptr_t)(places[i] + NUM_QUEUES);

			if (value == 1)
				__atomic_fetch_add(&seen, 1, __ATOMIC_RELAXED);
			else if (value != 0xffff)
				__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
		}
		out16(IO_WINDOW + random32() % 0x100 * 4, 0);
	}
}

static void test_moving(void)
{
	uint32_t home = pci_read(rng.slot, BAR(2), 4), ports = pci_read(rng.slot, BAR(0), 4);
	unsigned lost = 0;

	for (unsigned cpu = 1; cpu < cpus; cpu++)
		cpu_run(cpu, use_places, 0);
	for (unsigned i = 0; i < 2000; i++) {
		uint32_t place = places[i % ARRAY_SIZE(places)];

		pci_write(rng.slot, BAR(2), 4, place);
		pci_write(rng.slot, BAR(0), 4, IO_WINDOW + random32() % 0x400 * 4);
		lost += *(volatile uint16_t *)(uintptr_t)(place + NUM_QUEUES) != 1;
		if (i % 16 == 0) {
			pci_write(rng.slot, PCI_COMMAND, 2, COMMAND_MASTER);
			lost += *(volatile uint16_t *)(uintptr_t)(place + NUM_QUEUES) != 0xffff;
			pci_write(rng.slot, PCI_COMMAND, 2,
				  COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
		}
	}
	stop = true;
	for (unsigned cpu = 1; cpu < cpus; cpu++)
		cpu_join(cpu, LIMIT_MS);
	pci_write(rng.slot, BAR(2), 4, home);
	pci_write(rng.slot, BAR(0), 4, ports);
	check(!lost, "BARs answer where they are, at once", "%u times not", lost);
	check(!wrong, "other CPUs read the register or nothing", "%u times else", wrong);
	print("other CPUs met it %u times\n", seen);
	check(rng_works(), "after moving", "no random bytes");
}

/* Over RAM, APICs, ECAM, and each other: what was there before stays. It is looked at where the
 * function would have an address that is not zero, and the local APIC has its version. */
static void test_bars_over_other_things(void)
{
	uint32_t ram = (uint32_t)(uintptr_t)image_start;
	const uint32_t taken[] = {ram, APIC_PAGE, IOAPIC_PAGE, ECAM};
	uint32_t home = pci_read(rng.slot, BAR(2), 4), table = pci_read(rng.slot, BAR(1), 4);
	uint32_t before[ARRAY_SIZE(taken)], found, changed = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(taken); i++)
		before[i] = *(volatile uint32_t *)(uintptr_t)(taken[i] + APIC_VERSION);
	for (unsigned i = 0; i < ARRAY_SIZE(taken); i++) {
		pci_write(rng.slot, BAR(2), 4, taken[i]);
		pci_write(rng.slot, BAR(1), 4, taken[i]);
		found = *(volatile uint32_t *)(uintptr_t)(taken[i] + APIC_VERSION);
		changed += found != before[i];
	}
	check(!changed, "BARs over other things", "%u times they answer there", changed);
	pci_write(rng.slot, BAR(2), 4, table); /* upon each other */
	pci_write(rng.slot, BAR(1), 4, table);
	*(volatile uint32_t *)(uintptr_t)(table & ~15u);
	pci_write(rng.slot, BAR(2), 4, home);
	check(rng_works(), "after that", "no random bytes");
}

/* ---- everything at once ---- */

/* Random writes to the function's configuration space, by both ways. */
static void write_nonsense(uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++) {
		unsigned offset = random32() % 256;
		uint32_t value = i % 3 ? random32() : WINDOW + (random32() & 0xfff000);

		switch (random32() % 4) {
		case 0: *(volatile uint32_t *)ecam(rng.slot, offset & 0xfc) = value; break;
		case 1: *ecam(rng.slot, offset) = value; break;
		case 2: *(volatile uint64_t *)ecam(rng.slot, offset & 0xf8) = value; break;
		default:
			*(volatile uint32_t *)(uintptr_t)(WINDOW + (random32() & 0xffffc)) =
				value;
		}
	}
}

static void test_nonsense(void)
{
	uint32_t bars[BARS];

	for (unsigned bar = 0; bar < BARS; bar++)
		bars[bar] = pci_read(rng.slot, BAR(bar), 4);
	for (unsigned cpu = 1; cpu < cpus; cpu++)
		cpu_run(cpu, write_nonsense, 3000);
	write_nonsense(3000);
	for (unsigned cpu = 1; cpu < cpus; cpu++)
		cpu_join(cpu, LIMIT_MS);
	msix(0);
	for (unsigned bar = 0; bar < BARS; bar++)
		pci_write(rng.slot, BAR(bar), 4, bars[bar]);
	pci_write(rng.slot, PCI_COMMAND, 2,
		  COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_PIN);
	rng_set_up();
	check(rng_works(), "nonsense on all CPUs", "no random bytes");
}

void test(void)
{
	test_address_register();
	test_sizing();
	if (!hypervisor_is_ours())
		return;
	test_ecam();
	if (!check(rng_find(), "a random number generator", "there is none"))
		return;
	trap_handler(VECTOR_DEVICE, on_interrupt);
	trap_handler(VECTOR_PIN, on_pin);
	cpus = smp_start();
	rng_set_up();
	check(rng_works(), "random bytes", "there are none");
	test_messages();
	test_nonsense_in_the_table();
	test_pin();
	test_function_reset();
	test_moving();
	test_bars_over_other_things();
	test_nonsense();
}
