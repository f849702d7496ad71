/*
 * The two formats of nested page tables, for kernel/mem/pagetable: NPT, whose entries are those
 * of long mode, and EPT. Policy (what is mapped) is gmem's.
 */
#ifndef KERNEL_VMM_NESTED_H
#define KERNEL_VMM_NESTED_H

#include "kernel/mem/pagetable.h"

/* APM vol. 2 15.25.5: ordinary long-mode entries, walked as user accesses. Memory type: WB, or
 * UC by PCD and PWT (host PAT index 3). */
extern const struct pt_format pt_format_npt;

/* SDM vol. 3C 28.3.2, tables 28-1 to 28-6. Memory type in bits 3-5 of a leaf: WB, or UC;
 * "ignore PAT" clear, so that the guest's PAT combines with it. */
extern const struct pt_format pt_format_ept;

#endif
