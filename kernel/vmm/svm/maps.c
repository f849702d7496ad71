/* The MSR and I/O permission maps, one pair for all guests: what a guest may reach without us
 * is the same for each. */
#include "kernel/vmm/svm/svm.h"

#include <errno.h>
#include <string.h>

#include "kernel/cpu/msr.h"
#include "kernel/mem/frames.h"

uint64_t svm_msrpm_phys, svm_iopm_phys;

/* Switched by VMLOAD and VMSAVE, or part of the VMCB: the guest has its own. */
static const uint32_t own_msrs[] = {
	MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,   MSR_PAT,
	MSR_STAR,	 MSR_LSTAR,	   MSR_CSTAR,	       MSR_SFMASK,
	MSR_FS_BASE,	 MSR_GS_BASE,	   MSR_KERNEL_GS_BASE,
};

/* APM vol. 2 15.11: two bits per MSR, read and write; 2 KiB for each range of 0x2000. */
static void msrpm_allow(uint8_t *map, uint32_t msr)
{
	static const uint32_t range_base[] = {0, 0xc0000000, 0xc0010000};

	for (unsigned i = 0; i < ARRAY_SIZE(range_base); i++) {
		uint32_t index = msr - range_base[i];

		if (index < 0x2000)
			map[i * 0x800 + index / 4] &= (uint8_t) ~(3u << index % 4 * 2);
	}
}

int svm_maps_init(void)
{
	uint8_t *map;

	svm_msrpm_phys = frames_alloc(1, NULL); /* 8 KiB */
	svm_iopm_phys = frames_alloc(2, NULL);	/* 12 KiB used (APM vol. 2 15.10.1) */
	if (!svm_msrpm_phys || !svm_iopm_phys)
		return -ENOMEM;
	memset(directmap(svm_iopm_phys), 0xff, 4 * PAGE_BYTES);
	map = directmap(svm_msrpm_phys);
	memset(map, 0xff, 2 * PAGE_BYTES);
	for (unsigned i = 0; i < ARRAY_SIZE(own_msrs); i++)
		msrpm_allow(map, own_msrs[i]);
	return 0;
}
