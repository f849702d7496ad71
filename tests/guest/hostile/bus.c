/* The hostile guest at ports, device memory and PCI's configuration. */
#include "tests/guest/hostile/hostile.h"
#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/test.h"

#define ECAM	    0xe0000000ull
#define BAR_FIRST   0x10u
#define BARS	    6u
#define CONFIG_PORT 0xcf8

static uint32_t first_bars[PCI_SLOTS][BARS];

/* ---- ports ---- */

/* Ports that end or silence the guest, as they are meant to. */
static const struct {
	uint16_t first, last;
} deadly[] = {
	{0x60, 0x60},	/* the keyboard controller's output port: reset */
	{0x64, 0x64},	/* its command 0xfe */
	{0x92, 0x92},	/* fast reset */
	{0xf4, 0xf4},	/* debug exit */
	{0x3f8, 0x3ff}, /* what it says */
	{0x505, 0x505}, /* pvpanic */
	{0x604, 0x605}, /* PM1a_CNT: S5 */
	{0x620, 0x627}, /* the watchdog: that it runs, and for how long */
	{0xcf9, 0xcf9}, /* reset */
};

static bool is_deadly(unsigned port, unsigned bytes)
{
	for (unsigned i = 0; i < ARRAY_SIZE(deadly); i++)
		if (port <= deadly[i].last && port + bytes > deadly[i].first)
			return true;
	return false;
}

static uint16_t any_port(void)
{
	static const uint16_t known[] = {0x00,	0x20,  0x21,  0x40,  0x41,  0x42,  0x43,  0x60,
					 0x61,	0x64,  0x70,  0x71,  0x80,  0x92,  0xa0,  0xa1,
					 0xed,	0x2f8, 0x2fb, 0x2fc, 0x3f8, 0x4d0, 0x4d1, 0x505,
					 0x510, 0x511, 0x600, 0x602, 0x608, 0x620, 0x628, 0x62c,
					 0x630, 0xb2,  0xcf8, 0xcfc, 0xcfe, 0xffff};
	bool ports;
	uint32_t bar;

	switch (random_below(4)) {
	case 0: return (uint16_t)random32();
	case 1:
		bar = pci_bar(random_below(8), random_below(BARS), &ports);
		if (ports)
			return (uint16_t)(bar + random_below(64));
		/* fall through */
	default: return (uint16_t)(known[random_below(ARRAY_SIZE(known))] + random_below(2));
	}
}

static void write_port(uint16_t port, unsigned bytes, uint32_t value)
{
	if (is_deadly(port, bytes) && !(port == CONFIG_PORT && bytes == 4))
		return;
	if (bytes == 1)
		out8(port, (uint8_t)value);
	else if (bytes == 2)
		out16(port, (uint16_t)value);
	else
		out32(port, value);
}

void op_port(void)
{
	unsigned bytes = 1u << random_below(3);
	uint16_t port = any_port();

	if (one_in(2))
		write_port(port, bytes, (uint32_t)harmless(odd_number()));
	else if (bytes == 1)
		(void)in8(port);
	else if (bytes == 2)
		(void)in16(port);
	else
		(void)in32(port);
}

void op_port_string(void)
{
	uint64_t at = play_address(), count = 1 + random_below(64);
	uint16_t port = any_port();

	if (one_in(8))
		at = device_address();
	at += random_below(4096);
	/* What is in that memory is not harmless: it goes where nobody takes messages. */
	switch (random_below(6)) {
	case 0: TRY("rep insb", OUT("+D"(at), "+c"(count)), IN("d"(port))); break;
	case 1: TRY("rep insw", OUT("+D"(at), "+c"(count)), IN("d"(port))); break;
	case 2: TRY("std; rep insl; cld", OUT("+D"(at), "+c"(count)), IN("d"(port))); break;
	case 3: TRY("rep outsb", OUT("+S"(at), "+c"(count)), IN("d"(0x80))); break;
	case 4: TRY("std; rep outsw; cld", OUT("+S"(at), "+c"(count)), IN("d"(0xed))); break;
	case 5: TRY("rep outsl", OUT("+S"(at), "+c"(count)), IN("d"(0x2000))); break;
	}
}

/* ---- memory that is no memory ---- */

uint64_t device_address(void)
{
	static const uint32_t places[] = {0xd8000000, 0xfed00000, 0xfed40000, 0xfffff000,
					  0x02000000, 0xf0000000, 0xfec10000, 0xfee01000};
	bool ports;
	uint32_t bar;

	switch (random_below(6)) {
	case 0: return APIC_PAGE + random_below(4096);
	case 1: return IOAPIC_PAGE + random_below(one_in(2) ? 0x50 : 4096);
	case 2: return ECAM + random_below(1 << 20);
	case 3: return places[random_below(ARRAY_SIZE(places))] + random_below(4096);
	default:
		bar = pci_bar(random_below(8), random_below(BARS), &ports);
		if (ports || bar < 0xc0000000)
			return 0xd8000000 + random_below(0x8000000);
		return bar + random_below(4) * 4096 + random_below(one_in(2) ? 64 : 4096);
	}
}

void op_device_memory(void)
{
	uint64_t at = device_address(), a = harmless(odd_number()),
		 none = a & 0xf8f8f8f8f8f8f8f8;

	if (one_in(4))
		at &= ~7ull;
	else if (!one_in(4))
		at &= ~3ull;
#define AT(insn, value) TRY(insn, OUT("+a"(value)), IN("D"(at)))
	switch (random_below(16)) {
	case 0: AT("movb (%%rdi), %%al", a); break;
	case 1: AT("movw (%%rdi), %%ax", a); break;
	case 2:
	case 3: AT("movl (%%rdi), %%eax", a); break;
	case 4: AT("movq (%%rdi), %%rax", a); break;
	case 5: AT("movb %%al, (%%rdi)", a); break;
	case 6: AT("movw %%ax, (%%rdi)", a); break;
	case 7:
	case 8: AT("movl %%eax, (%%rdi)", a); break;
	case 9: AT("movq %%rax, (%%rdi)", a); break;
	case 10: AT("orl %%eax, (%%rdi)", none); break;
	case 11: AT("lock xorl %%eax, (%%rdi)", none); break;
	case 12: AT("xchgl %%eax, (%%rdi)", a); break;
	case 13: AT("movzbl (%%rdi), %%eax", a); break;
	case 14: AT("testl %%eax, (%%rdi)", a); break;
	case 15: AT("stosl", a); break;
	}
#undef AT
}

/* ---- configuration ---- */

void pci_prepare(void)
{
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		for (unsigned bar = 0; bar < BARS; bar++)
			first_bars[slot][bar] = pci_read(slot, BAR_FIRST + 4 * bar, 4);
}

void pci_orderly(unsigned slot)
{
	volatile uint32_t *config = (uint32_t *)(ECAM | slot << 15);

	for (unsigned bar = 0; bar < BARS; bar++)
		if (first_bars[slot][bar])
			config[BAR_FIRST / 4 + bar] = first_bars[slot][bar];
	*(volatile uint16_t *)&config[PCI_COMMAND / 4] = 0x0407;
}

void op_pci(void)
{
	unsigned slot = random_below(one_in(8) ? PCI_SLOTS : 8), bytes = 1u << random_below(3);
	unsigned offset = random_below(one_in(4) ? 4096 : 256) & ~(bytes - 1);
	uint32_t value = (uint32_t)harmless(odd_number());

	if (one_in(2)) {
		offset &= 0xff;
		if (one_in(2))
			pci_write(slot, offset, bytes, value);
		else
			(void)pci_read(slot, offset, bytes);
		return;
	}
	offset |= slot << 15 | (one_in(8) ? random_below(8) << 12 : 0);
	if (one_in(2))
		(void)*(volatile uint32_t *)(ECAM + offset);
	else if (bytes == 1)
		*(volatile uint8_t *)(ECAM + offset) = (uint8_t)value;
	else if (bytes == 2)
		*(volatile uint16_t *)(ECAM + offset) = (uint16_t)value;
	else
		*(volatile uint32_t *)(ECAM + offset) = value;
}

/* BARs go where other things are, and an access finds them there, or does not. */
void op_bar(void)
{
	static const uint32_t places[] = {0,	      0x00100000, 0x01000000, 0x01fff000,
					  0xbffff000, 0xc0000000, 0xdffff000, 0xe0000000,
					  0xfec00000, 0xfee00000, 0xfffff000, 0xffffffff};
	unsigned slot = random_below(8), at = BAR_FIRST + 4 * random_below(BARS);
	uint32_t value = places[random_below(ARRAY_SIZE(places))];

	if (one_in(2))
		value += (uint32_t)random_below(16) << 12;
	if (one_in(3))
		value = random32();
	pci_write(slot, at, 4, value);
	pci_write(slot, PCI_COMMAND, 2, random_below(8));
	if (value >= 0xc0000000)
		TRY("movl (%[at]), %%eax", OUT(), IN([at] "r"((uint64_t)(value & ~15u))),
		    "rax");
	if (one_in(2))
		pci_orderly(slot);
}
