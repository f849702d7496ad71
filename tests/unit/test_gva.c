/*
 * The guest's page tables as we walk them: all paging modes, rights, accessed and dirty bits,
 * and tables that a hostile guest points anywhere.
 */
/* links: kernel/vmm/gva.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/cpu/cpu.h"
#include "kernel/lib/x86.h"
#include "kernel/vmm/gva.h"
#include "kernel/vmm/vm.h"

#define RAM	  (16 * MIB)
#define CR3	  0x1000ull
#define PAGE	  0x123000ull /* what the tables below map */
#define P	  1ull
#define W	  2ull
#define U	  4ull
#define A	  0x20ull
#define D	  0x40ull
#define PS	  0x80ull
#define NX	  (1ull << 63)
#define LONG_MODE 0xd00ull /* LME LMA NXE */

struct cpu_features cpu_features;
static uint64_t regs[REG_COUNT];
static unsigned privilege;
static _Atomic uint64_t populated[1];
static struct vm vm;
static struct vcpu vcpu;
static uint8_t *const ram = (uint8_t *)GUEST_WINDOW_BASE;

static uint64_t get_reg(struct vcpu *v, enum vcpu_reg reg)
{
	(void)v;
	return regs[reg];
}

static unsigned cpl(struct vcpu *v)
{
	(void)v;
	return privilege;
}

static uint32_t pkru;

uint32_t vcpu_get_pkru(void)
{
	return pkru;
}

static const struct vmm_backend backend = {.get_reg = get_reg, .cpl = cpl};
const struct vmm_backend *vmm_backend = &backend;

int gmem_read(struct gmem *gm, uint64_t gpa, void *buf, size_t bytes)
{
	if (gpa >= gm->bytes || bytes > gm->bytes - gpa)
		return -EFAULT;
	memcpy(buf, ram + gpa, bytes);
	return 0;
}

int gmem_read64(struct gmem *gm, uint64_t gpa, uint64_t *value)
{
	return gpa % 8 ? -EFAULT : gmem_read(gm, gpa, value, 8);
}

int gmem_cmpxchg(struct gmem *gm, uint64_t gpa, uint64_t expected, uint64_t desired,
		 unsigned bytes)
{
	if (gpa >= gm->bytes || memcmp(ram + gpa, &expected, bytes))
		return -EAGAIN;
	memcpy(ram + gpa, &desired, bytes);
	return 0;
}

static uint64_t entry(uint64_t at)
{
	uint64_t value;

	memcpy(&value, ram + at, 8);
	return value;
}

static void set(uint64_t at, uint64_t value)
{
	memcpy(ram + at, &value, 8);
}

static void set32(uint64_t at, uint32_t value)
{
	memcpy(ram + at, &value, 4);
}

/* gva 0x8040201000: index 1 at each of the four levels. */
#define GVA ((1ull << 39) + (1ull << 30) + (1ull << 21) + (1ull << 12))

static int setup(void **state)
{
	(void)state;
	memset(ram, 0, RAM);
	memset(regs, 0, sizeof(regs));
	vm.gmem.bytes = vm.gmem.low_bytes = RAM;
	vm.gmem.populated = populated;
	populated[0] = 0xff;
	vcpu.vm = &vm;
	vcpu.rflags = 2;
	privilege = 0;
	pkru = 0;
	cpu_features = (struct cpu_features){.phys_bits = 48, .pages_1g = true};
	regs[REG_CR0] = CR0_PG | CR0_WP | 1;
	regs[REG_CR3] = CR3;
	regs[REG_CR4] = CR4_PAE;
	regs[REG_EFER] = LONG_MODE;
	set(CR3 + 8, 0x2000 | P | W | U);
	set(0x2000 + 8, 0x3000 | P | W | U);
	set(0x3000 + 8, 0x4000 | P | W | U);
	set(0x4000 + 8, PAGE | P | W | U);
	return 0;
}

static uint64_t translated(uint64_t gva, unsigned access)
{
	uint64_t gpa = 0;
	uint32_t error = 0;

	assert_int_equal(gva_translate(&vcpu, gva, access, &gpa, &error), 0);
	return gpa;
}

static uint32_t refused(uint64_t gva, unsigned access)
{
	uint64_t gpa;
	uint32_t error = 0;

	assert_int_equal(gva_translate(&vcpu, gva, access, &gpa, &error), -EFAULT);
	return error;
}

static void no_paging(void **state)
{
	(void)state;
	regs[REG_CR0] = 1;
	assert_int_equal(translated(0x1ffffffffull, GVA_READ), 0xffffffff);
}

static void four_levels(void **state)
{
	(void)state;
	assert_int_equal(translated(GVA + 0xabc, GVA_READ), PAGE + 0xabc);
	assert_int_equal(entry(0x4000 + 8), PAGE | P | W | U | A);
	assert_int_equal(entry(CR3 + 8), 0x2000 | P | W | U | A);
	assert_int_equal(translated(GVA, GVA_WRITE), PAGE);
	assert_int_equal(entry(0x4000 + 8), PAGE | P | W | U | A | D);
	assert_int_equal(refused(GVA + PAGE_BYTES, GVA_READ), 0);
	assert_int_equal(refused(GVA + PAGE_BYTES, GVA_WRITE), PF_WRITE);
}

static void large_pages(void **state)
{
	(void)state;
	set(0x3000 + 8, PAGE_2M * 3 | P | W | PS);
	assert_int_equal(translated(GVA + 5, GVA_READ), PAGE_2M * 3 + 0x1005);
	set(0x2000 + 8, PAGE_1G * 2 | P | W | PS);
	assert_int_equal(translated(GVA + 5, GVA_READ), PAGE_1G * 2 + PAGE_2M + 0x1005);
}

/* SDM vol. 3A 4.6.1, row by row. */
static void rights(void **state)
{
	(void)state;
	privilege = 3;
	assert_int_equal(translated(GVA, GVA_WRITE), PAGE);
	set(0x4000 + 8, PAGE | P | U); /* read-only user page */
	assert_int_equal(refused(GVA, GVA_WRITE), PF_PRESENT | PF_WRITE | PF_USER);
	assert_int_equal(translated(GVA, GVA_READ), PAGE);
	privilege = 0;
	assert_int_equal(refused(GVA, GVA_WRITE), PF_PRESENT | PF_WRITE);
	regs[REG_CR0] &= ~CR0_WP;
	assert_int_equal(translated(GVA, GVA_WRITE), PAGE);
	set(0x2000 + 8, 0x3000 | P | W); /* supervisor at one level is supervisor */
	privilege = 3;
	assert_int_equal(refused(GVA, GVA_READ), PF_PRESENT | PF_USER);
	assert_int_equal(translated(GVA, GVA_READ | GVA_SYSTEM), PAGE);
	privilege = 0;
	set(0x4000 + 8, PAGE | P | NX);
	assert_int_equal(refused(GVA, GVA_FETCH), PF_PRESENT | PF_FETCH);
	assert_int_equal(translated(GVA, GVA_READ), PAGE);
}

/* A present entry with a reserved bit ends the walk, whatever the rights (SDM vol. 3A 4.7; APM
 * vol. 2 8.4.2). For each: the last entry that is good, and the first that is not. */
static void reserved_in_four_levels(void **state)
{
	const struct {
		uint64_t at, good, bad;
	} cases[] = {
		{0x4000 + 8, PAGE | P | W | BIT(47), PAGE | P | W | BIT(48)},
		{0x4000 + 8, PAGE | P | W | BIT(62) | BIT(52), PAGE | P | W | BIT(51)},
		{0x3000 + 8, 0x4000 | P | W | BIT(47), 0x4000 | P | W | BIT(48)},
		{0x3000 + 8, PAGE_2M * 3 | P | W | PS | BIT(12),
		 PAGE_2M | P | W | PS | BIT(13)},
		{0x3000 + 8, PAGE_2M * 3 | P | W | PS | BIT(21),
		 PAGE_2M | P | W | PS | BIT(20)},
		{0x2000 + 8, PAGE_1G | P | W | PS | BIT(12), PAGE_1G | P | W | PS | BIT(13)},
		{0x2000 + 8, PAGE_1G | P | W | PS | BIT(30), PAGE_1G | P | W | PS | BIT(29)},
		{CR3 + 8, 0x2000 | P | W | BIT(62), 0x2000 | P | W | PS},
	};
	uint64_t gpa;
	uint32_t error = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		setup(state);
		set(cases[i].at, cases[i].good);
		if (gva_translate(&vcpu, GVA, GVA_WRITE, &gpa, &error))
			assert_false(error & PF_RSVD); /* tables beyond RAM */
		set(cases[i].at, cases[i].bad);
		assert_int_equal(refused(GVA, GVA_WRITE), PF_PRESENT | PF_RSVD | PF_WRITE);
		assert_int_equal(entry(cases[i].at), cases[i].bad); /* and is not marked */
		set(cases[i].at, cases[i].bad & ~P);
		assert_int_equal(refused(GVA, GVA_WRITE), PF_WRITE);
	}
}

static void reserved_by_features(void **state)
{
	(void)state;
	set(0x4000 + 8, PAGE | P | W | NX);
	assert_int_equal(translated(GVA, GVA_WRITE), PAGE);
	regs[REG_EFER] &= ~0x800ull; /* without NXE, bit 63 is reserved */
	assert_int_equal(refused(GVA, GVA_READ), PF_PRESENT | PF_RSVD);
	set(0x4000 + 8, PAGE | P | W);
	set(0x3000 + 8, 0x4000 | P | W | NX);
	assert_int_equal(refused(GVA, GVA_READ), PF_PRESENT | PF_RSVD);

	setup(NULL);
	set(0x2000 + 8, PAGE_1G * 2 | P | W | PS);
	translated(GVA, GVA_READ);
	cpu_features.pages_1g = false;
	assert_int_equal(refused(GVA, GVA_READ), PF_PRESENT | PF_RSVD);

	setup(NULL);
	set(CR3 + 8, 0x2000 | P | W | BIT(8));
	translated(GVA, GVA_READ);
	cpu_features.vendor = CPU_VENDOR_AMD;
	assert_int_equal(refused(GVA, GVA_READ), PF_PRESENT | PF_RSVD);
	set(CR3 + 8, 0x2000 | P | W); /* below, G is ignored on AMD as well */
	set(0x2000 + 8, 0x3000 | P | W | BIT(8));
	set(0x3000 + 8, 0x4000 | P | W | BIT(8));
	translated(GVA, GVA_READ);

	setup(NULL);
	cpu_features.phys_bits = 52;
	set(0x4000 + 8, PAGE | P | W | BIT(51));
	assert_int_equal(translated(GVA, GVA_READ), PAGE | BIT(51));
}

static void smep_and_smap(void **state)
{
	(void)state;
	regs[REG_CR4] |= CR4_SMEP | CR4_SMAP;
	assert_int_equal(refused(GVA, GVA_FETCH), PF_PRESENT | PF_FETCH);
	assert_int_equal(refused(GVA, GVA_READ), PF_PRESENT);
	vcpu.rflags |= 1 << 18; /* AC */
	assert_int_equal(translated(GVA, GVA_READ), PAGE);
	assert_int_equal(refused(GVA, GVA_READ | GVA_SYSTEM), PF_PRESENT);
	vcpu.rflags = 2;
	privilege = 3;
	assert_int_equal(translated(GVA, GVA_FETCH), PAGE);
}

/* 32-bit paging: 4-byte entries, 4 MiB pages with PSE. */
static void two_levels(void **state)
{
	(void)state;
	memset(ram, 0, RAM);
	regs[REG_EFER] = regs[REG_CR4] = 0;
	set32(CR3 + 4, 0x2000 | P | W | U);
	set32(0x2000 + 8, PAGE | P | W);
	assert_int_equal(translated(0x402123, GVA_WRITE), PAGE + 0x123);
	assert_int_equal(entry(0x2000 + 8) & 0xffffffff, PAGE | P | W | A | D);
	assert_int_equal(refused(0x403000, GVA_READ), 0);
	set32(CR3 + 8, 0x00c00000 | P | W | PS);
	set32(0xc00000, 0); /* what the entry would point to without PSE */
	assert_int_equal(refused(0x800000, GVA_READ), 0);
	regs[REG_CR4] = CR4_PSE;
	assert_int_equal(translated(0x812345, GVA_READ), 0xc12345);
	set32(CR3 + 8, 0x00c00000 | P | W | PS | 1 << 13); /* PSE-36: bit 13 is bit 32 */
	assert_int_equal(translated(0x812345, GVA_READ), 0x100c12345);
	set32(CR3 + 8, 0x00c00000 | P | W | PS | 1 << 20);
	assert_int_equal(translated(0x812345, GVA_READ), 0x8000c12345);
	set32(CR3 + 8, 0x00c00000 | P | W | PS | 1 << 21);
	assert_int_equal(refused(0x812345, GVA_READ), PF_PRESENT | PF_RSVD);
	cpu_features.phys_bits = 36; /* bits 35:32 are at 16:13 */
	set32(CR3 + 8, 0x00c00000 | P | W | PS | 1 << 16);
	assert_int_equal(translated(0x812345, GVA_READ), 0x800c12345);
	set32(CR3 + 8, 0x00c00000 | P | W | PS | 1 << 17);
	assert_int_equal(refused(0x812345, GVA_READ), PF_PRESENT | PF_RSVD);
}

static void pae(void **state)
{
	(void)state;
	memset(ram, 0, RAM);
	regs[REG_EFER] = 0;
	regs[REG_CR3] = CR3 + 0x20; /* the table of four entries is 32-byte aligned */
	set(CR3 + 0x20 + 8, 0x2000 | P);
	set(0x2000 + 8, 0x3000 | P | W | U);
	set(0x3000 + 8, PAGE | P | W | U);
	assert_int_equal(translated(0x40201234, GVA_WRITE), PAGE + 0x234);
	regs[REG_CR4] |= CR4_PKE; /* keys are long mode's (SDM vol. 3A 4.6.2) */
	pkru = ~0u;
	assert_int_equal(translated(0x40201234, GVA_WRITE), PAGE + 0x234);
	assert_int_equal(refused(0x80201234, GVA_READ), 0);
	set(0x3000 + 8, PAGE | P | W | U | BIT(52)); /* ignored in long mode alone */
	assert_int_equal(refused(0x40201234, GVA_READ), PF_PRESENT | PF_RSVD);
	set(0x3000 + 8, PAGE | P | W | U);
	for (unsigned bit = 0; bit < 64; bit++) { /* SDM vol. 3A table 4-8 */
		bool bad = (bit >= 1 && bit <= 2) || (bit >= 5 && bit <= 8) || bit >= 48;

		if (bit >= 12 && bit < 48)
			continue;
		set(CR3 + 0x20 + 8, 0x2000 | P | BIT(bit));
		if (bad)
			assert_int_equal(refused(0x40201234, GVA_READ), PF_PRESENT | PF_RSVD);
		else
			assert_int_equal(translated(0x40201234, GVA_READ), PAGE + 0x234);
		assert_int_equal(gva_pdptes_valid(&vcpu, CR3 + 0x20 + bit % 32), !bad);
		/* One that was good and is not any more is not there. */
		assert_int_equal(gva_pdpte(&vcpu, CR3 + 0x20 + bit % 32, 1),
				 bad ? 0 : entry(CR3 + 0x20 + 8));
		set(CR3 + 0x20 + 8, 0x2000 | BIT(bit)); /* not present: but for bit 0 */
		assert_true(gva_pdptes_valid(&vcpu, CR3 + 0x20));
	}
	set(CR3 + 0x20 + 8, 0x2000 | P | BIT(5));
	cpu_features.tcg = true; /* QEMU 7.2's walk sets it (findings/) */
	assert_int_equal(translated(0x40201234, GVA_READ), PAGE + 0x234);
	assert_true(gva_pdptes_valid(&vcpu, CR3 + 0x20));
	cpu_features.tcg = false;
	assert_int_equal(refused(0x40201234, GVA_READ), PF_PRESENT | PF_RSVD);
}

/* Tables outside RAM, beyond the end, or in themselves: a page fault, nothing else. */
static void hostile_tables(void **state)
{
	(void)state;
	regs[REG_CR3] = 0x000ffffffffff000ull;
	assert_int_equal(refused(GVA, GVA_READ), 0);
	regs[REG_CR3] = CR3;
	set(0x2000 + 8, 0x0000fee00000000ull | P);
	assert_int_equal(refused(GVA, GVA_READ), 0);
	set(CR3 + 8, CR3 | P | W | U); /* every level is this table */
	assert_int_equal(translated(GVA, GVA_READ), CR3);
	assert_null(gva_executed(&vcpu, GVA + (1ull << 20)));
}

static void short_way_finds_the_same(void **state)
{
	uint8_t bytes[4];

	(void)state;
	memcpy(ram + PAGE + 0xffe, "\x0f\xa2", 2);
	assert_ptr_equal(gva_executed(&vcpu, GVA + 0xffe), ram + PAGE + 0xffe);
	set(0x3000 + 8, PAGE_2M | P | PS);
	assert_ptr_equal(gva_executed(&vcpu, GVA + 7), ram + PAGE_2M + 0x1007);
	set(0x3000 + 8, 0);
	assert_null(gva_executed(&vcpu, GVA));
	set(0x3000 + 8, 0x4000 | P);
	populated[0] = 0; /* not there yet: the long way populates */
	assert_null(gva_executed(&vcpu, GVA));
	regs[REG_EFER] = 0;
	assert_null(gva_executed(&vcpu, GVA));
	regs[REG_EFER] = LONG_MODE;
	assert_int_equal(gva_fetch(&vcpu, GVA + 0xffe, bytes, 4),
			 2); /* the next page is not there */
	assert_memory_equal(bytes, "\x0f\xa2", 2);
}

/* SDM vol. 3A 4.6.2: keys are in bits 62:59 of the leaf, and count for data accesses to user
 * pages in long mode. */
static void protection_keys(void **state)
{
	const uint64_t key3 = 3ull << 59;

	(void)state;
	set(0x4000 + 8, PAGE | P | W | U | key3);
	pkru = ~0u;
	assert_int_equal(translated(GVA, GVA_WRITE), PAGE); /* not without CR4.PKE */
	regs[REG_CR4] |= CR4_PKE;
	assert_int_equal(refused(GVA, GVA_READ), 0x21);
	assert_int_equal(refused(GVA, GVA_WRITE), 0x23);
	assert_int_equal(translated(GVA, GVA_FETCH), PAGE);
	pkru = ~(3u << 6); /* all other keys */
	assert_int_equal(translated(GVA, GVA_WRITE), PAGE);
	pkru = 1u << 6;
	assert_int_equal(refused(GVA, GVA_READ), 0x21);
	assert_int_equal(refused(GVA, GVA_READ | GVA_SYSTEM), 0x21);
	pkru = 2u << 6; /* writes alone; those of a supervisor with WP */
	assert_int_equal(translated(GVA, GVA_READ), PAGE);
	assert_int_equal(refused(GVA, GVA_WRITE), 0x23);
	regs[REG_CR0] &= ~CR0_WP;
	assert_int_equal(translated(GVA, GVA_WRITE), PAGE);
	privilege = 3;
	assert_int_equal(refused(GVA, GVA_WRITE), 0x27);
	privilege = 0;
	pkru = ~0u;
	set(0x4000 + 8, PAGE | P | W | key3); /* a supervisor's page has no key */
	assert_int_equal(translated(GVA, GVA_WRITE), PAGE);
	assert_int_equal(entry(0x4000 + 8) & (A | D), A | D);
	set(0x4000 + 8, PAGE | P | W | U | key3); /* what is refused marks nothing */
	refused(GVA, GVA_WRITE);
	assert_int_equal(entry(0x4000 + 8) & (A | D), 0);
	set(0x3000 + 8, PAGE_2M | P | W | U | PS | key3);
	assert_int_equal(refused(GVA, GVA_READ), 0x21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_paging, setup),
		cmocka_unit_test_setup(four_levels, setup),
		cmocka_unit_test_setup(large_pages, setup),
		cmocka_unit_test_setup(rights, setup),
		cmocka_unit_test_setup(reserved_in_four_levels, setup),
		cmocka_unit_test_setup(reserved_by_features, setup),
		cmocka_unit_test_setup(smep_and_smap, setup),
		cmocka_unit_test_setup(two_levels, setup),
		cmocka_unit_test_setup(pae, setup),
		cmocka_unit_test_setup(hostile_tables, setup),
		cmocka_unit_test_setup(protection_keys, setup),
		cmocka_unit_test_setup(short_way_finds_the_same, setup),
	};

	if (mmap(ram, RAM, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != ram)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
