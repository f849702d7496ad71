/* Looking through disks of which one does not answer: how long that takes, what it costs the
 * next who looks, and that what is answered late goes nowhere and is given back. */
/* links: kernel/io/look.c drivers/volume/piece.c tests/unit/fake_blkdev.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/piece.h"
#include "kernel/cpu/clock.h"
#include "kernel/io/look.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/sync.h"
#include "tests/unit/fake_blkdev.h"

static struct fake_disk slow, good;
static uint64_t now_ns;
static unsigned held, fails; /* the n-th allocation; 0: none */
static bool answers_late;    /* between the end of the patience and the look at the answer */

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	if (fails && !--fails)
		return NULL;
	held++;
	return calloc(1, bytes);
}

void heap_free(void *p)
{
	held -= p != NULL;
	free(p);
}

uint64_t clock_now_ns(void)
{
	return now_ns;
}

void semaphore_init(struct semaphore *s, unsigned count)
{
	s->count = count;
}

void semaphore_up(struct semaphore *s)
{
	s->count++;
}

bool semaphore_down_until(struct semaphore *s, uint64_t deadline_ns)
{
	bool given = s->count;

	if (given)
		s->count--;
	else
		now_ns = deadline_ns;
	if (!given && answers_late)
		fake_disk_answer(&slow);
	return given;
}

static int fresh(void **state)
{
	(void)state;
	fake_disk_init(&slow, "slow", MIB, 512);
	fake_disk_init(&good, "good", MIB, 512);
	for (unsigned i = 0; i < MIB; i++)
		slow.data[i] = good.data[i] = (uint8_t)(i / 512);
	now_ns = fails = 0;
	answers_late = false;
	return 0;
}

static int clean(void **state)
{
	uint8_t block[512];

	(void)state;
	fake_disk_answer(&slow);
	assert_int_equal(look_read(&good.dev, 0, block, 512), 0); /* frees what was left over */
	assert_int_equal(held, 0);
	free(slow.data);
	free(good.data);
	return 0;
}

static void what_is_read(void **state)
{
	static uint8_t buf[200 * KIB];
	struct blkdev *piece;

	(void)state;
	good.dev.max_bytes = 8 * KIB;
	assert_int_equal(look_read(&good.dev, 512, buf, sizeof(buf)), 0);
	assert_memory_equal(buf, good.data + 512, sizeof(buf));
	assert_int_equal(good.submits, 25); /* as many bytes as it takes at once */
	good.dev.max_bytes = MIB;
	assert_int_equal(look_read(&good.dev, 0, buf, sizeof(buf)), 0);
	assert_int_equal(good.submits, 25 + 4); /* 64 KiB */

	assert_int_equal(piece_create(&good.dev, 4096, 8192, &piece), 0);
	assert_int_equal(look_read(piece, 512, buf, 1024), 0);
	assert_memory_equal(buf, good.data + 4608, 1024);
	piece->ops->close(piece);

	good.fail_at = good.answers + 1;
	assert_int_equal(look_read(&good.dev, 0, buf, 512), -EIO);
	for (unsigned n = 1; n <= 2; n++) {
		fails = n;
		assert_int_equal(look_read(&good.dev, 0, buf, 512), -ENOMEM);
	}
	assert_int_equal(held, 0);
}

static unsigned answers;

static void note_answer(void)
{
	answers++;
}

/* The first who looks waits for a while, all others not at all; other disks are well. */
static void one_that_hangs(void **state)
{
	uint8_t block[512] = {1}, before[512] = {1};

	(void)state;
	slow.holds = true;
	slow.data[0] = 7;
	look_on_answer(note_answer);
	answers = 0;
	assert_int_equal(look_read(&slow.dev, 0, block, 512), -ETIMEDOUT);
	assert_int_equal(now_ns, LOOK_LIMIT_NS);
	assert_int_equal(look_read(&slow.dev, 512, block, 512), -ETIMEDOUT);
	assert_int_equal(now_ns, LOOK_LIMIT_NS);
	assert_int_equal(slow.submits, 1);
	assert_int_equal(look_read(&good.dev, 0, block, 512), 0);
	memcpy(block, before, sizeof(block));
	assert_int_equal(held, 2);
	assert_int_equal(answers, 0); /* those that came in time are nobody's news */

	fake_disk_answer(&slow);
	assert_int_equal(answers, 1);
	assert_memory_equal(block, before, sizeof(block)); /* nobody waits for that */
	slow.holds = false;
	assert_int_equal(look_read(&slow.dev, 0, block, 512), 0); /* it is well again */
	assert_int_equal(block[0], 7);

	slow.holds = true;
	slow.fail_at = slow.answers + 1;
	assert_int_equal(look_read(&slow.dev, 0, block, 512), -ETIMEDOUT);
	fake_disk_answer(&slow);
	assert_int_equal(answers, 1); /* an error makes nothing appear */
	slow.holds = false;
	assert_int_equal(look_read(&slow.dev, 0, block, 512), 0);
	assert_int_equal(held, 0);
}

/* A partition is closed while its read hangs: that is the disk's. */
static void a_piece_that_hangs(void **state)
{
	struct blkdev *piece;
	uint8_t block[512];

	(void)state;
	slow.holds = true;
	assert_int_equal(piece_create(&slow.dev, 4096, 8192, &piece), 0);
	assert_int_equal(look_read(piece, 0, block, 512), -ETIMEDOUT);
	piece->ops->close(piece);
	assert_int_equal(look_read(&slow.dev, 0, block, 512), -ETIMEDOUT);
	assert_int_equal(piece_create(&slow.dev, 16384, 8192, &piece), 0);
	assert_int_equal(look_read(piece, 0, block, 512), -ETIMEDOUT);
	piece->ops->close(piece);
	assert_int_equal(slow.submits, 1);
}

static void an_answer_at_the_last_moment(void **state)
{
	uint8_t block[512] = {0};

	(void)state;
	slow.holds = answers_late = true;
	assert_int_equal(look_read(&slow.dev, 512, block, 512), 0);
	assert_int_equal(block[0], 1);
	assert_int_equal(held, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fresh, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_read),
		TEST(one_that_hangs),
		TEST(a_piece_that_hangs),
		TEST(an_answer_at_the_last_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
