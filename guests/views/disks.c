/* What the views of disks hold. docs/counters.md is made of it. */
#include "guests/views/disks.h"

#define GAUGE(member, unit, help)   VIEW_FIELD(VIEW, member, VIEW_GAUGE, unit, help)
#define COUNTER(member, unit, help) VIEW_FIELD(VIEW, member, VIEW_COUNTER, unit, help)
#define INFO(member, help)	    VIEW_FIELD(VIEW, member, VIEW_INFO, VIEW_NONE, help)
#define NOTE(member, help)	    VIEW_FIELD(VIEW, member, VIEW_NOTE, VIEW_NONE, help)

#define VIEW			    disk_view
static const struct view_field disk_fields[] = {
	VIEW_NAMED(VIEW, name, "disk", "Name of the disk."),
	INFO(model, "What it calls itself."),
	INFO(serial, "Its serial number; empty if it has none."),
	INFO(location, "Where it is plugged in."),
	GAUGE(bytes, VIEW_BYTES, "Size."),
	GAUGE(block_bytes, VIEW_BYTES, "Size of its blocks."),
	GAUGE(read_only, VIEW_FLAG, "Whether it can only be read."),
	GAUGE(write_cache, VIEW_FLAG, "Whether writes are safe only after a flush."),
	GAUGE(rotational, VIEW_FLAG, "Whether it rotates."),
	GAUGE(gone, VIEW_FLAG, "Whether it was given up."),
	COUNTER(reads, VIEW_NONE, "Reads that are done."),
	COUNTER(writes, VIEW_NONE, "Writes that are done."),
	COUNTER(flushes, VIEW_NONE, "Flushes that are done."),
	COUNTER(discards, VIEW_NONE, "Discards that are done."),
	COUNTER(zeroes, VIEW_NONE, "Requests to write zeroes that are done."),
	COUNTER(errors, VIEW_NONE, "Requests that failed in the end."),
	COUNTER(bytes_read, VIEW_BYTES, "Data read."),
	COUNTER(bytes_written, VIEW_BYTES, "Data written."),
	COUNTER(bytes_copied, VIEW_BYTES, "Data that the CPU had to copy."),
	COUNTER(doorbells, VIEW_NONE, "Times that it was told of requests."),
	COUNTER(interrupts, VIEW_NONE, "Interrupts that it sent."),
	COUNTER(retries, VIEW_NONE, "Requests sent to it again."),
	COUNTER(timeouts, VIEW_NONE, "Requests that were late."),
	COUNTER(resets, VIEW_NONE, "Times that it was reset."),
};
const struct view_table disk_table =
	VIEW_TABLE(VIEW, "disks", "disk", disk_fields, "A disk of the machine.");

#undef VIEW
#define VIEW source_view
static const struct view_field source_fields[] = {
	VIEW_NAMED(VIEW, source, "source", "As a configuration names it."),
	NOTE(about, "What it is."),
	INFO(owner, "The guest that has it or a part of it; empty: nobody."),
	NOTE(holds, "What it holds that is not one guest's alone, as the rest of a sentence."),
	GAUGE(bytes, VIEW_BYTES, "Size."),
};
const struct view_table source_table =
	VIEW_TABLE(VIEW, "sources", NULL, source_fields, "What can be a guest's disk.");

#undef VIEW
#define VIEW group_view
static const struct view_field group_fields[] = {
	VIEW_NAMED(VIEW, name, "group", "Name of the group."),
	NOTE(why, "Why it is not served or not changed, or what to know besides, as the rest "
		  "of a sentence."),
	GAUGE(bytes, VIEW_BYTES, "Size of the extents of all its disks."),
	GAUGE(free_bytes, VIEW_BYTES, "What no volume has."),
	GAUGE(disks, VIEW_NONE, "Disks of the group."),
	GAUGE(volumes, VIEW_NONE, "Volumes of the group."),
};
const struct view_table group_table =
	VIEW_TABLE(VIEW, "groups", NULL, group_fields, "A volume group of LVM2's.");

#undef VIEW
#define VIEW stray_view
static const struct view_field stray_fields[] = {
	VIEW_NAMED(VIEW, disk, "disk", "The disk or partition."),
	INFO(group, "The group that it says it is of; empty: none, or not known."),
	NOTE(why, "Why it is in none, as the rest of a sentence."),
	GAUGE(bytes, VIEW_BYTES, "Size."),
};
const struct view_table stray_table = VIEW_TABLE(
	VIEW, "strays", NULL, stray_fields, "A physical volume of LVM2's in no volume group.");
