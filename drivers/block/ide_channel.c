/* Commands and their ends: "Programming Interface for Bus Master IDE Controller"
 * (SFF-8038i 1.0); ATA/ATAPI-7 volume 2 for what stands on the cable. */
#include "drivers/block/ide_channel.h"

#include <errno.h>
#include <stdio.h>

#include "drivers/block/bounce.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/port.h"
#include "kernel/log/log.h"
#include "kernel/mem/frames.h"
#include "kernel/sched/thread.h"

/* Ports from `command` on; the second name is that of writes. */
enum {
	DATA = 0,
	ERROR = 1,
	FEATURES = 1,
	COUNT = 2,
	LBA_LOW = 3,
	LBA_MID = 4,
	LBA_HIGH = 5,
	DEVICE = 6,
	STATUS = 7,
	COMMAND = 7,
};

/* The port `control`: read, the status without ending an interrupt. */
#define CONTROL_NO_INTERRUPTS 0x02
#define CONTROL_RESET	      0x04

/* Ports from `bus_master` on. */
enum { BM_COMMAND = 0, BM_STATUS = 2, BM_TABLE = 4 };
#define BM_COMMAND_START  0x01
#define BM_COMMAND_TO_RAM 0x08
#define BM_STATUS_ERROR	  0x02 /* this and the next end by writing them as 1 */
#define BM_STATUS_IRQ	  0x04
#define BM_STATUS_DRIVES  0x60 /* firmware's, to be kept */

#define FLOATING	  0xff /* nobody drives the bus */
#define SIGNATURE_ATAPI	  0xeb14
#define TIMEOUT_NS	  (30 * NSEC_PER_SEC) /* a flush may take this long */
#define READY_LIMIT_US	  1000		      /* before a command; interrupts are off */
#define IDENTIFY_LIMIT_NS (3 * NSEC_PER_SEC)
#define RESET_LIMIT_NS	  (31 * NSEC_PER_SEC) /* ATA/ATAPI-7 vol. 2, 9.2 */
#define POLL_NS		  NSEC_PER_MSEC
#define STATUS_DELAY_US	  1 /* 400 ns, until the status is that of who was selected, or told */
#define RESET_PULSE_US	  5
#define RESET_DELAY_NS	  (2 * NSEC_PER_MSEC)

static uint8_t alternate_status(const struct ide_channel *c)
{
	return inb(c->control);
}

static void out(const struct ide_channel *c, unsigned reg, unsigned value)
{
	outb((uint16_t)(c->command + reg), (uint8_t)value);
}

static uint8_t in(const struct ide_channel *c, unsigned reg)
{
	return inb((uint16_t)(c->command + reg));
}

static void select_drive(const struct ide_channel *c, bool slave, unsigned high_bits)
{
	out(c, DEVICE, ATA_DEVICE_LBA | (slave ? ATA_DEVICE_SLAVE : 0) | high_bits);
	clock_delay_us(STATUS_DELAY_US);
}

/* From then on BSY is set until the drive is done (ATA/ATAPI-6, Status register). */
static void send_command(const struct ide_channel *c, enum ata_command command)
{
	out(c, COMMAND, command);
	clock_delay_us(STATUS_DELAY_US);
}

/* Until the drive takes a command, soon, as nothing is under way. */
static bool wait_ready(const struct ide_channel *c)
{
	for (unsigned us = 0; us < READY_LIMIT_US; us++) {
		if (!(alternate_status(c) & (ATA_STATUS_BUSY | ATA_STATUS_DRQ)))
			return true;
		clock_delay_us(1);
	}
	return false;
}

/* Asleep, until BSY is gone. The status, or -ETIMEDOUT. */
static int wait_not_busy(const struct ide_channel *c, uint64_t limit_ns)
{
	uint64_t until = clock_now_ns() + limit_ns;
	uint8_t status;

	while ((status = alternate_status(c)) & ATA_STATUS_BUSY && status != FLOATING) {
		if (clock_now_ns() > until)
			return -ETIMEDOUT;
		thread_sleep_ns(POLL_NS);
	}
	return status;
}

/* Its status before. */
static uint8_t stop_bus_master(const struct ide_channel *c)
{
	uint8_t status = inb((uint16_t)(c->bus_master + BM_STATUS));

	outb((uint16_t)(c->bus_master + BM_COMMAND), 0);
	outb((uint16_t)(c->bus_master + BM_STATUS),
	     (status & BM_STATUS_DRIVES) | BM_STATUS_ERROR | BM_STATUS_IRQ);
	return status;
}

/* Address and count in the registers: twice, the high halves first, with 48 bits. */
static void set_address(const struct ide_channel *c, const struct ide_drive *drive,
			uint64_t block, uint32_t blocks)
{
	bool lba48 = drive->identity.lba48;

	select_drive(c, drive->slave, lba48 ? 0 : (unsigned)(block >> 24 & 0xf));
	if (lba48) {
		out(c, COUNT, blocks >> 8);
		out(c, LBA_LOW, (unsigned)(block >> 24));
		out(c, LBA_MID, (unsigned)(block >> 32));
		out(c, LBA_HIGH, (unsigned)(block >> 40));
	}
	out(c, COUNT, blocks); /* 256 is 0, with 28 bits */
	out(c, LBA_LOW, (unsigned)block);
	out(c, LBA_MID, (unsigned)(block >> 8));
	out(c, LBA_HIGH, (unsigned)(block >> 16));
}

static struct ide_drive *drive_of(const struct blk_request *r)
{
	return container_of(r->dev, struct ide_drive, dev);
}

static enum ata_command data_command(const struct ide_drive *drive, bool read)
{
	if (drive->identity.lba48)
		return read ? ATA_READ_DMA_EXT : ATA_WRITE_DMA_EXT;
	return read ? ATA_READ_DMA : ATA_WRITE_DMA;
}

/* A channel that is busy when it should not be is left to the reset. Nothing was sent, so that
 * what it says until then is not of the request. */
static int busy(struct ide_channel *c)
{
	c->request = NULL;
	block_host_fault(&c->host, "the channel is busy with nothing to do");
	return 0;
}

static int send_data(struct ide_channel *c, const struct blk_request *r)
{
	const struct ide_drive *drive = drive_of(r);
	const struct gather_limits limits = {.pieces = IDE_PRD_MAX,
					     .piece_bytes = IDE_PRD_BOUNDARY,
					     .boundary = IDE_PRD_BOUNDARY,
					     .bytes = IDE_MAX_BYTES,
					     .block_bytes = drive->dev.block_bytes};
	uint64_t block = (r->offset + c->gather.done) / drive->dev.block_bytes;
	uint32_t bytes;
	unsigned n = gather(&c->gather, r, &limits, c->pieces, &bytes);
	uint8_t direction = r->op == BLK_READ ? BM_COMMAND_TO_RAM : 0;

	if (!n)
		return -EINVAL;
	ide_prd_fill(c->table, c->pieces, n);
	stop_bus_master(c);
	outl((uint16_t)(c->bus_master + BM_TABLE), (uint32_t)directmap_phys(c->table));
	outb((uint16_t)(c->bus_master + BM_COMMAND), direction);
	select_drive(c, drive->slave, 0);
	if (!wait_ready(c))
		return busy(c);
	set_address(c, drive, block, bytes / drive->dev.block_bytes);
	send_command(c, data_command(drive, r->op == BLK_READ));
	outb((uint16_t)(c->bus_master + BM_COMMAND), direction | BM_COMMAND_START);
	return 0;
}

static int send_flush(struct ide_channel *c, const struct blk_request *r)
{
	const struct ide_drive *drive = drive_of(r);

	stop_bus_master(c);
	select_drive(c, drive->slave, 0);
	if (!wait_ready(c))
		return busy(c);
	send_command(c, drive->identity.flush_ext ? ATA_FLUSH_CACHE_EXT : ATA_FLUSH_CACHE);
	return 0;
}

static int start(struct block_queue *q, struct blk_request *request)
{
	struct ide_channel *c = container_of(q, struct ide_channel, queue);
	int err;

	c->request = request;
	c->gather = (struct gather){0};
	c->flushing = request->op == BLK_FLUSH;
	err = c->flushing ? send_flush(c, request) : send_data(c, request);
	if (err)
		c->request = NULL; /* it fails, and is its owner's again */
	return err;
}

/* What comes after a command that went well: 1 where another was sent, 0: the request is done.
 */
static int go_on(struct ide_channel *c, const struct blk_request *r)
{
	int err;

	if (!c->flushing && c->gather.done < r->bytes) {
		err = send_data(c, r);
	} else if (r->fua && r->dev->write_cache && !c->flushing) {
		c->flushing = true;
		err = send_flush(c, r);
	} else {
		return 0;
	}
	return err ? err : 1;
}

/* Words for the log about a command that did not go well. */
static const char *what_failed(const struct ide_channel *c, uint8_t status, bool *again)
{
	*again = true;
	if (status & (ATA_STATUS_ERR | ATA_STATUS_DF))
		return ata_error(status, in(c, ERROR), again);
	return status & ATA_STATUS_DRQ ? "it has not taken all data" : "its DMA failed";
}

static void finish(struct ide_channel *c, uint8_t status, uint8_t bus_master)
{
	struct blk_request *r = c->request;
	bool good = !(status & (ATA_STATUS_ERR | ATA_STATUS_DF | ATA_STATUS_DRQ)) &&
		    !(bus_master & BM_STATUS_ERROR);
	int next = good ? go_on(c, r) : -EIO;
	const char *words = "its segments are too many";
	bool again = false;

	if (next > 0)
		return;
	if (!good)
		words = what_failed(c, status, &again);
	c->request = NULL;
	if (next == 0)
		block_queue_done(&c->queue, r->tag);
	else
		block_queue_failed(&c->queue, r->tag, next, again, words);
}

/*
 * A drive clears BSY before it interrupts (ATA/ATAPI-6): with it set, the interrupt meant
 * nothing, and the transfer under way goes on; stopping it would lose it (SFF-8038i). The
 * controller's bit is cleared before the drive is looked at, so that an interrupt that comes
 * meanwhile sets it again. Reading the status ends the drive's interrupt.
 */
static bool reap(struct block_queue *q)
{
	struct ide_channel *c = container_of(q, struct ide_channel, queue);
	uint8_t bus_master = inb((uint16_t)(c->bus_master + BM_STATUS)), status;

	if (!(bus_master & BM_STATUS_IRQ))
		return false;
	outb((uint16_t)(c->bus_master + BM_STATUS),
	     (bus_master & BM_STATUS_DRIVES) | BM_STATUS_IRQ);
	status = in(c, STATUS);
	if (c->request && status & ATA_STATUS_BUSY)
		return true;
	bus_master = stop_bus_master(c);
	if (c->request)
		finish(c, status, bus_master);
	return true;
}

/* What a reset makes a drive forget. It is not looked at whether it worked: what is wrong shows
 * with the next request. */
static void restore_mode(const struct ide_channel *c, const struct ide_drive *drive)
{
	if (!drive->present || !drive->identity.dma_mode)
		return;
	select_drive(c, drive->slave, 0);
	out(c, FEATURES, ATA_FEATURE_TRANSFER_MODE);
	out(c, COUNT, drive->identity.dma_mode);
	send_command(c, ATA_SET_FEATURES);
	wait_not_busy(c, IDENTIFY_LIMIT_NS);
}

/* ATA/ATAPI-7 vol. 2, 9.2. */
static int reset(struct block_host *h)
{
	struct ide_channel *c = container_of(h, struct ide_channel, host);
	uint64_t flags = spin_lock_irqsave(&c->queue.lock);
	int status;

	stop_bus_master(c);
	c->request = NULL;
	outb(c->control, CONTROL_RESET | CONTROL_NO_INTERRUPTS);
	clock_delay_us(RESET_PULSE_US);
	outb(c->control, CONTROL_NO_INTERRUPTS);
	spin_unlock_irqrestore(&c->queue.lock, flags);

	thread_sleep_ns(RESET_DELAY_NS);
	status = wait_not_busy(c, RESET_LIMIT_NS);
	if (status < 0 || status == FLOATING)
		return -ENODEV;
	for (unsigned i = 0; i < IDE_DRIVES; i++)
		restore_mode(c, &c->drives[i]);
	in(c, STATUS);
	stop_bus_master(c);
	outb(c->control, 0);
	return 0;
}

static const char *check(struct block_host *h)
{
	struct ide_channel *c = container_of(h, struct ide_channel, host);

	return alternate_status(c) == FLOATING ? "its ports do not answer" : NULL;
}

static void lost(struct block_host *h)
{
	struct ide_channel *c = container_of(h, struct ide_channel, host);

	for (unsigned i = 0; i < IDE_DRIVES; i++)
		blkdev_set_gone(&c->drives[i].dev);
}

/* Flushes, waited for by looking. */
static void shut_down(struct block_host *h)
{
	struct ide_channel *c = container_of(h, struct ide_channel, host);

	outb(c->control, CONTROL_NO_INTERRUPTS);
	for (unsigned i = 0; i < IDE_DRIVES; i++) {
		const struct ide_drive *drive = &c->drives[i];

		if (!drive->present || !drive->dev.write_cache)
			continue;
		select_drive(c, drive->slave, 0);
		send_command(c,
			     drive->identity.flush_ext ? ATA_FLUSH_CACHE_EXT : ATA_FLUSH_CACHE);
		wait_not_busy(c, TIMEOUT_NS);
	}
}

static const struct block_host_ops host_ops = {.start = start,
					       .reap = reap,
					       .check = check,
					       .reset = reset,
					       .lost = lost,
					       .shutdown = shut_down};

static void submit(struct blkdev *dev, struct blk_request *request)
{
	struct ide_drive *drive = container_of(dev, struct ide_drive, dev);

	if (ide_prd_reaches(request))
		block_queue_submit(&drive->channel->queue, request);
	else
		block_bounce(request);
}

static const struct blkdev_ops blkdev_ops = {.submit = submit};

/* 0 with the answer in `words`; -ENODEV: nobody there, or no disk. */
static int identify(const struct ide_channel *c, bool slave, uint16_t words[ATA_WORDS])
{
	int status;

	select_drive(c, slave, 0);
	out(c, COUNT, 0x55); /* registers that keep nothing are nobody's */
	out(c, LBA_LOW, 0xaa);
	if (in(c, COUNT) != 0x55 || in(c, LBA_LOW) != 0xaa)
		return -ENODEV;
	send_command(c, ATA_IDENTIFY_DEVICE);
	status = alternate_status(c) ? wait_not_busy(c, IDENTIFY_LIMIT_NS) : 0;
	if (status > 0 && in(c, STATUS) & ATA_STATUS_ERR &&
	    (in(c, LBA_HIGH) << 8 | in(c, LBA_MID)) == SIGNATURE_ATAPI)
		return -EOPNOTSUPP;
	if (status <= 0 || !(status & ATA_STATUS_DRQ) || status & ATA_STATUS_ERR)
		return -ENODEV;
	for (unsigned i = 0; i < ATA_WORDS; i++)
		words[i] = inw(c->command + DATA);
	in(c, STATUS);
	return 0;
}

static bool find_drive(struct ide_channel *c, bool slave, const char *where)
{
	struct ide_drive *drive = &c->drives[slave];
	uint16_t words[ATA_WORDS];
	int err = identify(c, slave, words);

	if (err == -EOPNOTSUPP)
		log_info("ide", "%s: an ATAPI device: not used", where);
	if (err)
		return false;
	if (ata_identify(words, &drive->identity)) {
		log_warn("ide", "%s: a disk without DMA or LBA: not used", where);
		return false;
	}
	drive->present = true;
	drive->slave = slave;
	drive->channel = c;
	drive->dev.ops = &blkdev_ops;
	drive->dev.max_bytes = IDE_REQUEST_BYTES;
	ata_describe(&drive->identity, &drive->dev);
	snprintf(drive->dev.location, sizeof(drive->dev.location), "%s", where);
	return true;
}

unsigned ide_channel_find(struct ide_channel *c, const char *location, unsigned number)
{
	char where[BLKDEV_NAME_MAX];
	unsigned count = 0;

	if (in(c, STATUS) == FLOATING)
		return 0;
	outb(c->control, CONTROL_NO_INTERRUPTS);
	stop_bus_master(c);
	for (unsigned i = 0; i < IDE_DRIVES; i++) {
		snprintf(where, sizeof(where), "%s/ata%u-%s", location, number,
			 i ? "slave" : "master");
		count += find_drive(c, i, where);
	}
	return count;
}

/* A page of the host pool, which begins at the lowest addresses that there are. */
static int alloc_table(struct ide_channel *c)
{
	uint64_t phys = frames_alloc(0, NULL);

	if (phys && !ide_prd_reaches_page(phys)) {
		frames_free(phys, 0, NULL);
		phys = 0;
	}
	if (!phys)
		return -ENOMEM;
	c->table = directmap(phys);
	return 0;
}

int ide_channel_init(struct ide_channel *c)
{
	struct blkdev *first = &c->drives[c->drives[0].present ? 0 : 1].dev;
	int err = alloc_table(c);

	if (err)
		return err;
	c->host.ops = &host_ops;
	c->host.counters = &first->counters;
	c->host.timeout_ns = TIMEOUT_NS;
	snprintf(c->host.name, sizeof(c->host.name), "%s", first->name);
	err = block_host_init(&c->host);
	if (err) {
		frames_free(directmap_phys(c->table), 0, NULL);
		c->table = NULL;
		return err;
	}
	return block_queue_init(&c->queue, &c->host, 1);
}

void ide_channel_stop(struct ide_channel *c)
{
	c->host.lost = true;
	outb(c->control, CONTROL_NO_INTERRUPTS);
}

void ide_channel_go(struct ide_channel *c)
{
	in(c, STATUS);
	stop_bus_master(c);
	outb(c->control, 0);
}

bool ide_channel_interrupt(void *channel)
{
	struct ide_channel *c = channel;

	return block_queue_interrupt(&c->queue);
}
