/*
 * Messages on the virtual APIC bus: who is meant, and what happens to them. Sent by ICR, I/O
 * APIC and MSI; the wire is memory, so nothing is lost or retried. Registers are vlapic.c's.
 */
#include "kernel/vmm/vlapic_internal.h"
#include "kernel/vmm/vm.h"

enum shorthand { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

#define BROADCAST_XAPIC	 0xffu
#define BROADCAST_X2APIC 0xffffffffu

bool vlapic_takes_interrupts(const struct vlapic *lapic)
{
	return lapic_on(lapic) && lapic_get(lapic, LAPIC_SVR) & SVR_ENABLED;
}

void lapic_error(struct vlapic *lapic, uint32_t esr_bit)
{
	uint32_t lvt = lapic_get(lapic, LAPIC_LVT_ERROR);

	atomic_fetch_or(&lapic->errors, esr_bit);
	/* An illegal vector here would be one more error, and so on: it is not delivered. */
	if ((lvt & 0xff) >= LAPIC_VECTOR_MIN)
		lapic_fire_lvt(lapic, LAPIC_LVT_ERROR);
}

void lapic_fire_lvt(struct vlapic *lapic, enum lapic_reg reg)
{
	uint32_t lvt = lapic_get(lapic, reg);

	if (!(lvt & LVT_MASKED))
		lapic_accept_fixed(lapic, lvt & 0xff, false);
}

bool lapic_accept_fixed(struct vlapic *lapic, unsigned vector, bool level)
{
	unsigned word = vector / 32;
	uint32_t bit = BIT(vector % 32);

	if (!vlapic_takes_interrupts(lapic))
		return false;
	if (vector < LAPIC_VECTOR_MIN) {
		lapic_error(lapic, ESR_RECEIVE_VECTOR);
		return false;
	}
	if (level)
		atomic_fetch_or(&lapic->page[4 * (LAPIC_TMR + word)], bit);
	else if (lapic_get(lapic, LAPIC_TMR + word) & bit)
		atomic_fetch_and(&lapic->page[4 * (LAPIC_TMR + word)], ~bit);

	if (!level && vmm_backend->post_interrupt &&
	    vmm_backend->post_interrupt(lapic->vcpu, vector))
		return true;
	/* A bit that was there already came with its own kick. */
	if (atomic_fetch_or(&lapic->page[4 * (LAPIC_IRR + word)], bit) & bit)
		return true;
	atomic_fetch_or(&lapic->irr_words, BIT(word));
	vcpu_kick(lapic->vcpu);
	return true;
}

/* One vCPU that the message names. False where it cannot take it. SMI and ExtINT have no
 * effect: there is no SMM, and INTR of the 8259s is a wire to LINT0. */
static bool deliver(struct vlapic *lapic, const struct vlapic_message *m)
{
	if (!lapic_on(lapic))
		return false;
	switch (m->delivery) {
	case LAPIC_FIXED:
	case LAPIC_LOWEST: return lapic_accept_fixed(lapic, m->vector, m->level_triggered);
	case LAPIC_NMI: vcpu_post_nmi(lapic->vcpu); return true;
	case LAPIC_INIT:
		if (m->level_triggered && m->deassert)
			return false; /* arbitration IDs are no more (SDM vol. 3A 10.6.1) */
		vcpu_post(lapic->vcpu, VCPU_REQ_INIT);
		return true;
	case LAPIC_SIPI: vcpu_post_sipi(lapic->vcpu, m->vector); return true;
	default: return false;
	}
}

/* Logical destination (SDM vol. 3A 10.6.2.2 to 10.6.2.4). */
static bool matches_logical(const struct vlapic *lapic, uint32_t dest)
{
	uint32_t ldr = lapic_get(lapic, LAPIC_LDR);

	if (lapic_is_x2(lapic))
		return dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff);
	if (dest > 0xff)
		return false;
	ldr >>= 24;
	if (lapic_get(lapic, LAPIC_DFR) >> 28 == 0xf) /* flat */
		return dest & ldr;
	return dest >> 4 == ldr >> 4 && (dest & ldr & 0xf);
}

static bool matches(const struct vlapic *lapic, const struct vlapic_message *m)
{
	switch (m->shorthand) {
	case SHORTHAND_SELF: return lapic->vcpu == m->source;
	case SHORTHAND_ALL: return true;
	case SHORTHAND_OTHERS: return lapic->vcpu != m->source;
	}
	if (m->dest == (m->x2apic ? BROADCAST_X2APIC : BROADCAST_XAPIC))
		return true;
	if (m->logical)
		return matches_logical(lapic, m->dest);
	return m->dest == lapic->vcpu->id;
}

/* Lowest priority goes to the smallest PPR; among equals the vector decides where the search
 * begins, which spreads a guest's devices over its CPUs without any state. */
static unsigned deliver_lowest(struct vm *vm, const struct vlapic_message *m)
{
	struct vlapic *best = NULL;

	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct vlapic *lapic = vm->vcpus[(m->vector + i) % vm->vcpu_count]->lapic;

		if (!vlapic_takes_interrupts(lapic) || !matches(lapic, m))
			continue;
		if (!best || lapic_get(lapic, LAPIC_PPR) < lapic_get(best, LAPIC_PPR))
			best = lapic;
	}
	return best ? deliver(best, m) : 0;
}

unsigned vlapic_deliver(struct vm *vm, const struct vlapic_message *m)
{
	unsigned count = 0;

	/* The usual case: one CPU by its ID. */
	if (m->shorthand == SHORTHAND_NONE && !m->logical && m->dest < vm->vcpu_count)
		return deliver(vm->vcpus[m->dest]->lapic, m);
	if (m->delivery == LAPIC_LOWEST)
		return deliver_lowest(vm, m);
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct vlapic *lapic = vm->vcpus[i]->lapic;

		if (matches(lapic, m))
			count += deliver(lapic, m);
	}
	return count;
}

/* SDM vol. 3A 10.11: address 0xfee, destination 19-12, redirection hint 3, logical 2; data
 * trigger 15, assert 14, delivery 10-8, vector 7-0. */
void vlapic_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	struct vlapic_message m = {
		.dest = address >> 12 & 0xff,
		.logical = address & BIT(2),
		.level_triggered = data & BIT(15),
		.deassert = !(data & BIT(14)),
		.delivery = data >> 8 & 7,
		.vector = data & 0xff,
	};

	if (address >> 20 != VLAPIC_DEFAULT_BASE >> 20 || (m.level_triggered && m.deassert))
		return;
	if (m.delivery == LAPIC_FIXED && address & BIT(3))
		m.delivery = LAPIC_LOWEST;
	vlapic_deliver(vm, &m);
}

/* Which deliveries go with which shorthands: SDM vol. 3A table 10-3. */
static bool icr_valid(enum shorthand shorthand, unsigned delivery)
{
	if (delivery == 3 || delivery == LAPIC_EXTINT)
		return false;
	if (shorthand == SHORTHAND_SELF || shorthand == SHORTHAND_ALL)
		return delivery == LAPIC_FIXED;
	return true;
}

void lapic_send_ipi(struct vlapic *lapic, uint32_t icr, uint32_t dest)
{
	struct vlapic_message m = {
		.dest = dest,
		.logical = icr & ICR_LOGICAL,
		.deassert = !(icr & ICR_ASSERT),
		.delivery = icr >> 8 & 7,
		.vector = icr & 0xff,
		.shorthand = icr >> 18 & 3,
		.source = lapic->vcpu,
		.x2apic = lapic_is_x2(lapic),
	};

	if (!icr_valid(m.shorthand, m.delivery))
		return;
	/* The trigger mode is INIT's alone; all other IPIs are edges. */
	m.level_triggered = m.delivery == LAPIC_INIT && icr & ICR_LEVEL;
	if (m.delivery <= LAPIC_LOWEST && m.vector < LAPIC_VECTOR_MIN) {
		lapic_error(lapic, ESR_SEND_VECTOR);
		return;
	}
	if (m.shorthand == SHORTHAND_SELF)
		lapic_accept_fixed(lapic, m.vector, false);
	else
		vlapic_deliver(lapic->vcpu->vm, &m);
}
