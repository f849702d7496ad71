/*
 * Disks of memory: what is written is read, the rest is zeroes although the frames are not, and
 * all memory comes from the guest pool and goes back there.
 */
/* links: drivers/volume/ram.c drivers/volume/names.c kernel/lib/size.c */
/* links: tests/unit/fake_blkdev.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/sources.h"
#include "kernel/mem/hostmap.h"
#include "tests/unit/fake_blkdev.h"

/* The guest pool: 2 MiB blocks, of which some are taken, so that no large one is free. */
#define POOL_BLOCKS 24
static uint8_t *pool;
static bool taken[POOL_BLOCKS];
static unsigned mapped, stale; /* stale: freed, and not flushed yet */

uint64_t guest_frames_alloc(unsigned order)
{
	unsigned count = 1u << order;

	for (unsigned at = 0; at + count <= POOL_BLOCKS; at += count) {
		if (memchr(taken + at, true, count))
			continue;
		memset(taken + at, true, count);
		return (uint64_t)pool + at * PAGE_2M;
	}
	return 0;
}

void guest_frames_free(uint64_t phys, unsigned order)
{
	uint64_t at = (phys - (uint64_t)pool) / PAGE_2M;

	assert_int_equal(stale, 0); /* no CPU may reach what is another's next */
	for (unsigned i = 0; i < 1u << order; i++) {
		assert_true(taken[at + i]);
		taken[at + i] = false;
	}
}

uint64_t guest_frames_free_bytes(void)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < POOL_BLOCKS; i++)
		bytes += taken[i] ? 0 : PAGE_2M;
	return bytes;
}

void *vmap(uint64_t phys, uint64_t bytes, unsigned prot)
{
	assert_int_equal(prot, PT_READ | PT_WRITE);
	assert_int_equal(bytes % PAGE_2M, 0);
	mapped++;
	return (void *)phys;
}

void vmap_free(void *virt)
{
	assert_non_null(virt);
	mapped--;
	stale++;
}

void vmap_flush(void)
{
	stale = 0;
}

static int set_up(void **state)
{
	(void)state;
	pool = aligned_alloc(PAGE_2M, POOL_BLOCKS * PAGE_2M);
	memset(pool, 0xa5, POOL_BLOCKS * PAGE_2M);
	memset(taken, false, sizeof(taken));
	taken[5] = taken[12] = taken[17] = true;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(guest_frames_free_bytes(), (POOL_BLOCKS - 3) * PAGE_2M);
	assert_int_equal(mapped, 0);
	free(pool);
	return 0;
}

static struct blkdev *open_disk(const char *text)
{
	char why[STORAGE_WHY_BYTES];
	struct blkdev *dev;

	assert_int_equal(ram_scheme.parse(text, why), 0);
	assert_int_equal(ram_scheme.open(text, &dev, why), 0);
	return dev;
}

static void it_does_what_a_disk_does(void **state)
{
	static uint8_t model[40 * MIB], buf[1 * MIB];
	struct blkdev *dev = open_disk("40 MiB");

	(void)state;
	assert_int_equal(dev->bytes, sizeof(model));
	assert_string_equal(dev->name, "ram 40 MiB");
	memset(model, 0, sizeof(model));
	srand(2);
	for (unsigned round = 0; round < 3000; round++) {
		uint64_t blocks = dev->bytes / 512;
		uint64_t first = (uint64_t)rand() % blocks;
		uint64_t count = 1 + (uint64_t)rand() % (round % 8 ? 32 : 2048);
		uint64_t offset = first * 512, bytes = MIN(count, blocks - first) * 512;

		switch (rand() % 5) {
		case 0:
			assert_int_equal(
				fake_request(dev, BLK_WRITE_ZEROES, offset, bytes, NULL, 0), 0);
			memset(model + offset, 0, bytes);
			break;
		case 1:
		case 2:
			memset(buf, rand(), bytes);
			memcpy(model + offset, buf, bytes);
			assert_int_equal(blk_write(dev, offset, buf, bytes), 0);
			break;
		default:
			assert_int_equal(blk_read(dev, offset, buf, bytes), 0);
			assert_memory_equal(buf, model + offset, bytes);
			break;
		}
	}
	assert_int_equal(blk_flush(dev), 0);
	dev->ops->close(dev);
}

static void a_discard_keeps_the_rest(void **state)
{
	static uint8_t buf[256 * KIB];
	struct blkdev *dev = open_disk("1MiB");

	(void)state;
	memset(buf, 7, sizeof(buf));
	assert_int_equal(blk_write(dev, 0, buf, sizeof(buf)), 0);
	assert_int_equal(fake_request(dev, BLK_DISCARD, 4096, 128 * KIB, NULL, 0), 0);
	assert_int_equal(blk_read(dev, 0, buf, sizeof(buf)), 0);
	for (unsigned i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], i >= 64 * KIB && i < 128 * KIB ? 0 : 7);
	dev->ops->close(dev);
}

static void it_begins_as_zeroes_each_time(void **state)
{
	uint8_t buf[512];

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		struct blkdev *dev = open_disk("2 KiB");

		assert_int_equal(dev->bytes, 2048);
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(blk_read(dev, i * 512, buf, 512), 0);
			for (unsigned k = 0; k < 512; k++)
				assert_int_equal(buf[k], 0);
			memset(buf, 0xff, sizeof(buf));
			assert_int_equal(blk_write(dev, i * 512, buf, 512), 0);
		}
		dev->ops->close(dev);
	}
}

static void what_does_not_fit_is_refused(void **state)
{
	char why[STORAGE_WHY_BYTES];
	struct blkdev *dev;

	(void)state;
	assert_int_equal(ram_scheme.open("43 MiB", &dev, why), -ENOMEM);
	assert_string_equal(why, "needs more memory than there is; 42 MiB are free");
	dev = open_disk("42 MiB");
	assert_int_equal(guest_frames_free_bytes(), 0);
	dev->ops->close(dev);
}

static void sizes_are_written_as_everywhere(void **state)
{
	static const char *const wrong[] = {"",
					    "64",
					    "64 mib",
					    "MiB",
					    "64  MiB",
					    "0 MiB",
					    "2 TiB",
					    "-1 MiB",
					    "64 MiB ",
					    "1.5 GiB",
					    "18446744073709551615 KiB",
					    "18446744073709551616 KiB"};
	char why[STORAGE_WHY_BYTES];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(ram_scheme.parse(wrong[i], why), -EINVAL);
	assert_string_equal(why, "has no size; write 'ram:64 MiB', from 1 KiB to 1 TiB");
	assert_int_equal(ram_scheme.parse("64MiB", why), 0);
	assert_int_equal(ram_scheme.parse("1 TiB", why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(it_does_what_a_disk_does),	    T(a_discard_keeps_the_rest),
		T(it_begins_as_zeroes_each_time),   T(what_does_not_fit_is_refused),
		T(sizes_are_written_as_everywhere),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
