/*
 * The block device, one request at a time: what is offered, what is answered to which request,
 * how requests are cut. What reaches the disk under which cache policy, and ranges, are
 * test_virtio_blk_cache.c's; many requests at once are test_virtio_blk_busy.c's.
 */
/* links: guests/devices/virtio/blk.c guests/devices/virtio/blk_request.c */
/* links: guests/devices/virtio/blk_part.c guests/devices/virtio/queue.c */
/* links: guests/devices/virtio/split.c guests/devices/virtio/packed.c */
/* links: tests/unit/fake_gmem.c tests/unit/fake_blkdev.c tests/unit/fake_vmm.c */
/* links: tests/unit/fake_virtio.c kernel/vmm/bus.c */
#include "tests/unit/virtio_blk_disk.h"

/* ---- what is offered -------------------------------------------------------------------- */

static void an_ordinary_disk_is_described(void **state)
{
	(void)state;
	disk.dev.physical_block_bytes = 4096;
	create((struct config_disk){.queues = 2});
	assert_int_equal(blk->config.capacity, DISK_BYTES / 512);
	assert_int_equal(blk->config.blk_size, 512);
	assert_int_equal(blk->config.physical_block_exp, 3);
	assert_int_equal(blk->config.num_queues, 2);
	assert_int_equal(blk->config.writeback, 0);
	assert_int_equal(blk->config.max_discard_sectors, 2 * MIB);
	assert_int_equal(blk->config.seg_max, VIRTQ_SEGMENTS_MAX - 2);
	assert_true(blk->virtio.offered & BIT(VIRTIO_BLK_F_MQ));
	assert_true(blk->virtio.offered & BIT(VIRTIO_BLK_F_FLUSH));
	assert_true(blk->virtio.offered & BIT(VIRTIO_BLK_F_DISCARD));
	assert_true(blk->virtio.offered & BIT(VIRTIO_BLK_F_WRITE_ZEROES));
	assert_false(blk->virtio.offered & BIT(VIRTIO_BLK_F_RO));
}

static void a_disk_of_large_blocks_is_described(void **state)
{
	(void)state;
	disk.dev.block_bytes = disk.dev.physical_block_bytes = 4096;
	disk.dev.max_discard_bytes = 0;
	disk.dev.max_zeroes_bytes = UINT64_MAX;
	create((struct config_disk){.cache = CONFIG_CACHE_WRITE_BACK});
	assert_int_equal(blk->config.blk_size, 4096);
	assert_int_equal(blk->config.physical_block_exp, 0);
	assert_int_equal(blk->config.capacity, DISK_BYTES / 512);
	assert_int_equal(blk->config.writeback, 1);
	assert_int_equal(blk->config.max_write_zeroes_sectors, UINT32_MAX - 7);
	assert_false(blk->virtio.offered & BIT(VIRTIO_BLK_F_DISCARD));
	assert_int_equal(ask_data(VIRTIO_BLK_T_IN, 8, 4096), VIRTIO_BLK_S_OK);
	assert_int_equal(ask_data(VIRTIO_BLK_T_IN, 1, 4096), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask_data(VIRTIO_BLK_T_IN, 8, 512), VIRTIO_BLK_S_IOERR);
}

static void a_read_only_disk_is_not_written(void **state)
{
	(void)state;
	create((struct config_disk){.read_only = true});
	assert_true(blk->virtio.offered & BIT(VIRTIO_BLK_F_RO));
	assert_false(blk->virtio.offered & BIT(VIRTIO_BLK_F_DISCARD));
	begin(ALL_BITS & ~BIT(VIRTIO_BLK_F_RO)); /* a driver that does not care */
	assert_int_equal(ask_data(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask_data(VIRTIO_BLK_T_DISCARD, 0, 16), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(disk.submits, 0);
	assert_int_equal(ask_data(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}

/* ---- data ------------------------------------------------------------------------------- */

static void a_read_fills_the_guests_memory(void **state)
{
	uint32_t written;

	(void)state;
	create((struct config_disk){0});
	assert_int_equal(ask(data(VIRTIO_BLK_T_IN, 3, 2048), &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 2049);
	assert_memory_equal(fake_gmem_at(&fake, DATA, uint8_t), disk.data + 3 * 512, 2048);
	assert_int_equal(fake_interrupts, 1);
	assert_int_equal(fake.pinned - 3, 0); /* the rings */
}

static void a_write_reaches_the_disk(void **state)
{
	uint32_t written;

	(void)state;
	create((struct config_disk){0});
	fill(DATA, 4096, 1);
	assert_int_equal(ask(data(VIRTIO_BLK_T_OUT, 16, 4096), &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 1);
	assert_memory_equal(disk.data + 16 * 512, fake_gmem_at(&fake, DATA, uint8_t), 4096);
	assert_int_equal(disk.submits, 1);
}

/* 2.7.4: the device makes no assumption about how a request is laid out. */
static void any_layout_of_a_request_will_do(void **state)
{
	struct request r = {0};
	uint32_t written;
	uint64_t at = next_header;

	(void)state;
	create((struct config_disk){0});
	fill(DATA, 1024, 2);
	/* Header in two pieces, the second with the first data behind it; data in odd pieces.
	 */
	*fake_gmem_put(&fake, at, struct virtio_blk_header) =
		(struct virtio_blk_header){.type = VIRTIO_BLK_T_OUT, .sector = 9};
	memcpy(fake_gmem_put(&fake, at + 16, uint8_t), fake_gmem_at(&fake, DATA, uint8_t), 100);
	add(&r, at, 5, false);
	add(&r, at + 5, 111, false);
	add(&r, DATA + 100, 1, false);
	add(&r, DATA + 101, 923, false);
	next_header += 1024;
	assert_int_equal(ask(r, &written), VIRTIO_BLK_S_OK);
	assert_memory_equal(disk.data + 9 * 512, fake_gmem_at(&fake, DATA, uint8_t), 1024);

	/* A read whose status is in the same piece as the data. */
	r = header(VIRTIO_BLK_T_IN, 9);
	add(&r, DATA + 4096, 1025, true);
	send(&r, 0);
	run(1);
	assert_true(driver_take(&drivers[0], &written) >= 0);
	assert_int_equal(written, 1025);
	assert_int_equal(*fake_gmem_at(&fake, DATA + 4096 + 1024, uint8_t), VIRTIO_BLK_S_OK);
	assert_memory_equal(fake_gmem_at(&fake, DATA + 4096, uint8_t), disk.data + 9 * 512,
			    1024);
}

static void large_requests_are_cut(void **state)
{
	uint64_t at = DATA + PAGE_2M - 300; /* over the border of a chunk of memory */

	(void)state;
	disk.dev.max_bytes = 64 * KIB;
	create((struct config_disk){0});
	fill(at, 1 * MIB, 3);
	{
		struct request r = header(VIRTIO_BLK_T_OUT, 64);
		uint32_t written;

		add(&r, at, 1 * MIB, false);
		assert_int_equal(ask(r, &written), VIRTIO_BLK_S_OK);
	}
	assert_int_equal(disk.submits, 16);
	assert_memory_equal(disk.data + 64 * 512, fake_gmem_at(&fake, at, uint8_t), 1 * MIB);
	assert_int_equal(fake.pinned, 3);
}

/* Pieces whose ends are no ends of blocks, more of them than one part has. */
static void pieces_are_cut_at_blocks(void **state)
{
	struct request r;
	uint32_t sizes = 0, written;
	uint64_t at = DATA;

	(void)state;
	create((struct config_disk){0});
	fill(DATA, 256 * KIB, 4);
	r = header(VIRTIO_BLK_T_OUT, 100);
	for (unsigned i = 0; i < 100; i++) {
		uint32_t bytes = i == 99 ? 128 * 1024 - sizes : 700 + i * 11 % 601;

		add(&r, at, bytes, false);
		sizes += bytes;
		at += bytes;
	}
	assert_int_equal(ask(r, &written), VIRTIO_BLK_S_OK);
	assert_true(disk.submits >= 4);
	assert_true(disk.largest_segments <= BLK_PART_SEGMENTS);
	assert_memory_equal(disk.data + 100 * 512, fake_gmem_at(&fake, DATA, uint8_t),
			    128 * KIB);
	assert_int_equal(fake.pinned, 3);

	/* A block in more pieces than a part has. */
	r = header(VIRTIO_BLK_T_OUT, 0);
	for (unsigned i = 0; i < 64; i++)
		add(&r, DATA + i * 8, 8, false);
	assert_int_equal(ask(r, &written), VIRTIO_BLK_S_IOERR);
	assert_int_equal(fake.pinned, 3);
}

static void memory_that_cannot_be_pinned_fails_the_request(void **state)
{
	struct request r;
	uint32_t written;

	(void)state;
	create((struct config_disk){0});
	r = header(VIRTIO_BLK_T_IN, 0);
	for (unsigned i = 0; i < 8; i++)
		add(&r, DATA + i * 4096, 512, true);
	fake.pins_left = 5;
	assert_int_equal(ask(r, &written), VIRTIO_BLK_S_IOERR);
	assert_int_equal(written, 1);
	assert_int_equal(fake.pinned, 3);
	assert_int_equal(disk.submits, 0);
}

/* ---- what is refused -------------------------------------------------------------------- */

static void requests_beyond_the_disk_fail(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t bytes;
	} cases[] = {
		{DISK_BYTES / 512, 512},
		{DISK_BYTES / 512 - 1, 1024},
		{UINT64_MAX, 512},
		{UINT64_MAX / 512, 512},
		{UINT64_MAX / 512 + 1, 512},
		{0, 511},
		{0, 513},
		{0, DISK_BYTES + 512},
	};

	(void)state;
	create((struct config_disk){0});
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(ask_data(VIRTIO_BLK_T_IN, cases[i].sector, cases[i].bytes),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(ask_data(VIRTIO_BLK_T_OUT, cases[i].sector, cases[i].bytes),
				 VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(disk.submits, 0);
	assert_int_equal(ask_data(VIRTIO_BLK_T_IN, DISK_BYTES / 512 - 1, 512), VIRTIO_BLK_S_OK);
}

static void odd_requests_fail(void **state)
{
	uint32_t written;
	struct request wrong_way = header(VIRTIO_BLK_T_OUT, 0);

	(void)state;
	create((struct config_disk){0});
	assert_int_equal(ask(header(VIRTIO_BLK_T_IN, 0), &written),
			 VIRTIO_BLK_S_IOERR); /* no data */
	assert_int_equal(ask(header(VIRTIO_BLK_T_OUT, 0), &written), VIRTIO_BLK_S_IOERR);
	add(&wrong_way, DATA, 512, true);
	assert_int_equal(ask(wrong_way, &written), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask_data(2, 0, 512), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(ask_data(14, 0, 512), VIRTIO_BLK_S_UNSUPP); /* secure erase */
	assert_int_equal(ask_data(0x80000000, 0, 512), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(disk.submits, 0);
}

static void a_request_without_header_breaks_the_device(void **state)
{
	struct request r = {0};

	(void)state;
	create((struct config_disk){0});
	add(&r, HEADERS, 15, false);
	add(&r, DATA, 512, true);
	send(&r, 0);
	run(1);
	assert_string_equal(fake_broken, "a request without its header");
}

static void a_request_without_status_breaks_the_device(void **state)
{
	struct request r = data(VIRTIO_BLK_T_OUT, 0, 512);

	(void)state;
	create((struct config_disk){0});
	send(&r, 0);
	run(1);
	assert_string_equal(fake_broken, "a request without a place for its status");
	assert_int_equal(disk.submits, 0);
}

static void a_hostile_ring_breaks_the_device(void **state)
{
	(void)state;
	create((struct config_disk){0});
	*driver_avail(&drivers[0], 1) = 1000;
	run(1);
	assert_non_null(fake_broken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_ordinary_disk_is_described),
		TEST(a_disk_of_large_blocks_is_described),
		TEST(a_read_only_disk_is_not_written),
		TEST(a_read_fills_the_guests_memory),
		TEST(a_write_reaches_the_disk),
		TEST(any_layout_of_a_request_will_do),
		TEST(large_requests_are_cut),
		TEST(pieces_are_cut_at_blocks),
		TEST(memory_that_cannot_be_pinned_fails_the_request),
		TEST(requests_beyond_the_disk_fail),
		TEST(odd_requests_fail),
		TEST(a_request_without_header_breaks_the_device),
		TEST(a_request_without_status_breaks_the_device),
		TEST(a_hostile_ring_breaks_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
