/*
 * Guest-virtual (linear) addresses: walking the guest's own page tables as its CPU would, and
 * copying from and to them for the emulator. All on the vCPU's thread.
 */
#ifndef KERNEL_VMM_GVA_H
#define KERNEL_VMM_GVA_H

#include "kernel/vmm/vcpu.h"

enum gva_access {
	GVA_READ = 0,
	GVA_WRITE = 1,
	GVA_FETCH = 2,
	GVA_SYSTEM = 4, /* implicit supervisor access, whatever the CPL (descriptor tables) */
};

/* With the 48 bits of 4-level paging, the only ones that guests have. */
static inline bool gva_is_canonical(uint64_t gva)
{
	return (uint64_t)((int64_t)(gva << 16) >> 16) == gva;
}

/* Error code bits of #PF (SDM vol. 3A fig. 4-12). */
#define PF_PRESENT BIT(0)
#define PF_WRITE   BIT(1)
#define PF_USER	   BIT(2)
#define PF_RSVD	   BIT(3)
#define PF_FETCH   BIT(4)
#define PF_KEY	   BIT(5)

/*
 * Translates one address, checking rights and setting accessed and dirty bits. 0 with *gpa; or
 * -EFAULT with *error for the #PF that the guest deserves.
 */
int gva_translate(struct vcpu *vcpu, uint64_t gva, unsigned access, uint64_t *gpa,
		  uint32_t *error);

/* Whether CR3 may be loaded with PAE paging on: no page-directory-pointer entry that is present
 * has a reserved bit set. */
bool gva_pdptes_valid(struct vcpu *vcpu, uint64_t cr3);
/* Entry `i`, 0 to 3, for such a load. 0, not present, where it can't be read, or has a reserved
 * bit set since it was found valid: by another vCPU. */
uint64_t gva_pdpte(struct vcpu *vcpu, uint64_t cr3, unsigned i);

/* Instruction bytes at linear address `gva`: as many of `bytes` as lie in mapped RAM; returns
 * how many, 0 where none can be read. Raises nothing. */
unsigned gva_fetch(struct vcpu *vcpu, uint64_t gva, uint8_t *buf, unsigned bytes);

/*
 * A short way to the instruction that has just exited: the CPU fetched it, so its page is
 * mapped and may be executed, and only the address is to be found. Points to it in the window,
 * to be read to the end of its 4 KiB page between user_access_begin() and user_access_end().
 * NULL where the long way is needed: other paging modes than 4-level, RAM above 4 GiB, tables
 * changed meanwhile.
 */
const uint8_t *gva_executed(struct vcpu *vcpu, uint64_t gva);

#endif
