/* See pci.h. */
#include "tests/guest/lib/pci.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define ENABLE	       0x80000000u
#define BARS	       0x10
#define CAPABILITIES   0x34
#define BAR_PORTS      0x1

static uint16_t select(unsigned slot, unsigned offset)
{
	out32(CONFIG_ADDRESS, ENABLE | slot << 11 | (offset & 0xfc));
	return (uint16_t)(CONFIG_DATA + (offset & 3));
}

uint32_t pci_read(unsigned slot, unsigned offset, unsigned bytes)
{
	uint16_t port = select(slot, offset);

	return bytes == 1 ? in8(port) : bytes == 2 ? in16(port) : in32(port);
}

void pci_write(unsigned slot, unsigned offset, unsigned bytes, uint32_t value)
{
	uint16_t port = select(slot, offset);

	if (bytes == 1)
		out8(port, (uint8_t)value);
	else if (bytes == 2)
		out16(port, (uint16_t)value);
	else
		out32(port, value);
}

unsigned pci_capability(unsigned slot, uint8_t id, unsigned after)
{
	unsigned at = pci_read(slot, after ? after + 1 : CAPABILITIES, 1);

	while (at && pci_read(slot, at, 1) != id)
		at = pci_read(slot, at + 1, 1);
	return at;
}

uint32_t pci_bar(unsigned slot, unsigned bar, bool *ports)
{
	uint32_t value = pci_read(slot, BARS + 4 * bar, 4);

	*ports = value & BAR_PORTS;
	return value & (*ports ? ~3u : ~15u);
}
