/* Writes a checked and placed Multiboot kernel, what it is given, and the state it starts in.
 */
#include <errno.h>

#include "guests/bios/bios.h"
#include "guests/multiboot/place.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/gmem.h"

/* In EAX (3.2; Multiboot2 3.3). */
#define BOOTLOADER_MAGIC  0x2badb002u
#define BOOTLOADER_MAGIC2 0x36d76289u

static int write_info(struct gmem *gm, enum multiboot_version version,
		      const struct multiboot_plan *plan)
{
	void *info = heap_zalloc(plan->info_bytes, gm->account);
	int error;

	if (!info)
		return -ENOMEM;
	if (version == MULTIBOOT_1)
		multiboot_info_build(&plan->params, info, (uint32_t)plan->info);
	else
		multiboot2_info_build(&plan->params, info);
	error = gmem_write(gm, plan->info, info, plan->info_bytes);
	heap_free(info);
	return error;
}

/* The rest of a segment's memory is zero already, as this is the guest's first start, save
 * where firmware has left something. */
static int write_segment(struct gmem *gm, const struct multiboot_segment *segment)
{
	static const uint8_t zeroes[BIOS_DATA_END];
	uint64_t start = (uint64_t)segment->gpa + segment->file_bytes;
	uint64_t end = MIN((uint64_t)segment->gpa + segment->memory_bytes, BIOS_DATA_END);
	int error = boot_copy(gm, segment->gpa, segment->data, segment->file_bytes);

	if (error || start >= end)
		return error;
	return gmem_write(gm, start, zeroes, end - start);
}

static int write_sections(struct gmem *gm, const struct multiboot_info_params *params)
{
	uint64_t gpa = params->sections_gpa;
	int error = 0;

	for (unsigned i = 0; i < params->sections->count && !error; i++) {
		const uint8_t *data = NULL;
		uint64_t bytes = multiboot_section(params->file, params->sections, i, &data);

		error = boot_copy(gm, gpa, data, bytes);
		gpa += ALIGN_UP(bytes, MULTIBOOT_SECTION_ALIGN);
	}
	return error;
}

static int write_all(struct gmem *gm, const struct multiboot_image *image,
		     const struct multiboot_plan *plan)
{
	int error = 0;

	for (unsigned i = 0; i < image->segment_count && !error; i++)
		error = write_segment(gm, &image->segments[i]);
	for (unsigned i = 0; i < plan->params.module_count && !error; i++)
		error = boot_copy(gm, plan->params.modules[i].start, plan->images[i]->data,
				  plan->images[i]->bytes);
	if (!error)
		error = write_sections(gm, &plan->params);
	return error ? error : write_info(gm, image->version, plan);
}

/* Files' tables are large for a stack. */
struct work {
	struct multiboot_image image;
	struct multiboot_plan plan;
	struct acpi_rsdp rsdp;
};

static int load(struct gmem *gm, const struct boot_source *source, struct work *work, char *why)
{
	int error =
		multiboot_image_parse(&source->kernel, work->image.version, &work->image, why);

	if (!error)
		error = multiboot_place(source, gm->bytes, &work->image, &work->plan, why);
	if (error)
		return error;
	if (source->rsdp) {
		work->plan.params.rsdp = &work->rsdp;
		error = gmem_read(gm, source->rsdp, &work->rsdp, sizeof(work->rsdp));
	}
	if (!error)
		error = write_all(gm, &work->image, &work->plan);
	if (error)
		return boot_refuse(why, error,
				   "the guest's memory could not be written (error %d)",
				   -error);
	return 0;
}

int multiboot_load(struct gmem *gm, const struct boot_source *source,
		   enum multiboot_version version, struct vcpu_entry *entry,
		   char why[BOOT_WHY_BYTES])
{
	struct work *work = heap_zalloc(sizeof(*work), gm->account);
	int error;

	if (!work)
		return boot_refuse(why, -ENOMEM, "no memory to read its kernel");
	work->image.version = version;
	error = load(gm, source, work, why);
	if (!error) {
		boot_entry_flat(entry, BOOT_CODE32, BOOT_DATA);
		entry->regs[RAX] =
			version == MULTIBOOT_1 ? BOOTLOADER_MAGIC : BOOTLOADER_MAGIC2;
		entry->regs[RBX] = work->plan.info;
		entry->rip = work->image.entry;
	}
	heap_free(work);
	return error;
}
