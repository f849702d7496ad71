/* See fake_ahci.h. */
#include "tests/unit/fake_ahci.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "drivers/block/ata.h"
#include "kernel/mem/frames.h"
#include "tests/unit/fake_block.h"

struct model model;

uint32_t *model_hba(unsigned offset)
{
	return &model.registers[offset / 4];
}

uint32_t *model_port(unsigned number, unsigned offset)
{
	return model_hba(AHCI_PORT0 + number * AHCI_PORT_BYTES + offset);
}

static uint64_t read64(const uint32_t *at)
{
	return at[0] | (uint64_t)at[1] << 32;
}

static void raise(uint32_t cause)
{
	*model_port(DISK, AHCI_PORT_IS) |= cause;
}

/* Writes of ones clear; here, the driver's writes are seen only as values, so that what it
 * wrote is what it had read. Called when an interrupt has been dealt with. */
void model_interrupt(uint32_t cause)
{
	raise(cause);
	if (!(*model_port(DISK, AHCI_PORT_IS) & *model_port(DISK, AHCI_PORT_IE)))
		return;
	*model_hba(AHCI_IS) = 1u << DISK;
	fake_interrupt(0);
	*model_port(DISK, AHCI_PORT_IS) = 0;
	*model_hba(AHCI_IS) = 0;
}

/* Copies between `disk` and the pieces of a slot's table. */
static void move(const struct ahci_table *table, unsigned pieces, uint8_t *disk, bool to_disk)
{
	for (unsigned i = 0; i < pieces; i++) {
		uint8_t *memory = directmap(table->prds[i].address);
		uint32_t bytes = table->prds[i].count + 1;

		assert_false(table->prds[i].address & 1 || bytes & 1);
		memcpy(to_disk ? disk : memory, to_disk ? memory : disk, bytes);
		disk += bytes;
	}
}

static uint64_t lba_of(const struct ahci_command *c)
{
	return c->lba0 | (uint64_t)c->lba1 << 8 | (uint64_t)c->lba2 << 16 |
	       (uint64_t)c->lba3 << 24 | (uint64_t)c->lba4 << 32 | (uint64_t)c->lba5 << 40;
}

static bool is_bad(const struct ahci_command *c, uint32_t blocks)
{
	uint64_t lba = lba_of(c);

	if (!model.bad_times || model.bad_lba < lba || model.bad_lba >= lba + blocks)
		return false;
	model.bad_times--;
	return true;
}

/* One command; whether it succeeds. */
static bool execute(const struct ahci_header *header, const struct ahci_table *table)
{
	const struct ahci_command *c = &table->command;
	bool queued =
		c->command == ATA_READ_FPDMA_QUEUED || c->command == ATA_WRITE_FPDMA_QUEUED;
	uint32_t blocks = queued ? c->feature | (uint32_t)c->feature_high << 8
				 : c->count | (uint32_t)c->count_high << 8;
	uint8_t *at = model.disk + lba_of(c) * 512;
	uint8_t log[512] = {0};

	assert_int_equal(c->type, 0x27);
	assert_int_equal(c->flags, 0x80);
	assert_int_equal(header->flags & 0x1f, 5);
	model.queued += queued;
	switch (c->command) {
	case ATA_IDENTIFY_DEVICE:
		move(table, header->prd_count, (uint8_t *)model.identify, false);
		return true;
	case ATA_READ_LOG_EXT:
		model.logs++;
		log[0] = (uint8_t)model.failed_tag;
		log[2] = 0x41;
		log[3] = model.bad_error;
		move(table, header->prd_count, log, false);
		return !model.no_log && lba_of(c) == 0x10;
	case ATA_READ_DMA_EXT:
	case ATA_READ_FPDMA_QUEUED:
		assert_false(header->flags & AHCI_HEADER_WRITE);
		if (is_bad(c, blocks))
			return false;
		move(table, header->prd_count, at, false);
		model.reads++;
		return true;
	case ATA_WRITE_DMA_EXT:
	case ATA_WRITE_DMA_FUA_EXT:
	case ATA_WRITE_FPDMA_QUEUED:
		assert_true(header->flags & AHCI_HEADER_WRITE);
		if (is_bad(c, blocks))
			return false;
		model.fua += c->command == ATA_WRITE_DMA_FUA_EXT || c->device & 0x80;
		move(table, header->prd_count, at, true);
		model.writes++;
		return true;
	case ATA_FLUSH_CACHE_EXT: model.flushes++; return true;
	case ATA_STANDBY_IMMEDIATE: model.standbys++; return true;
	case ATA_DATA_SET_MANAGEMENT: {
		const uint64_t *range = directmap(table->prds[0].address);

		assert_int_equal(table->prds[0].count, 511);
		assert_int_equal(c->feature, 1);
		assert_int_equal(c->count, 1);
		memset(model.disk + (*range & 0xffffffffffff) * 512, 0xdd,
		       (*range >> 48) * 512);
		model.trims++;
		return true;
	}
	}
	return false;
}

/* Slots whose command is new. Stops at one that fails: it, and what is behind it, stays. */
static void run_slots(void)
{
	uint32_t *ci = model_port(DISK, AHCI_PORT_CI), *sact = model_port(DISK, AHCI_PORT_SACT);
	const struct ahci_header *headers = directmap(read64(model_port(DISK, AHCI_PORT_CLB)));
	struct ahci_received *received = directmap(read64(model_port(DISK, AHCI_PORT_FB)));
	uint32_t todo = *ci;

	model.most = MAX(model.most, (unsigned)__builtin_popcount(todo));
	while (todo && *ci & todo) {
		uint32_t tag = (uint32_t)__builtin_ctz(*ci & todo);
		bool queued = *sact >> tag & 1;

		*model_port(DISK, AHCI_PORT_TFD) = TFD_READY;
		if (execute(&headers[tag], directmap(headers[tag].table))) {
			*ci &= ~(1u << tag);
			*sact &= ~(1u << tag);
			received->bits_status = TFD_READY;
			raise(queued ? 8 : 1);
			continue;
		}
		if (queued && model.goes_on) {
			*sact &= ~(1u << tag);
			todo &= ~(1u << tag);
			*model_port(DISK, AHCI_PORT_TFD) =
				(uint32_t)model.bad_error << 8 | TFD_READY;
			model.stopped_by_error = true; /* the slot stays as it is */
			raise(0x40000000);
			continue;
		}
		model.failed_tag = tag;
		model.stopped_by_error = true;
		*model_port(DISK, AHCI_PORT_TFD) = (uint32_t)model.bad_error << 8 | 0x41;
		received->bits_status = 0x41;
		if (queued)
			*ci &= ~todo; /* all were accepted */
		raise(queued && model.silent_errors ? 8 : 0x40000000);
		return;
	}
}

/* COMRESET, engines, and what is read back of them. */
static void run_port(void)
{
	uint32_t *cmd = model_port(DISK, AHCI_PORT_CMD),
		 *control = model_port(DISK, AHCI_PORT_SCTL);
	bool on = *cmd & AHCI_CMD_START;

	if ((*control & AHCI_DET) == AHCI_DET_RESET) {
		model.resets++;
		*control |= 0x100; /* seen */
		*model_port(DISK, AHCI_PORT_TFD) = TFD_READY;
		model.deaf = false;
	}
	*model_port(DISK, AHCI_PORT_SSTS) = model.pulled ? 0 : 0x113;
	if (!on && !model.wedged) {
		*model_port(DISK, AHCI_PORT_CI) = *model_port(DISK, AHCI_PORT_SACT) = 0;
		*model_port(DISK, AHCI_PORT_IS) = 0;
		*cmd &= ~AHCI_CMD_RUNNING;
		model.stopped_by_error = false;
	} else {
		*cmd |= AHCI_CMD_RUNNING;
	}
	model.started = on;
}

bool model_work(void)
{
	*model_hba(AHCI_GHC) &= ~AHCI_GHC_RESET;
	*model_hba(AHCI_BOHC) &= ~(AHCI_BOHC_BIOS_OWNS | AHCI_BOHC_BIOS_BUSY);
	run_port();
	if (!model.started || model.stopped_by_error || !*model_port(DISK, AHCI_PORT_CI) ||
	    model.deaf || model.pulled || model.held)
		return false;
	run_slots();
	model_interrupt(0);
	return true;
}

static void put_identify(void)
{
	uint16_t *w = model.identify;

	memset(w, ' ', 2 * 47);
	w[0] = 0;
	w[10] = 'S' << 8 | '9';
	w[27] = 'D' << 8 | 'i';
	w[49] = 0x300;
	w[75] = 31;
	w[76] = 0x100;
	w[83] = 0x7400;
	w[100] = DISK_BYTES / 512;
	w[169] = 1;
	w[217] = 1;
}

void model_start(void)
{
	memset(&model, 0, sizeof(model));
	put_identify();
	*model_hba(AHCI_CAP) = 31u << 8 | 5 | (uint32_t)(AHCI_CAP_NCQ | AHCI_CAP_64);
	*model_hba(AHCI_PI) = 0x3f;
	*model_hba(AHCI_CAP2) = AHCI_CAP2_HANDOFF;
	*model_hba(AHCI_BOHC) = AHCI_BOHC_BIOS_OWNS;
	for (unsigned i = 0; i <= EMPTY; i++)
		*model_port(i, AHCI_PORT_TFD) = TFD_READY;
	*model_port(DISK, AHCI_PORT_SSTS) = *model_port(DISCS, AHCI_PORT_SSTS) = 0x113;
	*model_port(DISK, AHCI_PORT_SIG) = AHCI_SIG_ATA;
	*model_port(DISCS, AHCI_PORT_SIG) = AHCI_SIG_ATAPI;
	fake_registers = model.registers;
	fake_hardware = model_work;
}
