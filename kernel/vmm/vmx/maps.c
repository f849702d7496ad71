/* The MSR and I/O bitmaps, one set for all guests: what a guest may reach without us is the
 * same for each. */
#include "kernel/vmm/vmx/vmx.h"

#include <errno.h>
#include <string.h>

#include "kernel/cpu/msr.h"
#include "kernel/mem/frames.h"

uint64_t vmx_msr_bitmap_phys, vmx_io_bitmap_phys;

/* In the VMCS, or switched when a vCPU gets its CPU: the guest has its own. */
static const uint32_t own_msrs[] = {
	MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,   MSR_PAT,
	MSR_STAR,	 MSR_LSTAR,	   MSR_CSTAR,	       MSR_SFMASK,
	MSR_FS_BASE,	 MSR_GS_BASE,	   MSR_KERNEL_GS_BASE,
};

/* SDM vol. 3C 24.6.9: a bit per MSR; reads of low and high MSRs, then writes, 1 KiB each. */
static void allow(uint8_t *map, uint32_t msr)
{
	uint32_t at = (msr >= 0xc0000000 ? 0x400 : 0) + (msr & 0x1fff) / 8;
	uint8_t bit = (uint8_t)BIT(msr % 8);

	map[at] &= (uint8_t)~bit;
	map[0x800 + at] &= (uint8_t)~bit;
}

int vmx_maps_init(void)
{
	uint8_t *map;

	vmx_msr_bitmap_phys = frames_alloc(0, NULL);
	vmx_io_bitmap_phys = frames_alloc(1, NULL); /* A and B (24.6.4) */
	if (!vmx_msr_bitmap_phys || !vmx_io_bitmap_phys)
		return -ENOMEM;
	memset(directmap(vmx_io_bitmap_phys), 0xff, 2 * PAGE_BYTES);
	map = directmap(vmx_msr_bitmap_phys);
	memset(map, 0xff, PAGE_BYTES);
	for (unsigned i = 0; i < ARRAY_SIZE(own_msrs); i++)
		allow(map, own_msrs[i]);
	return 0;
}
