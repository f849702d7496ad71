/* The MSR and I/O bitmaps, one set for all guests: what a guest may reach without us is the
 * same for each. */
#include "kernel/vmm/vmx/vmx.h"

#include <errno.h>
#include <string.h>

#include "kernel/cpu/msr.h"
#include "kernel/mem/frames.h"

uint64_t vmx_msr_bitmap_phys, vmx_msr_bitmap_apic_phys, vmx_io_bitmap_phys;

/* In the VMCS, or switched when a vCPU gets its CPU: the guest has its own. */
static const uint32_t own_msrs[] = {
	MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,   MSR_PAT,
	MSR_STAR,	 MSR_LSTAR,	   MSR_CSTAR,	       MSR_SFMASK,
	MSR_FS_BASE,	 MSR_GS_BASE,	   MSR_KERNEL_GS_BASE,
};

/* x2APIC registers that the CPU answers from the virtual-APIC page as the vlapic would (SDM
 * vol. 3C 29.5). Not ICR, whose halves lie apart there, nor the timer's count. */
static const struct {
	uint16_t first, last;
} apic_reads[] = {
	{0x802, 0x803}, {0x808, 0x808}, {0x80a, 0x80a}, {0x80d, 0x80d},
	{0x80f, 0x828}, {0x832, 0x838}, {0x83e, 0x83e},
};
static const uint16_t apic_writes[] = {0x808 /* TPR */, 0x80b /* EOI */, 0x83f /* self IPI */};

/* SDM vol. 3C 24.6.9: a bit per MSR; reads of low and high MSRs, then writes, 1 KiB each. */
#define WRITES 0x800

static void allow(uint8_t *map, uint32_t msr)
{
	map[(msr >= 0xc0000000 ? 0x400 : 0) + (msr & 0x1fff) / 8] &= (uint8_t)~BIT(msr % 8);
}

static void allow_apic(uint8_t *map)
{
	for (unsigned i = 0; i < ARRAY_SIZE(apic_reads); i++)
		for (uint32_t msr = apic_reads[i].first; msr <= apic_reads[i].last; msr++)
			allow(map, msr);
	for (unsigned i = 0; i < ARRAY_SIZE(apic_writes); i++)
		allow(map + WRITES, apic_writes[i]);
}

int vmx_maps_init(void)
{
	uint8_t *map;

	vmx_msr_bitmap_phys = frames_alloc(0, NULL);
	vmx_msr_bitmap_apic_phys = frames_alloc(0, NULL);
	vmx_io_bitmap_phys = frames_alloc(1, NULL); /* A and B (24.6.4) */
	if (!vmx_msr_bitmap_phys || !vmx_msr_bitmap_apic_phys || !vmx_io_bitmap_phys)
		return -ENOMEM;
	memset(directmap(vmx_io_bitmap_phys), 0xff, 2 * PAGE_BYTES);
	map = directmap(vmx_msr_bitmap_phys);
	memset(map, 0xff, PAGE_BYTES);
	for (unsigned i = 0; i < ARRAY_SIZE(own_msrs); i++) {
		allow(map, own_msrs[i]);
		allow(map + WRITES, own_msrs[i]);
	}
	memcpy(directmap(vmx_msr_bitmap_apic_phys), map, PAGE_BYTES);
	allow_apic(directmap(vmx_msr_bitmap_apic_phys));
	return 0;
}
