/*
 * Loads a checked Multiboot kernel. Its segments go where they want to be; modules follow above
 * the highest; the boot information lies at the top of low memory, or after the modules where
 * the kernel lies there itself.
 */
#include <errno.h>
#include <string.h>

#include "guests/e820.h"
#include "guests/multiboot/image.h"
#include "guests/multiboot/info.h"
#include "guests/multiboot/multiboot.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/gmem.h"

#define BOOTLOADER_MAGIC 0x2badb002u /* in EAX (3.2) */

struct plan {
	uint64_t ram_end; /* of RAM below 4 GiB */
	uint64_t end;	  /* of what is placed so far, at least 1 MiB */
	uint64_t info;
	struct multiboot_info_params params;
	const struct boot_image *images[MULTIBOOT_MODULES_MAX];
};

/* Segments may lie in any RAM but the BIOS area, where the ACPI tables are. */
static int place_segments(const struct multiboot_image *image, struct plan *plan, char *why)
{
	plan->end = E820_HIGH_RAM;
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct multiboot_segment *segment = &image->segments[i];
		uint64_t end = (uint64_t)segment->gpa + segment->memory_bytes;

		if (end > E820_LOW_END && segment->gpa < E820_HIGH_RAM)
			return boot_refuse(why, -ENOEXEC,
					   "the kernel's segment at 0x%x lies in the reserved "
					   "area from 0x%llx to 1 MiB",
					   segment->gpa, (unsigned long long)E820_LOW_END);
		if (end > plan->ram_end)
			return boot_refuse(why, -ENOSPC,
					   "the kernel's segment at 0x%x (%u KiB) is not in "
					   "the guest's memory; give it more",
					   segment->gpa, segment->memory_bytes / 1024);
		plan->end = MAX(plan->end, end);
	}
	return 0;
}

/* Takes `bytes` from plan->end on, page-aligned. */
static int place(struct plan *plan, uint64_t bytes, uint64_t *gpa, char *why)
{
	*gpa = ALIGN_UP(plan->end, PAGE_BYTES);
	if (*gpa > plan->ram_end || bytes > plan->ram_end - *gpa)
		return boot_refuse(why, -ENOSPC,
				   "the modules do not fit beside the kernel; give the guest "
				   "more memory");
	plan->end = *gpa + bytes;
	return 0;
}

static int place_module(struct plan *plan, const struct boot_image *image, const char *string,
			char *why)
{
	unsigned n = plan->params.module_count;
	uint64_t gpa;
	int error;

	if (n == MULTIBOOT_MODULES_MAX)
		return boot_refuse(why, -EINVAL, "a Multiboot kernel gets %u modules at most",
				   MULTIBOOT_MODULES_MAX);
	error = place(plan, image->bytes, &gpa, why);
	if (error)
		return error;
	plan->params.modules[n] = (struct multiboot_place){gpa, gpa + image->bytes, string};
	plan->images[n] = image;
	plan->params.module_count++;
	return 0;
}

static int place_modules(struct plan *plan, const struct boot_source *source, char *why)
{
	int error = 0;

	if (source->initrd.bytes)
		error = place_module(plan, &source->initrd, "initrd", why);
	for (unsigned i = 0; i < source->module_count && !error; i++)
		error = place_module(plan, &source->modules[i].image, source->modules[i].string,
				     why);
	return error;
}

static int place_info(const struct multiboot_image *image, struct plan *plan, char *why)
{
	uint64_t bytes = multiboot_info_bytes(&plan->params);

	/* Low memory's top, unless a segment reaches into it. */
	if (bytes <= E820_LOW_END / 2) {
		plan->info = ALIGN_DOWN(E820_LOW_END - bytes, 16);
		for (unsigned i = 0; i < image->segment_count; i++) {
			const struct multiboot_segment *segment = &image->segments[i];

			if (segment->gpa < E820_LOW_END &&
			    (uint64_t)segment->gpa + segment->memory_bytes > plan->info)
				return place(plan, bytes, &plan->info, why);
		}
		return 0;
	}
	return place(plan, bytes, &plan->info, why);
}

static int write_info(struct gmem *gm, const struct plan *plan)
{
	size_t bytes = multiboot_info_bytes(&plan->params);
	void *info = heap_zalloc(bytes, gm->account);
	int error;

	if (!info)
		return -ENOMEM;
	multiboot_info_build(&plan->params, info, plan->info);
	error = gmem_write(gm, plan->info, info, bytes);
	heap_free(info);
	return error;
}

/* The rest of a segment's memory is zero already: this is the guest's first start. */
static int write_all(struct gmem *gm, const struct multiboot_image *image,
		     const struct plan *plan)
{
	int error = 0;

	for (unsigned i = 0; i < image->segment_count && !error; i++)
		error = boot_copy(gm, image->segments[i].gpa, image->segments[i].data,
				  image->segments[i].file_bytes);
	for (unsigned i = 0; i < plan->params.module_count && !error; i++)
		error = boot_copy(gm, plan->params.modules[i].start, plan->images[i]->data,
				  plan->images[i]->bytes);
	return error ? error : write_info(gm, plan);
}

int multiboot_load(struct gmem *gm, const struct boot_source *source, struct vcpu_entry *entry,
		   char why[BOOT_WHY_BYTES])
{
	struct multiboot_image image;
	struct plan plan = {
		.ram_end = e820_low_ram_end(gm->bytes),
		.params = {.ram_bytes = gm->bytes,
			   .name = source->name,
			   .cmdline = source->cmdline},
	};
	int error;

	error = multiboot_image_parse(&source->kernel, &image, why);
	if (!error)
		error = place_segments(&image, &plan, why);
	if (!error)
		error = place_modules(&plan, source, why);
	if (!error)
		error = place_info(&image, &plan, why);
	if (error)
		return error;
	error = write_all(gm, &image, &plan);
	if (error)
		return boot_refuse(why, error,
				   "the guest's memory could not be written (error %d)",
				   -error);
	boot_entry_flat(entry, BOOT_CODE32, BOOT_DATA);
	entry->regs[RAX] = BOOTLOADER_MAGIC;
	entry->regs[RBX] = plan.info;
	entry->rip = image.entry;
	return 0;
}
