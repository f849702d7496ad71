/*
 * What a block device does to a disk beside moving data: flushes and the cache policy, errors,
 * the serial number, discard and write-zeroes.
 */
/* links: guests/devices/virtio/blk.c guests/devices/virtio/blk_request.c */
/* links: guests/devices/virtio/blk_part.c guests/devices/virtio/queue.c */
/* links: guests/devices/virtio/split.c guests/devices/virtio/packed.c */
/* links: tests/unit/fake_gmem.c tests/unit/fake_blkdev.c tests/unit/fake_vmm.c */
/* links: tests/unit/fake_virtio.c kernel/vmm/bus.c */
#include <errno.h>

#include "tests/unit/virtio_blk_disk.h"

/* ---- flush and cache -------------------------------------------------------------------- */

static bool last_fua;
static enum blk_op last_op;
static bool last_unmap;

static void note_submit(struct blkdev *dev, struct blk_request *request)
{
	(void)dev;
	last_fua = request->fua;
	last_op = request->op;
	last_unmap = request->unmap;
	blk_done(request, 0);
}

static void writes_go_through_as_the_driver_relies_on(void **state)
{
	static const struct blkdev_ops ops = {.submit = note_submit};
	const uint64_t flush = BIT(VIRTIO_BLK_F_FLUSH), wce = BIT(VIRTIO_BLK_F_CONFIG_WCE);
	const struct {
		enum config_cache cache;
		uint64_t without;
		int set; /* what the driver writes to writeback; -1: nothing */
		bool fua;
	} cases[] = {
		{CONFIG_CACHE_WRITE_THROUGH, 0, -1, true},
		{CONFIG_CACHE_WRITE_THROUGH, 0, 1, false},
		{CONFIG_CACHE_WRITE_THROUGH, wce, -1, true},
		{CONFIG_CACHE_WRITE_THROUGH, wce | flush, -1, true},
		{CONFIG_CACHE_WRITE_BACK, 0, -1, false},
		{CONFIG_CACHE_WRITE_BACK, 0, 0, true},
		{CONFIG_CACHE_WRITE_BACK, wce, -1, false},
		{CONFIG_CACHE_WRITE_BACK, wce, 0, false}, /* not negotiated: no effect */
		{CONFIG_CACHE_WRITE_BACK, wce | flush, -1, true},
	};

	(void)state;
	disk.dev.ops = &ops;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		create((struct config_disk){.cache = cases[i].cache});
		begin(ALL_BITS & ~cases[i].without);
		if (cases[i].set >= 0)
			blk->virtio.type->config_write(&blk->virtio, 32, 1,
						       (uint32_t)cases[i].set);
		assert_int_equal(ask_data(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
		assert_int_equal(last_op, BLK_WRITE);
		assert_int_equal(last_fua, cases[i].fua);
		assert_int_equal(ask_data(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
		assert_false(last_fua);
		blk->virtio.type->stop(&blk->virtio); /* a reset: as configured again */
		assert_int_equal(blk->config.writeback,
				 cases[i].cache == CONFIG_CACHE_WRITE_BACK);
		virtio_blk_destroy(blk);
		blk = NULL;
	}
}

static void a_flush_is_passed_on(void **state)
{
	uint32_t written;

	(void)state;
	create((struct config_disk){0});
	assert_int_equal(ask(header(VIRTIO_BLK_T_FLUSH, 0), &written), VIRTIO_BLK_S_OK);
	assert_int_equal(disk.flushes, 1);
	disk.fail = -EIO;
	assert_int_equal(ask(header(VIRTIO_BLK_T_FLUSH, 0), &written), VIRTIO_BLK_S_IOERR);
}

static void errors_of_the_disk_reach_the_guest(void **state)
{
	struct virtio_blk_info info;
	uint32_t written;

	(void)state;
	create((struct config_disk){0});
	disk.fail = -EIO;
	assert_int_equal(ask(data(VIRTIO_BLK_T_IN, 0, 512), &written), VIRTIO_BLK_S_IOERR);
	assert_int_equal(written, 1);
	disk.fail = -EOPNOTSUPP;
	assert_int_equal(ask_data(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_UNSUPP);
	disk.dev.gone = true;
	assert_int_equal(ask_data(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_IOERR);
	virtio_blk_get_info(blk, &info);
	assert_int_equal(info.errors, 3);
	assert_int_equal(info.reads, 0);
}

static void the_serial_number_is_told(void **state)
{
	struct request r = header(VIRTIO_BLK_T_GET_ID, 0);
	uint32_t written;

	(void)state;
	create((struct config_disk){.serial = "12345678901234567890"});
	memset(fake_gmem_put(&fake, DATA, uint8_t), 0xaa, 32);
	add(&r, DATA, 20, true);
	assert_int_equal(ask(r, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 21);
	assert_memory_equal(fake_gmem_at(&fake, DATA, uint8_t), "12345678901234567890\xaa", 21);
}

/* ---- discard and write-zeroes ----------------------------------------------------------- */

static uint8_t ask_ranges(uint32_t type, const struct virtio_blk_range *ranges, unsigned count)
{
	memcpy(fake_gmem_put(&fake, DATA, uint8_t), ranges, count * sizeof *ranges);
	return ask_data(type, 0, count * (uint32_t)sizeof *ranges);
}

static void ranges_are_discarded_and_zeroed(void **state)
{
	const struct virtio_blk_range two[] = {{8, 16, 0}, {4096, 1, 0}};

	(void)state;
	disk.dev.max_discard_bytes = 4096;
	disk.dev.max_zeroes_bytes = 4096 + 100; /* not of whole blocks */
	create((struct config_disk){0});
	/* More than the device takes at once: not advertised, and refused. */
	assert_int_equal(ask_ranges(VIRTIO_BLK_T_DISCARD, two, 2), VIRTIO_BLK_S_IOERR);
	blk->config.max_discard_sectors = blk->config.max_write_zeroes_sectors = 16;
	assert_int_equal(ask_ranges(VIRTIO_BLK_T_DISCARD, two, 2), VIRTIO_BLK_S_OK);
	assert_int_equal(disk.submits, 3);
	assert_int_equal(disk.data[8 * 512], 0xdd);
	assert_int_equal(disk.data[24 * 512 - 1], 0xdd);
	assert_int_equal(disk.data[4096 * 512], 0xdd);
	assert_int_equal(ask_ranges(VIRTIO_BLK_T_WRITE_ZEROES, two, 2), VIRTIO_BLK_S_OK);
	assert_int_equal(disk.submits, 6);
	assert_int_equal(disk.data[8 * 512 + 5], 0);
	assert_int_equal(disk.data[24 * 512 - 1], 0);
}

static void bad_ranges_are_refused(void **state)
{
	struct virtio_blk_range many[BLK_RANGES_MAX + 1] = {{0, 1, 0}};
	static const struct {
		struct virtio_blk_range range;
		uint8_t discard, zeroes;
	} cases[] = {
		{{0, 8, 1},
		 VIRTIO_BLK_S_UNSUPP,
		 VIRTIO_BLK_S_OK}, /* unmap is for zeroes alone */
		{{0, 8, 2}, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_UNSUPP},
		{{0, 8, 0x80000001}, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_UNSUPP},
		{{0, 0, 0}, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR},
		{{DISK_BYTES / 512, 1, 0}, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR},
		{{DISK_BYTES / 512 - 1, 2, 0}, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR},
		{{UINT64_MAX, 2, 0}, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR},
		{{0, UINT32_MAX, 0}, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR},
	};

	(void)state;
	create((struct config_disk){0});
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(ask_ranges(VIRTIO_BLK_T_DISCARD, &cases[i].range, 1),
				 cases[i].discard);
		assert_int_equal(ask_ranges(VIRTIO_BLK_T_WRITE_ZEROES, &cases[i].range, 1),
				 cases[i].zeroes);
	}
	assert_int_equal(ask_ranges(VIRTIO_BLK_T_DISCARD, many, BLK_RANGES_MAX + 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask_data(VIRTIO_BLK_T_DISCARD, 0, 17), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask_data(VIRTIO_BLK_T_DISCARD, 0, 15), VIRTIO_BLK_S_IOERR);
	begin(ALL_BITS & ~BIT(VIRTIO_BLK_F_DISCARD));
	assert_int_equal(ask_ranges(VIRTIO_BLK_T_DISCARD, &cases[0].range, 1),
			 VIRTIO_BLK_S_UNSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writes_go_through_as_the_driver_relies_on),
		TEST(a_flush_is_passed_on),
		TEST(errors_of_the_disk_reach_the_guest),
		TEST(the_serial_number_is_told),
		TEST(ranges_are_discarded_and_zeroed),
		TEST(bad_ranges_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
