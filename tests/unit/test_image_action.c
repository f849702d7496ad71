/*
 * Images written to volumes: what takes a word, what is copied and in which order, what is left
 * when a disk fails or somebody has had enough. Disks are of memory; who has which is played.
 */
/* links: guests/actions/image.c guests/actions/action.c guests/actions/bind.c */
/* links: guests/actions/args.c */
/* links: kernel/io/copy.c guests/config/address.c guests/config/bind.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/cpus.c guests/config/sound.c */
/* links: guests/config/hint.c guests/config/report.c guests/config/schema.c */
/* links: guests/config/schema_devices.c guests/config/tree.c guests/config/value.c */
/* links: guests/config/config.c guests/config/derive.c kernel/lib/duration.c */
/* links: guests/events/event.c guests/events/actor.c kernel/lib/size.c */
/* links: tests/unit/fake_blkdev.c tests/unit/fail_malloc.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/catalogue/catalogue.h"
#include "guests/events/event.h"
#include "kernel/cpu/clock.h"
#include "kernel/io/copy.h"
#include "kernel/io/storage.h"
#include "kernel/mem/heap.h"
#include "tests/unit/fail_malloc.h"
#include "tests/unit/fake_blkdev.h"

#define PIECE (256 * KIB)
#define BYTES (3 * PIECE + 512) /* of the image: the last block of the volume is filled up */
#define ROOM  (4 * PIECE)

uint64_t clock_now_ns(void)
{
	return 0;
}

uint64_t clock_wall_ns(void)
{
	return 0;
}

/* ---- who has what ---- */

static struct fake_disk image, volume;
static unsigned open_disks;
static const char *user;      /* of the volume, by the configuration */
static bool busy, given_away; /* to one that names it in another way, or a part of it */

int storage_open(const char *source, unsigned how, const char *owner, struct blkdev **dev,
		 char why[STORAGE_WHY_BYTES])
{
	bool is_image = !strcmp(source, "esp:/disks/web.img");

	assert_string_equal(owner, "image write");
	assert_int_equal(how, is_image ? STORAGE_READ_ONLY : STORAGE_WRITE);
	if (!is_image && busy) {
		snprintf(why, STORAGE_WHY_BYTES, "is in use by 'web'");
		return -EBUSY;
	}
	open_disks++;
	*dev = is_image ? &image.dev : &volume.dev;
	return 0;
}

void storage_close(struct blkdev *dev, const char *owner)
{
	(void)dev, (void)owner;
	open_disks--;
}

bool storage_given_away(struct blkdev *dev, uint64_t offset, uint64_t bytes)
{
	assert_ptr_equal(dev, &volume.dev);
	assert_int_equal(offset, 0);
	assert_int_equal(bytes, dev->bytes);
	return given_away;
}

int catalogue_named(const char *source, char text[CATALOGUE_NAMED_BYTES])
{
	assert_string_equal(source, "lvm:vg0/web");
	snprintf(text, CATALOGUE_NAMED_BYTES, "%s", user ? user : "");
	return user != NULL;
}

/* ---- the job, and memory ---- */

static unsigned steps, steps_until_cancel, allocations, allocation_fails;
static uint64_t last_done, last_total;

void job_progress(struct job *job, uint64_t done, uint64_t total, const char *fmt, ...)
{
	(void)job, (void)fmt;
	assert_true(done >= last_done && done <= total);
	last_done = done;
	last_total = total;
	steps++;
}

bool job_cancelled(struct job *job)
{
	(void)job;
	return steps_until_cancel && steps >= steps_until_cancel;
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	return ++allocations == allocation_fails ? NULL : calloc(1, bytes);
}

void heap_free(void *p)
{
	free(p);
}

/* ---- asking ---- */

static struct action_result result;

static const char *ask(const char *words)
{
	static struct config_report report;
	static struct action_args args;
	char line[128];
	struct action_call call = {.action = &action_image,
				   .args = args.bytes,
				   .actor = &actor_console,
				   .role = ROLE_ADMIN,
				   .result = &result};

	snprintf(line, sizeof line, "%s", words);
	assert_int_equal(action_bind_words(&action_image, line, &args, &report), 0);
	assert_string_equal(action_subject(&action_image, args.bytes), "lvm:vg0/web");
	action_result_start(&result);
	steps = allocations = 0;
	last_done = last_total = 0;
	result.error = action_image.run(&call);
	assert_int_equal(open_disks, 0);
	return result.text;
}

#define WRITE "write esp:/disks/web.img lvm:vg0/web"

static void disks(uint64_t image_bytes, uint64_t volume_bytes)
{
	free(image.data);
	free(volume.data);
	fake_disk_init(&image, "web.img", image_bytes, 512);
	fake_disk_init(&volume, "vg0/web", volume_bytes, 4096);
}

static int fresh(void **state)
{
	(void)state;
	disks(BYTES, ROOM);
	memset(image.data, 1, 512);
	memset(image.data + 2 * PIECE + 5, 2, PIECE);
	image.data[BYTES - 1] = 3;
	user = NULL;
	busy = given_away = false;
	steps_until_cancel = allocation_fails = 0;
	return 0;
}

static int leave(void **state)
{
	(void)state;
	free(image.data);
	free(volume.data);
	image.data = volume.data = NULL;
	return 0;
}

/* ---- tests ---- */

static void all_of_it_is_there_then(void **state)
{
	static const uint8_t zeroes[4096 - 512];
	struct event event;

	(void)state;
	memset(volume.data + PIECE, 7,
	       ROOM - PIECE); /* of before; the second piece is zeroed */
	assert_string_equal(ask(WRITE),
			    "esp:/disks/web.img is written to lvm:vg0/web: 768 KiB, of which "
			    "772 KiB were not there already.");
	assert_int_equal(result.error, 0);
	assert_memory_equal(volume.data, image.data, BYTES);
	assert_memory_equal(volume.data + BYTES, zeroes, sizeof zeroes);
	assert_int_equal(volume.data[BYTES + sizeof zeroes], 7);
	assert_int_equal(last_done, BYTES);
	assert_int_equal(last_total, BYTES);
	assert_true(volume.flushes >= 2);
	assert_int_equal(event_read(event_range().next - 1, &event, 1), 1);
	assert_int_equal(event.kind, EVENT_VOLUME_WRITTEN);
}

/* Zeroes that are there are not written: an image is sparse, and so may a volume be. */
static void what_is_there_is_not_written(void **state)
{
	(void)state;
	ask(WRITE);
	assert_int_equal(volume.dev.counters.requests[BLK_WRITE], 3); /* of four pieces */
	assert_int_equal(result.values[1].number, 2 * PIECE + 4096);
}

static void it_has_to_fit(void **state)
{
	(void)state;
	disks(ROOM, ROOM);
	ask(WRITE);
	assert_int_equal(result.error, 0);
	disks(ROOM + 512, ROOM);
	assert_string_equal(ask(WRITE), "esp:/disks/web.img has 1 MiB, and lvm:vg0/web only "
					"1 MiB: make it larger (lvresize).");
	assert_int_equal(result.error, -ENOSPC);
	assert_int_equal(volume.dev.counters.requests[BLK_WRITE], 0);
}

static void what_may_be_lost_takes_a_word(void **state)
{
	(void)state;
	busy = true;
	assert_string_equal(ask(WRITE " destroy"), "lvm:vg0/web is in use by 'web'.");
	assert_int_equal(result.error, -EBUSY);
	busy = false;

	user = "disks[0] of guest 'web'";
	assert_string_equal(ask(WRITE " destroy"),
			    "All that is in lvm:vg0/web would be lost, and it is disks[0] of "
			    "guest 'web'. If that is meant, type: image write "
			    "esp:/disks/web.img lvm:vg0/web destroy anyway");
	assert_int_equal(result.error, -EBUSY);
	assert_int_equal(volume.dev.counters.requests[BLK_WRITE], 0);
	ask(WRITE " anyway"); /* it is empty */
	assert_int_equal(result.error, 0);
	user = NULL;

	given_away = true;
	volume.dev.counters.requests[BLK_WRITE] = 0;
	assert_string_equal(
		ask(WRITE " destroy"),
		"All that is in lvm:vg0/web would be lost, and it is at least in "
		"part a guest's disk by another name (see `explain disks`). If that "
		"is meant, type: image write esp:/disks/web.img lvm:vg0/web destroy "
		"anyway");
	assert_int_equal(result.error, -EBUSY);
	assert_int_equal(volume.dev.counters.requests[BLK_WRITE], 0);
	ask(WRITE " destroy anyway");
	assert_int_equal(result.error, 0);
	given_away = false;

	memset(volume.data, 0, PIECE);
	volume.data[PIECE - 1] = 1;
	volume.dev.counters.requests[BLK_WRITE] = 0;
	assert_string_equal(ask(WRITE),
			    "All that is in lvm:vg0/web would be lost. If that is meant, type: "
			    "image write esp:/disks/web.img lvm:vg0/web destroy");
	assert_int_equal(result.error, -EINVAL);
	assert_int_equal(volume.dev.counters.requests[BLK_WRITE], 0);
	ask(WRITE " destroy");
	assert_int_equal(result.error, 0);
	assert_memory_equal(volume.data, image.data, BYTES);
}

static void holds_nothing_at_its_start(void)
{
	static const uint8_t zeroes[PIECE];

	assert_memory_equal(volume.data, zeroes, PIECE);
	assert_non_null(strstr(result.text, "lvm:vg0/web holds no file system now"));
}

/* Wherever it ends, the first piece, old or new, is not there. */
static void cancelled_it_holds_no_file_system(void **state)
{
	(void)state;
	for (steps_until_cancel = 1; steps_until_cancel <= 4; steps_until_cancel++) {
		memset(volume.data, 9, ROOM);
		ask(WRITE " destroy");
		assert_int_equal(result.error, -ECANCELED);
		assert_int_equal(steps, steps_until_cancel);
		holds_nothing_at_its_start();
	}
	ask(WRITE " destroy");
	assert_int_equal(result.error, 0); /* its last step was behind the last but one piece */
}

static void each_request_may_fail(void **state)
{
	(void)state;
	for (unsigned n = 1;; n++) { /* of the volume's */
		memset(volume.data, 9, ROOM);
		volume.answers = 0;
		volume.fail_at = n;
		ask(WRITE " destroy");
		if (!result.error) {
			assert_true(n > 8);
			break;
		}
		assert_int_equal(result.error, -EIO);
		assert_non_null(strstr(result.text, "vg0/web failed at "));
		assert_int_equal(strstr(result.text, "lvm:vg0/web is as it was.") != NULL,
				 n == 1); /* a look at what is there */
		assert_int_equal(strstr(result.text, "holds no file system") != NULL, n != 1);
	}
	volume.fail_at = 0;
	for (unsigned n = 1; n <= 4; n++) {
		memset(volume.data, 9, ROOM);
		image.answers = 0;
		image.fail_at = n;
		ask(WRITE " destroy");
		assert_int_equal(result.error, -EIO);
		assert_non_null(strstr(result.text, "web.img failed at "));
		holds_nothing_at_its_start();
	}
}

static void without_memory_nothing_is_touched(void **state)
{
	(void)state;
	for (allocation_fails = 1;; allocation_fails++) {
		ask(WRITE);
		if (!result.error)
			break;
		assert_int_equal(result.error, -ENOMEM);
		assert_null(strstr(result.text, "holds no file system"));
		assert_int_equal(volume.dev.counters.requests[BLK_WRITE], 0);
	}
	assert_int_equal(allocation_fails, 4); /* a look at the volume, two pieces */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_of_it_is_there_then, fresh, leave),
		cmocka_unit_test_setup_teardown(what_is_there_is_not_written, fresh, leave),
		cmocka_unit_test_setup_teardown(it_has_to_fit, fresh, leave),
		cmocka_unit_test_setup_teardown(what_may_be_lost_takes_a_word, fresh, leave),
		cmocka_unit_test_setup_teardown(cancelled_it_holds_no_file_system, fresh,
						leave),
		cmocka_unit_test_setup_teardown(each_request_may_fail, fresh, leave),
		cmocka_unit_test_setup_teardown(without_memory_nothing_is_touched, fresh,
						leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
