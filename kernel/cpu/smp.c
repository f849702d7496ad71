/*
 * Brings the other CPUs up, all at once. What they run then is the scheduler's affair; how
 * CPUs interrupt each other is ipi.c.
 */
#include "kernel/cpu/smp.h"

#include <string.h>

#include "boot/handoff.h"
#include "kernel/cpu/apic.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/traps.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"

/* SDM vol. 3A 9.4.4 gives 10 ms and 200 us for CPUs of 1997; today's need neither. */
#define INIT_DELAY_US 1000
#define RESEND_NS     (10 * NSEC_PER_MSEC)
#define ANSWER_NS     NSEC_PER_SEC
#define TSC_ROUNDS    16
#define TSC_ROUNDS_NS (2 * NSEC_PER_MSEC)
#define TSC_ASK	      1 /* in ap_slot.tsc: the CPU wants to hear CPU 0's TSC */

enum ap_state {
	AP_WANTED,    /* not heard of yet */
	AP_ARRIVED,   /* ready, waits for AP_GO; set by the CPU, as is AP_UNFIT */
	AP_UNFIT,     /* lacks a feature, halted */
	AP_ABANDONED, /* too late: if it comes, it halts */
	AP_GO,
};

/* One CPU on its way up. trampoline.S reads the first two fields it needs by offset. */
struct ap_slot {
	uint32_t apic_id;
	_Atomic uint32_t state; /* enum ap_state; WANTED is left by compare-and-swap */
	void *stack_top;
	struct cpu *cpu;
	const char *missing;  /* AP_UNFIT: what it lacks */
	_Atomic uint64_t tsc; /* TSC_ASK, then CPU 0's answer */
	uint64_t tsc_error;   /* how exact cpu->tsc_offset is, ticks */
	uint64_t reserved[2];
};
_Static_assert(offsetof(struct ap_slot, apic_id) == 0, "trampoline.S");
_Static_assert(offsetof(struct ap_slot, stack_top) == 8, "trampoline.S");
_Static_assert(sizeof(struct ap_slot) == 64, "trampoline.S");

/* Read by trampoline.S. */
struct ap_slot smp_slots[CPU_MAX];
uint32_t smp_slot_count;
uint64_t smp_cr3;

extern const char trampoline_start[], trampoline_end[]; /* trampoline.S */
noreturn void smp_ap_main(struct ap_slot *slot);

static const struct smp_plan *plan;

/*
 * Learns this CPU's TSC offset by asking CPU 0 a few times: its answer was given between the
 * two local readings, so the tightest pair bounds the offset best. Gives up after 2 ms, as
 * CPU 0 may be held up (a virtual machine's can).
 */
static void compare_tsc(struct ap_slot *slot)
{
	uint64_t limit = clock_ns_to_tsc(TSC_ROUNDS_NS), start = rdtsc(), best = UINT64_MAX;
	int64_t offset = 0;

	for (unsigned round = 0; round < TSC_ROUNDS; round++) {
		uint64_t before = rdtsc(), after, width;

		slot->tsc = TSC_ASK;
		while (slot->tsc == TSC_ASK && rdtsc() - start < limit)
			cpu_relax();
		after = rdtsc();
		if (after - start >= limit)
			break;
		width = after - before;
		if (width < best) {
			best = width;
			offset = (int64_t)(slot->tsc - (before + width / 2));
		}
	}
	/* Within what the measurement can tell, they agree. */
	if (best != UINT64_MAX && (uint64_t)(offset < 0 ? -offset : offset) > best / 2 + 2) {
		slot->cpu->tsc_offset = offset;
		slot->tsc_error = best / 2;
	}
}

static void answer_tsc(struct ap_slot *slot)
{
	if (slot->tsc == TSC_ASK)
		slot->tsc = rdtsc() | 2; /* never TSC_ASK */
}

/* First C code on a CPU that comes up; on its own stack, interrupts off. */
void smp_ap_main(struct ap_slot *slot)
{
	struct cpu *cpu = slot->cpu;
	uint32_t wanted = AP_WANTED;

	cpu_bind(cpu);
	cpu_features_enable();
	plan->mem_init_this_cpu();
	traps_init_this_cpu();
	slot->missing = cpu_features_missing();
	if (!slot->missing) {
		apic_init_this_cpu();
		compare_tsc(slot);
	}
	if (!atomic_compare_exchange_strong(&slot->state, &wanted,
					    slot->missing ? AP_UNFIT : AP_ARRIVED) ||
	    slot->missing)
		cpu_park();

	/* STI takes effect after HLT began, so the kick cannot slip in between. */
	while (slot->state != AP_GO)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	cpu->online = true;
	plan->entry();
	__builtin_unreachable();
}

/* The trampoline's page and its tables: one executable page at virtual = physical, and the
 * kernel's image. */
static void build_trampoline(void)
{
	enum { CODE, PML4, PDPT, PD, PT, TABLE_ENTRIES = 512 };
	enum { P = 1, RW = 2 };
	uint64_t phys = plan->trampoline_phys;
	uint64_t(*page)[TABLE_ENTRIES] = plan->trampoline;

	_Static_assert((PT + 1) * PAGE_BYTES == HANDOFF_TRAMPOLINE_BYTES, "one page each");
	memset(page, 0, HANDOFF_TRAMPOLINE_BYTES);
	memcpy(page[CODE], trampoline_start, (size_t)(trampoline_end - trampoline_start));
	page[PML4][0] = (phys + PDPT * PAGE_BYTES) | P | RW;
	page[PML4][511] = plan->pml4[511];
	page[PDPT][0] = (phys + PD * PAGE_BYTES) | P | RW;
	page[PD][0] = (phys + PT * PAGE_BYTES) | P | RW;
	page[PT][phys / PAGE_BYTES] = phys | P; /* read and execute only */
}

static void fill_slots(void)
{
	uint32_t own = apic_id();

	for (unsigned i = 0; i < plan->count; i++) {
		struct ap_slot *slot = &smp_slots[smp_slot_count];

		if (plan->apic_ids[i] == own)
			continue;
		if (smp_slot_count == CPU_MAX - 1) {
			log_warn("smp", "more than %u CPUs: the others stay unused", CPU_MAX);
			return;
		}
		slot->cpu = plan->create();
		if (!slot->cpu) {
			log_error("smp", "not enough memory for CPU %u and those after it",
				  smp_slot_count + 1);
			return;
		}
		slot->apic_id = plan->apic_ids[i];
		slot->stack_top = slot->cpu->stack_top;
		slot->cpu->self = slot->cpu;
		slot->cpu->apic_id = slot->apic_id;
		smp_slot_count++;
	}
}

static void send_sipis(void)
{
	for (unsigned i = 0; i < smp_slot_count; i++)
		if (smp_slots[i].state == AP_WANTED)
			apic_send_sipi(smp_slots[i].apic_id,
				       (unsigned)(plan->trampoline_phys / PAGE_BYTES));
}

/* Serves the CPUs on their way; returns how many have not answered yet. */
static unsigned poll_slots(void)
{
	unsigned silent = 0;

	for (unsigned i = 0; i < smp_slot_count; i++) {
		silent += smp_slots[i].state == AP_WANTED;
		answer_tsc(&smp_slots[i]);
	}
	return silent;
}

/*
 * INIT, SIPI, and for those that are silent SIPI once again. Returns when all answered, or none
 * more has for ANSWER_NS: a virtual machine's CPUs may come in slowly, one by one.
 */
static void wake_all(void)
{
	unsigned silent = smp_slot_count, left;
	uint64_t heard, now;
	bool sent_again = false;

	for (unsigned i = 0; i < smp_slot_count; i++)
		apic_send_init(smp_slots[i].apic_id);
	clock_delay_us(INIT_DELAY_US);
	send_sipis();
	heard = clock_now_ns();
	do {
		left = poll_slots();
		now = clock_now_ns();
		if (left < silent)
			heard = now;
		silent = left;
		if (silent && !sent_again && now - heard > RESEND_NS) {
			send_sipis();
			sent_again = true;
		}
		cpu_relax();
	} while (silent && now - heard < ANSWER_NS);
}

static void report_tsc(const struct ap_slot *slot)
{
	int64_t offset = slot->cpu->tsc_offset;

	if (offset)
		log_warn("smp", "CPU %u: its TSC is %lu ns %s of CPU 0's; corrected to %lu ns",
			 slot->cpu->index,
			 clock_tsc_to_ns((uint64_t)(offset < 0 ? -offset : offset)),
			 offset < 0 ? "ahead" : "short", clock_tsc_to_ns(slot->tsc_error));
}

/* Numbers the CPU of a slot and lets it go, or closes the slot. */
static void admit(struct ap_slot *slot)
{
	uint32_t state = AP_WANTED;

	if (atomic_compare_exchange_strong(&slot->state, &state, AP_ABANDONED)) {
		log_warn("smp", "the CPU with APIC ID %u does not answer: it is left out",
			 slot->apic_id);
		return;
	}
	if (state == AP_UNFIT) {
		log_warn("smp", "the CPU with APIC ID %u lacks %s, which CPU 0 has: left out",
			 slot->apic_id, slot->missing);
		return;
	}
	slot->cpu->index = cpu_count;
	cpus[cpu_count++] = slot->cpu;
	report_tsc(slot);
	slot->state = AP_GO;
	apic_send_ipi(slot->apic_id, VECTOR_KICK);
}

unsigned smp_start(const struct smp_plan *the_plan)
{
	plan = the_plan;
	cpu_boot.apic_id = apic_id();
	smp_ipi_init();
	__asm__ volatile("mov %%cr3, %0" : "=r"(smp_cr3));
	fill_slots();
	if (smp_slot_count) {
		build_trampoline();
		wake_all();
	}
	for (unsigned i = 0; i < smp_slot_count; i++)
		admit(&smp_slots[i]);
	for (unsigned i = 1; i < cpu_count; i++)
		while (!cpus[i]->online)
			cpu_relax();
	return cpu_count;
}
