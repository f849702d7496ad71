/* What all boot protocols share: the registers that they begin with, images put into memory,
 * and refusals. */
#include "guests/boot/boot.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/lib/x86.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/gmem.h"

#define SEG_ATTR_LDT 0x82 /* P, LDT */
#define SEG_ATTR_TSS 0x8b /* P, busy 32- or 64-bit TSS: VMX enters with no other */

int boot_refuse(char why[BOOT_WHY_BYTES], int error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, BOOT_WHY_BYTES, fmt, args);
	va_end(args);
	return error;
}

int boot_copy(struct gmem *gm, uint64_t gpa, const uint8_t *data, uint64_t bytes)
{
	int error = 0;

	for (uint64_t done = 0; done < bytes && !error; done += PAGE_2M) {
		error = gmem_write(gm, gpa + done, data + done, MIN(bytes - done, PAGE_2M));
		thread_yield();
	}
	return error;
}

void boot_entry_flat(struct vcpu_entry *entry, uint16_t code, uint16_t data)
{
	struct vcpu_state *state = &entry->state;

	memset(entry, 0, sizeof(*entry));
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		state->segs[i] = (struct vcpu_segment){
			.selector = BOOT_DS, .attributes = data, .limit = 0xffffffff};
	state->segs[SEG_CS].selector = BOOT_CS;
	state->segs[SEG_CS].attributes = code;
	state->segs[SEG_LDTR] =
		(struct vcpu_segment){.attributes = SEG_ATTR_LDT, .limit = 0xffff};
	state->segs[SEG_TR] =
		(struct vcpu_segment){.attributes = SEG_ATTR_TSS, .limit = 0xffff};
	state->regs[REG_CR0] = CR0_PE | CR0_ET | CR0_NE;
	state->regs[REG_DR6] = DR6_RESET;
	state->regs[REG_DR7] = DR7_RESET;
	state->regs[REG_PAT] = PAT_RESET;
	entry->rflags = RFLAGS_FIXED;
}
