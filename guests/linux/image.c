/* Reading a bzImage's header with distrust. */
#include "guests/linux/image.h"

#include <errno.h>
#include <string.h>

#include "guests/linux/linux.h"

bool linux_probe(const struct boot_image *kernel)
{
	struct setup_header header;

	if (kernel->bytes < SETUP_HEADER_OFFSET + sizeof(header))
		return false;
	memcpy(&header, kernel->data + SETUP_HEADER_OFFSET, sizeof(header));
	return header.boot_flag == SETUP_BOOT_FLAG &&
	       !memcmp(header.header, SETUP_MAGIC, sizeof(header.header));
}

/* Copies the header as long as the file says it is. */
static int read_header(const struct boot_image *file, struct linux_image *image, char *why)
{
	const struct setup_header *fixed = (const void *)(file->data + SETUP_HEADER_OFFSET);
	size_t bytes = offsetof(struct setup_header, header) + fixed->jump_bytes;

	if (fixed->version < SETUP_VERSION_MIN)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel speaks boot protocol %u.%02u, and may need a "
				   "BIOS to start, "
				   "which guests lack; 2.10 (Linux 2.6.31) or later is needed",
				   fixed->version >> 8, fixed->version & 0xff);
	if (bytes < sizeof(image->header))
		return boot_refuse(
			why, -ENOEXEC,
			"the kernel's setup header is %zu bytes long, %zu are needed", bytes,
			sizeof(image->header));
	bytes = MIN(bytes, sizeof(image->header_bytes));
	if (bytes > file->bytes - SETUP_HEADER_OFFSET)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's file ends inside its setup header");
	memset(image->header_bytes, 0, sizeof(image->header_bytes));
	memcpy(image->header_bytes, fixed, bytes);
	return 0;
}

/* Finds the protected-mode code in the file. A signature may follow it. */
static int find_code(const struct boot_image *file, struct linux_image *image, char *why)
{
	const struct setup_header *header = &image->header;
	unsigned sectors = header->setup_sects ? header->setup_sects : SETUP_SECTS_DEFAULT;
	uint64_t setup = (sectors + 1) * SETUP_SECTOR_BYTES;
	uint64_t bytes = header->syssize * 16ull, there;

	if (file->bytes <= setup)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's file ends inside its setup code");
	there = file->bytes - setup;
	if (bytes >= there + 16)
		return boot_refuse(
			why, -ENOEXEC,
			"the kernel's file is cut short: %llu of %llu bytes of code are there",
			(unsigned long long)there, (unsigned long long)bytes);
	image->code = file->data + setup;
	image->code_bytes = MIN(bytes, there);
	image->wide = header->version >= SETUP_VERSION_XLF &&
		      header->xloadflags & SETUP_XLF_KERNEL_64;
	if (image->code_bytes <= (image->wide ? SETUP_ENTRY_64 : 0))
		return boot_refuse(why, -ENOEXEC, "the kernel has no code at its entry point");
	if (header->payload_offset > image->code_bytes ||
	    header->payload_length > image->code_bytes - header->payload_offset)
		return boot_refuse(why, -ENOEXEC,
				   "the kernel's compressed payload lies outside of its file");
	return 0;
}

int linux_image_parse(const struct boot_image *file, struct linux_image *image,
		      char why[BOOT_WHY_BYTES])
{
	const struct setup_header *header = &image->header;
	int error;

	if (!linux_probe(file))
		return boot_refuse(why, -ENOEXEC, "the file is not a Linux kernel (bzImage)");
	error = read_header(file, image, why);
	if (!error)
		error = find_code(file, image, why);
	if (error)
		return error;

	if (!(header->loadflags & SETUP_LOADED_HIGH))
		return boot_refuse(why, -ENOEXEC,
				   "the kernel is a zImage, which can't be loaded above 1 MiB");
	if (!header->kernel_alignment ||
	    header->kernel_alignment & (header->kernel_alignment - 1))
		return boot_refuse(why, -ENOEXEC,
				   "the kernel asks for an alignment of 0x%x bytes",
				   header->kernel_alignment);
	if (header->init_size < image->code_bytes)
		return boot_refuse(
			why, -ENOEXEC,
			"the kernel says it needs less memory (%u bytes) than it is long",
			header->init_size);
	return 0;
}
