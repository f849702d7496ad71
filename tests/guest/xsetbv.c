/*
 * XSETBV. Every value that XCR0 cannot have raises #GP in the guest, and nowhere else; good
 * values are kept, per vCPU, while other vCPUs with other values share the CPU.
 */
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define X87    BIT(0)
#define SSE    BIT(1)
#define AVX    BIT(2)
#define BNDREG BIT(3)
#define OPMASK BIT(5)

static uint64_t mask; /* the bits that CPUID says XCR0 has */
static struct barrier barrier;

static uint64_t xgetbv(void)
{
	uint32_t lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

static struct trap try_xsetbv(uint32_t xcr, uint64_t value)
{
	return TRY("xsetbv", OUT(),
		   IN("c"(xcr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))));
}

static void refused(const char *name, uint32_t xcr, uint64_t value)
{
	uint64_t before = xgetbv();
	struct trap trap = try_xsetbv(xcr, value);

	check(trap.vector == VECTOR_GP && !trap.error && xgetbv() == before, name,
	      "vector %d, XCR0 0x%lx", trap.vector, xgetbv());
}

static void taken(const char *name, uint64_t value)
{
	struct trap trap = try_xsetbv(0, value);

	check(trap.vector == NO_TRAP && xgetbv() == value, name, "vector %d, XCR0 0x%lx",
	      trap.vector, xgetbv());
}

/* CPU n keeps one value while the others have another, over sleeps and exits. */
static void keep(uint64_t arg)
{
	uint64_t mine = arg & 1 ? mask : X87;

	write_cr4(read_cr4() | CR4_OSXSAVE);
	try_xsetbv(0, mine);
	barrier_wait(&barrier, 2);
	for (unsigned i = 0; i < 200; i++) {
		delay_us(50);
		if (xgetbv() != mine)
			give_up("CPU %u's XCR0 became 0x%lx", cpu_index(), xgetbv());
	}
	write_cr4(read_cr4() & ~CR4_OSXSAVE);
}

/* A value that the guest leaves behind must not hurt the saving of its registers. */
static void test_registers(void)
{
	uint64_t in[4] = {1, 2, 3, 4}, out[4] = {0};

	if (!(mask & AVX))
		return;
	try_xsetbv(0, mask);
	asm volatile("vmovups (%0), %%ymm5" : : "r"(in) : "memory");
	try_xsetbv(0, X87 | SSE);
	delay_us(30000);
	try_xsetbv(0, mask);
	delay_us(30000);
	asm volatile("vmovups %%ymm5, (%0)" : : "r"(out) : "memory");
	check(out[0] == 1 && out[1] == 2 && out[2] == 3 && out[3] == 4, "YMM5 is kept",
	      "%lu %lu %lu %lu", out[0], out[1], out[2], out[3]);
}

void test(void)
{
	unsigned cpus = smp_start();

	if (!(cpuid(1, 0).ecx & BIT(26))) {
		skip("XSETBV", "no XSAVE");
		check(try_xsetbv(0, X87).vector == VECTOR_UD, "#UD without XSAVE", "no #UD");
		return;
	}
	mask = cpuid(0xd, 0).eax | (uint64_t)cpuid(0xd, 0).edx << 32;
	write_cr4(read_cr4() & ~CR4_OSXSAVE);
	check(try_xsetbv(0, X87).vector == VECTOR_UD, "#UD without OSXSAVE", "no #UD");
	write_cr4(read_cr4() | CR4_OSXSAVE);
	taken("x87", X87);
	taken("x87 and SSE", X87 | SSE);
	taken("all", mask);
	refused("nothing", 0, 0);
	refused("no x87", 0, SSE);
	refused("AVX without SSE", 0, X87 | AVX);
	refused("half of MPX", 0, X87 | BNDREG);
	refused("half of AVX-512", 0, X87 | SSE | AVX | OPMASK);
	refused("bit 63", 0, mask | BIT(63));
	refused("bit 40", 0, mask | BIT(40));
	refused("all bits", 0, ~0ull);
	refused("XCR1", 1, X87);
	refused("XCR 0xffffffff", 0xffffffff, X87);
	for (unsigned bit = 1; bit < 64; bit++)
		if (!(mask >> bit & 1) && try_xsetbv(0, X87 | BIT(bit)).vector != VECTOR_GP)
			check(false, "absent bits", "bit %u was taken", bit);
	test_registers();

	if (cpus > 2) {
		cpu_run(1, keep, 1);
		cpu_run(2, keep, 2);
		cpu_join(1, 3000);
		cpu_join(2, 3000);
		reached("each vCPU has its own");
	}
}
