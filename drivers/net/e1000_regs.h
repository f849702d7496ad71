/*
 * Registers and descriptors of Intel's gigabit controllers 82540EM and 82574L: PCI/PCI-X Family
 * of Gigabit Ethernet Controllers Software Developer's Manual (317453), ch. 3 and 13; 82574
 * data sheet (317694), ch. 7 and 10. What only the 82574L has says so.
 */
#ifndef DRIVERS_NET_E1000_REGS_H
#define DRIVERS_NET_E1000_REGS_H

#include "kernel/lib/types.h"

enum e1000_register {
	E1000_CTRL = 0x0000,
	E1000_STATUS = 0x0008,
	E1000_EERD = 0x0014,
	E1000_CTRL_EXT = 0x0018,
	E1000_ICR = 0x00c0,
	E1000_ITR = 0x00c4,
	E1000_IMS = 0x00d0,
	E1000_IMC = 0x00d8,
	E1000_IVAR = 0x00e4, /* 82574L */
	E1000_RCTL = 0x0100,
	E1000_TCTL = 0x0400,
	E1000_TIPG = 0x0410,
	E1000_RDBAL = 0x2800,
	E1000_RDBAH = 0x2804,
	E1000_RDLEN = 0x2808,
	E1000_RDH = 0x2810,
	E1000_RDT = 0x2818,
	E1000_RDTR = 0x2820,
	E1000_RADV = 0x282c,
	E1000_TDBAL = 0x3800,
	E1000_TDBAH = 0x3804,
	E1000_TDLEN = 0x3808,
	E1000_TDH = 0x3810,
	E1000_TDT = 0x3818,
	E1000_TIDV = 0x3820,
	E1000_TXDCTL = 0x3828,
	E1000_TADV = 0x382c,
	E1000_TARC0 = 0x3840, /* 82574L */
	E1000_MPC = 0x4010,   /* frames missed for want of a buffer; cleared by reading */
	E1000_RXCSUM = 0x5000,
	E1000_MTA = 0x5200, /* 128 registers */
	E1000_RAL = 0x5400,
	E1000_RAH = 0x5404,
	E1000_VFTA = 0x5600, /* 128 registers */
	E1000_GCR = 0x5b00,  /* 82574L */
	E1000_GCR2 = 0x5b64, /* 82574L */
};

#define E1000_REGISTER_BYTES  (128 * KIB)
#define E1000_TABLE_REGISTERS 128 /* of MTA and VFTA */

#define E1000_CTRL_ASDE	      BIT(5) /* speed as the PHY negotiated */
#define E1000_CTRL_SLU	      BIT(6) /* set link up */
#define E1000_CTRL_ILOS	      BIT(7)
#define E1000_CTRL_FRCSPD     BIT(11)
#define E1000_CTRL_FRCDPX     BIT(12)
#define E1000_CTRL_RST	      BIT(26)
#define E1000_CTRL_VME	      BIT(30) /* strips and inserts VLAN tags */
#define E1000_CTRL_PHY_RST    BIT(31)

#define E1000_STATUS_LU	      BIT(1)
#define E1000_STATUS_SPEED(s) ((s) >> 6 & 3) /* 10, 100, 1000, 1000 Mbit/s */

#define E1000_EERD_START      BIT(0)
#define E1000_EERD_DATA(v)    ((uint16_t)((v) >> 16))

/* Interrupt causes: ICR, IMS, IMC. */
#define E1000_INT_TXDW	 BIT(0)
#define E1000_INT_LSC	 BIT(2)
#define E1000_INT_RXDMT0 BIT(4)
#define E1000_INT_RXO	 BIT(6)
#define E1000_INT_RXT0	 BIT(7)
#define E1000_INT_RXQ0	 BIT(20) /* these three: 82574L, in MSI-X mode */
#define E1000_INT_TXQ0	 BIT(22)
#define E1000_INT_OTHER	 BIT(24)

/* IVAR: RxQ0, TxQ0 and the other causes send vector 0; bit 31: TXDW is among them. */
#define E1000_IVAR_ALL_0      (BIT(3) | BIT(11) | BIT(19) | BIT(31))

#define E1000_RCTL_EN	      BIT(1)
#define E1000_RCTL_UPE	      BIT(3) /* promiscuous: unicast, */
#define E1000_RCTL_MPE	      BIT(4) /* ... multicast */
#define E1000_RCTL_BAM	      BIT(15)
#define E1000_RCTL_SECRC      BIT(26)
#define E1000_RX_BUFFER_BYTES 2048 /* BSIZE and BSEX are 0 */

#define E1000_TCTL_EN	      BIT(1)
#define E1000_TCTL_PSP	      BIT(3)	     /* pads short packets */
#define E1000_TCTL_CT	      (0x0full << 4) /* as 13.4.33 recommends */
#define E1000_TCTL_COLD	      (0x40ull << 12)

#define E1000_RXCSUM_IPOFL    BIT(8)
#define E1000_RXCSUM_TUOFL    BIT(9)
#define E1000_RAH_AV	      BIT(31)

struct e1000_rx_desc { /* 3.2.3 */
	uint64_t address;
	uint16_t bytes, checksum;
	uint8_t status, errors;
	uint16_t special;
};
_Static_assert(sizeof(struct e1000_rx_desc) == 16, "3.2.3");

#define E1000_RX_DD    BIT(0)
#define E1000_RX_EOP   BIT(1)
#define E1000_RX_IXSM  BIT(2) /* ignore what is said about checksums */
#define E1000_RX_TCPCS BIT(5) /* TCP or UDP checksum was looked at */
#define E1000_RX_CE    BIT(0) /* errors: CRC, symbol, sequence, carrier extension, data */
#define E1000_RX_SE    BIT(1)
#define E1000_RX_SEQ   BIT(2)
#define E1000_RX_CXE   BIT(4)
#define E1000_RX_TCPE  BIT(5) /* checksums */
#define E1000_RX_IPE   BIT(6)
#define E1000_RX_RXE   BIT(7)

/* One of two kinds: data (3.3.7), and the context of offloads (3.3.6), for packets that follow.
 */
union e1000_tx_desc {
	struct {
		uint64_t address;
		uint32_t command; /* length, type, DCMD */
		uint8_t status, options;
		uint16_t special;
	};
	struct {
		uint8_t ip_start, ip_sum;
		uint16_t ip_end;
		uint8_t tu_start, tu_sum;
		uint16_t tu_end;	  /* 0: to the packet's end */
		uint32_t context_command; /* payload, type, TUCMD */
		uint8_t context_status, header_bytes;
		uint16_t mss;
	};
};
_Static_assert(sizeof(union e1000_tx_desc) == 16, "3.3.6, 3.3.7");

#define E1000_TX_DATA	    BIT(20) /* type */
#define E1000_TX_EOP	    BIT(24)
#define E1000_TX_IFCS	    BIT(25)
#define E1000_TX_TSE	    BIT(26)
#define E1000_TX_RS	    BIT(27)
#define E1000_TX_DEXT	    BIT(29)
#define E1000_TX_IDE	    BIT(31) /* the interrupt may wait: TIDV */
#define E1000_TX_TUCMD_TCP  BIT(24)
#define E1000_TX_TUCMD_IPV4 BIT(25)
#define E1000_TX_DD	    BIT(0) /* status */
#define E1000_TX_IXSM	    BIT(0) /* options: insert checksums */
#define E1000_TX_TXSM	    BIT(1)

#endif
