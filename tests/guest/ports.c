/*
 * I/O ports. A guest reads and writes every port with every width; what isn't there reads as
 * all ones, and nothing a guest writes anywhere hurts more than the guest. Left out are writes
 * to the ports that end it: power-off, reset, keyboard controller's command, debug exit.
 */
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"

static const struct {
	uint16_t first, last;
} keep_off[] = {
	{0x20, 0x21},	  /* 8259 pair: the program wants no interrupts from it */
	{0x40, 0x43},	  /* 8254 */
	{0x60, 0x64},	  /* keyboard controller: 0xfe and others reset */
	{0x70, 0x71},	  /* CMOS: its contents outlive resets on some machines */
	{0x92, 0x92},	  /* fast reset */
	{0xa0, 0xa1},	  /* 8259 pair */
	{0xb2, 0xb3},	  /* system management, in firmware */
	{0xf4, 0xf7},	  /* debug exit */
	{0x3f8, 0x3ff},	  /* where it says what it found */
	{0x600, 0x60f},	  /* ACPI: S5 */
	{0xae00, 0xafff}, /* ACPI hot-plug of other machines, with ejection of devices */
	{0xcd8, 0xcdf},	  /* the same */
	{0xcf8, 0xcff},	  /* PCI: would move devices' ports below us; reset at 0xcf9 */
};

/* Whether an access of `bytes` at `port` touches one of them. */
static bool is_off(unsigned port, unsigned bytes)
{
	for (unsigned i = 0; i < ARRAY_SIZE(keep_off); i++)
		if (port <= keep_off[i].last && port + bytes > keep_off[i].first)
			return true;
	return false;
}

static void test_reads(void)
{
	unsigned counts[3] = {0};
	bool ours = hypervisor_is_ours(); /* QEMU's 16550 ends QEMU when read wide */

	for (unsigned port = 0; port <= 0xffff; port++) {
		counts[0] += in8(port) != 0xff;
		if (!ours && is_off(port, 4))
			continue;
		if (port < 0x800 || port % 16 == 15 || port > 0xfff0) {
			counts[1] += in16(port) != 0xffff;
			counts[2] += in32(port) != 0xffffffff;
		}
	}
	print("not all ones: %u bytes, %u words, %u doublewords\n", counts[0], counts[1],
	      counts[2]);
	check(counts[0] > 4, "reads", "no device answered a byte");
	if (hypervisor_is_ours())
		check(counts[0] < 256, "absent ports read as ones", "%u bytes don't",
		      counts[0]);
}

static void test_writes(void)
{
	static const uint32_t values[] = {0xffffffff, 0, 0x55aa55aa};

	for (unsigned port = 0; port <= 0xffff; port++) {
		uint32_t value = values[port % ARRAY_SIZE(values)];

		if (!is_off(port, 1))
			out8(port, value);
		if (port % 16 == 15 && !is_off(port, 2))
			out16(port, value);
		if (port % 16 == 14 && !is_off(port, 4))
			out32(port, value);
	}
	reached("writes");
}

/* A width changes only the part of RAX that it has; 32 bits clear the upper half. */
static void test_results(void)
{
	uint64_t rax;

	asm volatile("in $0x80, %%al" : "=a"(rax) : "0"(0x1122334455667700ull));
	check(rax >> 8 == 0x11223344556677, "AL alone", "RAX 0x%lx", rax);
	asm volatile("in %%dx, %%ax" : "=a"(rax) : "0"(0x1122334455660000ull), "d"(0x1000));
	check(rax >> 16 == 0x112233445566, "AX alone", "RAX 0x%lx", rax);
	asm volatile("in %%dx, %%eax" : "=a"(rax) : "0"(~0ull), "d"(0x1000));
	check(rax >> 32 == 0, "EAX clears the rest", "RAX 0x%lx", rax);
}

/* INS and OUTS: elements, direction, counts, and a page boundary in the middle. */
static void test_strings(void)
{
	static uint8_t buffer[3 * 4096] __attribute__((aligned(4096)));
	uint8_t *at = buffer + 4096 - 6;
	uint64_t count = 12;

	asm volatile("rep insb" : "+D"(at), "+c"(count) : "d"(0x1000) : "memory");
	check(!count && at == buffer + 4096 + 6, "rep insb ends", "RCX %lu", count);
	check(buffer[4095 - 6] == 0 && buffer[4096 - 6] == 0xff && buffer[4096 + 5] == 0xff &&
		      buffer[4096 + 6] == 0,
	      "rep insb fills", "%x %x %x %x", buffer[4095 - 6], buffer[4096 - 6],
	      buffer[4096 + 5], buffer[4096 + 6]);

	count = 1000;
	at = buffer;
	asm volatile("rep outsl" : "+S"(at), "+c"(count) : "d"(0x1000) : "memory");
	check(!count && at == buffer + 4000, "rep outsl ends", "RCX %lu", count);

	count = 4;
	at = buffer + 4096;
	asm volatile("std; rep insw; cld" : "+D"(at), "+c"(count) : "d"(0x1000) : "memory");
	check(!count && at == buffer + 4096 - 8, "rep insw downwards", "RCX %lu", count);

	count = 0;
	at = buffer;
	asm volatile("rep insb" : "+D"(at), "+c"(count) : "d"(0x1000) : "memory");
	check(at == buffer, "rep insb of none", "RDI moved");
}

void test(void)
{
	test_reads();
	test_results();
	test_strings();
	test_writes();
}
