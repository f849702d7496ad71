/* `part:`: a partition of any disk, by its PARTUUID or its label. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "drivers/volume/names.h"
#include "drivers/volume/partition.h"
#include "drivers/volume/sources.h"
#include "drivers/volume/why.h"
#include "kernel/lib/plural.h"
#include "kernel/lib/size.h"
#include "kernel/log/log.h"

/* Calls `fn` for every partition of every disk. A disk that can't be read is logged and left
 * out. Returns -ENOMEM, or 0. */
static int for_each(void (*fn)(void *arg, struct blkdev *disk, const struct partition *p),
		    void *arg)
{
	struct blkdev *disk;

	for (unsigned i = 0; (disk = blkdev_at(i)); i++) {
		struct partition_table table;
		int error;

		if (disk->gone)
			continue;
		error = partitions_read(disk, &table);
		if (error == -ENOMEM)
			return error;
		if (error) {
			log_warn("disk", "%s: its partitions cannot be read", disk->name);
			continue;
		}
		for (unsigned p = 0; p < table.count; p++)
			fn(arg, disk, &table.at[p]);
		partitions_free(&table);
	}
	return 0;
}

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" or "xxxxxxxx-xx". */
static bool is_uuid(const char *text)
{
	static const char *const forms[] = {"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
					    "xxxxxxxx-xx"};

	for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
		const char *form = forms[i], *at = text;

		while (*form && (*form == '-' ? *at == '-' : isxdigit((uint8_t)*at))) {
			form++;
			at++;
		}
		if (!*form && !*at)
			return true;
	}
	return false;
}

struct search {
	const char *text;
	bool by_uuid;
	unsigned total, count;
	struct blkdev *disk; /* of the last that matched */
	struct partition partition;
	char there[STORAGE_WHY_BYTES]; /* all there are */
	char match[STORAGE_WHY_BYTES]; /* those that matched */
};

static void consider(void *arg, struct blkdev *disk, const struct partition *p)
{
	struct search *search = arg;
	char size[SIZE_TEXT_BYTES];

	size_text(p->bytes, size);
	if (p->label[0] && !is_uuid(p->label))
		why_add(search->there, "%s part:%s (%s on %s)", search->total++ ? "," : "",
			p->label, size, disk->name);
	else
		why_add(search->there, "%s part:%s (%s on %s)", search->total++ ? "," : "",
			p->uuid, size, disk->name);
	if (search->by_uuid ? strcasecmp(p->uuid, search->text) != 0
			    : strcmp(p->label, search->text) != 0)
		return;
	why_add(search->match, "%s part:%s (%s on %s)", search->count++ ? "," : "", p->uuid,
		size, disk->name);
	search->disk = disk;
	search->partition = *p;
}

static int open_part(const char *text, struct blkdev **dev, char why[STORAGE_WHY_BYTES])
{
	struct search search = {.text = text, .by_uuid = is_uuid(text)};
	int error = for_each(consider, &search);

	why[0] = '\0';
	if (!error && search.count == 1)
		error = partition_open(search.disk, &search.partition, dev);
	if (error) {
		why_add(why, "needs more memory than there is");
	} else if (search.count > 1) {
		why_add(why,
			search.by_uuid ? "names several partitions, of which only one may keep "
					 "that PARTUUID:%s"
				       : "is the label of several partitions; write one of%s",
			search.match);
		error = -EINVAL;
	} else if (search.count == 0) {
		why_add(why,
			search.total ? "names no partition; this machine has%s"
				     : "names no partition: the disks of this machine have "
				       "none%s",
			search.there);
		error = -ENOENT;
	}
	return error;
}

struct listing {
	storage_visit visit;
	void *arg;
};

static void list_one(void *arg, struct blkdev *disk, const struct partition *p)
{
	const struct listing *listing = arg;
	struct storage_volume volume = {.bytes = p->bytes, .disk = disk, .offset = p->offset};

	snprintf(volume.source, sizeof(volume.source), "part:%s", p->uuid);
	if (p->label[0])
		snprintf(volume.about, sizeof(volume.about), "'%s', number %u of %s", p->label,
			 p->number, disk->name);
	else
		snprintf(volume.about, sizeof(volume.about), "number %u of %s", p->number,
			 disk->name);
	listing->visit(listing->arg, &volume);
}

static void list_parts(storage_visit visit, void *arg)
{
	struct listing listing = {visit, arg};

	(void)for_each(list_one, &listing);
}

void part_log(void)
{
	struct blkdev *disk;

	for (unsigned i = 0; (disk = blkdev_at(i)); i++) {
		struct partition_table table;

		if (partitions_read(disk, &table))
			continue;
		if (table.kind)
			log_info("disk", "%s: %s with %u partition%s", disk->name, table.kind,
				 table.count, plural(table.count));
		if (table.fault[0])
			log_warn("disk", "%s: %s", disk->name, table.fault);
		partitions_free(&table);
	}
}

const struct storage_scheme part_scheme = {
	.scheme = "part",
	.open = open_part,
	.parse = names_part,
	.list = list_parts,
	.plain = true,
};
