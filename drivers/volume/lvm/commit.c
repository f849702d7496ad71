/* The steps of commit.h. Nothing is written before all areas are known to have room; what was
 * written before the last step is of no effect, and taken back if a disk fails. */
#include "drivers/volume/lvm/commit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An area that the text goes to. */
struct target {
	struct lvm_label *label;
	unsigned area;
	struct lvm_raw_location slot; /* where the new text is */
};

struct commit {
	struct target *targets;
	unsigned count;
	const char *group, *text;
	size_t bytes;
	char *why;
};

static struct lvm_area *area_of(const struct target *target)
{
	return &target->label->areas[target->area];
}

/* ---- where the text goes ------------------------------------------------------------------
 */

/* The sector behind the text that counts, in the ring behind the header (_next_rlocn_offset in
 * LVM2); the first one where there is none yet. */
static uint64_t next_offset(const struct lvm_area *area)
{
	const struct lvm_raw_location *old = &area->header.slots[LVM_COMMITTED];
	uint64_t end = old->offset + old->bytes, size = area->where.bytes;

	if (area->state == LVM_AREA_EMPTY)
		return LVM_SECTOR_BYTES;
	if (end > size)
		end -= size - LVM_SECTOR_BYTES;
	end = ALIGN_UP(end, LVM_SECTOR_BYTES);
	return end > size - LVM_SECTOR_BYTES ? LVM_SECTOR_BYTES : end;
}

/* Two texts fit into the ring, each in whole sectors: so the new one never meets the old. */
static int place_text(const struct commit *commit, struct target *target)
{
	const struct lvm_area *area = area_of(target);
	uint64_t ring = area->where.bytes - LVM_SECTOR_BYTES;
	uint64_t used = ALIGN_UP(area->header.slots[LVM_COMMITTED].bytes, LVM_SECTOR_BYTES);

	target->slot = (struct lvm_raw_location){
		.offset = next_offset(area),
		.bytes = commit->bytes,
		.crc = lvm_crc(commit->text, commit->bytes),
		.flags = area->header.slots[LVM_COMMITTED].flags,
	};
	if (commit->bytes <= ring / 2 - LVM_SECTOR_BYTES &&
	    used + ALIGN_UP(commit->bytes, LVM_SECTOR_BYTES) + LVM_SECTOR_BYTES <= ring)
		return 0;
	snprintf(commit->why, LVM_WHY_BYTES,
		 "needs %llu bytes of metadata, more than %.40s has room for",
		 (unsigned long long)commit->bytes, target->label->disk->name);
	return -ENOSPC;
}

static int find_targets(struct lvm_vg *vg, struct commit *commit)
{
	commit->targets = calloc((size_t)vg->pv_count * LVM_AREAS_MAX, sizeof(struct target));
	if (!commit->targets) {
		snprintf(commit->why, LVM_WHY_BYTES, "needs more memory than there is");
		return -ENOMEM;
	}
	for (unsigned i = 0; i < vg->pv_count; i++) {
		struct lvm_label *label = vg->pvs[i].label;

		for (unsigned a = 0; a < label->area_count; a++)
			if (label->areas[a].state != LVM_AREA_IGNORED)
				commit->targets[commit->count++] =
					(struct target){.label = label, .area = a};
	}
	return 0;
}

/* ---- steps --------------------------------------------------------------------------------
 */

static int failed(const struct commit *commit, const struct target *target, int error)
{
	snprintf(commit->why, LVM_WHY_BYTES,
		 "could not be written to %.40s; nothing is changed",
		 target->label->disk->name);
	return error;
}

/* With zeroes to the end of the last sector. */
static int write_text(const struct commit *commit, const struct target *target)
{
	const struct lvm_area *area = area_of(target);
	size_t padded = ALIGN_UP(commit->bytes, LVM_SECTOR_BYTES);
	size_t first = MIN(padded, area->where.bytes - target->slot.offset);
	struct lvm_disk *disk = target->label->disk;
	char *buf = calloc(1, padded);
	int error;

	if (!buf)
		return -ENOMEM;
	memcpy(buf, commit->text, commit->bytes);
	error = lvm_disk_write(disk, area->where.offset + target->slot.offset, buf, first);
	if (!error && first < padded)
		error = lvm_disk_write(disk, area->where.offset + LVM_SECTOR_BYTES, buf + first,
				       padded - first);
	free(buf);
	return error;
}

static int write_precommit(const struct commit *commit, const struct target *target)
{
	struct lvm_area_header header = area_of(target)->header;

	(void)commit;
	header.slots[LVM_PRECOMMITTED] = target->slot;
	return lvm_label_write_header(target->label, target->area, &header);
}

static int write_commit(const struct commit *commit, const struct target *target)
{
	struct lvm_area_header header = area_of(target)->header;

	(void)commit;
	header.slots[LVM_COMMITTED] = target->slot;
	header.slots[LVM_PRECOMMITTED] = (struct lvm_raw_location){0};
	return lvm_label_write_header(target->label, target->area, &header);
}

/* As it was: after a failure, as far as that goes. */
static int write_back(const struct commit *commit, const struct target *target)
{
	struct lvm_area_header header = area_of(target)->header;

	(void)commit;
	header.slots[LVM_PRECOMMITTED] = (struct lvm_raw_location){0};
	return lvm_label_write_header(target->label, target->area, &header);
}

/* Areas of one disk are neighbours among the targets. */
static int flush_target(const struct commit *commit, const struct target *target)
{
	const struct target *next = target + 1;

	if (next < commit->targets + commit->count && next->label == target->label)
		return 0;
	return target->label->disk->flush(target->label->disk);
}

typedef int (*step_fn)(const struct commit *commit, const struct target *target);

static int each(const struct commit *commit, step_fn step)
{
	for (unsigned i = 0; i < commit->count; i++) {
		const struct target *target = &commit->targets[i];
		int error = step(commit, target);

		if (error)
			return failed(commit, target, error);
	}
	return 0;
}

static int prepare(const struct commit *commit)
{
	int error = each(commit, write_text);

	if (!error)
		error = each(commit, flush_target);
	if (error)
		return error;
	error = each(commit, write_precommit);
	if (!error)
		error = each(commit, flush_target);
	if (error)
		for (unsigned i = 0; i < commit->count; i++)
			if (!write_back(commit, &commit->targets[i]))
				flush_target(commit, &commit->targets[i]);
	return error;
}

/* From the first header that is written, the change counts: whoever reads takes the newest. */
static int finish(const struct commit *commit)
{
	unsigned written = 0;
	int error = 0, result;

	for (unsigned i = 0; i < commit->count; i++) {
		const struct target *target = &commit->targets[i];

		result = write_commit(commit, target);
		if (!result)
			result = target->label->disk->flush(target->label->disk);
		if (!result) {
			written++;
			continue;
		}
		error = failed(commit, target, result);
		if (written)
			break;
	}
	if (error && written)
		snprintf(
			commit->why, LVM_WHY_BYTES,
			"is changed, but not all copies of the metadata could be written: the "
			"next change here renews them, or vgck --updatemetadata %.40s on Linux",
			commit->group);
	return error;
}

int lvm_commit(struct lvm_vg *vg, const char *text, size_t bytes, char why[LVM_WHY_BYTES])
{
	struct commit commit = {.group = vg->name, .text = text, .bytes = bytes, .why = why};
	int error = find_targets(vg, &commit);

	for (unsigned i = 0; i < commit.count && !error; i++)
		error = place_text(&commit, &commit.targets[i]);
	if (!error)
		error = prepare(&commit);
	if (!error)
		error = finish(&commit);
	free(commit.targets);
	return error;
}
