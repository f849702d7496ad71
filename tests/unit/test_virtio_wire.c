/*
 * The virtio formats that our drivers and our devices share, number by number as virtio 1.2 has
 * them: between two of our own, a wrong one would not show.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kernel/io/virtio.h"
#include "kernel/io/virtio_blk.h"
#include "kernel/io/virtio_net.h"

#define NUMBERS(...)                                       \
	static const struct {                              \
		long is, must;                             \
	} numbers[] = {__VA_ARGS__};                       \
                                                           \
	(void)state;                                       \
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) \
		if (numbers[i].is != numbers[i].must)      \
	fail_msg("number %u is %ld, not %ld", i, numbers[i].is, numbers[i].must)

#define AT(type, field) (long)offsetof(struct type, field)

/* 2.1, 5, 6. */
static void every_device(void **state)
{
	NUMBERS({VIRTIO_ID_NET, 1}, {VIRTIO_ID_BLOCK, 2}, {VIRTIO_ID_CONSOLE, 3},
		{VIRTIO_ID_RNG, 4}, {VIRTIO_ID_BALLOON, 5}, {VIRTIO_F_INDIRECT_DESC, 28},
		{VIRTIO_F_EVENT_IDX, 29}, {VIRTIO_F_VERSION_1, 32},
		{VIRTIO_F_ACCESS_PLATFORM, 33}, {VIRTIO_F_RING_PACKED, 34},
		{VIRTIO_F_RING_RESET, 40}, {VIRTIO_STATUS_ACKNOWLEDGE, 1},
		{VIRTIO_STATUS_DRIVER, 2}, {VIRTIO_STATUS_DRIVER_OK, 4},
		{VIRTIO_STATUS_FEATURES_OK, 8}, {VIRTIO_STATUS_NEEDS_RESET, 64},
		{VIRTIO_STATUS_FAILED, 128});
}

/* 4.1. */
static void over_pci(void **state)
{
	NUMBERS({VIRTIO_PCI_VENDOR, 0x1af4}, {VIRTIO_PCI_DEVICE_FIRST, 0x1000},
		{VIRTIO_PCI_MODERN, 0x1040}, {VIRTIO_PCI_CFG_COMMON, 1},
		{VIRTIO_PCI_CFG_NOTIFY, 2}, {VIRTIO_PCI_CFG_ISR, 3}, {VIRTIO_PCI_CFG_DEVICE, 4},
		{VIRTIO_PCI_CFG_ACCESS, 5}, {AT(virtio_pci_cap, id), 0},
		{AT(virtio_pci_cap, next), 1}, {AT(virtio_pci_cap, length), 2},
		{AT(virtio_pci_cap, type), 3}, {AT(virtio_pci_cap, bar), 4},
		{AT(virtio_pci_cap, number), 5}, {AT(virtio_pci_cap, offset), 8},
		{AT(virtio_pci_cap, bytes), 12}, {AT(virtio_pci_cap, extra), 16},
		{AT(virtio_pci_common, device_feature_select), 0},
		{AT(virtio_pci_common, device_feature), 4},
		{AT(virtio_pci_common, driver_feature_select), 8},
		{AT(virtio_pci_common, driver_feature), 12},
		{AT(virtio_pci_common, config_msix_vector), 16},
		{AT(virtio_pci_common, num_queues), 18},
		{AT(virtio_pci_common, device_status), 20},
		{AT(virtio_pci_common, config_generation), 21},
		{AT(virtio_pci_common, queue_select), 22},
		{AT(virtio_pci_common, queue_size), 24},
		{AT(virtio_pci_common, queue_msix_vector), 26},
		{AT(virtio_pci_common, queue_enable), 28},
		{AT(virtio_pci_common, queue_notify_off), 30},
		{AT(virtio_pci_common, queue_desc), 32},
		{AT(virtio_pci_common, queue_driver), 40},
		{AT(virtio_pci_common, queue_device), 48},
		{AT(virtio_pci_common, queue_notify_data), 56},
		{AT(virtio_pci_common, queue_reset), 58}, {VIRTIO_NO_VECTOR, 0xffff},
		{VIRTIO_ISR_QUEUE, 1}, {VIRTIO_ISR_CONFIG, 2});
}

/* 2.7, 2.8. */
static void rings(void **state)
{
	NUMBERS({DESC_NEXT, 1}, {DESC_WRITE, 2}, {DESC_INDIRECT, 4}, {DESC_AVAIL, 0x80},
		{DESC_USED, 0x8000}, {AT(virtq_desc, addr), 0}, {AT(virtq_desc, bytes), 8},
		{AT(virtq_desc, split.flags), 12}, {AT(virtq_desc, split.next), 14},
		{AT(virtq_desc, packed.id), 12}, {AT(virtq_desc, packed.flags), 14},
		{AT(virtq_avail, flags), 0}, {AT(virtq_avail, idx), 2},
		{AT(virtq_avail, ring), 4}, {AT(virtq_used_ring, flags), 0},
		{AT(virtq_used_ring, idx), 2}, {AT(virtq_used_ring, ring[1]), 12},
		{AT(virtq_used_elem, id), 0}, {AT(virtq_used_elem, bytes), 4},
		{VIRTQ_AVAIL_NO_INTERRUPT, 1}, {VIRTQ_USED_NO_NOTIFY, 1},
		{VIRTQ_DESC_ALIGN, 16}, {VIRTQ_AVAIL_ALIGN, 2}, {VIRTQ_USED_ALIGN, 4},
		{VIRTQ_EVENT_ALIGN, 4});
	/* The table of 2.7: 6 and 2 a slot, 6 and 8 a slot. */
	assert_int_equal(virtq_avail_bytes(256), 6 + 2 * 256);
	assert_int_equal(virtq_used_bytes(256), 6 + 8 * 256);
}

/* 2.7.10, with indices that have gone round, and none or all of the slots new. */
static void passed(void **state)
{
	(void)state;
	assert_true(virtq_passed(5, 6, 5));
	assert_false(virtq_passed(6, 6, 5));
	assert_false(virtq_passed(4, 6, 5));
	assert_false(virtq_passed(5, 5, 5));
	assert_true(virtq_passed(0xffff, 2, 0xfffe));
	assert_true(virtq_passed(0xfffe, 2, 0xfffe));
	assert_false(virtq_passed(0xfffd, 2, 0xfffe));
	assert_true(virtq_passed(1, 2, 0xfffe));
	assert_false(virtq_passed(2, 2, 0xfffe));
}

/* 5.2. */
static void block(void **state)
{
	NUMBERS({VIRTIO_BLK_F_SIZE_MAX, 1}, {VIRTIO_BLK_F_SEG_MAX, 2}, {VIRTIO_BLK_F_RO, 5},
		{VIRTIO_BLK_F_BLK_SIZE, 6}, {VIRTIO_BLK_F_FLUSH, 9},
		{VIRTIO_BLK_F_TOPOLOGY, 10}, {VIRTIO_BLK_F_CONFIG_WCE, 11},
		{VIRTIO_BLK_F_MQ, 12}, {VIRTIO_BLK_F_DISCARD, 13},
		{VIRTIO_BLK_F_WRITE_ZEROES, 14}, {AT(virtio_blk_config, capacity), 0},
		{AT(virtio_blk_config, size_max), 8}, {AT(virtio_blk_config, seg_max), 12},
		{AT(virtio_blk_config, geometry), 16}, {AT(virtio_blk_config, blk_size), 20},
		{AT(virtio_blk_config, physical_block_exp), 24},
		{AT(virtio_blk_config, alignment_offset), 25},
		{AT(virtio_blk_config, min_io_size), 26},
		{AT(virtio_blk_config, opt_io_size), 28},
		{AT(virtio_blk_config, writeback), 32}, {AT(virtio_blk_config, num_queues), 34},
		{AT(virtio_blk_config, max_discard_sectors), 36},
		{AT(virtio_blk_config, max_discard_seg), 40},
		{AT(virtio_blk_config, discard_sector_alignment), 44},
		{AT(virtio_blk_config, max_write_zeroes_sectors), 48},
		{AT(virtio_blk_config, max_write_zeroes_seg), 52},
		{AT(virtio_blk_config, write_zeroes_may_unmap), 56}, {VIRTIO_BLK_T_IN, 0},
		{VIRTIO_BLK_T_OUT, 1}, {VIRTIO_BLK_T_FLUSH, 4}, {VIRTIO_BLK_T_GET_ID, 8},
		{VIRTIO_BLK_T_DISCARD, 11}, {VIRTIO_BLK_T_WRITE_ZEROES, 13},
		{AT(virtio_blk_header, type), 0}, {AT(virtio_blk_header, sector), 8},
		{AT(virtio_blk_range, sector), 0}, {AT(virtio_blk_range, sectors), 8},
		{AT(virtio_blk_range, flags), 12}, {VIRTIO_BLK_RANGE_UNMAP, 1},
		{VIRTIO_BLK_S_OK, 0}, {VIRTIO_BLK_S_IOERR, 1}, {VIRTIO_BLK_S_UNSUPP, 2},
		{VIRTIO_BLK_SECTOR_BYTES, 512}, {VIRTIO_BLK_ID_BYTES, 20});
}

/* 5.1. */
static void network(void **state)
{
	NUMBERS({VIRTIO_NET_F_CSUM, 0}, {VIRTIO_NET_F_GUEST_CSUM, 1},
		{VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, 2}, {VIRTIO_NET_F_MTU, 3},
		{VIRTIO_NET_F_MAC, 5}, {VIRTIO_NET_F_GUEST_TSO4, 7},
		{VIRTIO_NET_F_GUEST_TSO6, 8}, {VIRTIO_NET_F_HOST_TSO4, 11},
		{VIRTIO_NET_F_HOST_TSO6, 12}, {VIRTIO_NET_F_MRG_RXBUF, 15},
		{VIRTIO_NET_F_STATUS, 16}, {VIRTIO_NET_F_CTRL_VQ, 17},
		{VIRTIO_NET_F_CTRL_RX, 18}, {VIRTIO_NET_F_CTRL_RX_EXTRA, 20},
		{VIRTIO_NET_F_MQ, 22}, {VIRTIO_NET_F_CTRL_MAC_ADDR, 23},
		{AT(virtio_net_config, mac), 0}, {AT(virtio_net_config, status), 6},
		{AT(virtio_net_config, max_virtqueue_pairs), 8},
		{AT(virtio_net_config, mtu), 10}, {VIRTIO_NET_STATUS_LINK_UP, 1},
		{AT(virtio_net_hdr, flags), 0}, {AT(virtio_net_hdr, gso_type), 1},
		{AT(virtio_net_hdr, hdr_len), 2}, {AT(virtio_net_hdr, gso_size), 4},
		{AT(virtio_net_hdr, csum_start), 6}, {AT(virtio_net_hdr, csum_offset), 8},
		{AT(virtio_net_hdr, num_buffers), 10}, {VIRTIO_NET_HDR_NEEDS_CSUM, 1},
		{VIRTIO_NET_HDR_DATA_VALID, 2}, {VIRTIO_NET_GSO_NONE, 0},
		{VIRTIO_NET_GSO_TCPV4, 1}, {VIRTIO_NET_GSO_TCPV6, 4},
		{AT(virtio_net_command, class), 0}, {AT(virtio_net_command, command), 1},
		{VIRTIO_NET_OK, 0}, {VIRTIO_NET_ERR, 1}, {VIRTIO_NET_CLASS_RX, 0},
		{VIRTIO_NET_CLASS_MAC, 1}, {VIRTIO_NET_CLASS_MQ, 4},
		{VIRTIO_NET_CLASS_OFFLOADS, 5}, {VIRTIO_NET_RX_PROMISC, 0},
		{VIRTIO_NET_RX_ALLMULTI, 1}, {VIRTIO_NET_RX_ALLUNI, 2},
		{VIRTIO_NET_RX_NOMULTI, 3}, {VIRTIO_NET_RX_NOUNI, 4},
		{VIRTIO_NET_RX_NOBCAST, 5}, {VIRTIO_NET_MAC_TABLE_SET, 0},
		{VIRTIO_NET_MAC_ADDR_SET, 1}, {VIRTIO_NET_MQ_PAIRS_SET, 0},
		{VIRTIO_NET_OFFLOADS_SET, 0});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_device), cmocka_unit_test(over_pci),
		cmocka_unit_test(rings),	cmocka_unit_test(passed),
		cmocka_unit_test(block),	cmocka_unit_test(network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
