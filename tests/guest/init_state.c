/*
 * What INIT makes of a CPU's registers, and what it leaves (SDM vol. 3A table 9-1; APM vol. 2
 * table 14-1): a CPU fills all of them, gets INIT and SIPI, and writes down in real mode,
 * before anything else, what it finds.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define CODE_PAGE 0x9000
#define FOUND	  0xa000
#define LIMIT_MS  2000

#define KEPT_MSRS(do)                                                                             \
	do                                                                                        \
	(0xc0000081, STAR) do(0xc0000082, LSTAR) do(0xc0000083, CSTAR) do(0xc0000084, SFMASK) do( \
		0xc0000102,                                                                       \
		KERNEL_GS_BASE) do(0x174,                                                         \
				   SYSENTER_CS) do(0x175,                                         \
						   SYSENTER_ESP) do(0x176,                        \
								    SYSENTER_EIP) do(0x277,       \
										     PAT)
#define CLEARED_MSRS(do) \
	do               \
	(0xc0000080, EFER) do(0xc0000100, FS_BASE) do(0xc0000101, GS_BASE)

struct table_pointer {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

/* As the code below writes it. */
struct found {
	uint32_t eax, ebx, ecx, edx, esi, edi, ebp, esp;
	uint32_t eflags;
	uint32_t cr0, cr2, cr3, cr4;
	uint32_t dr0, dr1, dr2, dr3, dr6, dr7;
	uint16_t ds, es, fs, gs, ss, cs;
	struct table_pointer gdtr, idtr;
	uint64_t msrs[12] __attribute__((packed, aligned(4)));
	uint8_t fxsave[512] __attribute__((aligned(16)));
	volatile unsigned done;
};
_Static_assert(offsetof(struct found, eflags) == 0x20, "the code's numbers");

/* Which MSR is at which place in msrs[]: the lists in order. */
#define STORE_MSR(number, name) "read_msr " #number "\n\t"

extern const char init_code[], init_code_end[];

/* Started by SIPI in a page below 1 MiB; DS is 0 then. In the order of struct found. */
asm(".macro store register\n\t"
    "mov \\register, %eax\n\t"
    "mov %eax, (%di)\n\t"
    "add $4, %di\n\t"
    ".endm\n\t"
    ".macro store_segment register\n\t"
    "mov \\register, %ax\n\t"
    "mov %ax, (%di)\n\t"
    "add $2, %di\n\t"
    ".endm\n\t"
    ".macro read_msr number\n\t"
    "mov $\\number, %ecx\n\t"
    "rdmsr\n\t"
    "mov %eax, (%di)\n\t"
    "mov %edx, 4(%di)\n\t"
    "add $8, %di\n\t"
    ".endm\n\t"
    ".code16\n"
    "init_code:\n\t"
    "mov %eax, 0xa000\n\t"
    "mov %ebx, 0xa004\n\t"
    "mov %ecx, 0xa008\n\t"
    "mov %edx, 0xa00c\n\t"
    "mov %esi, 0xa010\n\t"
    "mov %edi, 0xa014\n\t"
    "mov %ebp, 0xa018\n\t"
    "mov %esp, 0xa01c\n\t"
    "mov $0xaff0, %esp\n\t"
    "pushfl\n\t"
    "mov $0xa020, %di\n\t"
    "pop %eax\n\tstore %eax\n\t"
    "store %cr0\n\tstore %cr2\n\tstore %cr3\n\tstore %cr4\n\t"
    "store %dr0\n\tstore %dr1\n\tstore %dr2\n\tstore %dr3\n\tstore %dr6\n\tstore %dr7\n\t"
    "store_segment %ds\n\tstore_segment %es\n\tstore_segment %fs\n\t"
    "store_segment %gs\n\tstore_segment %ss\n\tstore_segment %cs\n\t"
    "sgdtl (%di)\n\t"
    "sidtl 6(%di)\n\t"
    "add $12, %di\n\t" KEPT_MSRS(STORE_MSR)
	    CLEARED_MSRS(STORE_MSR) "mov $0x200, %eax\n\tmov %eax, %cr4\n\t" /* OSFXSR */
				    "add $15, %di\n\tand $0xfff0, %di\n\t"
				    "fxsave (%di)\n\t"
				    "movl $1, 512(%di)\n"
				    "1:\tcli\n\thlt\n\tjmp 1b\n"
				    "init_code_end:\n\t"
				    ".code64");

#define OLD_DEBUG(n)   (0x11110000u + (n))
#define OLD_MSR(value) (0x22220000u + (value))
#define OLD_PAT	       0x0606060606060606ull
#define OLD_XMM	       0x3333000033330000ull
#define OLD_MXCSR      0x1fa0u
#define OLD_FCW	       0x027fu

/* SYSENTER_CS has 16 bits on AMD's CPUs. */
static uint64_t old_msr(uint32_t number)
{
	return number == 0x277 ? OLD_PAT : number == 0x174 ? number : OLD_MSR(number & 0xffff);
}

static volatile unsigned filled;
static uint64_t tsc_aux_before, xcr0_before;

#define FILL_MSR(number, name) wrmsr(number, old_msr(number));

static bool has_xsave(void)
{
	return cpuid(1, 0).ecx & BIT(26);
}

static uint64_t xgetbv(void)
{
	uint32_t lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

static void fill(uint64_t arg)
{
	uint32_t mxcsr = OLD_MXCSR;
	uint16_t fcw = OLD_FCW;

	(void)arg;
	asm volatile("mov %0, %%dr0" : : "r"((uint64_t)OLD_DEBUG(0)));
	asm volatile("mov %0, %%dr1" : : "r"((uint64_t)OLD_DEBUG(1)));
	asm volatile("mov %0, %%dr2" : : "r"((uint64_t)OLD_DEBUG(2)));
	asm volatile("mov %0, %%dr3" : : "r"((uint64_t)OLD_DEBUG(3)));
	asm volatile("mov %0, %%dr6" : : "r"(0xffff0fffull));
	asm volatile("mov %0, %%dr7" : : "r"(0x11110700ull)); /* none is enabled */
	KEPT_MSRS(FILL_MSR)
	wrmsr(0xc0000100, 0x44440000);
	wrmsr(0xc0000101, 0x44450000);
	write_cr2(0x55550000);
	if (has_xsave()) {
		write_cr4(read_cr4() | CR4_OSXSAVE);
		asm volatile("xsetbv" : : "c"(0), "a"(3), "d"(0)); /* x87 and SSE */
		xcr0_before = xgetbv();
	}
	if (cpuid(0x80000001, 0).edx & BIT(27)) /* RDTSCP */
		wrmsr(0xc0000103, tsc_aux_before = 0x6666);
	asm volatile("fninit; fldcw %0; fld1; fldpi" : : "m"(fcw));
	asm volatile("ldmxcsr %0" : : "m"(mxcsr));
	asm volatile("movq %0, %%xmm0; movq %0, %%xmm15" : : "r"(OLD_XMM));
	write_cr0(read_cr0() | CR0_TS);
	filled = 1;
	for (;;)
		asm volatile("sti; nop; std; stc; cld" : : : "memory", "cc");
}

static struct found *const found = (struct found *)FOUND;
static uint64_t xcr0_after, tsc_aux_after;

static void look_again(uint64_t arg)
{
	(void)arg;
	if (has_xsave()) {
		write_cr4(read_cr4() | CR4_OSXSAVE);
		xcr0_after = xgetbv();
	}
	if (tsc_aux_before)
		tsc_aux_after = rdmsr(0xc0000103);
}

static void expect(const char *name, uint64_t value, uint64_t wanted)
{
	check(value == wanted, name, "0x%lx, not 0x%lx", value, wanted);
}

static void start_at(unsigned page)
{
	apic_ipi(1, ICR_ASSERT | ICR_INIT);
	delay_us(10000);
	apic_ipi(1, ICR_ASSERT | ICR_SIPI | page >> 12);
}

static void check_general(void)
{
	expect("EAX", found->eax, 0);
	expect("EBX", found->ebx, 0);
	expect("ECX", found->ecx, 0);
	expect("EDX is the CPU's signature", found->edx, cpuid(1, 0).eax);
	expect("ESI", found->esi, 0);
	expect("EDI", found->edi, 0);
	expect("EBP", found->ebp, 0);
	expect("ESP", found->esp, 0);
	expect("EFLAGS", found->eflags, 2);
	expect("data segments", found->ds | found->es | found->fs | found->gs | found->ss, 0);
	expect("CS is SIPI's", found->cs, CODE_PAGE >> 4);
	expect("GDTR", found->gdtr.limit | (uint64_t)found->gdtr.base << 16, 0xffff);
	expect("IDTR", found->idtr.limit | (uint64_t)found->idtr.base << 16, 0xffff);
}

static void check_control_and_debug(void)
{
	expect("CR0", found->cr0, (read_cr0() & (CR0_CD | CR0_NW)) | CR0_ET);
	expect("CR2", found->cr2, 0);
	expect("CR3", found->cr3, 0);
	expect("CR4", found->cr4, 0);
	expect("DR0", found->dr0, 0);
	expect("DR1", found->dr1, 0);
	expect("DR2", found->dr2, 0);
	expect("DR3", found->dr3, 0);
	expect("DR6", found->dr6, 0xffff0ff0);
	expect("DR7", found->dr7, 0x400);
}

#define CHECK_KEPT(number, name)    expect(#name " is kept", *msr++, old_msr(number));
#define CHECK_CLEARED(number, name) expect(#name, *msr++, 0);

static void check_msrs(void)
{
	const uint64_t *msr = found->msrs;

	KEPT_MSRS(CHECK_KEPT)
	CLEARED_MSRS(CHECK_CLEARED)
}

/* SDM vol. 1 table 10-2: FCW at 0, the tag byte at 4, MXCSR at 24, XMM0 at 160. In real mode
 * there is no XMM15. */
static void check_fpu(void)
{
	const uint8_t *area = found->fxsave;

	expect("FCW is kept", *(const uint16_t *)area, OLD_FCW);
	expect("two x87 registers are full", area[4], 0xc0); /* the last two of the stack */
	expect("MXCSR is kept", *(const uint32_t *)(area + 24), OLD_MXCSR);
	expect("XMM0 is kept", *(const uint64_t *)(area + 160), OLD_XMM);
}

void test(void)
{
	if (smp_start() < 2)
		give_up("it takes two CPUs");
	for (const char *from = init_code; from < init_code_end; from++)
		*(volatile char *)(uintptr_t)(CODE_PAGE + (from - init_code)) = *from;
	found->done = 0;
	cpu_run(1, fill, 0);
	if (!wait_for(&filled, LIMIT_MS))
		give_up("CPU 1 does nothing");
	start_at(CODE_PAGE);
	if (!wait_for(&found->done, LIMIT_MS))
		give_up("CPU 1 does not come up in real mode");
	check_general();
	check_control_and_debug();
	check_msrs();
	check_fpu();

	cpu_at(1)->work = NULL;
	cpu_at(1)->starts = 0;
	start_at(SMP_TRAMPOLINE);
	if (!wait_for(&cpu_at(1)->starts, LIMIT_MS))
		give_up("CPU 1 does not start again");
	cpu_run(1, look_again, 0);
	cpu_join(1, LIMIT_MS);
	expect("XCR0 is kept", xcr0_after, xcr0_before);
	expect("TSC_AUX is kept", tsc_aux_after, tsc_aux_before);
}
