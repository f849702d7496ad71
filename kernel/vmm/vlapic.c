/*
 * The local APIC's registers, as the guest reads and writes them through MMIO and MSRs, and
 * the choice of the interrupt to deliver. Not here: messages (vlapic_ipi.c), the timer
 * (vlapic_timer.c).
 */
#include "kernel/vmm/vlapic.h"

#include <errno.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/vlapic_internal.h"
#include "kernel/vmm/vm.h"

/* Version 0x14, five LVT entries beyond the timer's, no suppression of EOI broadcasts (our
 * I/O APIC, version 0x11, has no EOI register). */
#define SVR_RESET	0xffu

#define ICR_X2_RESERVED 0xfff32000u

/* What may be done to each register, and which bits software may set. In x2APIC mode a 1 in
 * any other bit is #GP; in xAPIC mode it is dropped. */
enum { R = 1, W = 2, X2R = 4, X2W = 8, RW = R | W | X2R | X2W };
static const struct {
	uint8_t access;
	uint32_t writable;
} rules[LAPIC_REGS] = {
	[LAPIC_ID] = {R | X2R, 0},
	[LAPIC_VERSION] = {R | X2R, 0},
	[LAPIC_TPR] = {RW, 0xff},
	[LAPIC_APR] = {R, 0},
	[LAPIC_PPR] = {R | X2R, 0},
	[LAPIC_EOI] = {R | W | X2W, 0},
	[LAPIC_RRD] = {R, 0},
	[LAPIC_LDR] = {R | W | X2R, 0xff000000},
	[LAPIC_DFR] = {R | W, 0xf0000000},
	[LAPIC_SVR] = {RW, 0x3ff},
	[LAPIC_ISR... LAPIC_IRR + 7] = {R | X2R, 0},
	[LAPIC_ESR] = {RW, 0},
	[LAPIC_ICR] = {RW, 0xccfff},
	[LAPIC_ICR_HIGH] = {R | W, 0xff000000},
	[LAPIC_LVT_TIMER] = {RW, 0x700ff},
	[LAPIC_LVT_THERMAL] = {RW, 0x107ff},
	[LAPIC_LVT_COUNTER] = {RW, 0x107ff},
	[LAPIC_LVT_LINT0] = {RW, 0x1a7ff},
	[LAPIC_LVT_LINT1] = {RW, 0x1a7ff},
	[LAPIC_LVT_ERROR] = {RW, 0x100ff},
	[LAPIC_TIMER_INITIAL] = {RW, 0xffffffff},
	[LAPIC_TIMER_CURRENT] = {R | X2R, 0},
	[LAPIC_TIMER_DIVIDE] = {RW, 0xb},
	[LAPIC_SELF_IPI] = {X2W, 0xff},
};

struct vlapic *vlapic_create(struct vcpu *vcpu)
{
	struct mem_account *account = &vcpu->vm->account;
	struct vlapic *lapic = heap_zalloc(sizeof(*lapic), account);

	if (!lapic)
		return NULL;
	lapic->page = heap_zalloc(PAGE_BYTES, account);
	if (!lapic->page) {
		heap_free(lapic);
		return NULL;
	}
	lapic->vcpu = vcpu;
	lapic_timer_init(lapic);
	vlapic_reset(lapic, false);
	return lapic;
}

void vlapic_destroy(struct vlapic *lapic)
{
	if (!lapic)
		return;
	lapic_timer_stop(lapic);
	heap_free((void *)lapic->page);
	heap_free(lapic);
}

void *vlapic_page(struct vlapic *lapic)
{
	return (void *)lapic->page;
}

/* ID and LDR as the mode has them; an x2APIC's logical ID is made from its ID (SDM vol. 3A
 * 10.12.10.2). */
static void set_identity(struct vlapic *lapic)
{
	uint32_t id = lapic->vcpu->id;
	bool x2 = lapic_is_x2(lapic);

	lapic_set(lapic, LAPIC_ID, x2 ? id : id << 24);
	lapic_set(lapic, LAPIC_LDR, x2 ? id >> 4 << 16 | 1u << (id & 15) : 0);
}

/* irr_words before IRR: an interrupt that arrives meanwhile sets them the other way round, so
 * no bit stays in IRR that irr_words doesn't tell of. */
static void reset_registers(struct vlapic *lapic)
{
	lapic_timer_stop(lapic);
	if (lapic->hardware)
		vmm_backend->lapic_sync(lapic->vcpu); /* what was posted goes with the rest */
	atomic_store(&lapic->irr_words, 0);
	for (unsigned reg = 0; reg < LAPIC_REGS; reg++)
		lapic_set(lapic, reg, 0);
	atomic_store(&lapic->errors, 0);
	lapic->isr_words = 0;
	set_identity(lapic);
	lapic_set(lapic, LAPIC_VERSION, VLAPIC_VERSION);
	lapic_set(lapic, LAPIC_DFR, ~0u);
	lapic_set(lapic, LAPIC_SVR, SVR_RESET);
	for (unsigned reg = LAPIC_LVT_TIMER; reg <= LAPIC_LVT_ERROR; reg++)
		lapic_set(lapic, reg, LVT_MASKED);
}

/* INIT keeps the ID and the mode (SDM vol. 3A 10.4.7.3, 10.12.5.1). At power-on vCPU 0's is
 * left as PC firmware leaves it, in virtual wire mode (MultiProcessor Specification 1.4,
 * 3.6.2.2), since no firmware runs in our guests: software that knows only the 8259 works. */
void vlapic_reset(struct vlapic *lapic, bool init)
{
	bool boot = lapic->vcpu->id == 0;

	if (!init)
		atomic_store(&lapic->base,
			     VLAPIC_DEFAULT_BASE | APIC_BASE_EN | (boot ? APIC_BASE_BSP : 0));
	reset_registers(lapic);
	if (!init && boot) {
		lapic_set(lapic, LAPIC_SVR, SVR_RESET | SVR_ENABLED);
		lapic_set(lapic, LAPIC_LVT_LINT0, DELIVERY_EXTINT);
		lapic_set(lapic, LAPIC_LVT_LINT1, DELIVERY_NMI);
	}
}

/* The highest vector in IRR, or -1. A word found empty is taken off irr_words; a bit that
 * arrives meanwhile is either seen by the second look or puts the word back itself. */
static int highest_irr(struct vlapic *lapic)
{
	uint32_t words;

	while ((words = atomic_load(&lapic->irr_words)) != 0) {
		unsigned word = 31 - __builtin_clz(words);
		_Atomic uint32_t *irr = &lapic->page[4 * (LAPIC_IRR + word)];
		uint32_t bits = atomic_load(irr);

		if (bits)
			return word * 32 + 31 - __builtin_clz(bits);
		atomic_fetch_and(&lapic->irr_words, ~BIT(word));
		if (atomic_load(irr))
			atomic_fetch_or(&lapic->irr_words, BIT(word));
	}
	return -1;
}

static int highest_isr(struct vlapic *lapic)
{
	while (lapic->isr_words) {
		unsigned word = 31 - __builtin_clz(lapic->isr_words);
		uint32_t bits = lapic_get(lapic, LAPIC_ISR + word);

		if (bits)
			return word * 32 + 31 - __builtin_clz(bits);
		lapic->isr_words &= ~BIT(word);
	}
	return -1;
}

/* SDM vol. 3A 10.8.3.1. Kept in the page: vlapic_pending() and other CPUs' lowest-priority
 * messages read it there. */
static void update_ppr(struct vlapic *lapic)
{
	uint32_t tpr = lapic_get(lapic, LAPIC_TPR);
	int isr = highest_isr(lapic);
	uint32_t in_service = isr < 0 ? 0 : isr & 0xf0;

	lapic_set(lapic, LAPIC_PPR, (tpr & 0xf0) >= in_service ? tpr : in_service);
}

int vlapic_pending(struct vlapic *lapic)
{
	int vector;

	if (lapic->hardware) {
		vmm_backend->lapic_sync(lapic->vcpu);
		atomic_store(&lapic->irr_words, 0xff);
	}
	if (likely(atomic_load(&lapic->irr_words) == 0) || !lapic_on(lapic))
		return -1;
	vector = highest_irr(lapic);
	return (vector & 0xf0) > (int)(lapic_get(lapic, LAPIC_PPR) & 0xf0) ? vector : -1;
}

unsigned vlapic_tpr_threshold(struct vlapic *lapic)
{
	int irr, isr;

	if (likely(atomic_load(&lapic->irr_words) == 0) || !lapic_on(lapic))
		return 0;
	irr = highest_irr(lapic);
	isr = highest_isr(lapic);
	if (irr < 0 || irr >> 4 <= isr >> 4 || irr >> 4 > (int)vlapic_get_cr8(lapic))
		return 0;
	return irr >> 4;
}

void vlapic_accept(struct vlapic *lapic, unsigned vector)
{
	unsigned word = vector / 32 & 7;
	uint32_t bit = BIT(vector % 32);

	atomic_fetch_and(&lapic->page[4 * (LAPIC_IRR + word)], ~bit);
	lapic_set(lapic, LAPIC_ISR + word, lapic_get(lapic, LAPIC_ISR + word) | bit);
	lapic->isr_words |= BIT(word);
	update_ppr(lapic);
}

void vlapic_eoi_broadcast(struct vlapic *lapic, unsigned vector)
{
	if (lapic_get(lapic, LAPIC_TMR + vector / 32) >> (vector % 32) & 1)
		irqchip_eoi(&lapic->vcpu->vm->board.irqs, vector);
}

static void write_eoi(struct vlapic *lapic)
{
	int vector = highest_isr(lapic);
	unsigned word = vector / 32;
	uint32_t bit;

	if (vector < 0)
		return;
	bit = BIT(vector % 32);
	lapic_set(lapic, LAPIC_ISR + word, lapic_get(lapic, LAPIC_ISR + word) & ~bit);
	vlapic_eoi_broadcast(lapic, (unsigned)vector);
	update_ppr(lapic);
}

bool vlapic_is_enabled(const struct vlapic *lapic)
{
	return lapic_on(lapic);
}

/* What an address reads as that nobody answers. */
static uint64_t nothing(const struct bus_access *access)
{
	return ~0ull >> (64 - 8 * access->bytes);
}

static uint64_t page_address(const struct vlapic *lapic)
{
	return lapic_base(lapic) & ~(PAGE_BYTES - 1);
}

bool vlapic_is_x2apic(const struct vlapic *lapic)
{
	return lapic_is_x2(lapic);
}

bool vlapic_by_hardware(const struct vlapic *lapic)
{
	return lapic->hardware;
}

/* Which words are empty is not known afterwards. */
void vlapic_set_by_hardware(struct vlapic *lapic, bool on)
{
	lapic->hardware = on;
	atomic_store(&lapic->irr_words, 0xff);
	lapic->isr_words = 0xff;
	if (!on)
		update_ppr(lapic);
}

bool vlapic_accepts_extint(const struct vlapic *lapic)
{
	return !lapic_on(lapic) || (lapic_get(lapic, LAPIC_LVT_LINT0) &
				    (LVT_MASKED | LAPIC_DELIVERY)) == DELIVERY_EXTINT;
}

/* Where the CPU itself writes TPR into the page (VMX), PPR may be old though TPR is as asked.
 */
static void set_tpr(struct vlapic *lapic, uint32_t tpr)
{
	lapic_set(lapic, LAPIC_TPR, tpr);
	update_ppr(lapic);
}

uint64_t vlapic_get_cr8(const struct vlapic *lapic)
{
	return lapic_get(lapic, LAPIC_TPR) >> 4;
}

void vlapic_set_cr8(struct vlapic *lapic, uint64_t value)
{
	set_tpr(lapic, (value & 0xf) << 4);
}

/* While the APIC is disabled by software every LVT entry is masked, and stays so (SDM vol. 3A
 * 10.4.7.2). */
static void write_lvt(struct vlapic *lapic, unsigned reg, uint32_t value)
{
	if (!(lapic_get(lapic, LAPIC_SVR) & SVR_ENABLED))
		value |= LVT_MASKED;
	if (reg == LAPIC_LVT_TIMER)
		lapic_timer_set_lvt(lapic, value);
	else
		lapic_set(lapic, reg, value);
}

static void write_svr(struct vlapic *lapic, uint32_t value)
{
	lapic_set(lapic, LAPIC_SVR, value);
	if (!(value & SVR_ENABLED))
		for (unsigned reg = LAPIC_LVT_TIMER; reg <= LAPIC_LVT_ERROR; reg++)
			lapic_set(lapic, reg, lapic_get(lapic, reg) | LVT_MASKED);
}

/* `value` holds writable bits alone. ICR is not written here. */
static void write_register(struct vlapic *lapic, unsigned reg, uint32_t value)
{
	switch (reg) {
	case LAPIC_TPR: set_tpr(lapic, value); break;
	case LAPIC_EOI: write_eoi(lapic); break;
	case LAPIC_DFR: lapic_set(lapic, reg, value | 0x0fffffff); break;
	case LAPIC_SVR: write_svr(lapic, value); break;
	case LAPIC_ESR: lapic_set(lapic, reg, atomic_exchange(&lapic->errors, 0)); break;
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR: write_lvt(lapic, reg, value); break;
	case LAPIC_TIMER_INITIAL: lapic_timer_set_initial(lapic, value); break;
	case LAPIC_TIMER_DIVIDE: lapic_timer_set_divide(lapic, value); break;
	case LAPIC_SELF_IPI: lapic_accept_fixed(lapic, value, false); break;
	default: lapic_set(lapic, reg, value); break; /* LDR, ICR's high half */
	}
}

static uint32_t read_register(struct vlapic *lapic, unsigned reg)
{
	if (reg == LAPIC_TIMER_CURRENT)
		return lapic_timer_count(lapic);
	return lapic_get(lapic, reg);
}

/* Other widths and the 12 bytes after each register are undefined (SDM vol. 3A 10.4.1): they
 * read as zero. In x2APIC mode and when disabled, nothing is at this address. */
static void page_access(struct vlapic *lapic, struct bus_access *access)
{
	unsigned reg = access->offset / 16;
	uint32_t value = access->value;

	if (!access->write)
		access->value = 0;
	if ((lapic_base(lapic) & APIC_BASE_X2APIC) != APIC_BASE_EN) {
		access->value = nothing(access);
		return;
	}
	if (access->bytes != 4 || access->offset % 16)
		return;
	if (reg >= LAPIC_REGS || !(rules[reg].access & (R | W))) {
		lapic_error(lapic, ESR_REGISTER);
		return;
	}
	if (!access->write) {
		access->value = read_register(lapic, reg);
		return;
	}
	value &= rules[reg].writable;
	if (!(rules[reg].access & W))
		return;
	if (reg == LAPIC_ICR) {
		lapic_set(lapic, reg, value);
		lapic_send_ipi(lapic, value, lapic_get(lapic, LAPIC_ICR_HIGH) >> 24);
		return;
	}
	write_register(lapic, reg, value);
}

void vlapic_mmio(void *device, struct bus_access *access)
{
	struct vlapic *lapic = access->vcpu->lapic;

	(void)device;
	if (likely(page_address(lapic) == VLAPIC_DEFAULT_BASE))
		page_access(lapic, access);
	else
		access->value = nothing(access);
}

bool vlapic_mmio_moved(struct bus_access *access)
{
	struct vlapic *lapic = access->vcpu->lapic;
	uint64_t at = page_address(lapic);

	if (likely(at == VLAPIC_DEFAULT_BASE || !lapic_on(lapic)) || access->addr < at ||
	    access->addr - at >= PAGE_BYTES)
		return false;
	access->offset = access->addr - at;
	page_access(lapic, access);
	return true;
}

static int read_x2apic(struct vlapic *lapic, unsigned reg, uint64_t *value)
{
	if (!lapic_is_x2(lapic) || reg >= LAPIC_REGS || !(rules[reg].access & X2R))
		return -EPERM;
	*value = read_register(lapic, reg);
	if (reg == LAPIC_ICR)
		*value |= (uint64_t)lapic_get(lapic, LAPIC_ICR_HIGH) << 32;
	return 0;
}

static int write_x2apic(struct vlapic *lapic, unsigned reg, uint64_t value)
{
	/* Read-only status bits may be written back. */
	uint64_t ignored = reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR
				   ? LVT_DELIVERY_STATUS | LVT_REMOTE_IRR
				   : 0;

	if (!lapic_is_x2(lapic) || reg >= LAPIC_REGS || !(rules[reg].access & X2W))
		return -EPERM;
	if (reg == LAPIC_ICR) {
		if (value & ICR_X2_RESERVED)
			return -EPERM;
		lapic_set(lapic, LAPIC_ICR, value & ~ICR_PENDING);
		lapic_set(lapic, LAPIC_ICR_HIGH, value >> 32);
		lapic_send_ipi(lapic, value, value >> 32);
		return 0;
	}
	if (value & ~(rules[reg].writable | ignored))
		return -EPERM;
	write_register(lapic, reg, value & rules[reg].writable);
	return 0;
}

/*
 * The transitions of SDM vol. 3A figure 10-27: x2APIC mode is entered from xAPIC mode alone and
 * left by disabling, which resets the registers. The page may be moved (10.4.5), but not onto
 * RAM, which cannot be hidden from one vCPU alone: #GP, as for an address that the CPU lacks.
 * The BSP flag is fixed: another value is ignored, and the MSR shows it.
 */
static int write_base(struct vlapic *lapic, uint64_t value)
{
	uint64_t old = lapic_base(lapic);
	uint64_t mode = value & APIC_BASE_X2APIC, old_mode = old & APIC_BASE_X2APIC;
	uint64_t at = value & ~(PAGE_BYTES - 1);

	if (value & 0x2ff || value >> cpu_features.phys_bits)
		return -EPERM;
	if (mode == APIC_BASE_EXTD || (old_mode == 0 && mode == APIC_BASE_X2APIC) ||
	    (old_mode == APIC_BASE_X2APIC && mode == APIC_BASE_EN))
		return -EPERM;
	if (at != page_address(lapic) && gmem_is_ram(&lapic->vcpu->vm->gmem, at, PAGE_BYTES))
		return -EPERM;
	atomic_store(&lapic->base, (old & APIC_BASE_BSP) | mode | at);
	if (mode == old_mode)
		return 0;
	if (mode == 0)
		reset_registers(lapic);
	else
		set_identity(lapic);
	return 0;
}

bool vlapic_owns_msr(uint32_t msr)
{
	return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE || msr >> 8 == MSR_X2APIC >> 8;
}

int vlapic_rdmsr(struct vlapic *lapic, uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case MSR_APIC_BASE: *value = lapic_base(lapic); return 0;
	case MSR_TSC_DEADLINE: *value = lapic_timer_deadline(lapic); return 0;
	default: return read_x2apic(lapic, msr - MSR_X2APIC, value);
	}
}

int vlapic_wrmsr(struct vlapic *lapic, uint32_t msr, uint64_t value)
{
	switch (msr) {
	case MSR_APIC_BASE: return write_base(lapic, value);
	case MSR_TSC_DEADLINE: lapic_timer_set_deadline(lapic, value); return 0;
	default: return write_x2apic(lapic, msr - MSR_X2APIC, value);
	}
}
