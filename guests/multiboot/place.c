/* A kernel's segments go where they want to be, or where a kernel that can be moved allows.
 * Modules and the contents of ELF sections follow behind it, or lie between 1 MiB and it; the
 * boot information is at the top of low memory, or with these where the kernel lies there. */
#include "guests/multiboot/place.h"

#include <errno.h>

#include "guests/boot/e820.h"
#include "kernel/vmm/gmem.h"

static const struct acpi_rsdp rsdp_unread; /* of the right size */

/* From a kernel's first byte to its last. */
struct hull {
	uint64_t start, end;
};

static struct hull hull_of(const struct multiboot_image *image)
{
	struct hull hull = {UINT64_MAX, 0};

	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct multiboot_segment *segment = &image->segments[i];

		hull.start = MIN(hull.start, (uint64_t)segment->gpa);
		hull.end = MAX(hull.end, (uint64_t)segment->gpa + segment->memory_bytes);
	}
	return hull;
}

static int refuse_small(const struct multiboot_plan *plan, char *why)
{
	uint64_t end = plan->lowest_end;
	uint64_t least = ALIGN_UP(MAX(end, E820_HIGH_RAM) + plan->needed, PAGE_2M);

	if (least > GMEM_LOW_MAX)
		return boot_refuse(why, -ENOSPC,
				   "the kernel ends at 0x%llx, and what it is given takes %llu "
				   "KiB more; a guest has memory up to 0x%llx for both",
				   (unsigned long long)end,
				   (unsigned long long)plan->needed / KIB, GMEM_LOW_MAX);
	return boot_refuse(
		why, -ENOSPC,
		"the kernel ends at 0x%llx, and what it is given takes %llu KiB more; "
		"give the guest more memory: %llu MiB at the least",
		(unsigned long long)end, (unsigned long long)plan->needed / KIB,
		(unsigned long long)(least / MIB));
}

/* Segments may lie in any RAM but the BIOS area. */
static int check_segments(const struct multiboot_image *image, char *why)
{
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct multiboot_segment *segment = &image->segments[i];

		if ((uint64_t)segment->gpa + segment->memory_bytes > E820_LOW_END &&
		    segment->gpa < E820_HIGH_RAM)
			return boot_refuse(why, -ENOEXEC,
					   "the kernel's segment at 0x%x lies in the reserved "
					   "area from 0x%llx to 1 MiB",
					   segment->gpa, (unsigned long long)E820_LOW_END);
	}
	return 0;
}

/* Moves an image that can be to where its header allows (Multiboot2 2.0, 3.1.13). */
static int move(struct multiboot_image *image, struct multiboot_plan *plan, char *why)
{
	const struct multiboot_relocation *to = &image->relocation;
	struct hull hull = hull_of(image);
	uint64_t bytes = hull.end - hull.start;
	uint64_t low = ALIGN_UP(MAX((uint64_t)to->min, E820_HIGH_RAM), (uint64_t)to->align);
	uint64_t high = MIN((uint64_t)to->max, plan->ram_end), base = low;

	plan->params.load_base = (uint32_t)hull.start;
	if (to->preference == MULTIBOOT_ANYWHERE && hull.start >= low && hull.end <= high &&
	    hull.start % to->align == 0)
		return 0;
	plan->lowest_end = low + bytes;
	if (low + bytes > to->max)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel (%llu KiB) does not fit between 0x%x and 0x%x, "
				   "where its Multiboot2 header wants it",
				   (unsigned long long)bytes / KIB, to->min, to->max);
	if (low + bytes > high)
		return refuse_small(plan, why);
	if (to->preference == MULTIBOOT_HIGHEST)
		base = ALIGN_DOWN(high - bytes, (uint64_t)to->align);
	for (unsigned i = 0; i < image->segment_count; i++)
		image->segments[i].gpa += (uint32_t)(base - hull.start);
	image->entry += (uint32_t)(base - hull.start);
	plan->params.load_base = (uint32_t)base;
	return 0;
}

/* Takes `bytes`, page-aligned; false where there is no room. */
static bool take(struct multiboot_plan *plan, uint64_t bytes, uint64_t *gpa)
{
	*gpa = ALIGN_UP(plan->above, PAGE_BYTES);
	if (*gpa <= plan->ram_end && bytes <= plan->ram_end - *gpa) {
		plan->above = *gpa + bytes;
		return true;
	}
	*gpa = ALIGN_UP(plan->below, PAGE_BYTES);
	if (*gpa <= plan->kernel && bytes <= plan->kernel - *gpa) {
		plan->below = *gpa + bytes;
		return true;
	}
	return false;
}

static bool take_modules(struct multiboot_plan *plan)
{
	for (unsigned i = 0; i < plan->params.module_count; i++) {
		uint64_t gpa, bytes = plan->images[i]->bytes;

		if (!take(plan, bytes, &gpa))
			return false;
		plan->params.modules[i].start = (uint32_t)gpa;
		plan->params.modules[i].end = (uint32_t)(gpa + bytes);
	}
	return true;
}

/* Low memory's top, unless a segment reaches into it. */
static bool take_info(const struct multiboot_image *image, struct multiboot_plan *plan)
{
	if (plan->info_bytes > E820_LOW_END / 2)
		return take(plan, plan->info_bytes, &plan->info);
	plan->info = ALIGN_DOWN(E820_LOW_END - plan->info_bytes, MULTIBOOT_INFO_ALIGN);
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct multiboot_segment *segment = &image->segments[i];

		if (segment->gpa < E820_LOW_END &&
		    (uint64_t)segment->gpa + segment->memory_bytes > plan->info)
			return take(plan, plan->info_bytes, &plan->info);
	}
	return true;
}

static int add_module(struct multiboot_plan *plan, const struct boot_image *image,
		      const char *string, char *why)
{
	unsigned n = plan->params.module_count;

	if (n == MULTIBOOT_MODULES_MAX)
		return boot_refuse(why, -EINVAL, "a Multiboot kernel gets %u modules at most",
				   MULTIBOOT_MODULES_MAX);
	plan->params.modules[n].string = string;
	plan->images[n] = image;
	plan->params.module_count++;
	plan->needed += ALIGN_UP(image->bytes, PAGE_BYTES);
	return 0;
}

static int add_modules(struct multiboot_plan *plan, const struct boot_source *source, char *why)
{
	int error = 0;

	if (source->initrd.bytes)
		error = add_module(plan, &source->initrd, "initrd", why);
	for (unsigned i = 0; i < source->module_count && !error; i++)
		error = add_module(plan, &source->modules[i].image, source->modules[i].string,
				   why);
	return error;
}

int multiboot_place(const struct boot_source *source, uint64_t ram_bytes,
		    struct multiboot_image *image, struct multiboot_plan *plan,
		    char why[BOOT_WHY_BYTES])
{
	uint64_t sections_bytes = multiboot_sections_bytes(&source->kernel, &image->sections);
	uint64_t sections_gpa = 0;
	struct hull hull;
	int error;

	*plan = (struct multiboot_plan){
		.ram_end = e820_low_ram_end(ram_bytes),
		.below = E820_HIGH_RAM,
		.params = {.ram_bytes = ram_bytes,
			   .name = source->name,
			   .cmdline = source->cmdline,
			   .file = &source->kernel,
			   .sections = &image->sections,
			   .rsdp = source->rsdp ? &rsdp_unread : NULL,
			   .relocatable = image->relocation.possible},
	};
	error = add_modules(plan, source, why);
	if (error)
		return error;
	plan->info_bytes = image->version == MULTIBOOT_1 ? multiboot_info_bytes(&plan->params)
							 : multiboot2_info_bytes(&plan->params);
	plan->needed += ALIGN_UP(sections_bytes, PAGE_BYTES);
	if (plan->info_bytes > E820_LOW_END / 2)
		plan->needed += ALIGN_UP(plan->info_bytes, PAGE_BYTES);
	plan->lowest_end = hull_of(image).end;
	error = image->relocation.possible ? move(image, plan, why) : 0;
	if (!error)
		error = check_segments(image, why);
	if (error)
		return error;
	hull = hull_of(image);
	plan->kernel = MAX(hull.start, E820_HIGH_RAM);
	plan->above = MAX(hull.end, E820_HIGH_RAM);
	if (hull.end > plan->ram_end || !take_modules(plan) ||
	    (sections_bytes && !take(plan, sections_bytes, &sections_gpa)) ||
	    !take_info(image, plan))
		return refuse_small(plan, why);
	plan->params.sections_gpa = (uint32_t)sections_gpa;
	return 0;
}
