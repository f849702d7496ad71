/* What is plugged into a port: asking it who it is, and making it a disk. */
#include <errno.h>
#include <stdio.h>

#include "drivers/block/ahci/internal.h"
#include "kernel/log/log.h"

#define IDENTIFY_LIMIT_NS (10 * NSEC_PER_SEC)
#define LIMIT_NS	  (10 * NSEC_PER_SEC)
#define LIMIT_ROTATING_NS (30 * NSEC_PER_SEC) /* a bad block may take a disk that long */

static int identify(struct ahci_port *p, const char **why)
{
	const struct ahci_command command = {.type = AHCI_FRAME_COMMAND,
					     .flags = AHCI_FRAME_IS_COMMAND,
					     .command = ATA_IDENTIFY_DEVICE};
	int err = ahci_port_command(p, &command, sizeof(p->memory->answer), IDENTIFY_LIMIT_NS);

	*why = "it does not say what it is";
	if (err)
		return err;
	*why = "it is no disk that we can use: it needs DMA and 48-bit addresses";
	err = ata_identify(p->memory->answer, &p->identity);
	return err ? err : p->identity.lba48 ? 0 : -ENODEV;
}

/* The disk's first words, after the link came up. */
static int look(struct ahci_port *p, const char **why)
{
	uint32_t signature;
	int err = ahci_port_start(p);

	*why = "it does not become ready";
	if (err)
		return err;
	signature = *ahci_port_register(p, AHCI_PORT_SIG);
	*why = signature == AHCI_SIG_ATAPI	  ? "a drive of discs or tapes (ATAPI)"
	       : signature == AHCI_SIG_MULTIPLIER ? "a port multiplier"
						  : "something that is no disk";
	return signature == AHCI_SIG_ATA ? identify(p, why) : -ENODEV;
}

static unsigned depth_of(const struct ahci_port *p)
{
	if (!(p->controller->cap & AHCI_CAP_NCQ))
		return 1;
	return MIN(p->controller->slots, p->identity.queue_depth);
}

static void describe(struct ahci_port *p)
{
	struct blkdev *dev = &p->dev;
	uint64_t trim = (uint64_t)ATA_TRIM_RANGES * ATA_TRIM_RANGE_BLOCKS_MAX;

	ata_describe(&p->identity, dev);
	p->block_shift = (unsigned)__builtin_ctz(dev->block_bytes);
	dev->ops = &ahci_blkdev_ops;
	dev->max_bytes = AHCI_TRANSFER_MAX;
	dev->discard_align_bytes = dev->physical_block_bytes;
	if (p->identity.trim)
		dev->max_discard_bytes = trim << p->block_shift;
	snprintf(dev->location, sizeof(dev->location), "%s/port%u", p->controller->pci->name,
		 p->index);
}

static int set_up(struct ahci_port *p)
{
	static unsigned count;
	int err;

	if (!(p->controller->cap & AHCI_CAP_NCQ))
		p->identity.ncq = false;
	describe(p);
	snprintf(p->host.name, sizeof(p->host.name), "sata%u", count++);
	snprintf(p->dev.name, sizeof(p->dev.name), "%s", p->host.name);
	p->host.counters = &p->dev.counters;
	p->host.timeout_ns = p->dev.rotational ? LIMIT_ROTATING_NS : LIMIT_NS;
	err = block_host_init(&p->host);
	return err ? err : block_queue_init(&p->queue, &p->host, depth_of(p));
}

int ahci_disk_init(struct ahci_port *p)
{
	const char *why;
	int err = look(p, &why);

	if (err) {
		log_warn(p->controller->name, "port %u: %s: not used", p->index, why);
		return err;
	}
	err = set_up(p);
	if (err)
		log_error(p->controller->name, "port %u: no memory for its disk", p->index);
	return err;
}
