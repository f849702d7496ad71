/* Tasks of a 32-bit guest: what their code (code.c), which leaves 64-bit mode for it, and the
 * program that judges them (../task_switch.c) share. */
#ifndef TESTS_GUEST_TASK_SWITCH_TASKS_H
#define TESTS_GUEST_TASK_SWITCH_TASKS_H

#include "tests/guest/lib/cpu.h"

/* Selectors. The first two are the library's, too. */
#define CODE64	    0x08
#define DATA	    0x10
#define CODE	    0x18
#define CODE_B	    0x20 /* with its base at the task's code: 16 bits of EIP suffice */
#define STACK_16    0x28
#define MAIN	    0x30 /* TSSs */
#define NEW	    0x38
#define FAULT	    0x40
#define LDT	    0x48
#define BAD	    0x50
#define GDT_ENTRIES 12

#define NT	    0x4000u
#define FLAGS	    2u		/* as tasks begin */
#define INT_GATE    0x40	/* vector with a task gate to NEW */
#define WINDOW	    0x40000000u /* mapped otherwise by NEW's page tables */

struct tss32 {
	uint16_t link, pad0;
	uint32_t stacks[6];
	uint32_t cr3, eip, eflags, gpr[8];
	uint32_t seg[6]; /* ES CS SS DS FS GS */
	uint32_t ldt;
	uint16_t trap, iomap;
};
_Static_assert(sizeof(struct tss32) == 104, "SDM vol. 3A fig. 7-2");

struct tss16 {
	uint16_t link, stacks[6], ip, flags, gpr[8], seg[4], ldt;
};
_Static_assert(sizeof(struct tss16) == 44, "SDM vol. 3A fig. 7-10");

/* What the code below, which runs in 32-bit mode, reads and writes. */
struct task_seen { /* by NEW's code */
	uint32_t count, gpr[8], eflags, tr, ldtr, cr0, main_access, new_access, window;
};
struct fault_seen { /* by FAULT's code */
	uint32_t count, error, link, flags;
};
extern volatile struct task_seen seen;
extern volatile struct fault_seen fault;
extern volatile uint32_t back_by_jump, has_error, skip_bytes, main_kept, paging,
	fault_has_error;
extern uint64_t task_gdt[GDT_ENTRIES], task_idt[256], task_ldt[2], pdpt[2][4];
extern struct tss32 main_tss, new_tss, fault_tss;
extern uint8_t stack_main[4096], stack_new[4096], stack_fault[4096];
struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));
extern struct table_pointer task_gdtr, task_idtr;
extern uint32_t marker_address; /* of what NEW reads through its window */

/* Runs `what` as the task MAIN, on its stack and with the tables above; then all is as it was.
 */
void in_legacy_mode(void (*what)(void));
extern const char call_new[], jump_new[], interrupt_new[], raise_gp[], gp_insn[], after_gp[],
	call_insn[], task_new[], task_new_end[], task_fault[];

#endif
