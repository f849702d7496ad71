/*
 * The way out: page tables, the end of boot services, the jump.
 */
#ifndef BOOT_ENTER_H
#define BOOT_ENTER_H

#include "boot/handoff.h"
#include "boot/memory.h"
#include <efi.h>

/* Leaves boot services and enters the kernel at virtual address `entry`. */
_Noreturn void enter_kernel(EFI_HANDLE image, struct memory *memory, struct handoff *handoff,
			    uint64_t entry);

/*
 * jump.S: brings the CPU into the state that handoff.h promises and jumps to `entry`.
 * Lies within one page; interrupts and boot services are off.
 */
_Noreturn void enter_jump(const struct handoff *handoff, uint64_t pml4_phys, uint64_t stack_top,
			  uint64_t entry);

#endif
