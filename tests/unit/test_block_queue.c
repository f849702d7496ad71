/* What disk drivers share, on hardware that the test plays: waiting, trying again, deadlines,
 * recovery, and how little of it is logged. */
/* links: drivers/block/queue.c drivers/block/host.c */
/* links: tests/unit/fake_block.c tests/unit/fake_threads.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block/bounce.h"
#include "drivers/block/queue.h"
#include "tests/unit/fake_block.h"
#include "tests/unit/fake_threads.h"

#define DEPTH	 4u
#define REQUESTS 64u
#define TIMEOUT	 (10 * NSEC_PER_SEC)

/* ---- the hardware, played ---- */

static struct blkdev dev;
static struct block_host host;
static struct block_queue queue;
static struct blk_request requests[REQUESTS];
static int results[REQUESTS]; /* 1: not done */

static bool started[DEPTH]; /* the hardware has it */
static unsigned starts, rings, resets, aborts, shutdowns;
static unsigned started_order[REQUESTS]; /* indices of requests */
static unsigned busy;			 /* the hardware takes only as many */
static uint32_t ready;			 /* tags, as bits, that reap() shall find */
static const char *ready_words;		 /* NULL: they are done; else they failed */
static bool ready_again, abort_works, is_lost;
static int start_error, reset_error;

int block_bounce_init(void)
{
	return 0;
}

void blk_done(struct blk_request *r, int error)
{
	r->done(r, error);
}

static void done(struct blk_request *r, int error)
{
	assert_int_equal(results[r - requests], 1);
	results[r - requests] = error;
}

static int start_request(struct block_queue *q, struct blk_request *r)
{
	unsigned under_way = 0;

	assert_ptr_equal(q, &queue);
	for (unsigned i = 0; i < DEPTH; i++)
		under_way += started[i];
	if (under_way >= busy)
		return -EBUSY;
	if (start_error)
		return start_error;
	assert_false(started[r->tag]);
	started[r->tag] = true;
	started_order[starts++ % REQUESTS] = (unsigned)(r - requests);
	return 0;
}

static void ring(struct block_queue *q)
{
	(void)q;
	rings++;
}

static bool reap(struct block_queue *q)
{
	bool any = ready;

	for (uint32_t tag = 0; tag < 32; tag++) {
		if (!(ready >> tag & 1))
			continue;
		if (tag < DEPTH)
			started[tag] = false;
		if (ready_words)
			block_queue_failed(q, tag, -EIO, ready_again, ready_words);
		else
			block_queue_done(q, tag);
	}
	ready = 0;
	return any;
}

static bool abort_request(struct block_queue *q, uint32_t tag)
{
	(void)q;
	assert_true(started[tag]);
	aborts++;
	return abort_works;
}

static int reset(struct block_host *h)
{
	assert_ptr_equal(h, &host);
	memset(started, 0, sizeof(started));
	resets++;
	return reset_error;
}

static void lost(struct block_host *h)
{
	(void)h;
	is_lost = true;
}

static void shut_down(struct block_host *h)
{
	(void)h;
	shutdowns++;
}

static const struct block_host_ops ops = {.start = start_request,
					  .ring = ring,
					  .reap = reap,
					  .abort = abort_request,
					  .reset = reset,
					  .lost = lost,
					  .shutdown = shut_down};

static int start(void **state)
{
	(void)state;
	fake_block_start();
	starts = rings = resets = aborts = shutdowns = 0;
	is_lost = ready_again = abort_works = false;
	ready = 0;
	ready_words = NULL;
	start_error = reset_error = 0;
	busy = DEPTH;
	memset(started, 0, sizeof(started));
	for (unsigned i = 0; i < REQUESTS; i++) {
		requests[i] = (struct blk_request){.op = BLK_WRITE,
						   .offset = 4096 * i,
						   .bytes = 4096,
						   .dev = &dev,
						   .done = done};
		results[i] = 1;
	}
	dev = (struct blkdev){.name = "disk0"};
	host = (struct block_host){
		.ops = &ops, .name = "disk0", .counters = &dev.counters, .timeout_ns = TIMEOUT};
	assert_int_equal(block_host_init(&host), 0);
	assert_int_equal(block_queue_init(&queue, &host, DEPTH), 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	list_remove(&host.link);
	free(queue.active);
	free(queue.aborted);
	free(queue.free);
	return 0;
}

static void submit(unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		block_queue_submit(&queue, &requests[i]);
	block_queue_commit(&queue);
}

static unsigned count_results(unsigned first, unsigned count, int result)
{
	unsigned n = 0;

	for (unsigned i = first; i < first + count; i++)
		n += results[i] == result;
	return n;
}

/* All that the hardware has is done, until it has nothing. */
static void finish_all(void)
{
	do {
		ready = 0;
		for (uint32_t tag = 0; tag < DEPTH; tag++)
			ready |= (uint32_t)started[tag] << tag;
	} while (ready && block_queue_interrupt(&queue));
}

/* ---- the tests ---- */

static void test_a_batch_rings_once_and_the_rest_waits(void **state)
{
	(void)state;
	submit(0, 3);
	assert_int_equal(starts, 3);
	assert_int_equal(rings, 1);
	submit(3, 4);
	assert_int_equal(starts, DEPTH);
	assert_int_equal(rings, 2);
	block_queue_commit(&queue); /* nothing new */
	assert_int_equal(rings, 2);

	ready = 1u << requests[1].tag | 1u << requests[2].tag;
	assert_true(block_queue_interrupt(&queue));
	assert_int_equal(results[1], 0);
	assert_int_equal(results[2], 0);
	assert_int_equal(results[0], 1);
	assert_int_equal(starts, DEPTH + 2); /* two that waited, in their order */
	assert_ptr_equal(queue.active[requests[4].tag], &requests[4]);
	assert_ptr_equal(queue.active[requests[5].tag], &requests[5]);
	assert_int_equal(rings, 3);
	assert_false(block_queue_interrupt(&queue));

	finish_all();
	assert_int_equal(count_results(0, 7, 0), 7);
	assert_true(block_queue_idle(&queue));
	assert_int_equal(dev.counters.doorbells, rings);
	assert_int_equal(dev.counters.interrupts, 3);
}

static void test_busy_hardware_gets_it_later(void **state)
{
	(void)state;
	busy = 1;
	submit(0, 3);
	assert_int_equal(starts, 1);
	finish_all();
	assert_int_equal(count_results(0, 3, 0), 3);
}

/* What the hardware had no room for is the next, before those that came after it. */
static void test_busy_hardware_keeps_the_order(void **state)
{
	(void)state;
	busy = 1;
	submit(0, 1);
	submit(1, 1); /* is tried, and put back */
	submit(2, 1);
	finish_all();
	assert_int_equal(started_order[0], 0);
	assert_int_equal(started_order[1], 1);
	assert_int_equal(started_order[2], 2);
}

static void test_what_cannot_be_started_fails_alone(void **state)
{
	(void)state;
	start_error = -EINVAL;
	submit(0, 1);
	start_error = 0;
	submit(1, 1);
	finish_all();
	assert_int_equal(results[0], -EINVAL);
	assert_int_equal(results[1], 0);
}

static void test_an_error_is_tried_again_three_times_in_all(void **state)
{
	(void)state;
	ready_words = "write fault";
	ready_again = true;
	submit(0, 1);
	finish_all();
	assert_int_equal(starts, BLOCK_ATTEMPTS_MAX);
	assert_int_equal(results[0], -EIO);
	assert_int_equal(dev.counters.retries, BLOCK_ATTEMPTS_MAX - 1);

	ready_again = false;
	host.resets = BLOCK_RESETS_MAX;
	submit(1, 1);
	finish_all();
	assert_int_equal(starts, BLOCK_ATTEMPTS_MAX + 1);
	assert_int_equal(results[1], -EIO);
	assert_int_equal(host.resets, 0); /* it answers, if with an error */
}

static void test_a_thousand_errors_are_one_line(void **state)
{
	(void)state;
	ready_words = "write fault";
	for (unsigned i = 0; i < 1000; i++) {
		results[i % REQUESTS] = 1;
		submit(i % REQUESTS, 1);
		finish_all();
	}
	assert_int_equal(fake_warnings, 1);
	assert_non_null(strstr(fake_line, "write of 4096 bytes at 0: write fault"));
	fake_now_ns += 61 * NSEC_PER_SEC;
	results[0] = 1;
	submit(0, 1);
	finish_all();
	assert_int_equal(fake_warnings, 2);
	assert_non_null(strstr(fake_line, "and 999 troubles before it"));
}

static void test_a_tag_that_nobody_has_is_harmless(void **state)
{
	(void)state;
	submit(0, 1);
	ready = 1u << 31 | 1u << ((requests[0].tag + 1) % DEPTH);
	block_queue_interrupt(&queue);
	assert_int_equal(results[0], 1);
	finish_all();
	assert_int_equal(results[0], 0);
	assert_true(block_queue_idle(&queue));
}

static void test_no_answer_is_aborted_then_reset_then_tried_again(void **state)
{
	(void)state;
	abort_works = true;
	submit(0, 6);
	fake_pass(TIMEOUT - NSEC_PER_SEC);
	assert_int_equal(aborts, 0);
	fake_pass(2 * NSEC_PER_SEC);
	assert_true(aborts > 0);
	assert_int_equal(resets, 0);
	fake_pass(6 * NSEC_PER_SEC);
	assert_int_equal(resets, 1);
	assert_int_equal(starts, 2 * DEPTH); /* all are with the hardware again */
	assert_int_equal(rings, 2);
	finish_all();
	assert_int_equal(count_results(0, 6, 0), 6);
	assert_int_equal(fake_warnings, 1);
	assert_int_equal(dev.counters.resets, 1);
	assert_int_equal(host.resets, 0); /* something was done: the row has ended */
	fake_pass(100 * NSEC_PER_SEC);
	assert_false(queue.ticking); /* nothing ticks when nothing is under way */
	assert_int_equal(resets, 1);
}

/* Whoever gets the tag of one that was aborted is asked for in its turn, before a reset. */
static void test_an_abort_is_of_one_request(void **state)
{
	(void)state;
	abort_works = true;
	submit(0, 1);
	fake_pass(TIMEOUT + NSEC_PER_SEC);
	assert_int_equal(aborts, 1);
	ready_words = "aborted";
	finish_all();
	assert_int_equal(results[0], -EIO);
	ready_words = NULL;
	submit(1, 1);
	assert_int_equal(requests[1].tag, requests[0].tag);
	fake_pass(TIMEOUT + NSEC_PER_SEC);
	assert_int_equal(aborts, 2);
	assert_int_equal(resets, 0);
	finish_all();
	assert_int_equal(results[1], 0);
}

static void test_an_interrupt_that_got_lost_is_no_reset(void **state)
{
	(void)state;
	submit(0, 1);
	ready = 1u << requests[0].tag;
	fake_pass(TIMEOUT + NSEC_PER_SEC);
	assert_int_equal(results[0], 0);
	assert_int_equal(aborts + resets, 0);
	assert_non_null(strstr(fake_line, "no interrupt"));
}

static void test_hardware_that_never_answers_is_given_up(void **state)
{
	(void)state;
	submit(0, 2);
	fake_pass(10 * TIMEOUT);
	assert_int_equal(count_results(0, 2, -ETIMEDOUT), 2);
	assert_int_equal(resets, BLOCK_ATTEMPTS_MAX);
	assert_false(is_lost);
	submit(2, 10);
	fake_pass(TIMEOUT + 2 * NSEC_PER_SEC);
	assert_true(is_lost);
	assert_int_equal(count_results(2, 10, -ENODEV), 10);
	submit(12, 1);
	assert_int_equal(results[12], -ENODEV);
	assert_int_equal(fake_errors, 1);
	block_hosts_shutdown();
	assert_int_equal(shutdowns, 0);
}

static void test_a_fault_that_no_reset_mends(void **state)
{
	(void)state;
	reset_error = -ENODEV;
	submit(0, 6);
	block_host_fault(&host, "its fatal error bit is set");
	fake_threads_run();
	assert_true(is_lost);
	assert_int_equal(count_results(0, 6, -ENODEV), 6);
	assert_int_equal(fake_errors, 1);
	assert_non_null(strstr(fake_line, "its fatal error bit is set"));
	block_host_fault(&host, "again");
	fake_threads_run();
	assert_int_equal(resets, 1);
}

static void test_power_off_waits_for_what_is_under_way_but_not_for_ever(void **state)
{
	(void)state;
	submit(0, 1);
	block_hosts_shutdown();
	assert_int_equal(shutdowns, 1);
	assert_true(fake_sleeps > 100);
	submit(1, 1);
	assert_int_equal(starts, 1);
	fake_sleeps = 0;
	finish_all();
	block_hosts_shutdown();
	assert_int_equal(fake_sleeps, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_batch_rings_once_and_the_rest_waits),
		TEST(test_busy_hardware_gets_it_later),
		TEST(test_what_cannot_be_started_fails_alone),
		TEST(test_an_error_is_tried_again_three_times_in_all),
		TEST(test_a_thousand_errors_are_one_line),
		TEST(test_a_tag_that_nobody_has_is_harmless),
		TEST(test_busy_hardware_keeps_the_order),
		TEST(test_an_abort_is_of_one_request),
		TEST(test_no_answer_is_aborted_then_reset_then_tried_again),
		TEST(test_an_interrupt_that_got_lost_is_no_reset),
		TEST(test_hardware_that_never_answers_is_given_up),
		TEST(test_a_fault_that_no_reset_mends),
		TEST(test_power_off_waits_for_what_is_under_way_but_not_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
