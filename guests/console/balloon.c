/* What is typed to guest_set_memory(), and what became of it in words. */
#include "guests/console/balloon.h"

#include <errno.h>

#include "guests/console/operator.h"
#include "guests/console/words.h"
#include "guests/guest.h"
#include "kernel/lib/size.h"

static struct guest_info info; /* too large for a stack; the operator's thread alone uses it */

static void say_state(struct guest *guest)
{
	const struct virtio_balloon_info *balloon = &info.devices.balloon;
	char all[SIZE_TEXT_BYTES], target[SIZE_TEXT_BYTES], in[SIZE_TEXT_BYTES],
		away[SIZE_TEXT_BYTES], forgotten[SIZE_TEXT_BYTES];

	guest_get_info(guest, &info);
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

void balloon_command(char *line)
{
	struct words words = words_split(line);
	struct guest *guest = words.count ? guest_find(words.at[0]) : NULL;
	uint64_t bytes;
	int err;

	if (!guest) {
		operator_say(
			"Say which guest, and how much memory it is to make do with: balloon "
			"web 256 MiB.\n");
		return;
	}
	if (words.count == 1) {
		say_state(guest);
		return;
	}
	if (words_size(&words, 1, &bytes) != words.count - 1) {
		operator_say("That is no size; write one such as 256 MiB.\n");
		return;
	}
	err = guest_set_memory(guest, bytes);
	if (err)
		say_error(guest, err);
	else
		operator_say("%s is asked; `balloon %s` says how far it is.\n", words.at[0],
			     words.at[0]);
}
