/*
 * Protection keys. PKRU is the guest's while its vCPU is loaded, and the hypervisor reaches its
 * RAM through user pages: a guest that denies itself all keys must not deny them to us, each
 * vCPU keeps its own PKRU, and what is emulated obeys it as the CPU does (SDM vol. 3A 4.6.2).
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define CR4_PKE	   BIT(22)
#define XCR0_PKRU  BIT(9)
#define USER	   BIT(2)
#define WRITABLE   BIT(1)
#define PRESENT	   BIT(0)
#define KEY(k)	   ((uint64_t)(k) << 59)
#define AD(k)	   (1u << 2 * (k))
#define WD(k)	   (2u << 2 * (k))
#define ALL	   0xffffffffu
#define PF_PRESENT 0x01u
#define PF_WRITE   0x02u
#define PF_KEY	   0x20u
#define HIGH	   (1ull << 39) /* where the second entry of the page map begins */
#define RDPKRU	   ".byte 0x0f, 0x01, 0xee"
#define WRPKRU	   ".byte 0x0f, 0x01, 0xef"

static uint64_t tables[3][512] __attribute__((aligned(4096)));
static uint8_t page[4096] __attribute__((aligned(4096)));
extern uint64_t page_map[512];

/* At HIGH: `page` with key 1, and the local APIC with key 2; both are user pages. */
static volatile uint8_t *const keyed = (uint8_t *)HIGH;
static volatile uint8_t *const device = (uint8_t *)(HIGH + 4096);

static void map(void)
{
	page_map[1] = (uint64_t)tables[0] | PRESENT | WRITABLE | USER;
	tables[0][0] = (uint64_t)tables[1] | PRESENT | WRITABLE | USER;
	tables[1][0] = (uint64_t)tables[2] | PRESENT | WRITABLE | USER;
	tables[2][0] = (uint64_t)page | PRESENT | WRITABLE | USER | KEY(1);
	tables[2][1] = APIC_PAGE | PRESENT | WRITABLE | USER | KEY(2);
	write_cr3(read_cr3());
}

static struct trap try_rdpkru(uint32_t ecx, uint32_t *pkru)
{
	uint32_t edx = 1;
	struct trap trap = TRY(RDPKRU, OUT("+a"(*pkru), "+d"(edx)), IN("c"(ecx)));

	return trap;
}

static struct trap try_wrpkru(uint32_t ecx, uint32_t edx, uint32_t pkru)
{
	return TRY(WRPKRU, OUT(), IN("a"(pkru), "c"(ecx), "d"(edx)));
}

static uint32_t rdpkru(void)
{
	uint32_t pkru = 0;

	if (try_rdpkru(0, &pkru).vector != NO_TRAP)
		give_up("RDPKRU failed");
	return pkru;
}

static void wrpkru(uint32_t pkru)
{
	if (try_wrpkru(0, 0, pkru).vector != NO_TRAP)
		give_up("WRPKRU failed");
}

static struct trap try_read(void)
{
	uint8_t value = 0;

	return TRY("movb %[at], %[value]", OUT([value] "+r"(value)), IN([at] "m"(*keyed)));
}

static struct trap try_write(void)
{
	return TRY("movb $1, %[at]", OUT(), IN([at] "m"(*keyed)));
}

/* Of the APIC's version to the keyed page: the CPU finds the device, we do the rest. */
static struct trap try_copy(void)
{
	uint64_t from = (uint64_t)device + APIC_VERSION, to = (uint64_t)keyed;

	return TRY("movsl", OUT("+S"(from), "+D"(to)), IN());
}

static void faults(const char *name, struct trap trap, uint32_t error)
{
	check(trap.vector == VECTOR_PF && trap.error == error && trap.cr2 == HIGH, name,
	      "vector %d error 0x%x at 0x%lx", trap.vector, trap.error, trap.cr2);
}

static void passes(const char *name, struct trap trap)
{
	check(trap.vector == NO_TRAP, name, "vector %d error 0x%x", trap.vector, trap.error);
}

static bool ospke(void)
{
	return cpuid(7, 0).ecx & BIT(4);
}

static void test_instructions(void)
{
	uint32_t pkru = 0;

	check(!ospke() && try_rdpkru(0, &pkru).vector == VECTOR_UD &&
		      try_wrpkru(0, 0, 0).vector == VECTOR_UD,
	      "#UD without PKE", "OSPKE %u", ospke());
	write_cr4(read_cr4() | CR4_PKE);
	check(ospke(), "OSPKE follows CR4.PKE", "clear");
	check(rdpkru() == 0, "PKRU is 0 at reset", "0x%x", rdpkru());
	check(try_rdpkru(1, &pkru).vector == VECTOR_GP &&
		      try_wrpkru(1, 0, 0).vector == VECTOR_GP &&
		      try_wrpkru(0, 1, 0).vector == VECTOR_GP,
	      "ECX and EDX must be 0", "no #GP");
	wrpkru(0x12345678);
	check(rdpkru() == 0x12345678, "PKRU keeps", "0x%x", rdpkru());
	wrpkru(0);
}

static void test_rights(void)
{
	passes("all allowed", try_write());
	wrpkru(AD(1));
	faults("no access", try_read(), PF_PRESENT | PF_KEY);
	faults("nor a write", try_write(), PF_PRESENT | PF_WRITE | PF_KEY);
	wrpkru(WD(1));
	passes("reads only", try_read());
	faults("no write", try_write(), PF_PRESENT | PF_WRITE | PF_KEY);
	wrpkru(~(AD(1) | WD(1)));
	passes("another key's", try_write());
	wrpkru(0);
}

static void test_emulated(void)
{
	passes("emulated, allowed", try_copy());
	check(*(volatile uint32_t *)keyed == *(volatile uint32_t *)(APIC_PAGE + APIC_VERSION),
	      "and done", "0x%x", *(volatile uint32_t *)keyed);
	wrpkru(AD(1));
	faults("emulated, no access", try_copy(), PF_PRESENT | PF_WRITE | PF_KEY);
	wrpkru(WD(1));
	faults("emulated, no write", try_copy(), PF_PRESENT | PF_WRITE | PF_KEY);
	write_cr0(read_cr0() & ~CR0_WP);
	passes("a supervisor without WP", try_copy());
	write_cr0(read_cr0() | CR0_WP);
	wrpkru(0);
}

/* What makes the hypervisor read and write the guest's memory, while the guest denies itself
 * everything. */
static void test_hypervisor(void)
{
	static uint8_t text[64];
	const uint8_t *from = text;
	uint64_t count = sizeof text, value;
	struct trap trap;

	wrpkru(ALL);
	for (unsigned i = 0; i < 20; i++)
		cpuid(0, 0);
	asm volatile(".byte 0x66; cpuid" : : "a"(0), "c"(0) : "rbx", "rdx", "memory");
	asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"((uint16_t)0x80) : "memory");
	check(apic_read(APIC_VERSION) != ALL, "a device's register", "-");
	trap = try_wrmsr(0x4b564d00, (uint64_t)text);
	check(trap.vector == NO_TRAP, "the wall clock", "vector %d", trap.vector);
	try_rdmsr(0x1b, &value);
	check(rdpkru() == ALL, "PKRU after exits", "0x%x", rdpkru());
	wrpkru(0);
}

/* Each of the CPUs has its own, however they share the machine's; with and without XCR0's bit.
 */
static volatile unsigned wrong;

static void keep(uint64_t mine)
{
	uint32_t cr4 = (uint32_t)read_cr4();

	write_cr4(cr4 | CR4_PKE);
	wrpkru((uint32_t)mine);
	for (unsigned i = 0; i < 100; i++) {
		delay_us(100);
		if (rdpkru() != mine)
			wrong++;
	}
	wrpkru(0);
	write_cr4(cr4);
}

static void test_switching(unsigned cpus)
{
	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, keep, 0x1000 * i);
	keep(0xffff0000);
	for (unsigned i = 1; i < cpus; i++)
		cpu_join(i, 4000);
	check(!wrong, "each CPU its own", "%u times wrong", wrong);
}

/* State component 9 (SDM vol. 1 13.5.7): 4 bytes of PKRU. */
static void test_xsave(void)
{
	static uint8_t area[4096] __attribute__((aligned(64)));
	struct cpuid component = cpuid(0xd, 9);

	check(cpuid(0xd, 0).eax & XCR0_PKRU && component.eax == 8 && component.ebx,
	      "XSAVE has it", "%u bytes at %u", component.eax, component.ebx);
	write_cr4(read_cr4() | CR4_OSXSAVE | CR4_PKE);
	passes("XCR0 takes it", TRY("xsetbv", OUT(), IN("c"(0), "a"(3 | XCR0_PKRU), "d"(0))));
	check(cpuid(0xd, 0).ebx == component.ebx + component.eax, "the area's size", "%u",
	      cpuid(0xd, 0).ebx);
	wrpkru(0x55aa);
	asm volatile("xsave (%0)" : : "r"(area), "a"((uint32_t)XCR0_PKRU), "d"(0) : "memory");
	check(*(uint32_t *)(area + component.ebx) == 0x55aa, "saved", "0x%x",
	      *(uint32_t *)(area + component.ebx));
	wrpkru(0);
	asm volatile("xrstor (%0)" : : "r"(area), "a"((uint32_t)XCR0_PKRU), "d"(0) : "memory");
	check(rdpkru() == 0x55aa, "restored", "0x%x", rdpkru());
	wrpkru(0);
}

void test(void)
{
	unsigned cpus = smp_start();
	uint32_t pkru = 0;

	if (!(cpuid(7, 0).ecx & BIT(3))) {
		skip("protection keys", "the CPU has none");
		check(TRY("mov %[v], %%cr4", OUT(), IN([v] "r"(read_cr4() | CR4_PKE))).vector ==
				      VECTOR_GP &&
			      try_rdpkru(0, &pkru).vector == VECTOR_UD,
		      "PKE is reserved", "taken");
		return;
	}
	map();
	test_instructions();
	test_rights();
	test_emulated();
	test_hypervisor();
	test_switching(cpus);
	test_xsave();
}
