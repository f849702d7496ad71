/* Namespaces: which there are, what they can, and the blkdev of each. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/block/nvme/internal.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"

#define BLOCK_SHIFT_MIN	   9
#define BLOCK_SHIFT_MAX	   12
#define COMMAND_BLOCKS_MAX 65536
#define DISCARD_BYTES_MAX  (1 * GIB) /* a controller may take its time for each command */

static int identify(struct nvme_controller *c, enum nvme_identify what, uint32_t id,
		    uint64_t phys)
{
	const struct nvme_command command = {.opcode = NVME_ADMIN_IDENTIFY,
					     .namespace_id = id,
					     .prp1 = phys,
					     .dword10 = what};

	return nvme_admin(c, command, NULL);
}

/* Text as controllers give it: filled up with spaces, not ended. */
static void copy_text(char *out, const char *in, size_t bytes)
{
	while (bytes && (in[bytes - 1] == ' ' || in[bytes - 1] == '\0'))
		bytes--;
	while (bytes && *in == ' ') {
		in++;
		bytes--;
	}
	memcpy(out, in, bytes);
	out[bytes] = '\0';
}

static void keep_controller(struct nvme_controller *c,
			    const struct nvme_identify_controller *id)
{
	copy_text(c->serial, id->serial, sizeof(id->serial));
	copy_text(c->model, id->model, sizeof(id->model));
	c->oncs = id->oncs;
	c->vwc = id->vwc;
	c->transfer_bytes_max = NVME_TRANSFER_MAX;
	if (id->mdts && id->mdts < 8)
		c->transfer_bytes_max =
			MIN((uint32_t)PAGE_BYTES << id->mdts, (uint32_t)NVME_TRANSFER_MAX);
}

static void set_limits(struct nvme_namespace *ns, const struct nvme_identify_namespace *id)
{
	const struct nvme_controller *c = ns->controller;
	struct blkdev *dev = &ns->dev;
	uint64_t most = (uint64_t)COMMAND_BLOCKS_MAX << ns->block_shift;

	dev->block_bytes = 1u << ns->block_shift;
	dev->bytes = id->blocks << ns->block_shift;
	dev->max_bytes = (uint32_t)MIN(most, (uint64_t)c->transfer_bytes_max);
	dev->physical_block_bytes = dev->discard_align_bytes = dev->block_bytes;
	if (id->features & NVME_FEATURE_OPTIMAL) {
		dev->physical_block_bytes *= id->preferred_write + 1u;
		dev->discard_align_bytes *= id->preferred_discard_align + 1u;
	}
	if (c->oncs & NVME_ONCS_DSM)
		dev->max_discard_bytes = DISCARD_BYTES_MAX;
	if (c->oncs & NVME_ONCS_ZEROES)
		dev->max_zeroes_bytes = dev->max_bytes; /* 5.15.2.2: MDTS need not hold here,
							 * but controllers apply it */
	dev->read_only = id->attributes & NVME_ATTRIBUTE_PROTECTED;
	dev->write_cache = c->vwc & NVME_VWC_PRESENT;
}

static void name_namespace(struct nvme_namespace *ns, bool alone)
{
	struct nvme_controller *c = ns->controller;
	struct blkdev *dev = &ns->dev;
	char suffix[sizeof("n4294967295")] = "";

	if (!alone)
		snprintf(suffix, sizeof(suffix), "n%u", ns->id);
	snprintf(dev->name, sizeof(dev->name), "%.16s%s", c->host.name, suffix);
	snprintf(dev->serial, sizeof(dev->serial), "%s%s%s", c->serial, alone ? "" : "-",
		 suffix);
	snprintf(dev->location, sizeof(dev->location), "%.18s%s%s", c->pci->name,
		 alone ? "" : "/", suffix);
	memcpy(dev->model, c->model, sizeof(c->model));
}

/* Makes a blkdev of the namespace that `id` describes, if it can be one. */
static int add_namespace(struct nvme_controller *c, uint32_t number,
			 const struct nvme_identify_namespace *id)
{
	const struct nvme_lba_format *format = &id->formats[NVME_FORMAT(id->format)];
	struct nvme_namespace *ns;

	if (!id->blocks)
		return 0; /* inactive */
	if (format->metadata_bytes || format->data_shift < BLOCK_SHIFT_MIN ||
	    format->data_shift > BLOCK_SHIFT_MAX) {
		log_warn(c->host.name,
			 "namespace %u has blocks of 2^%u bytes with %u of metadata: not used; "
			 "format it with 512 or 4096 bytes and none",
			 number, format->data_shift, format->metadata_bytes);
		return 0;
	}
	ns = heap_zalloc(sizeof(*ns), NULL);
	if (!ns)
		return -ENOMEM;
	ns->controller = c;
	ns->id = number;
	ns->block_shift = format->data_shift;
	ns->dev.ops = &nvme_blkdev_ops;
	set_limits(ns, id);
	c->namespaces[c->namespace_count++] = ns;
	return 0;
}

/* The active ones, in a page of their numbers (5.15.2.3), or, before 1.1, which refuses that,
 * all. */
static int list_namespaces(struct nvme_controller *c, uint64_t phys, uint32_t highest)
{
	uint32_t *numbers = directmap(phys);
	int err = identify(c, NVME_IDENTIFY_LIST, 0, phys);

	if (err != -EIO)
		return err;
	for (uint32_t i = 0; i < NVME_NAMESPACE_LIST_LENGTH; i++)
		numbers[i] = i < highest ? i + 1 : 0;
	return 0;
}

static int add_namespaces(struct nvme_controller *c, uint64_t list, uint64_t page)
{
	const uint32_t *numbers = directmap(list);
	int err = 0;

	for (uint32_t i = 0; i < NVME_NAMESPACE_LIST_LENGTH && numbers[i] && !err; i++) {
		if (c->namespace_count == NVME_NAMESPACES_MAX) {
			log_warn(c->host.name, "has more than %u namespaces: these are used",
				 NVME_NAMESPACES_MAX);
			break;
		}
		err = identify(c, NVME_IDENTIFY_NAMESPACE, numbers[i], page);
		if (!err)
			err = add_namespace(c, numbers[i], directmap(page));
	}
	for (unsigned i = 0; i < c->namespace_count; i++)
		name_namespace(c->namespaces[i], c->namespace_count == 1);
	return err;
}

int nvme_namespaces_init(struct nvme_controller *c)
{
	uint64_t page = frames_alloc(0, NULL), list = frames_alloc(0, NULL);
	const struct nvme_identify_controller *id = directmap(page);
	int err = -ENOMEM;

	if (page && list)
		err = identify(c, NVME_IDENTIFY_CONTROLLER, 0, page);
	if (!err) {
		keep_controller(c, id);
		err = list_namespaces(c, list, id->namespace_count);
	}
	if (!err)
		err = add_namespaces(c, list, page);
	if (err) /* an answer that is still to come would be written to freed pages */
		pci_disable(c->pci, PCI_ENABLE_MASTER);
	if (page)
		frames_free(page, 0, NULL);
	if (list)
		frames_free(list, 0, NULL);
	return err;
}
