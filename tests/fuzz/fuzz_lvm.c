/*
 * Any bytes as LVM2's metadata. The first byte chooses: a text in an area with the right
 * checksums, or the beginning of a disk, given the checksums that it should have. Whatever is
 * understood is then changed by each command. Beside memory errors this finds: text that
 * changes by being printed, volumes that overlap or leave their disks, changes that touch
 * another volume or make metadata that is wrong.
 */
/* links: drivers/volume/lvm/text.c drivers/volume/lvm/print.c */
/* links: drivers/volume/lvm/disk.c drivers/volume/lvm/label.c */
/* links: drivers/volume/lvm/vg.c drivers/volume/lvm/segment.c */
/* links: drivers/volume/lvm/scan.c drivers/volume/lvm/choose.c */
/* links: drivers/volume/lvm/map.c drivers/volume/lvm/alloc.c */
/* links: drivers/volume/lvm/change.c drivers/volume/lvm/finish.c */
/* links: drivers/volume/lvm/name.c drivers/volume/lvm/commit.c */
/* links: drivers/volume/lvm/lvm.c kernel/lib/size.c kernel/lib/crc32.c */
/* links: tests/unit/lvm_image.c kernel/lib/sort.c tests/unit/fake_turns.c */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/volume/lvm/lvm.h"
#include "drivers/volume/lvm/map.h"
#include "tests/unit/lvm_image.h"

#define CHOICE_DISK 1
#define TEXT_MAX    (LVM_IMAGE_AREA_BYTES / 2 - 1024)

static struct lvm_image a, b;
static struct lvm_disk *disks[] = {&a.disk, &b.disk};

static void require(bool condition)
{
	if (!condition)
		abort();
}

static int no_randomness(void *buf, size_t bytes)
{
	memset(buf, 7, bytes);
	return 0;
}

static const struct lvm_author author = {.host = "node1", .random = no_randomness};

/* Every place of a volume that can be served is on its disk, behind the label. */
static int check_place(void *arg, const struct lvm_place *place)
{
	const struct lvm_vg *vg = arg;
	const struct lvm_disk *disk = vg->pvs[place->pv].label->disk;

	require(place->bytes && place->offset >= LVM_LABEL_AREA_BYTES &&
		place->offset < disk->bytes && place->bytes <= disk->bytes - place->offset);
	return 0;
}

static void check_volume(struct lvm_vg *vg, const struct lvm_lv *lv)
{
	char why[LVM_WHY_BYTES] = "";
	struct lvm_map *map;
	struct lvm_place place;

	if (lvm_vg_check(vg, lv, why)) {
		require(*why);
		return;
	}
	map = lvm_map_create(vg, lv);
	lvm_map_places(map, 0, map->bytes, check_place, vg);
	place = lvm_map_at(map, map->bytes - 1);
	check_place(vg, &place);
	require(place.bytes == 1);
	free(map);
}

static void check_group(struct lvm_vg *vg)
{
	for (unsigned i = 1; i < vg->used_count; i++) {
		const struct lvm_run *x = &vg->used[i - 1], *y = &vg->used[i];

		require(*vg->why || x->pv < y->pv || x->first + x->count <= y->first);
	}
	for (unsigned i = 0; i < vg->lv_count; i++)
		check_volume(vg, &vg->lvs[i]);
}

/* Printed and parsed again, the text stays as it is. */
static void check_text(const struct lvm_vg *vg)
{
	size_t bytes = lvm_text_print(&vg->text.root, NULL, 0);
	char *first = malloc(bytes), *second = malloc(bytes);
	struct lvm_text text = {0};
	char why[LVM_WHY_BYTES];

	lvm_text_print(&vg->text.root, first, bytes);
	require(lvm_text_parse(&text, first, bytes, why) == 0);
	require(lvm_text_print(&text.root, second, bytes) == bytes);
	require(memcmp(first, second, bytes) == 0);
	lvm_text_free(&text);
	free(first);
	free(second);
}

/* How many volumes there are, after all was checked. */
static unsigned look(char path[2 * LVM_NAME_BYTES])
{
	struct lvm_scan scan;
	unsigned count = 0;

	require(lvm_scan(disks, ARRAY_SIZE(disks), &scan) == 0);
	for (struct lvm_vg *vg = scan.vgs; vg; vg = vg->next) {
		check_text(vg);
		check_group(vg);
		count += vg->lv_count;
	}
	path[0] = '\0';
	if (scan.vgs)
		snprintf(path, 2 * LVM_NAME_BYTES, "%s/%s", scan.vgs->name,
			 scan.vgs->lv_count ? scan.vgs->lvs[0].name : "fuzz");
	lvm_scan_free(&scan);
	return count;
}

static void change_all(void)
{
	const struct lvm_job job = {
		.disks = disks, .disk_count = ARRAY_SIZE(disks), .author = &author};
	struct lvm_new new = {.bytes = 3 * MIB, .stripes = 1, .stripe_bytes = LVM_STRIPE_BYTES};
	char path[2 * LVM_NAME_BYTES], other[2 * LVM_NAME_BYTES], why[LVM_WHY_BYTES];
	unsigned count = look(path);
	uint64_t bytes = 5 * MIB;

	if (!*path)
		return;
	snprintf(other, sizeof(other), "%.*s/new", (int)strcspn(path, "/"), path);
	if (!lvm_create(&job, other, &new, &bytes, why))
		require(look(other) == ++count);
	new.stripes = 2;
	snprintf(other, sizeof(other), "%.*s/two", (int)strcspn(path, "/"), path);
	if (!lvm_create(&job, other, &new, &bytes, why))
		require(look(other) == ++count);
	bytes = 5 * MIB;
	if (!lvm_resize(&job, path, &bytes, true, why))
		require(look(other) == count);
	if (!lvm_remove(&job, path, why))
		require(look(other) == --count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static char text[TEXT_MAX + 1];

	if (!bytes)
		return 0;
	lvm_image_init(&a, "a", lvm_image_pv0, 2, 512);
	lvm_image_init(&b, "b", lvm_image_pv1, 1, 4096);
	if (data[0] & CHOICE_DISK) {
		lvm_image_put(&a, 0, 512, lvm_image_text);
		lvm_image_put(&b, 0, 512, lvm_image_text);
		memcpy(a.bytes, data + 1, MIN(bytes - 1, LVM_IMAGE_BYTES));
		lvm_image_mend(&a);
	} else {
		size_t length = MIN(bytes - 1, (size_t)TEXT_MAX);

		memcpy(text, data + 1, length);
		text[length] = '\0';
		lvm_image_put(&a, 0, 512, text);
		lvm_image_put(&a, 1, 512, text);
		lvm_image_put(&b, 0, LVM_IMAGE_AREA_BYTES - 512, text);
	}
	change_all();
	lvm_image_free(&a);
	lvm_image_free(&b);
	return 0;
}
