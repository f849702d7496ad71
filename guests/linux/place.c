/* Where a bzImage and its initrd go. Pure: it knows the header and the size of the RAM. */
#include <errno.h>
#include <string.h>

#include "guests/boot/e820.h"
#include "guests/linux/image.h"
#include "guests/linux/linux.h"
#include "kernel/vmm/gmem.h"

/*
 * Where the kernel will run. One that can be moved and is loaded below its preferred address
 * moves itself up to that (boot.rst, "Details of header fields", init_size): it saves no
 * memory.
 */
static uint64_t runtime_start(const struct setup_header *header)
{
	if (!header->relocatable_kernel)
		return header->pref_address;
	return ALIGN_UP(MAX(header->pref_address, E820_HIGH_RAM),
			(uint64_t)header->kernel_alignment);
}

/* The least memory that kernel and initrd take; above GMEM_LOW_MAX: no guest has as much. */
static uint64_t least_memory(const struct linux_plan *plan, const struct setup_header *header,
			     uint64_t initrd_bytes)
{
	uint64_t kernel_end = plan->kernel + header->init_size;

	if (initrd_bytes > GMEM_LOW_MAX)
		return UINT64_MAX;
	return ALIGN_UP(kernel_end + ALIGN_UP(initrd_bytes, PAGE_BYTES), PAGE_2M);
}

static int refuse_small(const struct linux_plan *plan, const struct setup_header *header,
			uint64_t initrd_bytes, char *why)
{
	uint64_t least = least_memory(plan, header, initrd_bytes);
	unsigned long long kernel = header->init_size / KIB, initrd = initrd_bytes / KIB;

	if (least > GMEM_LOW_MAX)
		return boot_refuse(
			why, -ENOSPC,
			"the kernel needs %llu KiB at 0x%llx to start, and its initrd "
			"%llu KiB; a guest has memory up to 0x%llx for both",
			kernel, (unsigned long long)plan->kernel, initrd, GMEM_LOW_MAX);
	return boot_refuse(why, -ENOSPC,
			   "the kernel needs %llu KiB at 0x%llx to start, and its initrd %llu "
			   "KiB; give the guest more memory: %llu MiB at the least",
			   kernel, (unsigned long long)plan->kernel, initrd,
			   (unsigned long long)(least / MIB));
}

/* Above the kernel, as high as it allows; below it where that is all it allows. */
static int place_initrd(const struct setup_header *header, uint64_t bytes, uint64_t ram_end,
			struct linux_plan *plan, char *why)
{
	uint64_t limit = (uint64_t)header->initrd_addr_max + 1;
	uint64_t kernel_end = ALIGN_UP(plan->kernel + header->init_size, PAGE_BYTES);
	bool above = bytes <= limit && kernel_end <= limit - bytes;
	uint64_t lowest = above ? kernel_end : E820_HIGH_RAM;
	uint64_t end = above ? MIN(ram_end, limit) : MIN(plan->kernel, limit);

	if (bytes <= end && ALIGN_DOWN(end - bytes, PAGE_BYTES) >= lowest) {
		plan->initrd = ALIGN_DOWN(end - bytes, PAGE_BYTES);
		return 0;
	}
	if (above || bytes > GMEM_LOW_MAX)
		return refuse_small(plan, header, bytes, why);
	return boot_refuse(why, -ENOSPC,
			   "the initrd (%llu KiB) does not fit below 0x%llx, where the kernel "
			   "wants it, beside the kernel at 0x%llx; make it smaller",
			   (unsigned long long)bytes / KIB, (unsigned long long)limit,
			   (unsigned long long)plan->kernel);
}

int linux_place(const struct linux_image *image, const struct boot_source *source,
		uint64_t ram_bytes, struct linux_plan *plan, char why[BOOT_WHY_BYTES])
{
	const struct setup_header *header = &image->header;
	uint64_t ram_end = e820_low_ram_end(ram_bytes);

	*plan = (struct linux_plan){0};
	if (strlen(source->cmdline) > MIN(header->cmdline_size, LINUX_CMDLINE_MAX))
		return boot_refuse(why, -EINVAL,
				   "the command line is longer than this kernel takes (%u)",
				   header->cmdline_size);
	if (header->pref_address > GMEM_LOW_MAX ||
	    (!header->relocatable_kernel && header->pref_address < E820_HIGH_RAM))
		return boot_refuse(why, -ENOEXEC,
				   "the kernel wants to start at 0x%llx, where no guest has "
				   "memory for it",
				   (unsigned long long)header->pref_address);
	plan->kernel = runtime_start(header);
	if (plan->kernel > ram_end || header->init_size > ram_end - plan->kernel)
		return refuse_small(plan, header, source->initrd.bytes, why);
	if (!source->initrd.bytes)
		return 0;
	return place_initrd(header, source->initrd.bytes, ram_end, plan, why);
}

int linux_check(uint64_t ram_bytes, const struct boot_source *source, char why[BOOT_WHY_BYTES])
{
	struct linux_image image;
	struct linux_plan plan;
	int error = linux_image_parse(&source->kernel, &image, why);

	return error ? error : linux_place(&image, source, ram_bytes, &plan, why);
}
