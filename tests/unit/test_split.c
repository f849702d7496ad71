/*
 * Volumes that lie in several places: what is written through them is found on the disks, and
 * read back, whatever the cuts, the segments, and the order of answers; errors and flushes of
 * all members come together; requests wait when parts run out, and go on.
 */
/* links: drivers/volume/split.c drivers/volume/split_cut.c drivers/volume/split_worker.c */
/* links: drivers/volume/piece.c tests/unit/fake_blkdev.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/piece.h"
#include "drivers/volume/split.h"
#include "drivers/volume/split_internal.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_blkdev.h"

#define DISK_BYTES   (1 * MIB)
#define STRIPE_BYTES (16 * KIB)
#define START_BYTES  (36 * KIB) /* of the volume on each disk */
#define VOLUME_BYTES (2 * (DISK_BYTES - 48 * KIB))

static struct fake_disk disks[2];
static struct blkdev *members[2] = {&disks[0].dev, &disks[1].dev};
static struct blkdev volume;
static struct split split;
static unsigned wakes;
static size_t heap_limit;

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	return bytes > heap_limit ? NULL : calloc(1, bytes);
}

void heap_free(void *p)
{
	free(p);
}

/* The worker never runs by itself: fake_work() does what it would. */
static void (*worker)(void *);
static jmp_buf worker_blocks;

struct thread *thread_create(const struct thread_params *params)
{
	worker = params->fn;
	return (struct thread *)&worker;
}

void thread_block(void)
{
	longjmp(worker_blocks, 1);
}

void thread_wake(struct thread *t)
{
	assert_ptr_equal(t, &worker);
	wakes++;
}

void thread_yield(void)
{
}

static void fake_work(void)
{
	if (!setjmp(worker_blocks))
		worker(NULL);
}

/* Stripes over both disks, after START_BYTES of each. */
static struct split_run find(struct blkdev *dev, uint64_t offset)
{
	uint64_t stripe = offset / STRIPE_BYTES, in = offset % STRIPE_BYTES;

	assert_ptr_equal(dev, &volume);
	assert_true(offset < dev->bytes);
	return (struct split_run){members[stripe % 2],
				  START_BYTES + stripe / 2 * STRIPE_BYTES + in,
				  STRIPE_BYTES - in};
}

static void submit(struct blkdev *dev, struct blk_request *request)
{
	assert_ptr_equal(dev, &volume);
	split_submit(&split, request);
}

static void commit(struct blkdev *dev)
{
	assert_ptr_equal(dev, &volume);
	split_commit(&split);
}

static const struct blkdev_ops volume_ops = {.submit = submit, .commit = commit};

static int set_up(void **state)
{
	(void)state;
	heap_limit = SIZE_MAX;
	wakes = 0;
	fake_disk_init(&disks[0], "disk0", DISK_BYTES, 512);
	fake_disk_init(&disks[1], "disk1", DISK_BYTES, 4096);
	volume = (struct blkdev){.ops = &volume_ops, .bytes = VOLUME_BYTES};
	split = (struct split){
		.volume = &volume, .find = find, .members = members, .member_count = 2};
	return split_init(&split, NULL) || split_limits(&split);
}

static int tear_down(void **state)
{
	(void)state;
	split_fini(&split);
	free(disks[0].data);
	free(disks[1].data);
	return 0;
}

static uint8_t on_disk(uint64_t offset)
{
	struct split_run run = find(&volume, offset);

	return container_of(run.dev, struct fake_disk, dev)->data[run.offset];
}

/* Cuts `buf` into segments of 1 to `largest` bytes; returns how many. */
static unsigned cut_up(struct io_segment *segments, uint8_t *buf, uint64_t bytes,
		       unsigned largest)
{
	unsigned count = 0;

	while (bytes) {
		uint32_t length = (uint32_t)MIN(bytes, 1 + (uint64_t)rand() % largest);

		segments[count++] = (struct io_segment){
			.phys = (uint64_t)buf, .virt = buf, .bytes = length};
		buf += length;
		bytes -= length;
	}
	return count;
}

static void what_is_written_is_where_it_belongs(void **state)
{
	static const unsigned largest[] = {1, 40, 700, 5000, 100000};
	static uint8_t model[VOLUME_BYTES], back[VOLUME_BYTES];
	struct io_segment *segments = calloc(256 * KIB, sizeof(*segments));

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 400; round++) {
		uint64_t offset = (uint64_t)rand() % (VOLUME_BYTES / 4096) * 4096;
		uint64_t bytes = (1 + (uint64_t)rand() % 64) * 4096;
		unsigned count;

		bytes = MIN(bytes, VOLUME_BYTES - offset);
		for (uint64_t i = 0; i < bytes; i++)
			model[offset + i] = (uint8_t)rand();
		memcpy(back, model + offset, bytes);
		count = cut_up(segments, back, bytes, largest[round % 5]);
		assert_int_equal(
			fake_request(&volume, BLK_WRITE, offset, bytes, segments, count), 0);
		memset(back, 0, bytes);
		count = cut_up(segments, back, bytes, largest[rand() % 5]);
		assert_int_equal(
			fake_request(&volume, BLK_READ, offset, bytes, segments, count), 0);
		assert_memory_equal(back, model + offset, bytes);
	}
	for (uint64_t i = 0; i < VOLUME_BYTES; i++)
		assert_int_equal(on_disk(i), model[i]);
	for (unsigned i = 0; i < START_BYTES; i++)
		assert_int_equal(disks[0].data[i] | disks[1].data[i], 0);
	free(segments);
}

static void what_needs_no_cut_is_passed_on(void **state)
{
	uint8_t buf[STRIPE_BYTES] = {1};

	(void)state;
	assert_int_equal(blk_write(&volume, 3 * STRIPE_BYTES, buf, sizeof(buf)), 0);
	assert_int_equal(disks[0].submits, 0);
	assert_int_equal(disks[1].submits, 1);
	assert_int_equal(volume.counters.requests[BLK_WRITE], 1);
	assert_int_equal(volume.counters.bytes_written, sizeof(buf));
	assert_int_equal(disks[0].commits, 1);
	assert_int_equal(disks[1].commits, 1);
}

static void limits_are_what_members_have_in_common(void **state)
{
	(void)state;
	assert_int_equal(volume.block_bytes, 4096);
	assert_int_equal(volume.max_bytes, 1 * MIB);
	assert_false(volume.read_only);
	disks[0].dev.read_only = true;
	disks[1].dev.write_cache = true;
	disks[1].dev.max_bytes = 10000;
	disks[0].dev.max_discard_bytes = 0;
	disks[1].dev.max_zeroes_bytes = 0;
	assert_int_equal(split_limits(&split), 0);
	assert_true(volume.read_only && volume.write_cache && !volume.rotational);
	assert_int_equal(volume.max_bytes, 8192);
	assert_int_equal(volume.max_zeroes_bytes, 0);
	assert_true(volume.max_discard_bytes > 0);
	volume.bytes = VOLUME_BYTES - 512;
	assert_int_equal(split_limits(&split), -EINVAL);
}

static void a_flush_goes_to_every_member(void **state)
{
	(void)state;
	assert_int_equal(blk_flush(&volume), 0);
	assert_int_equal(disks[0].flushes, 1);
	assert_int_equal(disks[1].flushes, 1);
	disks[1].fail = -EIO;
	assert_int_equal(blk_flush(&volume), -EIO);
}

static void one_error_is_enough(void **state)
{
	uint8_t buf[4 * STRIPE_BYTES] = {0};

	(void)state;
	disks[1].fail = -ETIMEDOUT;
	assert_int_equal(blk_write(&volume, 0, buf, sizeof(buf)), -ETIMEDOUT);
	assert_int_equal(blk_write(&volume, 0, buf, STRIPE_BYTES), 0);
	disks[0].dev.gone = true;
	assert_int_equal(blk_read(&volume, 0, buf, sizeof(buf)), -ENODEV);
}

static void zeroes_are_written_to_all_of_it(void **state)
{
	(void)state;
	memset(disks[0].data, 0xff, DISK_BYTES);
	memset(disks[1].data, 0xff, DISK_BYTES);
	disks[0].dev.max_zeroes_bytes = 5000;
	assert_int_equal(split_limits(&split), 0);
	volume.max_zeroes_bytes = GIB;
	assert_int_equal(
		fake_request(&volume, BLK_WRITE_ZEROES, 4096, 10 * STRIPE_BYTES, NULL, 0), 0);
	for (uint64_t i = 0; i < 20 * STRIPE_BYTES; i++)
		assert_int_equal(on_disk(i),
				 i >= 4096 && i < 4096 + 10 * STRIPE_BYTES ? 0 : 0xff);
}

static void discards_stay_inside_and_aligned(void **state)
{
	(void)state;
	disks[0].dev.discard_align_bytes = 64 * KIB; /* never within a stripe */
	assert_int_equal(fake_request(&volume, BLK_DISCARD, 4096, 4 * STRIPE_BYTES, NULL, 0),
			 0);
	assert_int_equal(disks[0].submits, 0);
	for (uint64_t i = 0; i < 8 * STRIPE_BYTES; i++)
		assert_int_equal(on_disk(i),
				 i / STRIPE_BYTES % 2 == 1 && i < 4 * STRIPE_BYTES ? 0xdd : 0);
	/* [36, 52) KiB of the disk has one whole 8 KiB, from 40 on. */
	disks[1].dev.discard_align_bytes = 8 * KIB;
	memset(disks[1].data, 0, DISK_BYTES);
	assert_int_equal(fake_request(&volume, BLK_DISCARD, 0, 2 * STRIPE_BYTES, NULL, 0), 0);
	for (uint64_t i = 0; i < DISK_BYTES; i++)
		assert_int_equal(disks[1].data[i], i >= 40 * KIB && i < 48 * KIB ? 0xdd : 0);
	disks[1].dev.max_discard_bytes = 0; /* nobody can: nothing to do, and no error */
	assert_int_equal(fake_request(&volume, BLK_DISCARD, 0, 4 * STRIPE_BYTES, NULL, 0), 0);
}

/* ---- many at once -------------------------------------------------------------------------
 */

static unsigned done_count;
static int done_error;

static void count_done(struct blk_request *request, int error)
{
	(void)request;
	done_count++;
	done_error |= error;
}

static void requests_wait_for_parts(void **state)
{
	enum { REQUESTS = 20, STRIPES = 6 };
	static struct blk_request requests[REQUESTS];
	static uint8_t buf[REQUESTS][STRIPES * STRIPE_BYTES];
	static struct io_segment segments[REQUESTS];
	unsigned rounds = 0;

	(void)state;
	done_count = 0;
	done_error = 0;
	disks[0].holds = disks[1].holds = true;
	for (unsigned i = 0; i < REQUESTS; i++) {
		memset(buf[i], (int)i + 1, sizeof(buf[i]));
		segments[i] = (struct io_segment){.virt = buf[i], .bytes = sizeof(buf[i])};
		requests[i] = (struct blk_request){
			.op = BLK_WRITE,
			.offset = i * STRIPES * STRIPE_BYTES,
			.bytes = sizeof(buf[i]),
			.segments = &segments[i],
			.segment_count = 1,
			.done = count_done,
		};
		blk_submit(&volume, &requests[i]);
	}
	assert_int_equal(done_count, 0);
	assert_int_equal(disks[0].submits + disks[1].submits, SPLIT_PARTS);
	for (; done_count < REQUESTS; rounds++) {
		unsigned before = wakes;

		assert_true(fake_disk_answer(&disks[0]) + fake_disk_answer(&disks[1]) > 0);
		assert_true(wakes > before || done_count == REQUESTS);
		fake_work();
	}
	assert_int_equal(done_error, 0);
	assert_true(rounds >= REQUESTS * STRIPES / SPLIT_PARTS);
	assert_int_equal(disks[0].submits + disks[1].submits, REQUESTS * STRIPES);
	assert_int_equal(volume.counters.requests[BLK_WRITE], REQUESTS);
	for (uint64_t i = 0; i < REQUESTS * STRIPES; i++)
		assert_int_equal(on_disk(i * STRIPE_BYTES), i / STRIPES + 1);
}

/* With parts to spare, but no job: the end of one goes on with what waits. */
static void requests_wait_for_jobs(void **state)
{
	static struct blk_request flushes[SPLIT_JOBS + 1];

	(void)state;
	done_count = 0;
	done_error = 0;
	disks[0].holds = disks[1].holds = true;
	for (unsigned i = 0; i <= SPLIT_JOBS; i++)
		flushes[i] = (struct blk_request){.op = BLK_FLUSH, .done = count_done};
	for (unsigned i = 0; i < SPLIT_JOBS; i++)
		blk_submit(&volume, &flushes[i]);
	assert_int_equal(fake_disk_answer(&disks[0]), SPLIT_JOBS);
	assert_int_equal(done_count, 0);
	blk_submit(&volume, &flushes[SPLIT_JOBS]);
	assert_int_equal(disks[0].submits, SPLIT_JOBS);
	wakes = 0;
	assert_int_equal(fake_disk_answer(&disks[1]), SPLIT_JOBS);
	assert_int_equal(done_count, SPLIT_JOBS);
	assert_int_equal(wakes, 1);
	fake_work();
	assert_int_equal(fake_disk_answer(&disks[0]) + fake_disk_answer(&disks[1]), 2);
	assert_int_equal(done_count, SPLIT_JOBS + 1);
	assert_int_equal(done_error, 0);
}

static void without_memory_only_tiny_segments_fail(void **state)
{
	uint8_t buf[2 * STRIPE_BYTES];
	struct io_segment *segments = calloc(sizeof(buf), sizeof(*segments));
	unsigned count = cut_up(segments, buf, sizeof(buf), 1);

	(void)state;
	heap_limit = 0;
	assert_int_equal(fake_request(&volume, BLK_READ, 0, sizeof(buf), segments, count),
			 -ENOMEM);
	count = cut_up(segments, buf, sizeof(buf), 400);
	assert_true(count > 2 * SPLIT_SEGMENTS);
	assert_int_equal(fake_request(&volume, BLK_READ, 0, sizeof(buf), segments, count), 0);
	assert_true(disks[0].largest_segments <= SPLIT_SEGMENTS);
	free(segments);
	heap_limit = sizeof(struct split_job);
	struct split poor = split;

	assert_int_equal(split_init(&poor, NULL), -ENOMEM);
	split_fini(&poor);
}

/* ---- one piece ----------------------------------------------------------------------------
 */

static struct split_run seen;

static int note(void *arg, struct blkdev *part, uint64_t offset, uint64_t bytes)
{
	seen = (struct split_run){part, offset, bytes};
	(*(unsigned *)arg)++;
	return 0;
}

static void a_piece_moves_requests(void **state)
{
	struct blkdev *piece;
	uint8_t buf[4096] = {7};
	unsigned count = 0;

	(void)state;
	assert_int_equal(piece_create(&disks[0].dev, 512, 1024, &piece), 0);
	assert_int_equal(piece->bytes, 1024);
	assert_int_equal(blk_write(piece, 512, buf, 512), 0);
	assert_int_equal(disks[0].data[1024], 7);
	assert_int_equal(blk_write(piece, 1024, buf, 512), -EINVAL);
	assert_int_equal(blk_flush(piece), 0);
	assert_int_equal(disks[0].flushes, 1);
	assert_int_equal(disks[0].commits, 3);
	assert_int_equal(piece->counters.requests[BLK_WRITE], 1);
	assert_int_equal(piece->ops->pieces(piece, 512, 512, note, &count), 0);
	assert_ptr_equal(seen.dev, &disks[0].dev);
	assert_int_equal(seen.offset, 1024);
	assert_int_equal(seen.bytes, 512);
	piece->ops->close(piece);

	assert_int_equal(piece_create(&disks[1].dev, 512, 4096, &piece), -EINVAL);
	assert_int_equal(piece_create(&disks[1].dev, 4096, 512, &piece), -EINVAL);
	assert_int_equal(piece_create(&disks[1].dev, 4096, 0, &piece), -EINVAL);
	assert_int_equal(piece_create(&disks[1].dev, DISK_BYTES, 4096, &piece), -EINVAL);
	assert_int_equal(piece_create(&disks[1].dev, 4096, DISK_BYTES, &piece), -EINVAL);
	assert_int_equal(piece_create(&disks[1].dev, 0, DISK_BYTES, &piece), 0);
	piece->ops->close(piece);
}

static void a_volume_names_its_runs(void **state)
{
	unsigned count = 0;

	(void)state;
	assert_int_equal(split_pieces(&split, 4096, 2 * STRIPE_BYTES, note, &count), 0);
	assert_int_equal(count, 3);
	assert_ptr_equal(seen.dev, members[0]);
	assert_int_equal(seen.bytes, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(what_is_written_is_where_it_belongs),
		T(what_needs_no_cut_is_passed_on),
		T(limits_are_what_members_have_in_common),
		T(a_flush_goes_to_every_member),
		T(one_error_is_enough),
		T(zeroes_are_written_to_all_of_it),
		T(discards_stay_inside_and_aligned),
		T(requests_wait_for_parts),
		T(requests_wait_for_jobs),
		T(without_memory_only_tiny_segments_fail),
		T(a_piece_moves_requests),
		T(a_volume_names_its_runs),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
