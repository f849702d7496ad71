/* The inside of the AHCI driver: controller, ports, and which file does what. */
#ifndef DRIVERS_BLOCK_AHCI_INTERNAL_H
#define DRIVERS_BLOCK_AHCI_INTERNAL_H

#include "drivers/block/ahci/spec.h"
#include "drivers/block/ata.h"
#include "drivers/block/queue.h"
#include "drivers/bus/pci.h"
#include "drivers/bus/wait.h"

#define AHCI_TRANSFER_MAX (512 * KIB) /* of one command; its pages are less than AHCI_PRDS */

/* A port with a disk: a host of its own, with one queue. Fixed once set up, save what
 * queue.lock guards. */
struct ahci_port {
	struct block_host host;
	struct block_queue queue;
	struct blkdev dev;
	struct ahci_controller *controller;
	unsigned index;
	volatile char *registers;
	struct ahci_port_memory *memory;
	struct ahci_table *tables; /* of each slot */
	uint64_t memory_phys, tables_phys;
	struct ata_identity identity;
	unsigned block_shift;
	uint32_t interrupts; /* of AHCI_PORT_IE, once it is a disk */

	/* Guarded by queue.lock. */
	uint32_t prepared, issued; /* tags: the hardware does not know yet; it does */
	bool queued;		   /* these are queued commands; else there is one at most */
	unsigned one_by_one;	   /* so many commands are not queued: to see which one fails */
	bool frozen;		   /* a command failed, or recovery is on: CI says nothing */
	bool command_failed;	   /* that is why it is frozen */
	uint32_t error_tfd;	   /* the task file when it froze; 0: it did not */
};

struct ahci_controller {
	struct pci_device *pci;
	volatile char *registers;
	uint32_t cap;
	unsigned slots;
	char name[BLKDEV_NAME_MAX];
	struct ahci_port *ports[AHCI_PORTS_MAX]; /* NULL: no disk */
};

static inline volatile uint32_t *ahci_register(const struct ahci_controller *c, unsigned offset)
{
	return (volatile uint32_t *)(c->registers + offset);
}

static inline volatile uint32_t *ahci_port_register(const struct ahci_port *p, unsigned offset)
{
	return (volatile uint32_t *)(p->registers + offset);
}

/* port.c: a port as such. On a thread, may sleep, with nothing under way through queue. */
int ahci_port_alloc(struct ahci_port *p);
void ahci_port_free(struct ahci_port *p); /* once it is off */
void ahci_port_power_on(struct ahci_port *p);
int ahci_port_stop(struct ahci_port *p);
int ahci_port_start(struct ahci_port *p);
/* COMRESET, until the disk is ready for commands. */
int ahci_port_reset(struct ahci_port *p);
/* For good: nothing that is plugged in is heard any more, and no memory is written. Where the
 * port does not stop, the controller loses its way to memory, and so do its other disks. */
void ahci_port_off(struct ahci_port *p);
/* One command, polled. `bytes` of answer go to memory->answer; 0: it has none. After an error
 * the port is started again. 0, -EIO, -ETIMEDOUT, -ENODEV. */
int ahci_port_command(struct ahci_port *p, const struct ahci_command *command, unsigned bytes,
		      uint64_t limit_ns);

/* io.c */
extern const struct blkdev_ops ahci_blkdev_ops;
int ahci_start(struct block_queue *q, struct blk_request *r);
void ahci_ring(struct block_queue *q);
bool ahci_reap(struct block_queue *q);

/* recovery.c */
const char *ahci_check(struct block_host *h);
int ahci_recover(struct block_host *h);
void ahci_lost(struct block_host *h);
void ahci_shutdown(struct block_host *h);

/* disk.c: what is plugged into the port becomes a disk. 0, or a negative errno, logged. */
int ahci_disk_init(struct ahci_port *p);

#endif
