/* The registers of one 82540EM or 82574L: from any state to work, its address, its link. Not
 * its rings' contents: e1000.c. */
#ifndef DRIVERS_NET_E1000_HW_H
#define DRIVERS_NET_E1000_HW_H

#include "drivers/net/e1000_regs.h"

/* Where the models differ. */
struct e1000_model {
	uint16_t device_id;
	const char *name;
	bool pcie; /* 82574L: PCI Express, MSI-X, a later EERD */
	uint8_t eerd_done, eerd_address_shift;
	uint32_t tipg;
	uint32_t interrupts; /* for IMS */
};

struct e1000_hw {
	const struct e1000_model *model;
	volatile uint32_t *registers;
	uint8_t mac[6];
};

/* The rings, each one page. */
struct e1000_rings {
	uint64_t rx_phys, tx_phys;
	unsigned rx_count, tx_count; /* multiples of 8 */
};

/* The model with this PCI device ID, or NULL. */
const struct e1000_model *e1000_model(uint16_t device_id);

static inline uint32_t e1000_read(const struct e1000_hw *hw, enum e1000_register reg)
{
	return hw->registers[reg / 4];
}

static inline void e1000_write(const struct e1000_hw *hw, enum e1000_register reg,
			       uint64_t value)
{
	hw->registers[reg / 4] = (uint32_t)value;
}

/* Whether registers still answer; a device that is gone reads as ones. */
bool e1000_present(const struct e1000_hw *hw);

/* Stops DMA, resets, and leaves all interrupts masked. 0 or -ENODEV. Sleeps for 50 ms. */
int e1000_reset(const struct e1000_hw *hw);

/* Reads the station address: what the controller has loaded itself, else from the EEPROM. 0, or
 * -EIO where there is none. May sleep. */
int e1000_read_mac(struct e1000_hw *hw);

/* Programs everything and starts the send ring; the receive ring is full of buffers, but for
 * one entry, and starts with e1000_set_filter(). After e1000_reset(). */
void e1000_start(const struct e1000_hw *hw, const struct e1000_rings *rings);

/* Receives, if it did not, frames for this station and groups, or all. */
void e1000_set_filter(const struct e1000_hw *hw, bool promiscuous);

/* The link's speed in Mbit/s; 0: it is down. */
uint32_t e1000_link(const struct e1000_hw *hw);

#endif
