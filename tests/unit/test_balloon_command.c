/*
 * The operator's `balloon`: what it asks of a guest, and what it refuses to ask. The guest is a
 * fake that says of itself what the test wants.
 */
/* links: guests/console/balloon.c guests/console/words.c kernel/lib/size.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/console/balloon.h"
#include "guests/console/operator.h"
#include "guests/guest/snapshot.h"
#include "kernel/sched/thread.h"

#define UNASKED UINT64_MAX

static struct guest_info guest;
static uint64_t asked;
static unsigned sleeps;
static int refusal;
static char said[1024];

struct guest *guest_get(const char *name)
{
	return strcmp(name, "web") ? NULL : (struct guest *)&guest;
}

void guest_put(struct guest *g)
{
	assert_true(!g || g == (struct guest *)&guest);
}

void guest_get_info(struct guest *g, struct guest_info *info)
{
	assert_ptr_equal(g, &guest);
	*info = guest;
	if (sleeps) /* it has answered */
		info->devices.balloon.stats_count++;
}

int guest_set_memory(struct guest *g, uint64_t bytes)
{
	assert_ptr_equal(g, &guest);
	asked = bytes;
	return refusal;
}

uint64_t virtio_balloon_used(const struct virtio_balloon_info *info, uint64_t memory_bytes)
{
	return info->available_bytes ? memory_bytes - info->available_bytes : 0;
}

uint64_t guest_frames_free_bytes(void)
{
	return 5 * MIB;
}

void thread_sleep_ns(uint64_t ns)
{
	assert_true(ns > 0);
	sleeps++;
}

void operator_say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(said + strlen(said), sizeof said - strlen(said), fmt, args);
	va_end(args);
}

/* A guest of 512 MiB that says that 256 MiB of it are in use. */
static int fresh(void **state)
{
	(void)state;
	memset(&guest, 0, sizeof guest);
	strcpy(guest.name, "web");
	guest.state = GUEST_RUNNING;
	guest.memory_bytes = guest.devices.balloon.target_bytes = 512 * MIB;
	guest.devices.balloon.available_bytes = 256 * MIB;
	guest.devices.balloon.driven = true;
	asked = UNASKED;
	refusal = 0;
	return 0;
}

static void type(const char *text)
{
	char line[80];

	strcpy(line, text);
	said[0] = '\0';
	sleeps = 0;
	asked = UNASKED;
	balloon_command(line);
}

static void what_is_no_size_is_asked_of_nobody(void **state)
{
	static const char *const lines[] = {"web anyway",
					    "web anyway anyway",
					    "web 256",
					    "web 256 anyway",
					    "web much",
					    "web 256 MiB please",
					    "web 256 MiB now anyway",
					    "web MiB anyway"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
		type(lines[i]);
		assert_int_equal(asked, UNASKED);
		assert_non_null(strstr(said, "no size"));
	}
	type("");
	assert_non_null(strstr(said, "which guest"));
	type("nobody 256 MiB");
	assert_non_null(strstr(said, "which guest"));
	assert_int_equal(asked, UNASKED);
}

/* 256 MiB in use, and a 32nd of 512 MiB: 272 MiB are enough, less is not. */
static void less_than_it_uses_takes_a_word(void **state)
{
	(void)state;
	type("web 272 MiB");
	assert_int_equal(asked, 272 * MIB);
	assert_int_equal(sleeps, 1); /* it was asked anew */
	type("web 271 MiB");
	assert_int_equal(asked, UNASKED);
	assert_non_null(strstr(said, "balloon web 271 MiB anyway"));
	type("web 271MiB anyway");
	assert_int_equal(asked, 271 * MIB);
	assert_int_equal(sleeps, 0);
	type("web 271 MiB anyway");
	assert_int_equal(asked, 271 * MIB);
}

/* More than it has now is a gift; and who says nothing of itself is believed to manage. */
static void what_cannot_hurt_needs_no_word(void **state)
{
	(void)state;
	guest.devices.balloon.target_bytes = 200 * MIB;
	type("web 200 MiB");
	assert_int_equal(asked, 200 * MIB);
	type("web 199 MiB");
	assert_int_equal(asked, UNASKED);
	guest.devices.balloon.available_bytes = 0;
	type("web 64 MiB");
	assert_int_equal(asked, 64 * MIB);
	guest.devices.balloon.available_bytes = 1;
	type("web 512 MiB");
	assert_int_equal(asked, 512 * MIB);
}

static void refusals_say_what_to_do(void **state)
{
	static const struct {
		int err;
		const char *words;
	} all[] = {{-EINVAL, "from 32 MiB to 512 MiB"},
		   {-EOPNOTSUPP, "virtio_balloon"},
		   {-ENOMEM, "5 MiB are left"},
		   {-ESRCH, "does not run"}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		refusal = all[i].err;
		type("web 31 MiB");
		assert_int_equal(asked, 31 * MIB);
		assert_non_null(strstr(said, all[i].words));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_no_size_is_asked_of_nobody, fresh),
		cmocka_unit_test_setup(less_than_it_uses_takes_a_word, fresh),
		cmocka_unit_test_setup(what_cannot_hurt_needs_no_word, fresh),
		cmocka_unit_test_setup(refusals_say_what_to_do, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
