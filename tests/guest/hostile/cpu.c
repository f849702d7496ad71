/* The hostile guest's instructions: those that exit, from pages that come and go, in 64-bit and
 * in compatibility mode; and what a CPU keeps: control and debug registers, MSRs, segments. */
#include "tests/guest/hostile/hostile.h"
#include "tests/guest/lib/test.h"

#define SLOT_PLAY    4u /* of the root: what is mapped by tables that go */
#define PTE_RW	     3
#define PTE_BIG	     0x83
#define RESERVED     (1ull << 51)
#define CODE_BYTES   4096u
#define EFER_ORDERLY 0xd00 /* NXE LMA LME */

#define LOW_SCRATCH  0xe000 /* nothing of ours there, for 16 bits of address */

/* ---- registers in order ---- */

static uint64_t selectors[SELECTORS_END / 8] __attribute__((aligned(16))) = {
	0,
	0x00af9b000000ffff, /* 0x08: 64-bit code */
	0x00cf93000000ffff, /* 0x10: data */
	0x00cf9b000000ffff, /* 0x18: 32-bit code */
	0x008f9b000000ffff, /* 0x20: 16-bit code, 4 GiB of it */
	0x0000890000000067, /* 0x28: TSS at 0 */
	0,
	0x0000820000000fff, /* 0x38: LDT at 0 */
	0,
	0x00008c0000100000, /* 0x48: call gate, to data */
	0,
	0x00cf13000000ffff, /* 0x58: data, absent */
	0x00cff3000000ffff, /* 0x60: data of ring 3 */
	0x00af9f000000ffff, /* 0x68: conforming code */
	0x00cf97000000ffff, /* 0x70: data that expands down */
	0xffffffffffffffff,
};

static struct pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed)) gdt_pointer;

void cpu_orderly(void)
{
	gdt_pointer = (struct pointer){sizeof(selectors) - 1, (uintptr_t)selectors};
	asm volatile("mov %0, %%dr7" : : "r"(0x400ull));
	asm volatile("lgdt %0" : : "m"(gdt_pointer));
	asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" : : "r"(SELECTOR_DATA));
	asm volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(0));
	write_cr0(CR0_PG | CR0_WP | CR0_ET | CR0_PE | 0x22);
	traps_load();
}

/* ---- instructions ---- */

enum operand { NOWHERE, LOADS, STORES, DEVICE, MAPPED };

/* RAX points to memory that may be written, as bytes of zero are an ADD to where it points. */
static const struct insn {
	uint8_t bytes[5], length;
	enum operand operand;
} insns[] = {
	{{0x0f, 0xa2}, 2, NOWHERE},		    /* cpuid */
	{{0x0f, 0x32}, 2, NOWHERE},		    /* rdmsr */
	{{0x0f, 0x31}, 2, NOWHERE},		    /* rdtsc */
	{{0x0f, 0x01, 0xf9}, 3, NOWHERE},	    /* rdtscp */
	{{0xf3, 0x0f, 0xc7, 0xf9}, 4, NOWHERE},	    /* rdpid */
	{{0xec}, 1, NOWHERE},			    /* in %dx, %al */
	{{0xee}, 1, NOWHERE},			    /* out %al, %dx */
	{{0xf3, 0x6c}, 2, STORES},		    /* rep insb */
	{{0xf3, 0x6e}, 2, LOADS},		    /* rep outsb */
	{{0x0f, 0x20, 0xc1}, 3, NOWHERE},	    /* mov %cr0, %rcx */
	{{0x0f, 0x06}, 2, NOWHERE},		    /* clts */
	{{0x0f, 0x01, 0xe1}, 3, NOWHERE},	    /* smsw %ecx */
	{{0x0f, 0x01, 0x27}, 3, STORES},	    /* smsw (%rdi) */
	{{0x0f, 0x01, 0x27}, 3, DEVICE},	    /* smsw (%rdi) */
	{{0x0f, 0x01, 0x07}, 3, STORES},	    /* sgdt (%rdi) */
	{{0x0f, 0x01, 0x0f}, 3, STORES},	    /* sidt (%rdi) */
	{{0x0f, 0x00, 0x07}, 3, STORES},	    /* sldt (%rdi) */
	{{0x0f, 0x00, 0x0f}, 3, STORES},	    /* str (%rdi) */
	{{0x0f, 0x01, 0x3f}, 3, STORES},	    /* invlpg (%rdi) */
	{{0x0f, 0x01, 0xdf}, 3, NOWHERE},	    /* invlpga */
	{{0x66, 0x0f, 0x38, 0x82, 0x17}, 5, LOADS}, /* invpcid (%rdi), %rdx */
	{{0x0f, 0x01, 0xd0}, 3, NOWHERE},	    /* xgetbv */
	{{0x0f, 0x01, 0xd1}, 3, NOWHERE},	    /* xsetbv */
	{{0x0f, 0x01, 0xd9}, 3, NOWHERE},	    /* vmmcall */
	{{0x0f, 0x01, 0xc1}, 3, NOWHERE},	    /* vmcall */
	{{0x0f, 0x01, 0xd8}, 3, NOWHERE},	    /* vmrun */
	{{0x0f, 0x01, 0xda}, 3, NOWHERE},	    /* vmload */
	{{0x0f, 0x01, 0xdb}, 3, NOWHERE},	    /* vmsave */
	{{0x0f, 0x01, 0xdc}, 3, NOWHERE},	    /* stgi */
	{{0x0f, 0x01, 0xdd}, 3, NOWHERE},	    /* clgi */
	{{0x0f, 0x01, 0xde}, 3, NOWHERE},	    /* skinit */
	{{0x0f, 0x01, 0xc2}, 3, NOWHERE},	    /* vmlaunch */
	{{0x0f, 0x01, 0xc4}, 3, NOWHERE},	    /* vmxoff */
	{{0xf3, 0x0f, 0xc7, 0x37}, 4, LOADS},	    /* vmxon (%rdi) */
	{{0x0f, 0x01, 0xd4}, 3, NOWHERE},	    /* vmfunc */
	{{0x0f, 0x08}, 2, NOWHERE},		    /* invd */
	{{0x0f, 0x09}, 2, NOWHERE},		    /* wbinvd */
	{{0xf3, 0x90}, 2, NOWHERE},		    /* pause */
	{{0x0f, 0x33}, 2, NOWHERE},		    /* rdpmc */
	{{0x0f, 0x01, 0xc8}, 3, NOWHERE},	    /* monitor */
	{{0x0f, 0xaa}, 2, NOWHERE},		    /* rsm */
	{{0x0f, 0x0b}, 2, NOWHERE},		    /* ud2 */
	{{0xcc}, 1, NOWHERE},			    /* int3 */
	{{0xcd, 0x80}, 2, NOWHERE},		    /* int $0x80 */
	{{0xf1}, 1, NOWHERE},			    /* icebp */
	{{0x0f, 0x37}, 2, NOWHERE},		    /* getsec */
	{{0x0f, 0x01, 0xee}, 3, NOWHERE},	    /* rdpkru */
	{{0x0f, 0x01, 0xef}, 3, NOWHERE},	    /* wrpkru */
	{{0x0f, 0x01, 0xcb}, 3, NOWHERE},	    /* stac */
	{{0x0f, 0x01, 0xca}, 3, NOWHERE},	    /* clac */
	{{0x8b, 0x0e}, 2, DEVICE},		    /* mov (%rsi), %ecx */
	{{0x48, 0x8b, 0x0e}, 3, DEVICE},	    /* mov (%rsi), %rcx */
	{{0x0f, 0xb6, 0x0e}, 3, DEVICE},	    /* movzbl (%rsi), %ecx */
	{{0x89, 0x17}, 2, DEVICE},		    /* mov %edx, (%rdi) */
	{{0x85, 0x06}, 2, DEVICE},		    /* test %eax, (%rsi) */
	{{0xf3, 0xa5}, 2, MAPPED},		    /* rep movsl */
	{{0x8b, 0x0e}, 2, MAPPED},		    /* mov (%rsi), %ecx: tables go, too */
	{{0x0f, 0xc7, 0x0f}, 3, MAPPED},	    /* cmpxchg8b (%rdi) */
	{{0x0f, 0xae, 0x3f}, 3, MAPPED},	    /* clflush (%rdi) */
};

static uint64_t chunk_at(unsigned chunk)
{
	return chunk * CHUNK;
}

static unsigned volatile_chunk(void)
{
	return CHUNK_FIRST + random_below((CHUNK_LAST - CHUNK_FIRST) / 2 + 1) * 2;
}

/* Whoever runs through the zeroes of a chunk that went ends here, whatever of the first bytes
 * is still part of the instruction before. */
static void write_landings(void)
{
	for (unsigned chunk = CHUNK_FIRST + 1; chunk <= CHUNK_LAST; chunk += 2) {
		volatile uint64_t *at = (uint64_t *)chunk_at(chunk);

		at[0] = 0x9090909090909090;
		at[1] = 0x0000000000e3ff41;
	}
}

void instructions_prepare(void)
{
	write_landings();
}

/* As one store: what is there is all of it, or nothing but zeroes. Returns where it begins; it
 * ends at `end`. Who comes along through zeroes may take its bytes amiss: without the first
 * that of its jump is one by RBX, which leads to the same place, and without the second a JRCXZ
 * to the next instruction. */
static uint64_t write_code(uint64_t end, const struct insn *insn)
{
	uint8_t code[8] = {0};
	uint64_t word;

	for (unsigned i = 0; i < insn->length; i++)
		code[i] = insn->bytes[i];
	code[insn->length] = 0x41; /* jmp *%r11 */
	code[insn->length + 1] = 0xff;
	code[insn->length + 2] = 0xe3;
	__builtin_memcpy(&word, code, sizeof word);
	*(volatile uint64_t *)(end - sizeof word) = word;
	return end - sizeof word;
}

/* Page tables of this CPU's own, in memory that goes, which lead to registers or to memory. */
static uint64_t map_play(unsigned self)
{
	uint64_t tables = chunk_at(volatile_chunk()) + CHUNK_EDGE * 4 + self * 0x2000;
	volatile uint64_t *root = (uint64_t *)(read_cr3() & 0xffffff000);
	uint64_t to = one_in(2) ? APIC_PAGE : any_address();
	unsigned slot = SLOT_PLAY + self;

	*(volatile uint64_t *)tables = (tables + 0x1000) | PTE_RW | (one_in(16) ? RESERVED : 0);
	*(volatile uint64_t *)(tables + 0x1000) =
		(to & 0xffffffe00000) | PTE_BIG | (one_in(16) ? RESERVED | 0x2000 : 0);
	root[slot] = tables | PTE_RW;
	write_cr3(read_cr3());
	return ((uint64_t)slot << 39) + to % CHUNK;
}

static uint8_t scratch[CPUS_MAX][256] __attribute__((aligned(4096)));

void op_instruction(void)
{
	static const uint16_t ports[] = {0x80, 0xed, 0x71, 0x608, 0x2f8, 0x40, 0x511, 0x1234};
	const struct insn *insn = &insns[random_below(ARRAY_SIZE(insns))];
	unsigned self = cpu_index();
	uint64_t code, rax = (uintptr_t)scratch[self], rbx = random64(), rcx = random_below(64),
		       rdx = ports[random_below(ARRAY_SIZE(ports))], rsi = play_address(),
		       rdi = play_address(), r8 = odd_number();

	if (insn->operand == DEVICE)
		rsi = rdi = device_address();
	if (insn->operand == MAPPED) {
		rsi = map_play(self);
		rcx = 1;
	}
	if (insn->bytes[1] == 0x01 && insn->bytes[2] == 0xd1) /* xsetbv: FPU always on */
		rcx = random_below(2), rdx = 0, rax += random_below(8) | 1;
	if (insn->bytes[1] == 0x01 && insn->bytes[2] == 0xef)
		rcx = rdx = 0;
	if (insn->bytes[0] == 0x89)
		rdx = harmless(odd_number());
	code = chunk_at(volatile_chunk() + 1) - CODE_PLACE + self * CODE_BYTES;
	/* Over a page's end, at a chunk's end so that the next byte is another page's, or amid.
	 */
	if (one_in(4))
		code = write_code(code + random_below(20), insn);
	else if (one_in(4))
		code = write_code(chunk_at(volatile_chunk() + 1) - 64 * self, insn);
	else
		code = write_code(code + CODE_BYTES / 2, insn);
	TRY("lea 99f(%%rip), %%r11\n\tmov %%r11, %%rbx\n\tmov %[r8_], %%r8\n\tjmp *%[code]",
	    OUT("+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+S"(rsi), "+D"(rdi)),
	    IN([code] "r"(code), [r8_] "r"(r8)), "r8", "r11");
}

/* Fixed code in 32-bit and 16-bit segments, which mean different things by it. It ends by #UD.
 */
void op_compatibility(void)
{
	static const uint8_t code[][8] = {
		{0x0f, 0xa2},		     /* cpuid */
		{0x0f, 0x32},		     /* rdmsr */
		{0x0f, 0x20, 0xc1},	     /* mov %cr0, %ecx */
		{0x66, 0xed},		     /* in */
		{0x0f, 0x01, 0xe1},	     /* smsw */
		{0x8b, 0x0e},		     /* mov (%esi) */
		{0x89, 0x0f},		     /* mov (%edi) or (%bx) */
		{0x67, 0x8b, 0x0e},	     /* the other size of addresses */
		{0x67, 0x66, 0x8b, 0x0e},    /* and of operands */
		{0xf3, 0x6c},		     /* rep insb */
		{0x37},			     /* aaa: there is none in 64 bits */
		{0x27},			     /* daa */
		{0x9a, 0, 0, 0, 0, 0x48, 0}, /* lcall to a gate that leads nowhere */
		{0xea, 0, 0, 0, 0, 0x28, 0}, /* ljmp to a TSS: no task switches here */
		{0x0f, 0x01, 0xd9},	     /* vmmcall */
		{0x0f, 0x01, 0xc1},	     /* vmcall */
		{0x0f, 0x31},		     /* rdtsc */
	};
	static uint8_t place[CPUS_MAX][64] __attribute__((aligned(4096)));
	volatile uint8_t *at = place[cpu_index()];
	bool is_16 = one_in(2);
	unsigned which = random_below(ARRAY_SIZE(code)), n = 0;
	uint64_t rsi = is_16 ? LOW_SCRATCH : device_address(), rdx = 0x80;

	for (; n < 8; n++)
		at[n] = code[which][n] || n == 0 || code[which][0] == 0x9a ||
					code[which][0] == 0xea
				? code[which][n]
				: 0x90;
	for (; n < 62; n++)
		at[n] = 0x90;
	at[62] = 0x0f;
	at[63] = 0x0b;
	TRY("push %[selector]\n\tpush %[code]\n\tlretq", OUT("+S"(rsi), "+d"(rdx)),
	    IN([selector] "r"((uint64_t)(is_16 ? SELECTOR_CODE16 : SELECTOR_CODE32)),
	       [code] "r"((uint64_t)(uintptr_t)at), "D"(rsi), "c"(1),
	       "b"((uint64_t)LOW_SCRATCH)),
	    "rax");
}

/* ---- control and debug registers ---- */

static bool is_intel(void)
{
	return cpuid(0, 0).ebx == 0x756e6547; /* Genu... */
}

void op_control_register(void)
{
	uint64_t cr0 = read_cr0(), cr4 = read_cr4(), bit = BIT(random_below(64));
	uint64_t cr3 = read_cr3();

	switch (random_below(9)) {
	case 0: TRY("mov %[v], %%cr0", OUT(), IN([v] "r"(cr0 ^ bit))); break;
	case 1:
		TRY("mov %[v], %%cr0", OUT(),
		    IN([v] "r"(cr0 ^
			       (random64() & 0x6005003e)))); /* NE MP EM TS ET WP AM CD NW */
		break;
	case 2: TRY("mov %[v], %%cr4", OUT(), IN([v] "r"(cr4 ^ BIT(random_below(26))))); break;
	case 3: TRY("mov %[v], %%cr4", OUT(), IN([v] "r"(random64()))); break;
	case 4: TRY("mov %[v], %%cr3", OUT(), IN([v] "r"(cr3 | (random64() & 0xfff)))); break;
	case 5: /* QEMU 7.2 answers these by VMEXIT_INVALID, not by #GP: not on AMD's CPUs */
		if (is_intel())
			TRY("mov %[v], %%cr3", OUT(),
			    IN([v] "r"(cr3 | (0xfffull << 52 & random64()) | BIT(52))));
		break;
	case 6: /* QEMU 7.2 ends itself where that finds a virtual interrupt pending: MOV to CR8
		 * sets CPU_INTERRUPT_VIRQ without the lock that this asserts */
		if (is_intel())
			TRY("mov %[v], %%cr8", OUT(), IN([v] "r"(odd_number())));
		break;
	case 7: TRY("mov %[v], %%cr2", OUT(), IN([v] "r"(odd_number()))); break;
	case 8: TRY("lmsw %w[v]", OUT(), IN([v] "r"(random64()))); break;
	}
	if (one_in(2))
		cpuid(random_below(2) ? 0xd : 7, 0);
	write_cr3(cr3);
	write_cr4(cr4);
	write_cr0(cr0);
	if (is_intel())
		write_cr8(0);
}

void op_debug_register(void)
{
	/* QEMU 7.2's VMRUN loads DR7 without the breakpoints that it enables, so that what the
	 * next MOV to DR7 takes away is not there: cpu_breakpoint_remove_by_ref() ends QEMU by
	 * SIGSEGV. breakpoints.c has as many as it bears. */
	uint64_t dr7 = random64() & (is_intel() ? ~0ull : ~0xffull);
	uint64_t value = one_in(2) ? odd_number() : play_address();

	switch (random_below(8)) {
	case 0: TRY("mov %[v], %%dr0", OUT(), IN([v] "r"(value))); break;
	case 1: TRY("mov %[v], %%dr1", OUT(), IN([v] "r"(value))); break;
	case 2: TRY("mov %[v], %%dr2", OUT(), IN([v] "r"(value))); break;
	case 3: TRY("mov %[v], %%dr3", OUT(), IN([v] "r"(value))); break;
	case 4: TRY("mov %[v], %%dr6", OUT(), IN([v] "r"(value & 0xffffffff))); break;
	case 5: TRY("mov %[v], %%dr7", OUT(), IN([v] "r"(dr7))); break;
	case 6:
		TRY("mov %[v], %%dr7; cpuid", OUT(), IN([v] "r"((dr7 & 0xffffffff) | 0x400)),
		    "rax", "rbx", "rcx", "rdx");
		break;
	case 7: /* single steps over what exits */
		TRY("pushf; orl $0x100, (%%rsp); popf; cpuid; rdtsc; inb $0x80, %%al", OUT(),
		    IN("a"(1)), "rbx", "rcx", "rdx");
		break;
	}
	asm volatile("mov %0, %%dr7" : : "r"(0x400ull));
}

/* ---- MSRs ---- */

/* In what these hold is where the hypervisor writes. */
static bool holds_address(uint32_t msr)
{
	return msr >> 8 == 0x4b564d || msr == 0x11 || msr == 0x12;
}

void op_msr(void)
{
	static const struct {
		uint32_t first, count;
	} ranges[] = {
		{0, 0x200},	     {0x200, 0x100},	 {0x300, 0x500},  {0x800, 0x100},
		{0xc00, 0x400},	     {0xc0000080, 8},	 {0xc0000100, 4}, {0xc0000000, 0x2000},
		{0xc0010000, 0x200}, {0xc0011000, 0x60}, {0x4b564d00, 8}, {0x40000000, 0x200},
		{0x10, 1},	     {0x277, 1},	 {0x6e0, 1},	  {0xda0, 1},
	};
	unsigned which = random_below(ARRAY_SIZE(ranges));
	uint32_t msr = ranges[which].first + random_below(ranges[which].count);
	uint64_t value;
	struct trap trap = try_rdmsr(msr, &value);

	if (one_in(16))
		try_rdmsr(random32(), &value);
	if (msr == MSR_APIC_BASE || one_in(3))
		return;
	if (trap.vector == NO_TRAP && !one_in(4))
		value ^= BIT(random_below(64));
	else
		value = odd_number();
	if (msr == MSR_EFER) {
		try_wrmsr(msr, value);
		wrmsr(msr, EFER_ORDERLY);
		return;
	}
	if (holds_address(msr))
		value = play_address() | random_below(8);
	try_wrmsr(msr, value);
}

/* SYSCALL and SYSENTER, to where we go on. */
void op_system_call(void)
{
	uint64_t rsp;

	wrmsr(0xc0000081, (uint64_t)SELECTOR_CODE64 << 32);
	wrmsr(0xc0000084, random64() | 0x300);
	wrmsr(MSR_EFER, EFER_ORDERLY | 1);
	asm volatile("mov %%rsp, %0" : "=r"(rsp));
	if (one_in(2)) {
		TRY("lea 99f(%%rip), %%rax; mov %%rax, %%rdx; shr $32, %%rdx; mov "
		    "$0xc0000082, "
		    "%%ecx; wrmsr; syscall",
		    OUT(), IN(), "rax", "rcx", "rdx", "r11");
	} else {
		wrmsr(0x174, SELECTOR_CODE64);
		TRY("lea 99f(%%rip), %%rax; xor %%edx, %%edx; mov $0x176, %%ecx; wrmsr; "
		    "mov %%rsp, %%rax; mov $0x175, %%ecx; wrmsr; sysenter",
		    OUT(), IN(), "rax", "rcx", "rdx", "r11");
	}
	wrmsr(MSR_EFER, EFER_ORDERLY);
}

/* ---- segments and descriptor tables ---- */

void op_segment(void)
{
	uint64_t selector = one_in(4) ? random_below(65536)
				      : random_below(SELECTORS_END / 8) * 8 + random_below(8);
	const struct pointer pointer = {sizeof(selectors) - 1, (uintptr_t)selectors};
	uint64_t out = 0;

	switch (random_below(13)) {
	case 0: TRY("mov %w[v], %%ds", OUT(), IN([v] "r"(selector))); break;
	case 1: TRY("mov %w[v], %%es", OUT(), IN([v] "r"(selector))); break;
	case 2: TRY("mov %w[v], %%fs", OUT(), IN([v] "r"(selector))); break;
	case 3: TRY("mov %w[v], %%gs", OUT(), IN([v] "r"(selector))); break;
	case 4: TRY("mov %w[v], %%ss", OUT(), IN([v] "r"(selector))); break;
	case 5: TRY("lldt %w[v]", OUT(), IN([v] "r"(selector))); break;
	case 6: TRY("ltr %w[v]", OUT(), IN([v] "r"(selector))); break;
	case 7: TRY("lar %w[v], %k[o]", OUT([o] "+r"(out)), IN([v] "r"(selector))); break;
	case 8: TRY("lsl %w[v], %k[o]", OUT([o] "+r"(out)), IN([v] "r"(selector))); break;
	case 9: TRY("verw %w[v]", OUT(), IN([v] "r"(selector))); break;
	case 10: TRY("lgdt %[p]", OUT(), IN([p] "m"(pointer))); break;
	case 11:
		TRY("sidt (%[at]); lidt (%[at])", OUT(),
		    IN([at] "r"(&scratch[cpu_index()][128])));
		break;
	case 12: TRY("swapgs; str %w[o]", OUT([o] "+r"(out)), IN()); break;
	}
	asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" : : "r"(SELECTOR_DATA));
}
