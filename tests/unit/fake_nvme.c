/* See fake_nvme.h. */
#include "tests/unit/fake_nvme.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kernel/mem/frames.h"
#include "tests/unit/fake_block.h"

struct model model;

static void answer(struct model_queue *q, uint16_t id, uint16_t status, uint32_t result)
{
	volatile struct nvme_completion *c = &q->completions[q->cq_tail];

	c->result = result;
	c->id = id;
	c->sq_head = (uint16_t)q->sq_head;
	c->status = (uint16_t)(status << 1 | q->phase);
	if (++q->cq_tail == q->entries) {
		q->cq_tail = 0;
		q->phase ^= 1;
	}
}

/* Copies between the disk and what the command's PRPs name (figure 110). */
static void move(const struct nvme_command *c, uint8_t *disk, uint64_t bytes, bool to_disk)
{
	uint64_t page = c->prp1, n = PAGE_BYTES - page % PAGE_BYTES, left = bytes, used = 0;
	const uint64_t *list = NULL;

	if (bytes > n + PAGE_BYTES)
		list = directmap(c->prp2);
	for (;;) {
		uint8_t *memory = directmap(page);

		n = MIN(n, left);
		memcpy(to_disk ? disk : memory, to_disk ? memory : disk, n);
		disk += n;
		left -= n;
		if (!left)
			return;
		n = PAGE_BYTES;
		page = list ? list[used++] : c->prp2;
		assert_true(IS_ALIGNED(page, PAGE_BYTES));
	}
}

static uint16_t execute(const struct nvme_command *c)
{
	uint64_t at = (c->dword10 | (uint64_t)c->dword11 << 32) << SHIFT;
	uint64_t bytes = ((uint64_t)(c->dword12 & 0xffff) + 1) << SHIFT;
	const struct nvme_dsm_range *range;

	model.last_namespace = c->namespace_id;
	if (model.bad) {
		model.bad--;
		return model.status;
	}
	switch (c->opcode) {
	case NVME_READ:
	case NVME_WRITE:
		assert_true(at + bytes <= DISK_BYTES && bytes <= 128 * KIB);
		*(c->opcode == NVME_READ ? &model.reads : &model.writes) += 1;
		model.fua += (c->dword12 & NVME_RW_FUA) != 0;
		move(c, model.disk + at, bytes, c->opcode == NVME_WRITE);
		return 0;
	case NVME_FLUSH: model.flushes++; return 0;
	case NVME_WRITE_ZEROES:
		model.zeroes += (c->dword12 & NVME_ZEROES_DEALLOCATE) ? 0x100 : 1;
		memset(model.disk + at, 0, bytes);
		return 0;
	case NVME_DATASET_MANAGEMENT:
		range = directmap(c->prp1);
		assert_int_equal(c->dword10, 0);
		assert_int_equal(c->dword11, NVME_DSM_DEALLOCATE);
		memset(model.disk + (range->lba << SHIFT), 0xdd,
		       (uint64_t)range->blocks << SHIFT);
		model.discards++;
		return 0;
	}
	return 1; /* invalid opcode */
}

static void identify(const struct nvme_command *c)
{
	struct nvme_identify_controller *controller = directmap(c->prp1);
	struct nvme_identify_namespace *ns = directmap(c->prp1);
	uint32_t *list = directmap(c->prp1);

	memset(list, 0, PAGE_BYTES);
	if (c->dword10 == NVME_IDENTIFY_CONTROLLER) {
		memcpy(controller->serial, "  S-42              ", 20);
		memcpy(controller->model, "A model of a controller                 ", 40);
		controller->mdts = model.mdts;
		controller->namespace_count = model.namespaces;
		controller->oncs = (uint16_t)model.features;
		controller->vwc = NVME_VWC_PRESENT;
	} else if (c->dword10 == NVME_IDENTIFY_NAMESPACE) {
		ns->blocks = DISK_BYTES >> SHIFT;
		ns->format = 1;
		ns->formats[1].data_shift = model.data_shift;
		ns->formats[1].metadata_bytes = model.metadata;
	} else {
		for (uint32_t i = 0; i < model.namespaces; i++)
			list[i] = 2 * i + 1;
	}
}

static void execute_admin(const struct nvme_command *c)
{
	struct model_queue *q = &model.queues[c->dword10 & 3];
	uint32_t result = 0;

	switch (c->opcode) {
	case NVME_ADMIN_IDENTIFY: identify(c); break;
	case NVME_ADMIN_SET_FEATURES: result = MIN(c->dword11 & 0xffff, 1u) * 0x10001; break;
	case NVME_ADMIN_CREATE_CQ:
		*q = (struct model_queue){.completions = directmap(c->prp1),
					  .entries = (c->dword10 >> 16) + 1,
					  .phase = 1,
					  .vector = c->dword11 >> 16};
		break;
	case NVME_ADMIN_CREATE_SQ: q->commands = directmap(c->prp1); break;
	case NVME_ADMIN_ABORT:
		model.aborts++;
		result = 1;
		break;
	}
	if (model.late_answers)
		answer(&model.queues[0], (uint16_t)(c->id - 1), 0, ~0u);
	if (++model.answers != model.bad_answer_at)
		answer(&model.queues[0], c->id, 0, result);
	else if (model.bad_answer == ANSWER_ERROR)
		answer(&model.queues[0], c->id, 0x02, ~0u); /* invalid field */
	else if (model.bad_answer == ANSWER_GONE)
		model.gone = true;
}

uint32_t *model_doorbell(unsigned queue)
{
	return &model.registers[NVME_DOORBELLS / 4 + 2 * queue];
}

static void take_enable(void)
{
	uint32_t cc = model.registers[NVME_CC / 4], *status = &model.registers[NVME_CSTS / 4];
	uint64_t asq, acq;

	if (cc & NVME_CC_SHN_MASK && !(*status & NVME_CSTS_SHST_MASK)) {
		model.shutdowns++;
		*status |= NVME_CSTS_SHST_DONE;
	}
	if (!(cc & NVME_CC_ENABLE) && !model.stuck) {
		*status = 0;
		memset(model.queues, 0, sizeof(model.queues));
		memset(model_doorbell(0), 0, 6 * sizeof(uint32_t));
		return;
	}
	if (*status & NVME_CSTS_READY || !(cc & NVME_CC_ENABLE))
		return;
	memcpy(&asq, &model.registers[NVME_ASQ / 4], 8);
	memcpy(&acq, &model.registers[NVME_ACQ / 4], 8);
	model.queues[0] = (struct model_queue){
		.commands = directmap(asq),
		.completions = directmap(acq),
		.entries = (model.registers[NVME_AQA / 4] & 0xfff) + 1,
		.phase = 1,
	};
	*status = NVME_CSTS_READY;
	model.enabled++;
	assert_true(fake_master);
}

static bool work_queue(unsigned number)
{
	struct model_queue *q = &model.queues[number];
	bool any = false;

	while (q->commands && q->sq_head != *model_doorbell(number) &&
	       !(number && model.deaf)) {
		const struct nvme_command *c = &q->commands[q->sq_head];

		q->sq_head = (q->sq_head + 1) % q->entries;
		if (number == 0 && !model.mute)
			execute_admin(c);
		else if (number)
			answer(q, c->id, execute(c), 0);
		any = true;
	}
	if (number && any)
		fake_interrupt(q->vector);
	return any;
}

bool model_work(void)
{
	bool any = false;

	if (model.gone) {
		memset(model.registers, 0xff, sizeof(model.registers));
		return false;
	}
	take_enable();
	for (unsigned i = 0; i < 3; i++)
		any |= work_queue(i);
	return any;
}

void model_start(void)
{
	static const uint64_t cap = (MODEL_ENTRIES - 1) | 1ull << 24 | NVME_CAP_CSS_NVM;

	memset(&model, 0, sizeof(model));
	memcpy(model.registers, &cap, sizeof(cap));
	model.namespaces = 1;
	model.features = NVME_ONCS_DSM | NVME_ONCS_ZEROES;
	model.data_shift = SHIFT;
	model.mdts = 5;
	fake_registers = model.registers;
	fake_hardware = model_work;
}
