/*
 * lvmtool: the hypervisor's own LVM code on image files or devices of the build machine, for
 * tests. Not for managing a machine's disks: it takes no locks of LVM2's.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "drivers/volume/lvm/alloc.h"
#include "drivers/volume/lvm/lvm.h"
#include "drivers/volume/lvm/map.h"
#include "tools/lvm/image.h"

#define IMAGES_MAX 32
#define COPY_BYTES (64 * KIB)

static const char usage[] =
	"usage: lvmtool [OPTION]... COMMAND IMAGE...\n"
	"  list                      groups, volumes, segments\n"
	"  create VG/LV SIZE         SIZE in bytes, or with K, M, G\n"
	"  resize VG/LV SIZE\n"
	"  remove VG/LV\n"
	"  read VG/LV                its bytes, to the output\n"
	"  --stripes N, --stripe SIZE  of create\n"
	"  --shrink                    resize may lose what is behind the new end\n"
	"  --block BYTES               of the disks: 512 to 4096\n"
	"  --cut N                     the power goes with the Nth write: exit status 3\n"
	"  --lost SEED                 what was not flushed then: 0 all lost, 1 nothing, else "
	"some\n"
	"  --count                     print the number of writes at the end\n";

static struct lvm_disk *disks[IMAGES_MAX];
static unsigned disk_count;
static struct lvm_new wanted = {.stripes = 1, .stripe_bytes = LVM_STRIPE_BYTES};
static bool may_shrink, count_writes;
static uint32_t block_bytes = LVM_SECTOR_BYTES;
static struct image_cut cut;
static char why[LVM_WHY_BYTES];

static int random_bytes(void *buf, size_t bytes)
{
	return getrandom(buf, bytes, 0) == (ssize_t)bytes ? 0 : -EIO;
}

static uint64_t size_of(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	uint64_t size = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (end == text || (*end && !unit)) {
		fprintf(stderr, "lvmtool: %s is no size\n", text);
		exit(2);
	}
	return unit ? size << 10 * (unit - units + 1) : size;
}

/* ---- commands that read ------------------------------------------------------------------ */

static void list_volume(const struct lvm_vg *vg, const struct lvm_lv *lv)
{
	bool served = lvm_vg_check(vg, lv, why) == 0;

	printf("lv %s/%s extents %u %s%s\n", vg->name, lv->name, lv->extents,
	       served ? "served" : "not served: it ", served ? "" : why);
	for (unsigned i = 0; i < lv->segment_count; i++) {
		const struct lvm_segment *segment = &lv->segments[i];

		printf("segment %s/%s %u %u %s %u %u", vg->name, lv->name, segment->first,
		       segment->count, segment->type, segment->stripes, segment->stripe_bytes);
		for (unsigned s = 0; segment->areas && s < segment->stripes; s++) {
			const struct lvm_run *area = &segment->areas[s];
			const struct lvm_label *label = vg->pvs[area->pv].label;

			printf(" %s:%u-%u", label ? label->disk->name : "?", area->first,
			       area->first + area->count - 1);
		}
		printf("\n");
	}
}

static int list(const struct lvm_scan *scan)
{
	if (*scan->problem)
		printf("problem: %s\n", scan->problem);
	for (unsigned i = 0; i < scan->label_count; i++) {
		const struct lvm_label *label = &scan->labels[i];

		if (!label->vg)
			printf("pv %s group %s: it %s\n", label->disk->name,
			       *label->group ? label->group : "?", label->why);
	}
	for (const struct lvm_vg *vg = scan->vgs; vg; vg = vg->next) {
		char id[LVM_ID_TEXT_BYTES];

		lvm_label_id_text(vg->id, id);
		printf("vg %s %s seqno %u extent %llu free %llu%s%s%s%s\n", vg->name, id,
		       vg->seqno, (unsigned long long)vg->extent_bytes,
		       (unsigned long long)lvm_alloc_free(vg),
		       *vg->why ? " not served: it " : "", vg->why,
		       *vg->keep_why ? " kept: it " : "", vg->keep_why);
		if (*vg->note)
			printf("note: %s %s\n", vg->name, vg->note);
		for (unsigned i = 0; i < vg->lv_count; i++)
			list_volume(vg, &vg->lvs[i]);
	}
	return 0;
}

static int copy_out(const struct lvm_vg *vg, const struct lvm_lv *lv)
{
	struct lvm_map *map = lvm_map_create(vg, lv);
	static uint8_t buf[COPY_BYTES];
	int error = map ? 0 : -ENOMEM;

	for (uint64_t at = 0; !error && at < map->bytes;) {
		struct lvm_place place = lvm_map_at(map, at);
		size_t bytes = MIN(place.bytes, COPY_BYTES);

		error = lvm_disk_read(vg->pvs[place.pv].label->disk, place.offset, buf, bytes);
		if (!error && fwrite(buf, 1, bytes, stdout) != bytes)
			error = -EIO;
		at += bytes;
	}
	free(map);
	return error;
}

static int look(const char *command, const char *path)
{
	struct lvm_scan scan;
	struct lvm_vg *vg;
	struct lvm_lv *lv;
	int error = lvm_scan(disks, disk_count, &scan);

	if (error)
		return error;
	if (strcmp(command, "list") == 0) {
		error = list(&scan);
	} else {
		error = lvm_scan_volume(&scan, path, &vg, &lv, why);
		if (!error)
			error = lvm_vg_check(vg, lv, why);
		if (!error)
			error = copy_out(vg, lv);
	}
	lvm_scan_free(&scan);
	return error;
}

/* ---- commands that change ---------------------------------------------------------------- */

static int change(const char *command, const char *path, const char *size)
{
	char host[64] = "lvmtool";
	const struct lvm_author author = {
		.host = host, .time_s = (uint64_t)time(NULL), .random = random_bytes};
	const struct lvm_job job = {
		.disks = disks, .disk_count = disk_count, .author = &author};
	uint64_t bytes;

	if (strcmp(command, "remove") == 0)
		return lvm_remove(&job, path, why);
	bytes = wanted.bytes = size_of(size);
	if (strcmp(command, "create") == 0)
		return lvm_create(&job, path, &wanted, &bytes, why);
	return lvm_resize(&job, path, &bytes, may_shrink, why);
}

static const struct command {
	const char *name;
	unsigned words;
	bool changes;
} commands[] = {
	{"list", 0, false},  {"read", 1, false},  {"create", 2, true},
	{"resize", 2, true}, {"remove", 1, true},
};

static int run(int count, char **words)
{
	const struct command *command = NULL;
	int error;

	for (unsigned i = 0; count && i < ARRAY_SIZE(commands); i++)
		if (strcmp(words[0], commands[i].name) == 0)
			command = &commands[i];
	if (!command || (unsigned)count < 2 + command->words ||
	    (unsigned)count - 1 - command->words > IMAGES_MAX) {
		fputs(usage, stderr);
		return 2;
	}
	for (int i = 1 + (int)command->words; i < count; i++)
		disks[disk_count++] = image_open(words[i], block_bytes);
	image_set_cut(&cut);
	error = command->changes ? change(words[0], words[1], words[2])
				 : look(words[0], words[1]);
	image_sync();
	if (error)
		fprintf(stderr, "%s %s\n", words[command->words ? 1 : 0],
			*why ? why : strerror(-error));
	if (count_writes)
		printf("%lu writes\n", image_writes());
	return error ? 1 : 0;
}

int main(int count, char **words)
{
	static const struct option options[] = {
		{"stripes", required_argument, NULL, 's'},
		{"stripe", required_argument, NULL, 'S'},
		{"shrink", no_argument, NULL, 'h'},
		{"block", required_argument, NULL, 'b'},
		{"cut", required_argument, NULL, 'c'},
		{"lost", required_argument, NULL, 'l'},
		{"count", no_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(count, words, "+", options, NULL)) != -1) {
		switch (option) {
		case 's': wanted.stripes = (uint32_t)size_of(optarg); break;
		case 'S': wanted.stripe_bytes = (uint32_t)size_of(optarg); break;
		case 'h': may_shrink = true; break;
		case 'b': block_bytes = (uint32_t)size_of(optarg); break;
		case 'c': cut.at_write = (unsigned long)size_of(optarg); break;
		case 'l': cut.lost = (unsigned long)size_of(optarg); break;
		case 'n': count_writes = true; break;
		default: fputs(usage, stderr); return 2;
		}
	}
	return run(count - optind, words + optind);
}
