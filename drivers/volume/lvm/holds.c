/* What one disk or partition says of itself, without looking at the others: whether it is a
 * physical volume, of which group, and what is wrong with it. */
#include <errno.h>
#include <stdio.h>

#include "drivers/volume/lvm/label.h"
#include "drivers/volume/lvm/manage.h"
#include "kernel/io/look.h"

/* A part of a device, to be read. */
struct part {
	struct lvm_disk disk;
	struct blkdev *dev;
	uint64_t offset;
};

static int read_part(struct lvm_disk *disk, uint64_t offset, void *buf, size_t bytes)
{
	const struct part *part = container_of(disk, struct part, disk);

	return look_read(part->dev, part->offset + offset, buf, bytes);
}

/* The first area that says it. */
static int find_group(struct lvm_label *label)
{
	int error = 0;

	for (unsigned a = 0; a < label->area_count && !error; a++)
		if (label->areas[a].state == LVM_AREA_GOOD)
			error = lvm_label_read_name(label, a);
	return error;
}

int lvm_holds(struct blkdev *dev, uint64_t offset, uint64_t bytes, char what[STORAGE_WHY_BYTES])
{
	struct part part = {
		.disk = {.name = dev->name,
			 .bytes = bytes,
			 .block_bytes = dev->block_bytes,
			 .read = read_part},
		.dev = dev,
		.offset = offset,
	};
	struct lvm_label label;
	int error = lvm_label_read(&part.disk, &label);

	if (!error)
		error = find_group(&label);
	if (error)
		return error == -ENOENT ? 0 : error;
	snprintf(what, STORAGE_WHY_BYTES, "is a physical volume of LVM2's%s%.40s%s%.120s",
		 *label.group ? ", of the group " : "", label.group, *label.why ? ", and " : "",
		 label.why);
	return 1;
}
