/*
 * An IDE controller with two channels that is played port by port, for the tests of the driver:
 * test_ide.c and test_ide_broken.c.
 */
#ifndef TESTS_UNIT_IDE_MACHINE_H
#define TESTS_UNIT_IDE_MACHINE_H

#include "tests/unit/block_driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block/ata.h"
#include "drivers/block/ide.h"
#include "drivers/block/ide_prd.h"
#include "drivers/block/queue.h"
#include "kernel/cpu/port.h"
#include "kernel/mem/frames.h"

#define DISK_BYTES  (2 * MIB)
#define BUS_MASTER  0xc000
#define NATIVE_BASE 0xd000 /* 0x10 for each of four BARs */

enum { READY = 0x50, BUSY = 0x80, DRQ = 0x08, ERR = 0x01 };
enum { BM_ACTIVE = 0x01, BM_ERROR = 0x02, BM_IRQ = 0x04 };

struct drive {
	bool there, discs;
	uint16_t words[ATA_WORDS];
	uint8_t disk[DISK_BYTES];
};

static struct channel {
	uint64_t settled_ns; /* until then the status may be the last command's, or drive's */
	struct drive drives[2];
	uint16_t command_port, control_port;
	uint8_t now[8], before[8]; /* registers as written, and what was there */
	uint8_t status, error, control;
	uint8_t bm_command, bm_status;
	uint32_t table;
	uint64_t last_block; /* where the last transfer began */
	unsigned word;	     /* of IDENTIFY, that is read next */
	uint8_t pending;
	bool signature;
	irq_handler handler;
	void *arg;

	bool floating, deaf; /* no ports; does not finish */
	bool silent;	     /* no interrupts */
	bool stays_busy;     /* also after a reset */
	unsigned bad;	     /* commands that end with: */
	uint8_t bad_status, bad_error, bad_bm;
	unsigned reads, writes, flushes, modes, resets, ignored;
} channels[2];

/* ---- the controller ---------------------------------------------------------------------- */

static inline struct drive *selected(struct channel *c)
{
	struct drive *d = &c->drives[c->now[6] >> 4 & 1];

	return d->there ? d : NULL;
}

static inline bool lba48(const struct drive *d)
{
	return d->words[83] & BIT(10);
}

static inline uint64_t block_of(const struct channel *c, bool ext)
{
	uint64_t low = c->now[3] | c->now[4] << 8 | c->now[5] << 16;

	if (!ext)
		return low | (uint64_t)(c->now[6] & 0xf) << 24;
	return low | (uint64_t)c->before[3] << 24 | (uint64_t)c->before[4] << 32 |
	       (uint64_t)c->before[5] << 40;
}

/* Memory of a test lies above 4 GiB, so that tables have numbers in place of addresses; with
 * these three in place of ide_prd.c's, which have a test of their own. */
static struct {
	const struct ide_prd *table;
	struct gather_piece pieces[IDE_PRD_MAX];
} filled[2];
static bool far; /* the next page is out of reach */

bool ide_prd_reaches_page(uint64_t phys)
{
	return phys && !far;
}

bool ide_prd_reaches(const struct blk_request *request)
{
	for (unsigned i = 0; i < request->segment_count; i++)
		if ((request->segments[i].phys | request->segments[i].bytes) & 1)
			return false;
	return true;
}

void ide_prd_fill(struct ide_prd *table, const struct gather_piece *pieces, unsigned count)
{
	unsigned n = filled[0].table && filled[0].table != table;

	assert_in_range(count, 1, IDE_PRD_MAX);
	filled[n].table = table;
	for (unsigned i = 0; i < count; i++) {
		uint64_t last = pieces[i].phys + pieces[i].bytes - 1;

		assert_int_equal(pieces[i].phys / IDE_PRD_BOUNDARY, last / IDE_PRD_BOUNDARY);
		filled[n].pieces[i] = pieces[i];
		table[i] = (struct ide_prd){.address = i,
					    .bytes = (uint16_t)pieces[i].bytes,
					    .flags = i + 1 == count ? 0x8000 : 0};
	}
}

/* SFF-8038i 1.0, 1.2: what the table leads to, in order. */
static inline void transfer(struct channel *c, struct drive *d, bool ext, bool read)
{
	uint64_t at = block_of(c, ext) * 512 % DISK_BYTES; /* of a large disk, over and over */
	uint32_t left = (ext ? c->before[2] << 8 | c->now[2] : c->now[2]) * 512u;
	unsigned n = (uint32_t)directmap_phys(filled[0].table) != c->table;
	const struct ide_prd *prd = filled[n].table;

	if (!left)
		left = (ext ? 65536u : 256u) * 512;
	assert_int_equal((uint32_t)directmap_phys(prd), c->table);
	c->last_block = block_of(c, ext);
	assert_int_equal(!!(c->bm_command & 8), read);
	assert_true(at + left <= DISK_BYTES);
	for (;; prd++) {
		uint32_t bytes = prd->bytes ? prd->bytes : 64 * KIB;
		void *memory = directmap(filled[n].pieces[prd->address].phys);

		assert_true(bytes <= left);
		if (read)
			memcpy(memory, d->disk + at, bytes);
		else
			memcpy(d->disk + at, memory, bytes);
		at += bytes;
		left -= bytes;
		if (prd->flags & 0x8000)
			break;
	}
	assert_int_equal(left, 0);
}

static inline void finish(struct channel *c)
{
	uint8_t command = c->pending;
	struct drive *d = selected(c);

	c->pending = 0;
	c->status = READY;
	assert_non_null(d);
	if (c->bad) {
		c->bad--;
		c->status = c->bad_status;
		c->error = c->bad_error;
		c->bm_status |= c->bad_bm;
	} else if (command == ATA_FLUSH_CACHE || command == ATA_FLUSH_CACHE_EXT) {
		c->flushes++;
	} else {
		bool read = command == ATA_READ_DMA || command == ATA_READ_DMA_EXT;
		bool ext = command == ATA_READ_DMA_EXT || command == ATA_WRITE_DMA_EXT;

		assert_true(ext == lba48(d));
		transfer(c, d, ext, read);
		c->reads += read;
		c->writes += !read;
	}
	c->bm_status |= BM_IRQ;
	if (!c->silent && !(c->control & 2))
		c->handler(c->arg);
}

static inline bool work(void)
{
	bool any = false;

	for (unsigned i = 0; i < 2; i++) {
		struct channel *c = &channels[i];
		bool flush = c->pending == ATA_FLUSH_CACHE || c->pending == ATA_FLUSH_CACHE_EXT;

		if (!c->pending || c->deaf || (!flush && !(c->bm_command & BM_ACTIVE)))
			continue;
		finish(c);
		any = true;
	}
	return any;
}

static inline void command(struct channel *c, uint8_t value)
{
	struct drive *d = selected(c);

	if (!d)
		return;
	if (c->status & (BUSY | DRQ)) {
		c->ignored++;
		return;
	}
	c->error = 0;
	c->signature = false;
	switch (value) {
	case ATA_IDENTIFY_DEVICE:
		c->word = 0;
		c->signature = d->discs;
		c->status = d->discs ? READY | ERR : READY | DRQ;
		break;
	case ATA_SET_FEATURES:
		assert_int_equal(c->now[1], 3);
		assert_int_equal(c->now[2], 0x45); /* as firmware chose: Ultra DMA 5 */
		c->modes++;
		c->status = READY;
		break;
	default:
		c->pending = value;
		c->status = BUSY | READY;
		if (c->control & 2 && !c->deaf) /* who looks, and is not interrupted */
			finish(c);
	}
}

static inline struct channel *at(uint16_t port, unsigned *reg)
{
	for (unsigned i = 0; i < 2; i++) {
		struct channel *c = &channels[i];

		*reg = port - c->command_port;
		if (*reg < 8)
			return c;
		*reg = port == c->control_port ? 16 : port - BUS_MASTER - 8 * i + 32;
		if (*reg == 16 || (*reg >= 32 && *reg < 40))
			return c;
	}
	fail_msg("port %#x", port);
	return NULL;
}

uint8_t inb(uint16_t port)
{
	unsigned reg;
	struct channel *c = at(port, &reg);

	if (reg == 32)
		return c->bm_command;
	if (reg == 34)
		return c->bm_status;
	if (c->floating)
		return 0xff;
	if (!selected(c) && reg < 8 && reg != 6)
		return 0;
	switch (reg) {
	case 1: return c->error;
	case 4: return c->signature ? 0x14 : c->now[4];
	case 5: return c->signature ? 0xeb : c->now[5];
	case 7:
	case 16: assert_true(fake_now_ns >= c->settled_ns); return selected(c) ? c->status : 0;
	default: return c->now[reg];
	}
}

uint16_t inw(uint16_t port)
{
	unsigned reg;
	struct channel *c = at(port, &reg);

	assert_int_equal(reg, 0);
	assert_true(c->status & DRQ && c->word < ATA_WORDS);
	if (c->word == ATA_WORDS - 1)
		c->status = READY;
	return selected(c)->words[c->word++];
}

void outb(uint16_t port, uint8_t value)
{
	unsigned reg;
	struct channel *c = at(port, &reg);

	if (reg == 32)
		c->bm_command = value;
	if (reg == 34)
		c->bm_status = (c->bm_status & ~(value & (BM_ERROR | BM_IRQ)) & ~0x60) |
			       (value & 0x60);
	if (reg == 16) {
		if (c->control & 4 && !(value & 4)) {
			c->resets++;
			c->pending = 0;
			c->status = c->stays_busy ? BUSY : READY;
		}
		c->control = value;
	}
	if (reg >= 8)
		return;
	if (reg >= 6)
		c->settled_ns = fake_now_ns + 400; /* what ide_channel.c waits for */
	if (reg == 7) {
		command(c, value);
		return;
	}
	c->before[reg] = c->now[reg];
	c->now[reg] = value;
}

void outl(uint16_t port, uint32_t value)
{
	unsigned reg;
	struct channel *c = at(port, &reg);

	assert_int_equal(reg, 36);
	assert_true(fake_master);
	c->table = value;
}

int irq_connect_isa(unsigned isa_irq, irq_handler handler, void *arg)
{
	struct channel *c = &channels[isa_irq - 14];

	assert_true(isa_irq == 14 || isa_irq == 15);
	if (fake_fails())
		return -EBUSY;
	c->handler = handler;
	c->arg = arg;
	return 0;
}

/* ---- a start ----------------------------------------------------------------------------- */

static inline void put_disk(struct drive *d, bool ext)
{
	d->there = true;
	d->words[10] = 'S' << 8 | '1';
	d->words[49] = 0x300;
	d->words[83] = ext ? 0x7400 : 0x5000; /* FLUSH CACHE, and 48 bits with its own */
	d->words[88] = 0x203f;
	d->words[60] = d->words[100] = DISK_BYTES / 512;
}

static inline int start(void **state)
{
	(void)state;
	fake_block_start();
	memset(channels, 0, sizeof(channels));
	memset(filled, 0, sizeof(filled));
	far = false;
	for (unsigned i = 0; i < 2; i++) {
		channels[i].command_port = i ? 0x170 : 0x1f0;
		channels[i].control_port = i ? 0x376 : 0x3f6;
		channels[i].status = READY;
		channels[i].bm_status = 0x60;
	}
	put_disk(&channels[0].drives[0], true);
	put_disk(&channels[0].drives[1], false);
	channels[1].drives[0] = (struct drive){.there = true, .discs = true};
	channels[1].floating = false;
	fake_pci.class_code = 0x010180;
	fake_pci.bars[4] = (struct pci_bar){.address = BUS_MASTER, .bytes = 16, .io = true};
	fake_hardware = work;
	return 0;
}

static inline struct blkdev *disk_before(const struct blkdev *dev)
{
	struct blkdev *other = NULL;

	for (unsigned i = 0; blkdev_at(i) != dev; i++)
		other = blkdev_at(i);
	return other;
}

#endif
