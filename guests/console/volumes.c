/* What is typed to what kernel/io/volume.h takes. Whatever loses data is done only when a word
 * says so, which no habit types. */
#include "guests/console/volumes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/console/operator_say.h"
#include "guests/console/words.h"
#include "kernel/io/volume.h"
#include "kernel/lib/size.h"

#define STRIPES_MAX 128

static const struct volume_provider *provider(void)
{
	const struct volume_provider *found = volume_provider();

	if (!found)
		operator_say("This machine has no volume groups.\n");
	return found;
}

static void say_done(const char *path, const char *what, uint64_t bytes)
{
	char size[SIZE_TEXT_BYTES];

	operator_say("%s %s %s.\n", path, what, size_text(bytes, size));
}

/* ---- commands -----------------------------------------------------------------------------
 */

static void say_group(void *arg, const struct volume_group *group)
{
	char all[SIZE_TEXT_BYTES], rest[SIZE_TEXT_BYTES];
	unsigned *count = arg;

	++*count;
	operator_say("%-16s %s on %u disk%s, %s free, %u volume%s\n", group->name,
		     size_text(group->bytes, all), group->disks, group->disks == 1 ? "" : "s",
		     size_text(group->free_bytes, rest), group->volumes,
		     group->volumes == 1 ? "" : "s");
	if (*group->why)
		operator_say("  %s %s.\n", group->name, group->why);
}

static void say_stray(void *arg, const struct volume_stray *stray)
{
	char size[SIZE_TEXT_BYTES];
	unsigned *count = arg;

	++*count;
	operator_say("%-16s a physical volume of %s, of %s%s\n", stray->disk,
		     size_text(stray->bytes, size),
		     *stray->group ? "the group " : "no group that is known", stray->group);
	operator_say("  %s %s.\n", stray->disk, stray->why);
}

void volumes_groups(char *words)
{
	unsigned groups = 0, strays = 0;

	(void)words;
	if (!provider())
		return;
	provider()->groups(say_group, &groups);
	provider()->strays(say_stray, &strays);
	if (!groups)
		operator_say("No disk of this machine has a volume group of LVM2's%s.\n",
			     strays ? " that can be used" : "");
}

void volumes_create(char *line)
{
	struct words words = words_split(line);
	char why[STORAGE_WHY_BYTES];
	unsigned stripes = 1, used;
	uint64_t bytes;

	used = words.count ? words_size(&words, 1, &bytes) : 0;
	if (used && words.count == used + 2)
		stripes = (unsigned)atoi(words.at[used + 1]);
	if (!used || words.count > used + 2 || stripes < 1 || stripes > STRIPES_MAX) {
		operator_say(
			"Say which and how large: lvcreate vg0/web 10 GiB. A number behind "
			"it is on how many disks at once.\n");
		return;
	}
	if (!provider())
		return;
	if (provider()->create(words.at[0], &bytes, stripes, why))
		operator_say("%s %s.\n", words.at[0], why);
	else
		say_done(words.at[0], "is new, with", bytes);
}

void volumes_resize(char *line)
{
	struct words words = words_split(line);
	char why[STORAGE_WHY_BYTES];
	bool shrink = words.count && strcmp(words.at[words.count - 1], "shrink") == 0;
	uint64_t bytes;
	unsigned used;

	words.count -= shrink;
	used = words.count ? words_size(&words, 1, &bytes) : 0;
	if (!used || words.count != used + 1) {
		operator_say("Say which and how large: lvresize vg0/web 20 GiB. If it is to be "
			     "smaller, add: shrink.\n");
		return;
	}
	if (!provider())
		return;
	if (provider()->resize(words.at[0], &bytes, shrink, why))
		operator_say("%s %s.\n", words.at[0], why);
	else
		say_done(words.at[0], "has now", bytes);
}

void volumes_remove(char *line)
{
	struct words words = words_split(line);
	char why[STORAGE_WHY_BYTES];

	if (!words.count || words.count > 2 ||
	    (words.count == 2 && strcmp(words.at[1], "destroy") != 0)) {
		operator_say("Say which: lvremove vg0/web.\n");
		return;
	}
	if (words.count == 1) {
		operator_say(
			"All that is in %s would be lost. If that is meant, type: lvremove "
			"%s destroy\n",
			words.at[0], words.at[0]);
		return;
	}
	if (!provider())
		return;
	if (provider()->remove(words.at[0], why))
		operator_say("%s %s.\n", words.at[0], why);
	else
		operator_say("%s is removed.\n", words.at[0]);
}
