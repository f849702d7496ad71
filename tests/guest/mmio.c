/*
 * Memory-mapped I/O. Every access to a page that isn't RAM is decoded and carried out by the
 * hypervisor's emulator: widths, page crossings, strings, locked operations, SSE moves, and
 * flags and registers behind them must be as on hardware. Addresses that nobody claims read as
 * ones.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"

#define NOBODY 0xd0000000ull /* neither RAM nor a device */

static uint8_t buffer[4096] __attribute__((aligned(4096)));

static volatile void *apic(unsigned reg)
{
	return (volatile void *)(APIC_PAGE + reg);
}

static void test_widths(void)
{
	volatile uint8_t *at = (volatile uint8_t *)NOBODY;
	uint8_t v8 = *at;
	uint16_t v16 = *(volatile uint16_t *)at;
	uint32_t v32 = *(volatile uint32_t *)at;
	uint64_t v64 = *(volatile uint64_t *)at;

	if (hypervisor_is_ours())
		check(v8 == 0xff && v16 == 0xffff && v32 == 0xffffffff && v64 == ~0ull,
		      "nobody's reads", "%x %x %x %lx", v8, v16, v32, v64);
	*at = 1;
	*(volatile uint16_t *)at = 2;
	*(volatile uint32_t *)at = 3;
	*(volatile uint64_t *)at = 4;
	*(volatile uint64_t *)(at + 3) = 5;
	*(volatile uint32_t *)(at + 4093) = 6;
	check(*(volatile uint64_t *)(at + 4093) == v64, "nobody's writes",
	      "reads have changed");
}

/* What stores a system register stores it to devices as well, if to nobody's use; and what
 * loads one. */
static void test_system_registers(void)
{
	volatile uint8_t *at = (volatile uint8_t *)NOBODY;
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdtr, idtr, gdtr_there, idtr_there;
	uint64_t cr0;

	asm volatile("smsw (%0)" : : "r"(at) : "memory");
	reached("SMSW");
	asm volatile("sldt (%0); str (%0); mov %%ds, (%0)" : : "r"(at) : "memory");
	reached("SLDT, STR and MOV from a segment register");
	asm volatile("sgdt (%0); sidt 4094(%0)" : : "r"(at) : "memory");
	reached("SGDT and SIDT");
	/* Nobody's reads are ones: PE, MP, EM and TS for an instant, and no table at all, whose
	 * base is canonical. */
	asm volatile("mov %%cr0, %%rcx; lmsw (%1); mov %%cr0, %0; mov %%rcx, %%cr0"
		     : "=&r"(cr0)
		     : "r"(at)
		     : "rcx", "memory");
	check((cr0 & 0xf) == (hypervisor_is_ours() ? 0xf : cr0 & 0xf), "LMSW", "CR0 is 0x%lx",
	      cr0);
	asm volatile(
		"sgdt %0; sidt %1; lgdt (%4); sgdt %2; lgdt %0; lidt (%4); sidt %3; lidt %1"
		: "=m"(gdtr), "=m"(idtr), "=m"(gdtr_there), "=m"(idtr_there)
		: "r"(at)
		: "memory");
	if (hypervisor_is_ours())
		check(gdtr_there.limit == 0xffff && gdtr_there.base == ~0ull &&
			      idtr_there.limit == 0xffff && idtr_there.base == ~0ull,
		      "LGDT and LIDT", "limits 0x%x, 0x%x", gdtr_there.limit, idtr_there.limit);
}

/* The local APIC's registers are 32 bits wide, 16 bytes apart. */
static void test_apic_moves(void)
{
	uint64_t value;
	uint32_t version = apic_read(APIC_VERSION);

	asm volatile("mov (%1), %k0" : "=r"(value) : "r"(apic(APIC_VERSION)));
	check(value == version, "mov r32", "0x%lx", value);
	asm volatile("movabs 0xfee00030, %%eax" : "=a"(value));
	check(value == version, "mov eax, moffs", "0x%lx", value);

	apic_write(APIC_TPR, 0x20);
	asm volatile("addl $0x10, (%0)" : : "r"(apic(APIC_TPR)) : "memory", "cc");
	check(apic_read(APIC_TPR) == 0x30, "add m32, imm", "0x%x", apic_read(APIC_TPR));
	asm volatile("lock orl $0x40, (%0)" : : "r"(apic(APIC_TPR)) : "memory", "cc");
	check(apic_read(APIC_TPR) == 0x70, "lock or m32", "0x%x", apic_read(APIC_TPR));
	value = 0x50;
	asm volatile("xchg %k0, (%1)" : "+r"(value) : "r"(apic(APIC_TPR)) : "memory");
	check(value == 0x70 && apic_read(APIC_TPR) == 0x50, "xchg m32", "0x%lx, 0x%x", value,
	      apic_read(APIC_TPR));
	value = 0x10;
	asm volatile("lock xadd %k0, (%1)"
		     : "+r"(value)
		     : "r"(apic(APIC_TPR))
		     : "memory", "cc");
	check(value == 0x50 && apic_read(APIC_TPR) == 0x60, "lock xadd", "0x%lx, 0x%x", value,
	      apic_read(APIC_TPR));
	value = 0x60;
	asm volatile("lock cmpxchgl %2, (%1)"
		     : "+a"(value)
		     : "r"(apic(APIC_TPR)), "r"(0x90)
		     : "memory", "cc");
	check(apic_read(APIC_TPR) == 0x90, "lock cmpxchg", "0x%x", apic_read(APIC_TPR));
	asm volatile("movl $0, (%0)" : : "r"(apic(APIC_TPR)) : "memory");
	check(apic_read(APIC_TPR) == 0, "mov m32, imm", "0x%x", apic_read(APIC_TPR));
}

static void test_flags(void)
{
	bool carry, zero;

	apic_write(APIC_TPR, 0x20);
	asm volatile("cmpl $0x30, (%2)"
		     : "=@ccc"(carry), "=@ccz"(zero)
		     : "r"(apic(APIC_TPR))
		     : "memory");
	check(carry && !zero, "cmp m32, imm", "carry %u zero %u", carry, zero);
	asm volatile("testl $0x20, (%1)" : "=@ccz"(zero) : "r"(apic(APIC_TPR)) : "memory");
	check(!zero, "test m32, imm", "zero %u", zero);
	asm volatile("btl $5, (%1)" : "=@ccc"(carry) : "r"(apic(APIC_TPR)) : "memory");
	check(carry, "bt m32, imm", "carry %u", carry);
	apic_write(APIC_TPR, 0);
}

static void test_strings(void)
{
	uint32_t version = apic_read(APIC_VERSION);
	const void *from = (const void *)(APIC_PAGE + APIC_VERSION);
	void *to = buffer;
	uint64_t count = 1;

	asm volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
	check(*(uint32_t *)buffer == version && to == buffer + 4, "rep movsl from the APIC",
	      "0x%x", *(uint32_t *)buffer);

	*(uint32_t *)buffer = 0x40;
	from = buffer;
	to = (void *)apic(APIC_TPR);
	asm volatile("movsl" : "+S"(from), "+D"(to) : : "memory");
	check(apic_read(APIC_TPR) == 0x40, "movsl to the APIC", "0x%x", apic_read(APIC_TPR));

	to = (void *)apic(APIC_TPR);
	count = 1;
	asm volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(0) : "memory");
	check(apic_read(APIC_TPR) == 0, "rep stosl to the APIC", "0x%x", apic_read(APIC_TPR));

	/* longer than the emulator does at once, over pages */
	to = (void *)(NOBODY + 100);
	count = 3000;
	asm volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(0) : "memory");
	check(!count && (uintptr_t)to == NOBODY + 100 + 12000, "rep stosl of 12000 bytes",
	      "RCX %lu, RDI 0x%lx", count, (uintptr_t)to);

	from = (const void *)NOBODY;
	to = buffer;
	count = 4096;
	asm volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
	check(!count && to == buffer + 4096, "rep movsb of a page", "RCX %lu", count);
	if (hypervisor_is_ours())
		check(buffer[0] == 0xff && buffer[4095] == 0xff, "page of ones", "%x %x",
		      buffer[0], buffer[4095]);
	from = (const void *)NOBODY;
	asm volatile("lodsq" : "+S"(from), "=a"(count) : : "memory");
	check((uintptr_t)from == NOBODY + 8, "lodsq", "RSI 0x%lx", (uintptr_t)from);
}

/* A 16-byte move, to and from nobody. Register contents go through memory to be seen. */
static void test_sse(void)
{
	uint64_t pattern[2] = {0x0123456789abcdef, 0xfedcba9876543210}, seen[2] = {0, 0};

	asm volatile("movups (%0), %%xmm3; movaps %%xmm3, (%2); movups %%xmm3, (%1)"
		     :
		     : "r"(pattern), "r"(seen), "r"(NOBODY)
		     : "memory");
	check(seen[0] == pattern[0] && seen[1] == pattern[1], "movaps to nobody",
	      "XMM3 has changed");
	asm volatile("movdqu (%2), %%xmm3; movups %%xmm3, (%1)"
		     :
		     : "r"(pattern), "r"(seen), "r"(NOBODY + 4096 - 8)
		     : "memory");
	if (hypervisor_is_ours())
		check(seen[0] == ~0ull && seen[1] == ~0ull, "movdqu across pages",
		      "0x%lx 0x%lx", seen[0], seen[1]);
}

/* An access that begins in RAM and ends in what is not RAM: each part goes where it belongs. */
static void test_boundary(void)
{
	volatile uint32_t *at = (volatile uint32_t *)(APIC_PAGE - 2);
	uint32_t id = *(volatile uint32_t *)APIC_PAGE;
	uint32_t value = *at;

	print("across the APIC page's start: 0x%x (0x%x there)\n", value, id);
	reached("crossing into the APIC page");
}

static void test_ioapic(void)
{
	uint32_t version = ioapic_read(1);

	check((version >> 16 & 0xff) == 23, "I/O APIC has 24 pins", "version 0x%x", version);
	ioapic_write(0x10 + 2 * 20, IOAPIC_MASKED | 0x77);
	check(ioapic_read(0x10 + 2 * 20) == (IOAPIC_MASKED | 0x77), "I/O APIC entry", "0x%x",
	      ioapic_read(0x10 + 2 * 20));
}

/* Other forms, at an address that reads as ones. */
static void test_ones(void)
{
	uint64_t value, rsp_before, rsp_after;

	if (!hypervisor_is_ours())
		return;
	asm volatile("movzwl (%1), %k0" : "=r"(value) : "r"(NOBODY));
	check(value == 0xffff, "movzx r32, m16", "0x%lx", value);
	asm volatile("movsbq (%1), %0" : "=r"(value) : "r"(NOBODY));
	check(value == ~0ull, "movsx r64, m8", "0x%lx", value);
	asm volatile("movslq (%1), %0" : "=r"(value) : "r"(NOBODY));
	check(value == ~0ull, "movsxd r64, m32", "0x%lx", value);
	value = 0x1122334455667788;
	asm volatile("movb (%1), %%ah" : "+a"(value) : "r"(NOBODY));
	check(value == 0x112233445566ff88, "mov ah, m8", "0x%lx", value);
	asm volatile("pushq (%1); pop %0" : "=r"(value) : "r"(NOBODY) : "memory");
	check(value == ~0ull, "push m64", "0x%lx", value);
	asm volatile("mov %%rsp, %0; push $1; pop (%2); mov %%rsp, %1"
		     : "=&r"(rsp_before), "=&r"(rsp_after)
		     : "r"(NOBODY)
		     : "memory");
	check(rsp_before == rsp_after, "pop m64", "RSP is %ld off", rsp_after - rsp_before);
}

void test(void)
{
	test_widths();
	test_system_registers();
	test_apic_moves();
	test_flags();
	test_strings();
	test_sse();
	test_boundary();
	test_ioapic();
	test_ones();
}
