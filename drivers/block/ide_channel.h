/* One channel of an IDE controller, with one or two disks, and one command at a time for both.
 * Finding the controller is ide.c's. */
#ifndef DRIVERS_BLOCK_IDE_CHANNEL_H
#define DRIVERS_BLOCK_IDE_CHANNEL_H

#include "drivers/block/ata.h"
#include "drivers/block/ide_prd.h"
#include "drivers/block/queue.h"

#define IDE_DRIVES	  2
#define IDE_MAX_BYTES	  (128 * KIB) /* of a command: what 28-bit addressing allows */
#define IDE_REQUEST_BYTES (1 * MIB)

struct ide_drive {
	struct blkdev dev;
	struct ata_identity identity;
	bool present, slave;
	struct ide_channel *channel;
};

struct ide_channel {
	uint16_t command, control, bus_master; /* ports */
	struct ide_drive drives[IDE_DRIVES];
	struct ide_prd *table; /* a page */

	struct block_host host;
	struct block_queue queue;    /* its lock guards the ports, and: */
	struct blk_request *request; /* under way, or NULL */
	struct gather gather;
	bool flushing; /* what was to be written is written */
	struct gather_piece pieces[IDE_PRD_MAX];
};

/* Finds the channel's disks; `location` is the controller's. Sleeps for up to some seconds.
 * Returns how many there are. The ports are set. */
unsigned ide_channel_find(struct ide_channel *c, const char *location, unsigned number);

/* For channels with disks: memory, the queue and its thread. 0 or -ENOMEM. With a thread
 * (c->host.thread) the channel stays, whatever comes. */
int ide_channel_init(struct ide_channel *c);
/* Gives the channel up before ide_channel_go(). */
void ide_channel_stop(struct ide_channel *c);

/* Lets the disks interrupt, once the interrupt is connected to this, with the channel. */
void ide_channel_go(struct ide_channel *c);
bool ide_channel_interrupt(void *channel);

#endif
