/* Registers, and the chain of frame pointers with functions' names. */
#include "kernel/cpu/dump.h"

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/extable.h"
#include "kernel/cpu/mce.h"
#include "kernel/log/ksyms.h"
#include "kernel/log/log.h"

#define BACKTRACE_MAX 32

extern const char kernel_entry[], __text_end[]; /* link.ld */

static bool is_text(uint64_t address)
{
	return address >= (uint64_t)kernel_entry && address < (uint64_t)__text_end;
}

/* `back` is 1 for return addresses, which may be the next function's first byte. */
static void print_place(unsigned depth, uint64_t address, unsigned back)
{
	uint64_t offset;
	const char *name = ksyms_lookup(address - back, &offset);

	log_info("panic", "  #%-2u %#lx %s+%#lx", depth, address, name ? name : "?",
		 name ? offset + back : 0ul);
}

void dump_backtrace(uint64_t rip, uint64_t rbp)
{
	print_place(0, rip, 0);
	/* A frame lies above the one that it called, on the same stack, in the kernel's half.
	 */
	for (unsigned depth = 1; depth < BACKTRACE_MAX; depth++) {
		uint64_t caller_rbp, return_address;

		if (rbp < 1ull << 63 || load_safe(rbp, &caller_rbp) ||
		    load_safe(rbp + 8, &return_address) || !is_text(return_address))
			break;
		print_place(depth, return_address, 1);
		if (caller_rbp <= rbp || caller_rbp - rbp > CPU_STACK_BYTES)
			break;
		rbp = caller_rbp;
	}
}

void dump_frame(const struct trap_frame *f)
{
	uint64_t cr0, cr2, cr3, cr4;

	__asm__ volatile("mov %%cr0, %0; mov %%cr2, %1; mov %%cr3, %2; mov %%cr4, %3"
			 : "=r"(cr0), "=r"(cr2), "=r"(cr3), "=r"(cr4));
	log_info("panic", "CPU %u, vector %lu, error code %#lx", cpu_this()->index, f->vector,
		 f->error);
	log_info("panic", "RIP %016lx CS  %04lx RFLAGS %08lx", f->rip, f->cs, f->rflags);
	log_info("panic", "RSP %016lx SS  %04lx", f->rsp, f->ss);
	log_info("panic", "RAX %016lx RBX %016lx RCX %016lx", f->rax, f->rbx, f->rcx);
	log_info("panic", "RDX %016lx RSI %016lx RDI %016lx", f->rdx, f->rsi, f->rdi);
	log_info("panic", "RBP %016lx R8  %016lx R9  %016lx", f->rbp, f->r8, f->r9);
	log_info("panic", "R10 %016lx R11 %016lx R12 %016lx", f->r10, f->r11, f->r12);
	log_info("panic", "R13 %016lx R14 %016lx R15 %016lx", f->r13, f->r14, f->r15);
	log_info("panic", "CR0 %016lx CR2 %016lx CR3 %016lx", cr0, cr2, cr3);
	log_info("panic", "CR4 %016lx", cr4);
	if (f->vector == EXCEPTION_MACHINE_CHECK)
		mce_log();
	dump_backtrace(f->rip, f->rbp);
}
