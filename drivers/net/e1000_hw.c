/* Sequences: manual 317453, 14 (initialisation); 82574 data sheet 317694, 4.6. */
#include "drivers/net/e1000_hw.h"

#include <errno.h>
#include <string.h>

#include "kernel/sched/thread.h"

#define DRAIN_NS     (10 * NSEC_PER_MSEC)
#define RESET_NS     (40 * NSEC_PER_MSEC) /* with reading the EEPROM and starting the PHY */
#define EERD_POLL_NS (50 * NSEC_PER_USEC)
#define EERD_POLLS   100

/* 20 000 interrupts a second at most; ITR counts in 256 ns. */
#define ITR_20000 (NSEC_PER_SEC / 20000 / 256)
/* An interrupt for what was sent waits for more: this long, and at most that; in 1.024 us. */
#define TIDV_WAIT 32
#define TADV_WAIT 128

#define INTERRUPTS \
	(E1000_INT_TXDW | E1000_INT_LSC | E1000_INT_RXDMT0 | E1000_INT_RXO | E1000_INT_RXT0)

/* IPGT, IPGR1, IPGR2 in bits 9:0, 19:10, 29:20. */
#define TIPG(t, r1, r2) ((t) | (r1) << 10 | (r2) << 20)

static const struct e1000_model models[] = {
	{.device_id = 0x100e,
	 .name = "82540EM",
	 .eerd_done = 4,
	 .eerd_address_shift = 8,
	 .tipg = TIPG(10, 8, 6),
	 .interrupts = INTERRUPTS},
	{.device_id = 0x10d3,
	 .name = "82574L",
	 .pcie = true,
	 .eerd_done = 1,
	 .eerd_address_shift = 2,
	 .tipg = TIPG(8, 8, 6),
	 .interrupts = INTERRUPTS | E1000_INT_RXQ0 | E1000_INT_TXQ0 | E1000_INT_OTHER},
};

const struct e1000_model *e1000_model(uint16_t device_id)
{
	for (unsigned i = 0; i < ARRAY_SIZE(models); i++)
		if (models[i].device_id == device_id)
			return &models[i];
	return NULL;
}

static void change(const struct e1000_hw *hw, enum e1000_register reg, uint64_t clear,
		   uint64_t set)
{
	e1000_write(hw, reg, (e1000_read(hw, reg) & ~clear) | set);
}

bool e1000_present(const struct e1000_hw *hw)
{
	return e1000_read(hw, E1000_STATUS) != UINT32_MAX;
}

int e1000_reset(const struct e1000_hw *hw)
{
	e1000_write(hw, E1000_IMC, UINT32_MAX);
	e1000_write(hw, E1000_RCTL, 0);
	e1000_write(hw, E1000_TCTL, 0);
	if (!e1000_present(hw)) /* this read also gets the writes there */
		return -ENODEV;
	thread_sleep_ns(DRAIN_NS);
	change(hw, E1000_CTRL, 0, E1000_CTRL_RST);
	thread_sleep_ns(RESET_NS);
	e1000_write(hw, E1000_IMC, UINT32_MAX);
	e1000_read(hw, E1000_ICR);
	return e1000_present(hw) ? 0 : -ENODEV;
}

/* Word `address` of the EEPROM: 13.4.4. */
static int read_eeprom(const struct e1000_hw *hw, unsigned address, uint16_t *word)
{
	const struct e1000_model *model = hw->model;

	e1000_write(hw, E1000_EERD,
		    E1000_EERD_START | (uint64_t)address << model->eerd_address_shift);
	for (unsigned i = 0; i < EERD_POLLS; i++) {
		uint32_t value = e1000_read(hw, E1000_EERD);

		if (value & BIT(model->eerd_done)) {
			*word = E1000_EERD_DATA(value);
			return 0;
		}
		thread_sleep_ns(EERD_POLL_NS);
	}
	return -EIO;
}

int e1000_read_mac(struct e1000_hw *hw)
{
	uint32_t low = e1000_read(hw, E1000_RAL), high = e1000_read(hw, E1000_RAH);

	if (high & E1000_RAH_AV) {
		memcpy(hw->mac, &low, 4);
		memcpy(hw->mac + 4, &high, 2);
	} else {
		for (unsigned i = 0; i < 3; i++) {
			uint16_t word;
			int err = read_eeprom(hw, i, &word);

			if (err)
				return err;
			memcpy(hw->mac + 2 * i, &word, 2);
		}
	}
	return hw->mac[0] & 1 ? -EIO : 0; /* a group's address is nobody's */
}

/* Bits that Intel's own driver sets in the 82574L, for its errata (specification update
 * 320006) and by the data sheet's advice on reserved bits. */
static void prepare_pcie(const struct e1000_hw *hw)
{
	change(hw, E1000_TXDCTL, 0, BIT(22));
	change(hw, E1000_TARC0, 0xfull << 27, BIT(26));
	change(hw, E1000_CTRL, BIT(29), 0);
	change(hw, E1000_CTRL_EXT, BIT(23), BIT(22));
	change(hw, E1000_GCR, 0, BIT(22));
	change(hw, E1000_GCR2, 0, BIT(0));
	e1000_write(hw, E1000_IVAR, E1000_IVAR_ALL_0);
}

static void write_mac(const struct e1000_hw *hw)
{
	uint32_t low, high = 0;

	memcpy(&low, hw->mac, 4);
	memcpy(&high, hw->mac + 4, 2);
	e1000_write(hw, E1000_RAL, low);
	e1000_write(hw, E1000_RAH, high | E1000_RAH_AV);
	for (unsigned i = 0; i < E1000_TABLE_REGISTERS; i++) {
		hw->registers[E1000_MTA / 4 + i] = 0;
		hw->registers[E1000_VFTA / 4 + i] = 0;
	}
}

static void start_receiver(const struct e1000_hw *hw, const struct e1000_rings *rings)
{
	e1000_write(hw, E1000_RDBAL, rings->rx_phys);
	e1000_write(hw, E1000_RDBAH, rings->rx_phys >> 32);
	e1000_write(hw, E1000_RDLEN, rings->rx_count * sizeof(struct e1000_rx_desc));
	e1000_write(hw, E1000_RDTR, 0); /* ITR moderates */
	e1000_write(hw, E1000_RADV, 0);
	e1000_write(hw, E1000_RDH, 0);
	e1000_write(hw, E1000_RDT, 0);
	e1000_write(hw, E1000_RXCSUM, E1000_RXCSUM_IPOFL | E1000_RXCSUM_TUOFL);
	e1000_write(hw, E1000_RDT, rings->rx_count - 1);
}

static void start_transmitter(const struct e1000_hw *hw, const struct e1000_rings *rings)
{
	e1000_write(hw, E1000_TDBAL, rings->tx_phys);
	e1000_write(hw, E1000_TDBAH, rings->tx_phys >> 32);
	e1000_write(hw, E1000_TDLEN, rings->tx_count * sizeof(union e1000_tx_desc));
	e1000_write(hw, E1000_TIDV, TIDV_WAIT);
	e1000_write(hw, E1000_TADV, TADV_WAIT);
	e1000_write(hw, E1000_TDH, 0);
	e1000_write(hw, E1000_TDT, 0);
	e1000_write(hw, E1000_TIPG, hw->model->tipg);
	e1000_write(hw, E1000_TCTL,
		    E1000_TCTL_EN | E1000_TCTL_PSP | E1000_TCTL_CT | E1000_TCTL_COLD);
}

void e1000_start(const struct e1000_hw *hw, const struct e1000_rings *rings)
{
	change(hw, E1000_CTRL,
	       E1000_CTRL_ILOS | E1000_CTRL_FRCSPD | E1000_CTRL_FRCDPX | E1000_CTRL_VME |
		       E1000_CTRL_PHY_RST,
	       E1000_CTRL_ASDE | E1000_CTRL_SLU);
	if (hw->model->pcie)
		prepare_pcie(hw);
	write_mac(hw);
	e1000_write(hw, E1000_ITR, ITR_20000);
	start_receiver(hw, rings);
	start_transmitter(hw, rings);
}

/* All multicast comes up: guests' groups are the switch's business. */
void e1000_set_filter(const struct e1000_hw *hw, bool promiscuous)
{
	e1000_write(hw, E1000_RCTL,
		    E1000_RCTL_EN | E1000_RCTL_MPE | E1000_RCTL_BAM | E1000_RCTL_SECRC |
			    (promiscuous ? E1000_RCTL_UPE : 0));
}

uint32_t e1000_link(const struct e1000_hw *hw)
{
	static const uint16_t mbit[] = {10, 100, 1000, 1000};
	uint32_t status = e1000_read(hw, E1000_STATUS);

	return status & E1000_STATUS_LU ? mbit[E1000_STATUS_SPEED(status)] : 0;
}
