/*
 * Places the kernel's segments in physical memory. Mapping them is for enter.c.
 */
#include "boot/choose.h"
#include "boot/elf.h"
#include "boot/load.h"
#include "boot/pages.h"
#include "boot/say.h"
#include "boot/volume.h"

static const CHAR16 remedy[] = L"Build the kernel again, and copy it once more.";

static void check(EFI_FILE_HANDLE file, const char *path, struct elf_kernel *kernel)
{
	static _Alignas(8) uint8_t head[ELF_HEAD_BYTES];
	const uint64_t file_bytes = volume_file_bytes(file, path);
	const uint64_t head_bytes = file_bytes < sizeof(head) ? file_bytes : sizeof(head);

	volume_read(file, path, 0, head_bytes, (uint64_t)head);
	const char *wrong = elf_check(head, head_bytes, file_bytes, kernel);
	if (wrong)
		refuse(EFI_LOAD_ERROR, remedy, L"\\bulkhead\\%a is no kernel: %a.", path,
		       wrong);
}

static void place(EFI_FILE_HANDLE file, const char *path, const struct elf_segment *from,
		  struct handoff_segment *to, uint64_t phys)
{
	*to = (struct handoff_segment){
		.phys = phys,
		.virt = from->virt,
		.bytes = from->bytes,
		.flags = from->flags,
	};
	volume_read(file, path, from->file_offset, from->file_bytes, phys);
	BS->SetMem((void *)(phys + from->file_bytes), from->bytes - from->file_bytes, 0);
}

uint64_t load_kernel(EFI_FILE_HANDLE bulkhead, struct handoff *handoff)
{
	struct elf_kernel kernel;
	const struct choice choice = choose_kernel(bulkhead);
	EFI_FILE_HANDLE file = volume_open_file(bulkhead, choice.name, choice.path);

	check(file, choice.path, &kernel);
	const uint64_t base = pages_get_congruent(pages_for(kernel.bytes), kernel.virt);
	if (!base)
		refuse(EFI_OUT_OF_RESOURCES, L"Use a machine with more memory.",
		       L"there is no room for a kernel of %ld KiB.", kernel.bytes >> 10);
	for (uint32_t i = 0; i < kernel.segment_count; i++)
		place(file, choice.path, &kernel.segments[i], &handoff->segments[i],
		      base + (kernel.segments[i].virt - kernel.virt));
	handoff->segment_count = kernel.segment_count;
	handoff->trial = choice.trial;
	file->Close(file);
	return kernel.entry;
}
