/* See fake_cpu.h. */
#include "tests/unit/fake_cpu.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/cpu/control.h"
#include "kernel/cpu/fpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/lib/x86.h"
#include "tests/unit/fake_vmm.h"
#include "tests/unit/model_guest.h"

#define ARCH_SET_GS   0x1001
#define XSAVE_XSTATE  512 /* XSTATE_BV, SDM vol. 1 13.4.2 */
#define DR_FIXED_ONES 0xffff0ff0ull

struct fake_cpu fake_cpus[FAKE_CPUS], *fake_cpu;
struct cpu *cpus[CPU_MAX];
unsigned cpu_count;
void (*fake_on_irq_disable)(void);

static uint64_t tsc_reads;

void fake_cpu_use(unsigned index)
{
	fake_cpu = &fake_cpus[index];
	syscall(SYS_arch_prctl, ARCH_SET_GS, &fake_cpu->cpu); /* where cpu_this() looks */
}

void fake_msr(uint32_t msr, uint64_t value)
{
	for (unsigned i = 0; i < FAKE_CPUS; i++) {
		struct fake_cpu *c = &fake_cpus[i];

		assert_true(c->msr_count < ARRAY_SIZE(c->msrs));
		c->msrs[c->msr_count].msr = msr;
		c->msrs[c->msr_count++].value = value;
	}
}

void fake_cpu_reset(enum cpu_vendor vendor)
{
	static const uint32_t everywhere[] = {
		MSR_SYSENTER_CS, MSR_SYSENTER_ESP,   MSR_SYSENTER_EIP, MSR_STAR,
		MSR_LSTAR,	 MSR_CSTAR,	     MSR_SFMASK,       MSR_FS_BASE,
		MSR_GS_BASE,	 MSR_KERNEL_GS_BASE, MSR_TSC_AUX,
	};

	memset(fake_cpus, 0, sizeof fake_cpus);
	cpu_count = FAKE_CPUS;
	for (unsigned i = 0; i < FAKE_CPUS; i++) {
		struct fake_cpu *c = &fake_cpus[i];

		cpus[i] = &c->cpu;
		c->cpu.self = &c->cpu;
		c->cpu.index = i;
		c->cpu.apic_id = 16 + i;
		c->cpu.slice_end_tsc = UINT64_MAX;
		c->interrupts = true;
		c->cr0 = 0x80010033;
		c->cr3 = 0x5000;
		c->cr4 = 0x6b0 | CR4_OSXSAVE;
		c->dr6 = DR_FIXED_ONES;
		c->xcr0 = 1;				  /* as after reset */
		c->fpu[0] = c->fpu[1] = c->fpu[2] = 0xf1; /* firmware's */
	}
	fake_msr(MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
	fake_msr(MSR_PAT, 0x0007040600070406);
	for (unsigned i = 0; i < ARRAY_SIZE(everywhere); i++)
		fake_msr(everywhere[i], 0);
	cpu_features = (struct cpu_features){
		.vendor = vendor,
		.family = 6,
		.model = 0x55,
		.phys_bits = 48,
		.xsave = true,
		.rdtscp = true,
		.x2apic = true,
		.svm = vendor == CPU_VENDOR_AMD,
		.vmx = vendor == CPU_VENDOR_INTEL,
		.xcr0_mask = FAKE_XCR0,
		.xsave_bytes_max = FAKE_XSAVE_BYTES,
	};
	fake_on_irq_disable = NULL;
	tsc_reads = 0;
	fake_cpu_use(0);
}

/* ---- kernel/cpu/instructions.h ---- */

static uint64_t *find_msr(uint32_t msr)
{
	for (unsigned i = 0; i < fake_cpu->msr_count; i++)
		if (fake_cpu->msrs[i].msr == msr)
			return &fake_cpu->msrs[i].value;
	return NULL;
}

uint64_t rdmsr(uint32_t msr)
{
	const uint64_t *value = find_msr(msr);

	if (!value)
		model_fail("RDMSR of 0x%x, which raises #GP", msr);
	return *value;
}

void wrmsr(uint32_t msr, uint64_t value)
{
	uint64_t *place = find_msr(msr);

	if (!place)
		model_fail("WRMSR to 0x%x, which raises #GP", msr);
	*place = value;
}

int rdmsr_safe(uint32_t msr, uint64_t *value)
{
	const uint64_t *place = find_msr(msr);

	if (place)
		*value = *place;
	return place ? 0 : -EIO;
}

int wrmsr_safe(uint32_t msr, uint64_t value)
{
	uint64_t *place = find_msr(msr);

	if (place)
		*place = value;
	return place ? 0 : -EIO;
}

void irq_disable(void)
{
	void (*call)(void) = fake_on_irq_disable;

	fake_cpu->interrupts = false;
	fake_on_irq_disable = NULL;
	if (call)
		call();
}

void irq_enable(void)
{
	fake_cpu->interrupts = true;
}

void int_nmi(void)
{
	fake_cpu->nmis++;
}

void int_machine_check(void)
{
	fake_cpu->machine_checks++;
}

struct cpuid fake_cpuid_svm;
bool fake_cpuid_umip;

/* No model of any maker, but with what guests are offered. */
struct cpuid fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r = {0};

	(void)subleaf;
	switch (leaf) {
	case 0: r.eax = 0x0d; break;
	case 1:
		r.eax = 0x00800f12;
		r.ecx = BIT(17) | BIT(26);
		r.edx = 0x0183fbff;
		break;
	case 7:
		r.ebx = BIT(0) | BIT(7) | BIT(20);
		r.ecx = fake_cpuid_umip ? BIT(2) : 0;
		break;
	case 0x80000000: r.eax = 0x8000001e; break;
	case 0x80000001: r.edx = 0x2fd3fbff; break;
	case 0x8000000a: return fake_cpuid_svm;
	}
	return r;
}

uint64_t fake_rdtsc(void)
{
	return fake_now_ns * FAKE_TSC_PER_NS + tsc_reads++;
}

/* ---- kernel/cpu/control.h ---- */

#define REGISTER(name, place)             \
	uint64_t read_##name(void)        \
	{                                 \
		return fake_cpu->place;   \
	}                                 \
	void write_##name(uint64_t value) \
	{                                 \
		fake_cpu->place = value;  \
	}
REGISTER(cr0, cr0)
REGISTER(cr2, cr2)
REGISTER(cr4, cr4)
REGISTER(dr0, dr[0])
REGISTER(dr1, dr[1])
REGISTER(dr2, dr[2])
REGISTER(dr3, dr[3])

uint64_t read_cr3(void)
{
	return fake_cpu->cr3;
}

void write_cr3(uint64_t value)
{
	fake_cpu->cr3 = value;
	fake_cpu->cr3_loads++;
}

uint64_t read_dr6(void)
{
	return fake_cpu->dr6;
}

void write_dr6(uint64_t value)
{
	if (value >> 32)
		model_fail("MOV DR6 of 0x%llx, which raises #GP", (unsigned long long)value);
	fake_cpu->dr6 = value | DR_FIXED_ONES;
}

static void need_xsave(void)
{
	if (!(fake_cpu->cr4 & CR4_OSXSAVE) || !cpu_features.xsave)
		model_fail("an XSAVE instruction where CR4.OSXSAVE is clear raises #UD");
}

uint64_t xgetbv(void)
{
	need_xsave();
	return fake_cpu->xcr0;
}

void xsetbv(uint64_t value)
{
	need_xsave();
	if (!(value & 1) || value & ~FAKE_XCR0 || (value & 6) == 4)
		model_fail("XSETBV of 0x%llx, which raises #GP", (unsigned long long)value);
	fake_cpu->xcr0 = value;
}

uint64_t idt_base(void)
{
	return 0xffffffff80001000;
}

/* ---- kernel/cpu/fpu.h ---- */

static const unsigned place_of[3] = {32, 160, 576}; /* ST0, XMM0, the AVX component */

static void move(void *area, uint64_t components, bool save)
{
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *at = (uint8_t *)area + place_of[i];

		if (!(components >> i & 1))
			continue;
		if (save)
			memcpy(at, &fake_cpu->fpu[i], sizeof fake_cpu->fpu[i]);
		else
			memcpy(&fake_cpu->fpu[i], at, sizeof fake_cpu->fpu[i]);
	}
	if (!save && cpu_features.vendor == CPU_VENDOR_INTEL)
		fake_cpu->x87_stale = false; /* AMD's leave it (APM vol. 2 11.4.4) */
}

void fxsave(void *area)
{
	assert_true(IS_ALIGNED((uint64_t)area, 16));
	move(area, 3, true);
}

void fxrstor(const void *area)
{
	assert_true(IS_ALIGNED((uint64_t)area, 16));
	move((void *)area, 3, false);
}

void xsave(void *area, uint64_t mask)
{
	uint64_t done;

	need_xsave();
	assert_true(IS_ALIGNED((uint64_t)area, 64));
	mask &= fake_cpu->xcr0;
	memcpy(&done, (char *)area + XSAVE_XSTATE, sizeof done);
	done |= mask;
	memcpy((char *)area + XSAVE_XSTATE, &done, sizeof done);
	move(area, mask, true);
}

/* Components that the header does not list get their initial values (SDM vol. 1 13.8.1). */
void xrstor(const void *area, uint64_t mask)
{
	uint64_t there;

	need_xsave();
	assert_true(IS_ALIGNED((uint64_t)area, 64));
	mask &= fake_cpu->xcr0;
	memcpy(&there, (const char *)area + XSAVE_XSTATE, sizeof there);
	for (unsigned i = 0; i < 3; i++)
		if (mask >> i & 1)
			fake_cpu->fpu[i] = 0;
	move((void *)area, mask & there, false);
}

void x87_load_zero(void)
{
	fake_cpu->x87_stale = false;
	fake_cpu->fpu[0] = 0x1d; /* it is in a register now */
}
