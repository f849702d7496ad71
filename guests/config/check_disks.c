/*
 * The second stage for disks, as far as the document alone tells: forms, serial numbers, one
 * source written by two. What a source is made of, and so whether two different ones overlap,
 * is found out on the machine: kernel/io/storage.h.
 */
#include "guests/config/check.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Whether two texts name one source. Those of the boot partition are files in FAT, which does
 * not tell capitals from small letters. */
static bool same_source(const char *a, const char *b)
{
	static const char esp[] = "esp:";
	const size_t length = sizeof(esp) - 1;

	if (strncmp(a, esp, length) == 0 && strncmp(b, esp, length) == 0)
		return strcasecmp(a, b) == 0;
	return strcmp(a, b) == 0;
}

static bool is_known(const struct checker *checker, const struct config_disk *disk)
{
	return SOUND(checker, disk->source) && SOUND(checker, disk->read_only);
}

/* Another disk with the same source before this one, where they exclude each other. */
static const struct config_disk *find_rival(const struct checker *checker,
					    const struct config_disk *disk,
					    const struct guest_config **owner)
{
	for (*owner = checker->config->guests;; (*owner)++) {
		for (uint32_t i = 0; i < (*owner)->disk_count; i++) {
			const struct config_disk *other = &(*owner)->disks[i];

			if (other == disk)
				return NULL;
			if (is_known(checker, other) &&
			    (!other->read_only || !disk->read_only) &&
			    same_source(other->source, disk->source))
				return other;
		}
	}
}

/* Each RAM disk is one of its own, whatever its text. */
static bool is_shared_kind(const struct config_disk *disk)
{
	return strncmp(disk->source, "ram:", 4) != 0;
}

static void check_source(const struct checker *checker, const struct guest_config *guest,
			 uint32_t index)
{
	const struct config_disk *disk = &guest->disks[index], *rival;
	const struct config_machine *machine = checker->machine;
	char why[CONFIG_WHY_MAX], shown[CONFIG_SHOWN_MAX], place[CONFIG_ON_LINE_MAX];
	const struct guest_config *owner;

	if (!SOUND(checker, disk->source))
		return;
	config_shown(shown, disk->source, strlen(disk->source));
	if (machine->check_source &&
	    machine->check_source(machine->context, disk->source, why)) {
		config_report_add(checker->report, disk->source_mark,
				  "guest '%s': disks[%u].source '%s' %s", guest->name,
				  (unsigned)index, shown, why);
		return;
	}
	rival = is_shared_kind(disk) && is_known(checker, disk)
			? find_rival(checker, disk, &owner)
			: NULL;
	if (rival)
		config_report_add(checker->report, disk->source_mark,
				  "guest '%s': disks[%u].source '%s' is disks[%u] of guest "
				  "'%s'%s too; write 'read_only: true' at both, or "
				  "give each its own",
				  guest->name, (unsigned)index, shown,
				  (unsigned)(rival - owner->disks), owner->name,
				  config_on_line(rival->source_mark, place));
}

static void check_serial(const struct checker *checker, const struct guest_config *guest,
			 uint32_t index)
{
	const struct config_disk *disk = &guest->disks[index];
	struct config_mark mark =
		disk->serial_mark.line ? disk->serial_mark : disk->source_mark;

	for (uint32_t i = 0; i < index && SOUND(checker, disk->serial); i++) {
		if (strcmp(guest->disks[i].serial, disk->serial) != 0 ||
		    !SOUND(checker, guest->disks[i].serial))
			continue;
		config_report_add(checker->report, mark,
				  "guest '%s': disks[%u].serial is '%s', as that of disks[%u]; "
				  "give each disk of a guest its own",
				  guest->name, (unsigned)index, disk->serial, (unsigned)i);
		return;
	}
}

static void check_burst(const struct checker *checker, const struct guest_config *guest,
			uint32_t index, const char *rate, struct config_mark mark)
{
	config_report_add(checker->report, mark,
			  "guest '%s': disks[%u].limits.%s_burst has no meaning without %s; "
			  "add it, or remove the burst",
			  guest->name, (unsigned)index, rate, rate);
}

void config_check_disks(const struct checker *checker)
{
	for (uint32_t i = 0; i < checker->config->guest_count; i++) {
		const struct guest_config *guest = &checker->config->guests[i];

		for (uint32_t j = 0; j < guest->disk_count; j++) {
			const struct config_disk_limits *limits = &guest->disks[j].limits;

			check_source(checker, guest, j);
			check_serial(checker, guest, j);
			if (limits->iops_burst && !limits->iops && SOUND(checker, limits->iops))
				check_burst(checker, guest, j, "iops", limits->iops_burst_mark);
			if (limits->bytes_burst && !limits->bytes_per_second &&
			    SOUND(checker, limits->bytes_per_second))
				check_burst(checker, guest, j, "bandwidth",
					    limits->bytes_burst_mark);
		}
	}
}
