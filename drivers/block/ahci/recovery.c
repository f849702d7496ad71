/* Commands that failed, disks that do not answer or were unplugged, power-off: AHCI 1.3.1,
 * 6.2.2. */
#include <errno.h>

#include "drivers/block/ahci/internal.h"

#define LOG_LIMIT_NS   (2 * NSEC_PER_SEC)
#define FLUSH_LIMIT_NS (30 * NSEC_PER_SEC)

static const struct ahci_command plain = {
	.type = AHCI_FRAME_COMMAND, .flags = AHCI_FRAME_IS_COMMAND, .device = ATA_DEVICE_LBA};

/* What went wrong when commands failed. */
struct failure {
	int tag; /* -1: not known which */
	uint8_t status, error;
};

/* Asks the disk which of its queued commands failed, and how; it takes no other before. */
static struct failure ask_disk(struct ahci_port *p)
{
	const uint8_t *log = (const uint8_t *)p->memory->answer;
	struct ahci_command command = plain;

	command.command = ATA_READ_LOG_EXT;
	command.lba0 = AHCI_LOG_QUEUED_ERROR;
	command.count = 1;
	if (ahci_port_command(p, &command, sizeof(p->memory->answer), LOG_LIMIT_NS) ||
	    log[0] & AHCI_LOG_NOT_QUEUED)
		return (struct failure){.tag = -1};
	return (struct failure){log[0] & AHCI_LOG_TAG, log[AHCI_LOG_STATUS],
				log[AHCI_LOG_ERROR]};
}

/* Brings the port back after a command failed, and finds out which: 1, or as
 * ahci_port_reset() where that was needed. */
static int restart(struct ahci_port *p, struct failure *failure)
{
	int err = ahci_port_stop(p);

	if (!err)
		err = *ahci_port_register(p, AHCI_PORT_TFD) & (ATA_STATUS_BUSY | ATA_STATUS_DRQ)
			      ? -EBUSY
			      : ahci_port_start(p);
	if (err)
		return ahci_port_reset(p);
	if (p->queued)
		*failure = ask_disk(p);
	else if (p->issued)
		*failure = (struct failure){__builtin_ctz(p->issued),
					    AHCI_TFD_STATUS(p->error_tfd),
					    AHCI_TFD_ERROR(p->error_tfd)};
	return 1;
}

static void forget_all(struct ahci_port *p, const struct failure *failure)
{
	uint64_t flags = spin_lock_irqsave(&p->queue.lock);
	unsigned failed = (unsigned)__builtin_popcount(p->issued);
	bool again;

	if (failure->tag >= 0) {
		const char *words = ata_error(failure->status, failure->error, &again);

		block_queue_failed(&p->queue, (uint32_t)failure->tag, -EIO, again, words);
	} else if (p->queued) {
		p->one_by_one = failed;
	}
	p->issued = p->prepared = 0;
	p->command_failed = false;
	p->error_tfd = 0;
	p->frozen = false;
	spin_unlock_irqrestore(&p->queue.lock, flags);
}

/* From here on no interrupt is looked at. */
static void freeze(struct ahci_port *p)
{
	uint64_t flags = spin_lock_irqsave(&p->queue.lock);

	p->frozen = true;
	*ahci_port_register(p, AHCI_PORT_IE) = 0;
	spin_unlock_irqrestore(&p->queue.lock, flags);
}

const char *ahci_check(struct block_host *h)
{
	const struct ahci_port *p = container_of(h, struct ahci_port, host);
	uint32_t link = *ahci_port_register(p, AHCI_PORT_SSTS);

	return link == WAIT_ABSENT		    ? "the controller is not there any more"
	       : (link & AHCI_DET) == AHCI_DET_NONE ? "the disk is not there any more"
						    : NULL;
}

int ahci_recover(struct block_host *h)
{
	struct ahci_port *p = container_of(h, struct ahci_port, host);
	struct failure failure = {.tag = -1};
	int err;

	freeze(p);
	err = p->command_failed ? restart(p, &failure) : ahci_port_reset(p);
	if (err < 0)
		return err;
	forget_all(p, &failure);
	*ahci_port_register(p, AHCI_PORT_IE) = p->interrupts;
	return err;
}

void ahci_lost(struct block_host *h)
{
	struct ahci_port *p = container_of(h, struct ahci_port, host);

	ahci_port_off(p);
	blkdev_set_gone(&p->dev);
}

/* Its cache is written, and its heads are parked. */
void ahci_shutdown(struct block_host *h)
{
	struct ahci_port *p = container_of(h, struct ahci_port, host);
	struct ahci_command command = plain;

	freeze(p);
	if (p->issued && ahci_port_reset(p) < 0)
		return; /* a command that never ended still has the slots */
	command.command = p->identity.flush_ext ? ATA_FLUSH_CACHE_EXT : ATA_FLUSH_CACHE;
	if (p->dev.write_cache && ahci_port_command(p, &command, 0, FLUSH_LIMIT_NS))
		block_host_log(h, h->name, "it did not say that its cache is written");
	command.command = ATA_STANDBY_IMMEDIATE;
	(void)ahci_port_command(p, &command, 0, FLUSH_LIMIT_NS);
}
