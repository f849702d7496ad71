/* What is typed to guest_set_memory(), and what became of it in words. */
#include "guests/console/balloon.h"

#include <errno.h>
#include <string.h>

#include "guests/console/operator.h"
#include "guests/console/words.h"
#include "guests/guest/snapshot.h"
#include "kernel/lib/size.h"
#include "kernel/sched/thread.h"

static struct guest_info info; /* too large for a stack; the operator's thread alone uses it */

/* A guest says how its memory is when it is asked, a little later. */
#define ANSWER_TRIES 20
#define ANSWER_NS    (50 * NSEC_PER_MSEC)

/* What programs in it need from one moment to the next, beside what is in use now. */
#define SPARE_LEAST_BYTES (16 * MIB)
#define SPARE_SHARE	  32

/* Fills `info` with what the guest says of itself now; or said, where it does not answer. */
static void ask(struct guest *guest)
{
	unsigned before;

	guest_get_info(guest, &info);
	before = info.devices.balloon.stats_count;
	for (unsigned i = 0; i < ANSWER_TRIES && info.devices.balloon.driven &&
			     info.devices.balloon.stats_count == before;
	     i++) {
		thread_sleep_ns(ANSWER_NS);
		guest_get_info(guest, &info);
	}
}

/* Whether it can make do with `bytes`, by what it says of itself. A guest that cannot ends its
 * programs, or itself. */
static bool can_make_do(struct guest *guest, uint64_t bytes)
{
	char size[SIZE_TEXT_BYTES], in_use[SIZE_TEXT_BYTES], least[SIZE_TEXT_BYTES];
	uint64_t used, needs;

	ask(guest);
	used = info.state == GUEST_RUNNING
		       ? virtio_balloon_used(&info.devices.balloon, info.memory_bytes)
		       : 0;
	needs = ALIGN_UP(used + MAX(SPARE_LEAST_BYTES, info.memory_bytes / SPARE_SHARE), MIB);
	if (!used || bytes >= MIN(needs, info.memory_bytes) ||
	    bytes >= info.devices.balloon.target_bytes) /* which gives it memory back */
		return true;
	operator_say("%s says that %s of its memory are in use: with less than %s it may have "
		     "to end programs. Have it use less, or insist: balloon %s %s anyway\n",
		     info.name, size_text(used, in_use),
		     size_text(MIN(needs, info.memory_bytes), least), info.name,
		     size_text(bytes, size));
	return false;
}

static void say_state(struct guest *guest)
{
	const struct virtio_balloon_info *balloon = &info.devices.balloon;
	char all[SIZE_TEXT_BYTES], target[SIZE_TEXT_BYTES], in[SIZE_TEXT_BYTES],
		away[SIZE_TEXT_BYTES], forgotten[SIZE_TEXT_BYTES];

	ask(guest);
	if (info.state != GUEST_RUNNING) {
		operator_say("%s: it does not run.\n", info.name);
		return;
	}
	operator_say(
		"%s has %s and is to make do with %s. %s are in its balloon, %s of these with "
		"the pool for guests. It reported %s as free so far.\n",
		info.name, size_text(info.memory_bytes, all),
		size_text(balloon->target_bytes, target), size_text(balloon->balloon_bytes, in),
		size_text(balloon->away_bytes, away),
		size_text(balloon->discarded_bytes, forgotten));
	if (!balloon->driven)
		operator_say("It has no driver for its balloon.\n");
	else if (balloon->total_bytes)
		operator_say("It says that of %s, %s are available.\n",
			     size_text(balloon->total_bytes, all),
			     size_text(balloon->available_bytes, in));
}

static void say_error(struct guest *guest, int err)
{
	char all[SIZE_TEXT_BYTES], left[SIZE_TEXT_BYTES];

	guest_get_info(guest, &info);
	switch (err) {
	case -EINVAL:
		operator_say("%s: write a size from 32 MiB to %s, which is what it has.\n",
			     info.name, size_text(info.memory_bytes, all));
		break;
	case -EOPNOTSUPP:
		operator_say("%s: no driver in it listens; Linux' is virtio_balloon.\n",
			     info.name);
		break;
	case -ENOMEM:
		operator_say(
			"%s: %s are left for guests, which is less than it would get back; "
			"stop another, or ask for less.\n",
			info.name, size_text(guest_frames_free_bytes(), left));
		break;
	default: operator_say("%s: it does not run.\n", info.name);
	}
}

static void obey(struct guest *guest, const struct words *words)
{
	bool insists = !strcmp(words->at[words->count - 1], "anyway");
	uint64_t bytes;
	unsigned size_words = words_size(words, 1, &bytes);
	int err;

	if (!size_words || size_words != words->count - 1 - insists) {
		operator_say("That is no size; write one such as 256 MiB.\n");
		return;
	}
	if (!insists && bytes >= VIRTIO_BALLOON_LEAST_BYTES && !can_make_do(guest, bytes))
		return;
	err = guest_set_memory(guest, bytes);
	if (err)
		say_error(guest, err);
	else
		operator_say("%s is asked; `balloon %s` says how far it is.\n", words->at[0],
			     words->at[0]);
}

void balloon_command(char *line)
{
	struct words words = words_split(line);
	struct guest *guest = words.count ? guest_get(words.at[0]) : NULL;

	if (!guest)
		operator_say(
			"Say which guest, and how much memory it is to make do with: balloon "
			"web 256 MiB.\n");
	else if (words.count == 1)
		say_state(guest);
	else
		obey(guest, &words);
	guest_put(guest);
}
