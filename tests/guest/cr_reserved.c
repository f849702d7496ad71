/*
 * Control registers and EFER. Each reserved bit and each forbidden combination raises #GP(0)
 * and changes nothing; what is allowed is kept and reads back as it was written (SDM vol.
 * 3A 2.5, APM vol. 2 3.1).
 */
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"

#define CR4_PCIDE BIT(17)
#define EFER_SCE  BIT(0)
#define EFER_LME  BIT(8)
#define EFER_LMA  BIT(10)
#define EFER_NXE  BIT(11)
#define EFER_SVME BIT(12)

static struct trap try_cr0(uint64_t value)
{
	return TRY("mov %[value], %%cr0", OUT(), IN([value] "r"(value)));
}

static struct trap try_cr4(uint64_t value)
{
	return TRY("mov %[value], %%cr4", OUT(), IN([value] "r"(value)));
}

static struct trap try_cr8(uint64_t value)
{
	return TRY("mov %[value], %%cr8", OUT(), IN([value] "r"(value)));
}

static struct trap try_efer(uint64_t value)
{
	return try_wrmsr(MSR_EFER, value);
}

static uint64_t read_efer(void)
{
	return rdmsr(MSR_EFER);
}

static const struct reg {
	const char *name;
	struct trap (*set)(uint64_t value);
	uint64_t (*get)(void);
} cr0 = {"CR0", try_cr0, read_cr0}, cr4 = {"CR4", try_cr4, read_cr4},
  efer = {"EFER", try_efer, read_efer}, cr8 = {"CR8", try_cr8, read_cr8};

static void refused(const char *name, const struct reg *reg, uint64_t value)
{
	uint64_t before = reg->get();
	struct trap trap;

	if (!hypervisor_is_ours()) /* QEMU by itself checks little of this */
		return;
	trap = reg->set(value);
	check(trap.vector == VECTOR_GP && !trap.error && reg->get() == before, name,
	      "%s = 0x%lx: vector %d error 0x%x, and it is 0x%lx", reg->name, value,
	      trap.vector, trap.error, reg->get());
	if (reg->get() != before)
		reg->set(before);
}

static void taken(const char *name, const struct reg *reg, uint64_t value)
{
	uint64_t before = reg->get();
	struct trap trap = reg->set(value);

	check(trap.vector == NO_TRAP && reg->get() == value, name,
	      "%s = 0x%lx: vector %d, and it is 0x%lx", reg->name, value, trap.vector,
	      reg->get());
	reg->set(before);
}

static void test_cr0(void)
{
	uint64_t now = read_cr0();

	/* Together with a change of CD: without an exit, QEMU ignores the upper half. */
	for (unsigned bit = 32; bit < 64; bit += 5)
		refused("upper half", &cr0, now | CR0_CD | BIT(bit));
	refused("PG without PE", &cr0, now & ~CR0_PE);
	refused("NW without CD", &cr0, now | CR0_NW);
	refused("no PG in 64-bit code", &cr0, now & ~CR0_PG);
	taken("TS", &cr0, now | CR0_TS);
	taken("no WP", &cr0, now & ~CR0_WP);
	taken("CD", &cr0, now | CR0_CD);
	taken("CD and NW", &cr0, now | CR0_CD | CR0_NW);
	if (!hypervisor_is_ours())
		return;
	/* Reserved in the lower half: ignored. ET is always set. */
	try_cr0(now | BIT(7));
	check(read_cr0() == now, "bit 7 is ignored", "CR0 is 0x%lx", read_cr0());
	try_cr0(now & ~CR0_ET);
	check(read_cr0() == now, "ET is always set", "CR0 is 0x%lx", read_cr0());
}

static void test_cr4(void)
{
	uint64_t now = read_cr4();

	refused("bit 15", &cr4, now | BIT(15));
	refused("bit 19", &cr4, now | BIT(19));
	for (unsigned bit = 25; bit < 64; bit += 3)
		refused("upper bits", &cr4, now | BIT(bit));
	refused("no PAE in long mode", &cr4, now & ~CR4_PAE);
	taken("PGE", &cr4, now ^ BIT(7));
	taken("TSD", &cr4, now | BIT(2));
	taken("DE", &cr4, now | BIT(3));
	if (!hypervisor_is_ours())
		return;
	refused("VMXE", &cr4, now | BIT(13));
	refused("LA57 in long mode", &cr4, now | BIT(12));
	if (!(cpuid(1, 0).ecx & BIT(17)))
		refused("PCIDE without PCID", &cr4, now | CR4_PCIDE);
	if (!(cpuid(7, 0).ebx & BIT(7)))
		refused("SMEP without SMEP", &cr4, now | BIT(20));
	if (!(cpuid(7, 0).ecx & BIT(3)))
		refused("PKE without PKU", &cr4, now | BIT(22));
}

/* CR3's reserved bits are the CPU's to check, and QEMU doesn't: no exit is needed for it. */
static void test_cr3(void)
{
	uint64_t now = read_cr3();

	write_cr3(now | BIT(3)); /* write-through */
	check(read_cr3() == (now | BIT(3)), "CR3 is kept", "0x%lx", read_cr3());
	write_cr3(now);
}

static void test_efer(void)
{
	uint64_t now = read_efer();

	check((now & (EFER_LME | EFER_LMA | EFER_NXE)) == (EFER_LME | EFER_LMA | EFER_NXE),
	      "EFER is ours", "0x%lx", now);
	taken("SCE", &efer, now | EFER_SCE);
	taken("no NXE", &efer, now & ~EFER_NXE);
	if (!hypervisor_is_ours())
		return;
	refused("no LME in long mode", &efer, now & ~EFER_LME);
	refused("bit 1", &efer, now | BIT(1));
	refused("SVME", &efer, now | EFER_SVME);
	refused("bit 63", &efer, now | BIT(63));
	efer.set(now & ~EFER_LMA);
	check(read_efer() == now, "LMA cannot be cleared", "0x%lx", read_efer());
}

/* Its reserved bits, like CR3's, are the CPU's to check. */
static void test_cr8(void)
{
	for (unsigned value = 0; value < 16; value++)
		taken("priorities", &cr8, value);
}

/* Registers that do not exist. */
static void test_absent(void)
{
	check(TRY("mov %%rax, %%cr1", OUT(), IN("a"(0))).vector == VECTOR_UD, "no CR1", "-");
	check(TRY("mov %%rax, %%cr5", OUT(), IN("a"(0))).vector == VECTOR_UD, "no CR5", "-");
	check(TRY("mov %%rax, %%cr15", OUT(), IN("a"(0))).vector == VECTOR_UD, "no CR15", "-");
}

void test(void)
{
	test_cr0();
	test_cr3();
	test_cr4();
	test_efer();
	test_cr8();
	test_absent();
}
