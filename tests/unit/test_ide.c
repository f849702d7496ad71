/* The IDE driver on a controller that is played port by port: what is found, data on both
 * drives of a channel, errors, interrupts that mean nothing, silence, and too little of
 * everything. */
/* links: drivers/block/ide.c drivers/block/ide_channel.c */
/* links: drivers/block/ata.c drivers/block/gather.c drivers/block/queue.c drivers/block/host.c
 */
/* links: drivers/block/bounce.c kernel/io/blkdev.c */
/* links: tests/unit/fake_block.c tests/unit/fake_threads.c */
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

static struct drive *selected(struct channel *c)
{
	struct drive *d = &c->drives[c->now[6] >> 4 & 1];

	return d->there ? d : NULL;
}

static bool lba48(const struct drive *d)
{
	return d->words[83] & BIT(10);
}

static uint64_t block_of(const struct channel *c, bool ext)
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
static void transfer(struct channel *c, struct drive *d, bool ext, bool read)
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

static void finish(struct channel *c)
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

static bool work(void)
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

static void command(struct channel *c, uint8_t value)
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

static struct channel *at(uint16_t port, unsigned *reg)
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
	case 16: return selected(c) ? c->status : 0;
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

static void put_disk(struct drive *d, bool ext)
{
	d->there = true;
	d->words[10] = 'S' << 8 | '1';
	d->words[49] = 0x300;
	d->words[83] = ext ? 0x7400 : 0x5000; /* FLUSH CACHE, and 48 bits with its own */
	d->words[88] = 0x203f;
	d->words[60] = d->words[100] = DISK_BYTES / 512;
}

static int start(void **state)
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

static struct blkdev *disk_before(const struct blkdev *dev)
{
	struct blkdev *other = NULL;

	for (unsigned i = 0; blkdev_at(i) != dev; i++)
		other = blkdev_at(i);
	return other;
}

/* ---- tests ------------------------------------------------------------------------------- */

/* The first of all, as what all disks share is made with the first. */
static void test_every_call_may_fail(void **state)
{
	start(state);
	probe_with_every_failure(&ide_driver, start);
}

static void test_what_is_found(void **state)
{
	struct blkdev *slave = take_controller(&ide_driver), *master = disk_before(slave);

	(void)state;
	assert_string_equal(master->location, "pci:00:03.0/ata0-master");
	assert_string_equal(slave->location, "pci:00:03.0/ata0-slave");
	assert_string_equal(master->serial, "S1");
	assert_int_equal(master->bytes, DISK_BYTES);
	assert_int_equal(slave->bytes, DISK_BYTES);
	assert_true(master->write_cache && slave->write_cache);
	assert_int_equal(channels[0].bm_status, 0x60); /* firmware's bits are kept */
}

static void test_controllers_that_are_not_ours(void **state)
{
	(void)state;
	assert_true(ide_driver.match(&fake_pci));
	fake_pci.class_code = 0x010100; /* no bus master */
	assert_false(ide_driver.match(&fake_pci));
	fake_pci.class_code = 0x010680;
	assert_false(ide_driver.match(&fake_pci));
	fake_pci.class_code = 0x010180;
	fake_pci.bars[4].address = 0;
	assert_false(ide_driver.match(&fake_pci));
}

/* Nobody on the cable, nobody at the ports, a drive that stays busy. */
static void test_a_controller_without_disks(void **state)
{
	for (unsigned how = 0; how < 4; how++) {
		struct blkdev *before = last_disk();

		start(state);
		channels[0].drives[0].there = channels[0].drives[1].there = how >= 2;
		far = how == 3; /* no page for its table */
		channels[0].floating = how == 1;
		channels[0].status = how == 2 ? BUSY : READY;
		assert_int_equal(ide_driver.probe(&fake_pci), how == 3 ? -ENOMEM : -ENODEV);
		assert_ptr_equal(last_disk(), before);
		assert_int_equal(fake_allocated, 0);
		assert_false(fake_master);
	}
}

static void test_data_goes_where_the_segments_say(void **state)
{
	static const struct request_shape shapes[] = {
		{0, {512}},    {512, {3584}},		{2, {524288}},
		{6, {510, 2}}, {0, {512, 512, 131072}}, {1, {512}}, /* bounces */
	};
	struct blkdev *slave = take_controller(&ide_driver), *master = disk_before(slave);

	(void)state;
	write_and_read(master, shapes, ARRAY_SIZE(shapes));
	write_and_read(slave, shapes, ARRAY_SIZE(shapes));
	assert_int_equal(request(master, BLK_WRITE, DISK_BYTES - 512, 512), 0);
	assert_int_equal(fake_warnings + fake_errors, 0);
}

/* Every bit of a block's number, with 48 and with 28. */
static void test_addresses(void **state)
{
	struct channel *c = &channels[0];
	struct blkdev *master, *slave;

	(void)state;
	c->drives[0].words[102] = 0xffff;
	c->drives[1].words[61] = 0x0fff;
	slave = take_controller(&ide_driver);
	master = disk_before(slave);
	for (unsigned bit = 0; bit < 48; bit++) {
		assert_int_equal(request(master, BLK_READ, 512ull << bit, 512), 0);
		assert_true(c->last_block == 1ull << bit);
	}
	for (unsigned bit = 0; bit < 28; bit++) {
		assert_int_equal(request(slave, BLK_READ, 512ull << bit, 512), 0);
		assert_true(c->last_block == 1ull << bit);
	}
}

static void test_a_flush_follows_a_write_that_must_be_safe(void **state)
{
	struct blkdev *dev = take_controller(&ide_driver);
	struct fake_request *w = fake_request_make(BLK_WRITE, 0, 0, (uint32_t[4]){262144});

	(void)state;
	assert_int_equal(request(dev, BLK_FLUSH, 0, 0), 0);
	assert_int_equal(channels[0].flushes, 1);
	w->io.fua = true;
	submit(dev, w);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(w->result, 0);
	assert_int_equal(channels[0].writes, 2); /* of 256 blocks, which is 0 */
	assert_int_equal(channels[0].flushes, 2);
	fake_request_free(w);
	w = fake_request_make(BLK_WRITE, 0, 1, one_block); /* bounces */
	w->io.fua = true;
	submit(dev, w);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(w->result, 0);
	assert_int_equal(channels[0].flushes, 3);
	fake_request_free(w);
}

static void test_errors(void **state)
{
	static const struct {
		uint8_t status, error, bm;
		int result; /* after one of them */
	} cases[] = {
		{READY | ERR, ATA_ERROR_UNCORRECTABLE, 0, -EIO},
		{READY | ERR, ATA_ERROR_CRC, 0, 0},
		{READY | ATA_STATUS_DF, 0, 0, 0},
		{READY, 0, BM_ERROR, 0},
		{READY | DRQ, 0, 0, 0},
	};
	struct channel *c = &channels[0];

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct blkdev *dev;

		start(state);
		dev = take_controller(&ide_driver);
		c->bad = 1;
		c->bad_status = cases[i].status;
		c->bad_error = cases[i].error;
		c->bad_bm = cases[i].bm;
		assert_int_equal(request(dev, BLK_READ, 0, 512), cases[i].result);
		assert_int_equal(c->reads, !cases[i].result);
		if (cases[i].status & DRQ)
			continue;
		c->bad = BLOCK_ATTEMPTS_MAX;
		assert_int_equal(request(dev, BLK_READ, 0, 512), -EIO);
		c->bad = 0;
		assert_int_equal(request(dev, BLK_READ, 0, 512), 0);
	}
}

/* An interrupt without a command, or of a command that never was, finishes nothing. */
static void test_interrupts_that_mean_nothing(void **state)
{
	struct blkdev *dev = take_controller(&ide_driver);
	struct fake_request *r = fake_request_make(BLK_READ, 0, 0, one_block);
	struct channel *c = &channels[0];

	(void)state;
	assert_false(c->handler(c->arg)); /* somebody else's */
	c->bm_status |= BM_IRQ;
	assert_true(c->handler(c->arg));
	memset(c->drives[1].disk, 0x5a, 512);
	c->status = READY | DRQ; /* busy with nothing to do: nothing can be sent */
	blk_submit(dev, &r->io);
	assert_int_equal(c->pending | c->ignored, 0);
	c->status = READY;
	c->bm_status |= BM_IRQ;
	c->handler(c->arg);
	assert_int_equal(r->result, 1);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(r->result, 0);
	assert_int_equal(r->data[0], 0x5a);
	assert_int_equal(c->resets, 1);
	assert_int_equal(c->modes, 2); /* of both drives, as before */

	r->result = 1; /* one that comes while the drive is at work */
	c->deaf = true;
	submit(dev, r);
	c->bm_status |= BM_IRQ;
	assert_true(c->handler(c->arg));
	assert_int_equal(r->result, 1);
	assert_int_equal(c->bm_command & BM_ACTIVE, BM_ACTIVE); /* its transfer goes on */
	assert_int_equal(c->bm_status & BM_IRQ, 0);
	c->deaf = false;
	fake_pass(NSEC_PER_MSEC); /* and ends by itself */
	assert_int_equal(r->result, 0);
	assert_int_equal(c->resets, 1);
	assert_int_equal(c->reads, 2);
	fake_request_free(r);
}

/* Too many segments for a block of 4 KiB: it fails at once, and is forgotten, so that an
 * interrupt does not look at it. */
static void test_a_request_that_cannot_be_sent(void **state)
{
	static struct io_segment segments[2048];
	struct fake_request *r;
	struct blkdev *dev;
	struct channel *c = &channels[0];

	(void)state;
	for (unsigned i = 0; i < 2; i++) { /* blocks of 4096 bytes */
		c->drives[i].words[106] = 0x5000;
		c->drives[i].words[117] = 2048;
	}
	dev = take_controller(&ide_driver);
	assert_int_equal(dev->block_bytes, 4096);
	r = fake_request_make(BLK_WRITE, 0, 0, (uint32_t[4]){4096});
	for (unsigned i = 0; i < 2048; i++)
		segments[i] = (struct io_segment){r->segments[0].phys + 2 * i,
						  (uint8_t *)r->segments[0].virt + 2 * i, 2};
	r->io.segments = segments;
	r->io.segment_count = 2048;
	submit(dev, r);
	fake_pass(NSEC_PER_MSEC);
	assert_int_equal(r->result, -EINVAL);
	fake_request_free(r);
	c->bm_status |= BM_IRQ;
	assert_true(c->handler(c->arg));
}

static void test_recovery(void **state)
{
	struct blkdev *dev = take_controller(&ide_driver);
	struct fake_request *r = fake_request_make(BLK_READ, 0, 0, one_block);
	struct channel *c = &channels[0];

	(void)state;
	c->deaf = true;
	submit(dev, r);
	fake_pass(29 * NSEC_PER_SEC);
	assert_int_equal(r->result, 1);
	c->deaf = false;
	c->pending = 0;
	fake_pass(3 * NSEC_PER_SEC);
	assert_int_equal(r->result, 0);
	assert_int_equal(c->resets, 1);
	assert_int_equal(c->modes, 2);
	fake_request_free(r);
}

/* Pulled, or busy for ever. */
static void test_disks_that_are_gone(void **state)
{
	for (unsigned how = 0; how < 2; how++) {
		struct fake_request *r = fake_request_make(BLK_READ, 0, 0, one_block);
		struct blkdev *dev;

		start(state);
		dev = take_controller(&ide_driver);
		channels[0].deaf = channels[0].stays_busy = true;
		submit(dev, r);
		channels[0].floating = how;
		fake_pass(70 * NSEC_PER_SEC);
		assert_int_equal(r->result, -ENODEV);
		assert_true(dev->gone && disk_before(dev)->gone);
		assert_int_equal(request(dev, BLK_READ, 0, 512), -ENODEV);
		fake_request_free(r);
	}
}

/* Both channels with BARs of their own share the pin. */
static void test_native_mode(void **state)
{
	struct blkdev *dev;

	(void)state;
	fake_pci.class_code = 0x010185;
	fake_pin = true;
	fake_vectors = 1;
	channels[1].drives[0] = (struct drive){0};
	put_disk(&channels[1].drives[0], true);
	for (unsigned i = 0; i < 2; i++) {
		channels[i].command_port = (uint16_t)(NATIVE_BASE + 0x20 * i);
		channels[i].control_port = (uint16_t)(NATIVE_BASE + 0x20 * i + 0x12);
		fake_pci.bars[2 * i] = (struct pci_bar){
			.address = channels[i].command_port, .bytes = 8, .io = true};
		fake_pci.bars[2 * i + 1] = (struct pci_bar){
			.address = channels[i].control_port - 2, .bytes = 4, .io = true};
		channels[i].silent = true;
	}
	dev = take_controller(&ide_driver);
	assert_string_equal(dev->location, "pci:00:03.0/ata1-master");
	for (unsigned i = 0; i < 2; i++) {
		struct fake_request *r = fake_request_make(BLK_READ, 0, 0, one_block);

		submit(i ? disk_before(dev) : dev, r);
		fake_pass(NSEC_PER_MSEC);
		assert_true(fake_interrupt(0));
		assert_int_equal(r->result, 0);
		assert_false(fake_interrupt(0));
		fake_request_free(r);
	}
	start(NULL);
	fake_pci.class_code = 0x010185; /* BARs that firmware has not set */
	assert_int_equal(ide_driver.probe(&fake_pci), -ENODEV);
}

static void test_power_off_flushes_both(void **state)
{
	unsigned before;

	take_controller(&ide_driver);
	before = channels[0].flushes;
	(void)state;
	block_hosts_shutdown(); /* those of earlier tests, too, at the same ports */
	assert_true(channels[0].flushes >= before + 2);
	assert_int_equal(channels[0].flushes % 2, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_call_may_fail),
		cmocka_unit_test_setup(test_what_is_found, start),
		cmocka_unit_test_setup(test_controllers_that_are_not_ours, start),
		cmocka_unit_test_setup(test_a_controller_without_disks, start),
		cmocka_unit_test_setup(test_data_goes_where_the_segments_say, start),
		cmocka_unit_test_setup(test_addresses, start),
		cmocka_unit_test_setup(test_a_flush_follows_a_write_that_must_be_safe, start),
		cmocka_unit_test_setup(test_errors, start),
		cmocka_unit_test_setup(test_interrupts_that_mean_nothing, start),
		cmocka_unit_test_setup(test_a_request_that_cannot_be_sent, start),
		cmocka_unit_test_setup(test_recovery, start),
		cmocka_unit_test_setup(test_disks_that_are_gone, start),
		cmocka_unit_test_setup(test_power_off_flushes_both, start),
		cmocka_unit_test_setup(test_native_mode, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
