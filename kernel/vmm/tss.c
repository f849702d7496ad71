/* The two forms of a task-state segment. */
#include "kernel/vmm/tss.h"

#include <string.h>

/* Where each field is, and how far apart those are that come in rows. */
struct layout {
	unsigned eip, gpr, seg, step, segs, ldt;
	struct tss_part saved;
};

static const struct layout layouts[] = {
	{.eip = 14, .gpr = 18, .seg = 34, .step = 2, .segs = 4, .ldt = 42, .saved = {14, 28}},
	{.eip = 32, .gpr = 40, .seg = 72, .step = 4, .segs = 6, .ldt = 96, .saved = {32, 62}},
};

#define TSS_CR3	 28
#define TSS_TRAP 100

static uint32_t get(const uint8_t *tss, unsigned offset, unsigned bytes)
{
	uint32_t value = 0;

	memcpy(&value, tss + offset, bytes);
	return value;
}

void tss_read(struct tss_state *state, const uint8_t *tss, bool is_32)
{
	const struct layout *l = &layouts[is_32];

	*state = (struct tss_state){
		.link = (uint16_t)get(tss, 0, 2),
		.eip = get(tss, l->eip, l->step),
		.eflags = get(tss, l->eip + l->step, l->step),
		.ldt = (uint16_t)get(tss, l->ldt, 2),
	};
	for (unsigned i = 0; i < TSS_GPRS; i++)
		state->gpr[i] =
			get(tss, l->gpr + i * l->step, l->step) | (is_32 ? 0 : 0xffff0000);
	for (unsigned i = 0; i < l->segs; i++)
		state->seg[i] = (uint16_t)get(tss, l->seg + i * l->step, 2);
	if (is_32) {
		state->cr3 = get(tss, TSS_CR3, 4);
		state->trap = tss[TSS_TRAP] & 1;
	}
}

struct tss_part tss_saved_part(bool is_32)
{
	return layouts[is_32].saved;
}

struct tss_part tss_write(const struct tss_state *state, uint8_t *tss, bool is_32)
{
	const struct layout *l = &layouts[is_32];

	memcpy(tss + l->eip, &state->eip, l->step);
	memcpy(tss + l->eip + l->step, &state->eflags, l->step);
	for (unsigned i = 0; i < TSS_GPRS; i++)
		memcpy(tss + l->gpr + i * l->step, &state->gpr[i], l->step);
	for (unsigned i = 0; i < l->segs; i++)
		memcpy(tss + l->seg + i * l->step, &state->seg[i], 2);
	return l->saved;
}
