/* VPIDs: one for each vCPU of the machine, so that its translations outlive its exits. */
#include "kernel/vmm/vmx/vmx.h"

#define VPIDS 65536u
static _Atomic uint64_t used[VPIDS / 64] = {1}; /* 0 is the hypervisor's own (SDM 28.1) */

uint16_t vmx_vpid_alloc(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(used); i++) {
		uint64_t word = atomic_load(&used[i]);

		while (~word) {
			unsigned bit = (unsigned)__builtin_ctzll(~word);

			if (atomic_compare_exchange_weak(&used[i], &word, word | BIT(bit)))
				return (uint16_t)(i * 64 + bit);
		}
	}
	return 0;
}

/* What the TLBs still hold under it is flushed when its next owner first comes to each CPU. */
void vmx_vpid_free(uint16_t vpid)
{
	if (vpid)
		atomic_fetch_and(&used[vpid / 64], ~BIT(vpid % 64));
}
