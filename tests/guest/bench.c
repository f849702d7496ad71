/*
 * What an exit costs, in TSC ticks: run under QEMU's -icount, where a tick is an instruction,
 * the hypervisor's included. Says `BENCH name value`, the minimum over rounds less the empty
 * loop. Run without a hypervisor the same program gives the figures to subtract. Checks
 * nothing.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/virtio.h"

#define ROUNDS	       8
#define TIMES	       500

#define MSR_X2APIC_EOI 0x80b
#define COM1_LSR       0x3fd
#define NO_QUEUE       63 /* of a virtio device: its thread is not woken */

/* Memory nobody has touched: above the program and the loader's structures. */
#define FRESH	    (64ul << 20)
#define FRESH_BYTES (64ul << 20)
#define LARGE	    (2ul << 20)
#define SMALL	    4096

#define MEASURE(statement)                                              \
	({                                                              \
		uint64_t best = ~0ul;                                   \
		for (unsigned round = 0; round < ROUNDS; round++) {     \
			uint64_t begin = rdtsc(), ticks;                \
			for (volatile unsigned i = 0; i < TIMES; i++) { \
				statement;                              \
			}                                               \
			ticks = (rdtsc() - begin) / TIMES;              \
			best = ticks < best ? ticks : best;             \
		}                                                       \
		best;                                                   \
	})

static void say(const char *name, uint64_t ticks, uint64_t empty)
{
	print("BENCH %s %lu\n", name, ticks > empty ? ticks - empty : 0);
}

static void vmmcall(void)
{
	uint64_t rax = 17;

	asm volatile("vmmcall" : "+a"(rax) : : "memory");
}

static void vmcall(void)
{
	uint64_t rax = 17;

	asm volatile("vmcall" : "+a"(rax) : : "memory");
}

static bool is_intel(void)
{
	return cpuid(0, 0).ecx == 0x6c65746e; /* "ntel" */
}

/* What it costs to tell a device of new buffers, both ways, without what the device then does.
 */
static void kicks(uint64_t empty)
{
	struct virtio_device device;

	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		if (!virtio_find(slot, &device) || !device.notify_port)
			continue;
		say("kick_port", MEASURE(out16(device.notify_port, NO_QUEUE)), empty);
		say("kick_memory", MEASURE(*(volatile uint16_t *)device.notify = NO_QUEUE),
		    empty);
		return;
	}
}

/* The first touch of a 2 MiB region populates it all; the mean over its 4 KiB pages is what a
 * guest pays for each. */
static void first_touch(void)
{
	uint64_t first = 0, rest = 0, regions = FRESH_BYTES / LARGE;

	for (uint64_t at = FRESH; at < FRESH + FRESH_BYTES; at += LARGE) {
		uint64_t begin = rdtsc(), middle;

		*(volatile uint8_t *)at = 1;
		middle = rdtsc();
		for (uint64_t page = at + SMALL; page < at + LARGE; page += SMALL)
			*(volatile uint8_t *)page = 1;
		first += middle - begin;
		rest += rdtsc() - middle;
	}
	print("BENCH touch_2m %lu\n", first / regions);
	print("BENCH touch_rest %lu\n", rest / regions / (LARGE / SMALL - 1));
	print("BENCH touch_mean %lu\n", (first + rest) / regions / (LARGE / SMALL));
}

void test(void)
{
	uint64_t empty = MEASURE();

	say("cpuid", MEASURE(cpuid(1, 0)), empty);
	say("in_3fd", MEASURE(in8(COM1_LSR)), empty);
	say("out_80", MEASURE(out8(0x80, 0)), empty);
	if (hypervisor_is_ours() && is_intel())
		say("vmcall", MEASURE(vmcall()), empty);
	else if (hypervisor_is_ours())
		say("vmmcall", MEASURE(vmmcall()), empty);
	say("apic_mmio_read", MEASURE(apic_read(APIC_VERSION)), empty);
	say("rdmsr_apic_base", MEASURE(rdmsr(MSR_APIC_BASE)), empty);
	if (hypervisor_is_ours())
		say("wrmsr_tsc_deadline", MEASURE(wrmsr(MSR_TSC_DEADLINE, 0)), empty);
	if (apic_has_x2()) {
		apic_enable_x2();
		say("x2apic_eoi", MEASURE(wrmsr(MSR_X2APIC_EOI, 0)), empty);
	}
	kicks(empty);
	first_touch();
	check(true, "bench", "not reached");
}
