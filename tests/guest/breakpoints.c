/*
 * Breakpoints on the hypervisor's own instructions, at the addresses that the command line
 * names (0x...) and 160 bytes on. A guest may put any address into DR0-DR3; its exits disable
 * them (APM vol. 2 15.6), but QEMU 7.2's leave those on instructions in force, and so the
 * hypervisor meets them. It must go on all the same.
 */
#include "tests/guest/lib/test.h"

#define BYTES	       160
#define DR7_OFF	       0x400ull
#define DR7_ALL_GLOBAL 0xaaull /* four, on execution */

/* Multiboot 0.6.96, 3.3 */
#define INFO_FLAG_CMDLINE BIT(2)
struct info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
};

static void set_breakpoints(uint64_t address)
{
	asm volatile("mov %0, %%dr7" : : "r"(DR7_OFF));
	asm volatile("mov %0, %%dr0" : : "r"(address));
	asm volatile("mov %0, %%dr1" : : "r"(address + 1));
	asm volatile("mov %0, %%dr2" : : "r"(address + 2));
	asm volatile("mov %0, %%dr3" : : "r"(address + 3));
	asm volatile("mov %0, %%dr7" : : "r"(DR7_OFF | DR7_ALL_GLOBAL));
}

static void exit_with_breakpoints_from(uint64_t address)
{
	for (unsigned offset = 0; offset < BYTES; offset += 4) {
		set_breakpoints(address + offset);
		cpuid(0x40000000, 0);
	}
	asm volatile("mov %0, %%dr7" : : "r"(DR7_OFF));
}

/* Reads the digits after "0x"; *text is left behind them. */
static uint64_t parse_hex(const char **text)
{
	uint64_t value = 0;

	for (;; (*text)++) {
		char c = **text;

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return value;
	}
}

void test(void)
{
	const struct info *info = (const struct info *)multiboot_info;
	const char *text = (const char *)(uint64_t)info->cmdline;

	if (!(info->flags & INFO_FLAG_CMDLINE))
		give_up("no addresses on the command line");
	while (*text) {
		if (text[0] != '0' || text[1] != 'x') {
			text++;
			continue;
		}
		text += 2;
		exit_with_breakpoints_from(parse_hex(&text));
		reached("breakpoints in the hypervisor");
	}
}
