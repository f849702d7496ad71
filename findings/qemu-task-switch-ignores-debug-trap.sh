#!/bin/bash
# QEMU 7.2 (Debian 12's 1:7.2+dfsg-7+deb12u18+b3), TCG: a hardware task switch ignores the T bit of the new task's
# TSS, and leaves the segments that it loads unaccessed.
#
# One would expect #DB with DR6.BT before the new task's first instruction (SDM vol. 3A, 7.2.1 and vol. 3B, 17.3.1.5),
# and the accessed bit set in the descriptor of every segment that is loaded (vol. 3A, 3.4.5.1).
#
# Seen: neither. Debuggers that watch tasks by T are never called; systems that age segments by the accessed bit what
# a task uses all the time as never used.
. "$(dirname "$0")/lib/qemu.sh"
bare_program "$work/program" <<'C'
#include "bare.h"

struct tss {
	u32 link, esp0, ss0, unused[4], cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
	u32 es, cs, ss, ds, fs, gs, ldt;
	u16 trap, map;
};
static struct tss old, new;
static u32 stack[256];
static u64 gdt[7];
static volatile u32 traps asm("traps"), ran asm("ran");

asm(".globl on_db\non_db:\n\tincl traps\n\tiret\n"
    ".globl task\ntask:\n\tincl ran\n\tiret\n\tjmp task");
void on_db(void);
void task(void);

static u64 tss_descriptor(struct tss *tss)
{
	u32 at = (u32)tss;

	return (sizeof *tss - 1) | (u64)(at & 0xffffff) << 16 | 0x89ull << 40 | (u64)(at >> 24) << 56;
}

int main(void)
{
	struct { u16 limit; u32 base; } __attribute__((packed)) gdtr = {sizeof gdt - 1, (u32)gdt};

	gdt[1] = 0x00cf9b000000ffff, gdt[2] = 0x00cf93000000ffff;
	gdt[3] = 0x00cf9a000000ffff, gdt[4] = 0x00cf92000000ffff; /* the same, not accessed yet */
	gdt[5] = tss_descriptor(&old), gdt[6] = tss_descriptor(&new);
	asm volatile("lgdt %0; ltr %w1" : : "m"(gdtr), "r"(5 * 8));
	set_gate(1, on_db);
	load_idt();
	new = (struct tss){.eip = (u32)task, .eflags = 2, .esp = (u32)(stack + 256), .cs = 3 * 8, .ss = 4 * 8,
			   .ds = 4 * 8, .es = 4 * 8, .trap = 1, .map = sizeof new};
	asm volatile("lcall $6 * 8, $0" : : : "memory");
	text("the task ran: "), number(ran);
	text("\n#DB for T: "), number(traps);
	text("\naccessed: data "), number(gdt[4] >> 40 & 1), text(", code "), number(gdt[3] >> 40 & 1), text("\n");
}
C
on_qemu "$work/program" -cpu max,check=off >"$work/seen"
as_seen "$work/seen" <<'S'
the task ran: 1
#DB for T: 0
accessed: data 0, code 0
S
