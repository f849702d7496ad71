/*
 * A driver that breaks the rules, on whatever virtio devices this guest has: rings and chains
 * that no driver may write, registers and MSI-X tables full of nonsense, resets amid I/O. A
 * device that was broken must say so by DEVICE_NEEDS_RESET; a reset must mend it; and all else
 * must be harmless. That nobody else is hurt is asked from outside. Requests that are nonsense
 * are virtio_requests.c's.
 */
#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/victim.h"

#define NOT_RAM 0xd8000000ull

/* ---- chains ---- */

static bool packed(void)
{
	return victim.format & BIT(VIRTIO_PACKED);
}

/* Descriptor `i` of a chain that begins at the ring's first; flags are what the kind says. */
static void describe(unsigned i, uint64_t addr, uint32_t bytes, uint16_t flags, uint16_t next)
{
	volatile struct virtio_desc *desc = &victim_work()->desc[i];

	desc->addr = addr;
	desc->bytes = bytes;
	desc->a = packed() ? 0 : flags;
	desc->b = packed() ? flags | DESC_AVAIL : next;
}

/* Packed: one that the driver has not made available, as both flags are the same. */
static void describe_unavailable(unsigned i, uint64_t addr, uint32_t bytes, uint16_t flags)
{
	volatile struct virtio_desc *desc = &victim_work()->desc[i];

	desc->addr = addr;
	desc->bytes = bytes;
	desc->a = 0;
	desc->b = flags | DESC_AVAIL | DESC_USED;
}

static void describe_in_table(unsigned i, uint64_t addr, uint32_t bytes, uint16_t flags)
{
	volatile struct virtio_desc *desc = &victim_work()->table[i];

	desc->addr = addr;
	desc->bytes = bytes;
	desc->a = packed() ? 0 : flags;
	desc->b = packed() ? flags : (uint16_t)(i + 1);
}

/* Split: makes descriptor 0 available. Packed: it is. */
static void offer(void)
{
	virtio_barrier();
	if (packed())
		return;
	victim_work()->driver[2] = 0;
	virtio_barrier();
	victim_work()->driver[1] = 1;
}

static void loop(void)
{
	describe(0, (uintptr_t)victim.data, 16, DESC_NEXT, 1);
	describe(1, (uintptr_t)victim.data, 16, DESC_NEXT, 0);
	for (unsigned i = 2; packed() && i < VICTIM_RING; i++) /* once around is all there is */
		describe(i, (uintptr_t)victim.data, 16, DESC_NEXT, 0);
}

static void next_out_of_range(void)
{
	describe(0, (uintptr_t)victim.data, 16, DESC_NEXT, VICTIM_RING);
	if (packed()) /* an ID has no next, but a range */
		victim_work()->desc[0].a = VICTIM_RING, victim_work()->desc[0].b = DESC_AVAIL;
}

static void wrong_direction(void)
{
	describe(0, (uintptr_t)victim.data, 16, DESC_WRITE | DESC_NEXT, 1);
	describe(1, (uintptr_t)victim.data, 16, 0, 0);
}

static void not_ram(void)
{
	describe(0, NOT_RAM, 16, DESC_WRITE, 0);
}

static void overflow(void)
{
	describe(0, ~0ull - 7, 16, DESC_WRITE, 0);
}

static void beyond_ram(void)
{
	describe(0, (uintptr_t)victim.data, 0xfffff000, DESC_WRITE, 0);
}

static void no_bytes(void)
{
	describe(0, (uintptr_t)victim.data, 0, DESC_WRITE, 0);
}

static void table(uint32_t bytes)
{
	describe(0, (uintptr_t)victim_work()->table, bytes, DESC_INDIRECT, 0);
}

static void table_empty(void)
{
	table(0);
}

static void table_odd(void)
{
	describe_in_table(0, (uintptr_t)victim.data, 16, DESC_WRITE);
	table(17);
}

static void table_nested(void)
{
	describe_in_table(0, (uintptr_t)victim_work()->table, 16, DESC_INDIRECT);
	table(16);
}

static void table_not_ram(void)
{
	describe(0, NOT_RAM, 48, DESC_INDIRECT, 0);
}

static void table_overlong(void)
{
	for (unsigned i = 0; i < TABLE_DESCS; i++)
		describe_in_table(i, (uintptr_t)victim.data, 16,
				  DESC_WRITE |
					  (packed() || i + 1 == TABLE_DESCS ? 0 : DESC_NEXT));
	table(TABLE_DESCS * sizeof(struct virtio_desc));
}

/* More is available than the ring has room for; packed: the chain runs into what is not. The
 * device's thread may look at any moment, as the ring's start is a reason to: so what makes the
 * chain wrong is written before what makes it available. */
static void runs_ahead(void)
{
	if (packed()) {
		describe_unavailable(1, (uintptr_t)victim.data, 16, 0);
		virtio_barrier();
		describe(0, (uintptr_t)victim.data, 16, DESC_NEXT, 0);
		return;
	}
	describe(0, (uintptr_t)victim.data, 16, DESC_WRITE, 0);
	victim_work()->driver[1] = VICTIM_RING + 1;
}

static void test_chains(void)
{
	static const struct {
		const char *name;
		void (*write)(void);
		bool offered; /* by itself */
	} cases[] = {
		{"loop", loop, false},
		{"next or ID out of range", next_out_of_range, false},
		{"wrong direction", wrong_direction, false},
		{"not RAM", not_ram, false},
		{"address overflow", overflow, false},
		{"beyond RAM", beyond_ram, false},
		{"no bytes", no_bytes, false},
		{"table empty", table_empty, false},
		{"table of an odd length", table_odd, false},
		{"table in a table", table_nested, false},
		{"table not in RAM", table_not_ram, false},
		{"table overlong", table_overlong, false},
		{"ring runs ahead", runs_ahead, true},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		victim_set_up();
		cases[i].write();
		if (!cases[i].offered || packed())
			offer();
		virtio_kick(&victim.device, victim_queue());
		check(virtio_wait_broken(&victim.device, VICTIM_LIMIT_MS), cases[i].name,
		      "%s: DEVICE_NEEDS_RESET is not set", victim_kind());
		virtio_kick(&victim.device, victim_queue());
		victim_mended(cases[i].name);
	}
}

/* ---- rings ---- */

static void test_rings(void)
{
	static const struct {
		const char *name;
		uint32_t desc, driver, used;
		uint16_t size;
	} cases[] = {
		{"descriptors not in RAM", NOT_RAM, 0, 0, VICTIM_RING},
		{"descriptors over RAM's end", 0xbffffff0, 0, 0, VICTIM_RING},
		{"descriptors not aligned", 8, 0, 0, VICTIM_RING},
		{"driver area not in RAM", 0, NOT_RAM, 0, VICTIM_RING},
		{"driver area not aligned", 0, 1, 0, VICTIM_RING},
		{"device area not in RAM", 0, 0, NOT_RAM, VICTIM_RING},
		{"device area not aligned", 0, 0, 2, VICTIM_RING},
		{"size that is no power of two", 0, 0, 0, 7}, /* split */
	};
	volatile struct virtio_common *common = victim.device.common;
	uint32_t base = (uint32_t)(uintptr_t)victim.rings[0];

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cases[i].size != VICTIM_RING && packed())
			continue;
		virtio_negotiate(&victim.device, victim.format);
		common->queue_select = 0;
		common->queue_size = cases[i].size;
		common->queue_desc[0] =
			cases[i].desc >= 0x1000 ? cases[i].desc : base + cases[i].desc;
		common->queue_driver[0] = cases[i].driver >= 0x1000
						  ? cases[i].driver
						  : base + RING_DRIVER + cases[i].driver;
		common->queue_device[0] = cases[i].used >= 0x1000
						  ? cases[i].used
						  : base + RING_DEVICE + cases[i].used;
		common->queue_enable = 1;
		virtio_start(&victim.device);
		check(virtio_wait_broken(&victim.device, VICTIM_LIMIT_MS), cases[i].name,
		      "%s: DEVICE_NEEDS_RESET is not set", victim_kind());
	}
	victim_mended("rings");
}

/* The guest writes into rings and tables while the device reads them. */
static void test_mutation(void)
{
	uint32_t *words = (uint32_t *)victim.rings[victim_queue()];

	for (unsigned round = 0; round < 12; round++) {
		victim_set_up();
		for (unsigned i = 0; i < 200; i++) {
			unsigned at = random32() % (RING_TABLE / 4 + 64);
			uint32_t value = random32();

			/* An address that is RAM, or any; else small numbers. */
			if (value & 1)
				value &= 0x1f;
			else if (value & 2)
				value = (uint32_t)(uintptr_t)victim.data + value % 4096;
			*(volatile uint32_t *)&words[at] = value;
			if (i % 4 == 0)
				virtio_kick(&victim.device, victim_queue());
		}
	}
	victim_mended("rings that change");
}

/* ---- resets ---- */

static void test_resets(void)
{
	struct virtio_buffer buffers[4];

	for (unsigned round = 0; round < 30; round++) {
		victim_set_up();
		for (unsigned i = 0; i < VICTIM_RING / 4; i++)
			virtio_add(victim_work(), buffers, victim_proper(buffers));
		virtio_kick(&victim.device, victim_queue());
		for (volatile unsigned i = 0; i < round * 100; i++)
			;
		virtio_reset(&victim.device);
	}
	victim_mended("reset amid requests");
}

static void test_queue_resets(void)
{
	struct virtio_buffer buffers[4];
	volatile struct virtio_common *common = victim.device.common;
	bool good = true;

	victim.format |= BIT(VIRTIO_RING_RESET);
	victim_set_up();
	victim.format &= ~BIT(VIRTIO_RING_RESET);
	if (!(victim.device.features & BIT(VIRTIO_RING_RESET)))
		return;
	for (unsigned round = 0; round < 10 && good; round++) {
		uint32_t start = pm_now();

		virtio_add(victim_work(), buffers, victim_proper(buffers));
		virtio_kick(&victim.device, victim_queue());
		common->queue_select = (uint16_t)victim_queue();
		common->queue_reset = 1;
		while (common->queue_reset && pm_us_since(start) < VICTIM_LIMIT_MS * 1000u)
			pause();
		good = !common->queue_reset && !common->queue_enable &&
		       virtio_enable(&victim.device, victim_work(), victim_queue(), VICTIM_RING,
				     victim.rings[victim_queue()]) &&
		       victim_serves();
	}
	check(good, "queue reset amid requests", "%s: the queue does not serve", victim_kind());
}

/* ---- registers, kicks, MSI-X ---- */

static void test_kicks(void)
{
	static const uint16_t absent[] = {60, 255, 0x8000, 0xffff};

	victim_set_up();
	for (unsigned i = 0; i < ARRAY_SIZE(absent); i++) {
		virtio_kick(&victim.device, absent[i]);
		*(volatile uint16_t *)victim.device.notify = absent[i];
	}
	*(volatile uint8_t *)victim.device.notify = 0;
	*(volatile uint32_t *)victim.device.notify = 0;
	*(volatile uint64_t *)victim.device.notify = 0;
	if (victim.device.notify_port) {
		out8(victim.device.notify_port, 0);
		out32(victim.device.notify_port, 0);
		(void)in16(victim.device.notify_port);
	}
	(void)*(volatile uint16_t *)victim.device.notify;
	for (unsigned i = 0; i < 2000; i++)
		virtio_kick(&victim.device, i % 4);
	check(victim_serves(), "kicks for nobody", "%s: it does not serve", victim_kind());
}

/* Anything anywhere in the registers, but the status never with FEATURES_OK: rings are not to
 * be believed. */
static void test_registers(void)
{
	const unsigned status = offsetof(struct virtio_common, status);

	virtio_reset(&victim.device);
	for (unsigned i = 0; i < 2000; i++) {
		uint32_t at = random32() % (i % 2 ? 4096 : 64), value = random32();
		uintptr_t to = victim.device.registers + at;

		if (i % 3 == 0)
			*(volatile uint8_t *)to = at == status ? value & 0x83 : value;
		else if (i % 3 == 1)
			*(volatile uint32_t *)(to & ~3ul) = value;
		else
			(void)*(volatile uint64_t *)to;
	}
	check(!(victim.device.common->status & STATUS_DRIVER_OK), "registers' nonsense",
	      "%s: it runs", victim_kind());
	victim_mended("registers' nonsense");
}

/* Messages to addresses that are nobody's, in delivery modes that do not exist. */
static void test_msix(void)
{
	volatile struct virtio_common *common = victim.device.common;

	if (!victim.device.msix)
		return;
	pci_write(victim.device.slot, victim.device.msix_capability + 2, 2, 0x8000);
	for (unsigned round = 0; round < 16; round++) {
		victim_set_up();
		for (unsigned i = 0; i < victim.device.msix_vectors * 4; i++)
			victim.device.msix[i] = i % 4 == 1   ? round % 2
						: i % 4 == 0 ? random32() & 0xdfffffff
							     : random32();
		for (unsigned i = 0; i < victim.device.msix_vectors; i++) {
			if (victim.device.msix[4 * i] >> 20 ==
			    0xfee) /* our own APIC: not this way */
				victim.device.msix[4 * i] = 0;
			victim.device.msix[4 * i + 3] = round % 4 == 3;
		}
		common->config_vector = (uint16_t)(random32() % 80);
		common->queue_select = (uint16_t)victim_queue();
		common->queue_vector = (uint16_t)(random32() % victim.device.msix_vectors);
		if (!victim_serves())
			break;
		if (round % 8 == 7) /* and one for the configuration */
			not_ram(), offer(), virtio_kick(&victim.device, victim_queue());
	}
	for (unsigned i = 0; i < victim.device.msix_vectors; i++)
		victim.device.msix[4 * i + 3] = 1;
	pci_write(victim.device.slot, victim.device.msix_capability + 2, 2, 0);
	victim_mended("MSI-X nonsense");
}

static void attack(void)
{
	test_chains();
	test_rings();
	test_mutation();
	test_resets();
	test_queue_resets();
	test_kicks();
	test_registers();
	test_msix();
}

void test(void)
{
	victim_each(attack);
}
