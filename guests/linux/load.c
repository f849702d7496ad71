/*
 * Loads a checked bzImage. Guest memory below 640 KiB, used until the kernel has its own:
 *   0x1000  GDT       0x7000  boot_params      0x8ff0  stack's top
 *   0x9000  PML4, PDPT, 4 page directories     0x20000 command line
 * Where kernel and initrd lie is place.c's.
 */
#include <errno.h>
#include <string.h>

#include "guests/boot/e820.h"
#include "guests/linux/image.h"
#include "guests/linux/linux.h"
#include "kernel/lib/x86.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/gmem.h"

#define GDT_GPA	    0x1000ull
#define PARAMS_GPA  0x7000ull
#define STACK_GPA   0x8ff0ull
#define TABLES_GPA  0x9000ull
#define CMDLINE_GPA 0x20000ull

_Static_assert(CMDLINE_GPA + LINUX_CMDLINE_MAX < E820_LOW_END, "it ends below the EBDA");

#define TABLE_ENTRIES 512
#define IDENTITY_GIB  4 /* mapped 1:1 at entry */

static void fill_params(struct boot_params *params, const struct gmem *gm,
			const struct boot_source *source, const struct linux_image *image,
			const struct linux_plan *plan)
{
	struct e820_entry map[E820_ENTRIES_MAX];

	memcpy(params->hdr_bytes, image->header_bytes, sizeof(params->hdr_bytes));
	params->hdr.type_of_loader = SETUP_LOADER_OTHER;
	params->hdr.code32_start = plan->kernel;
	params->hdr.cmd_line_ptr = CMDLINE_GPA;
	params->hdr.ramdisk_image = plan->initrd;
	params->hdr.ramdisk_size = source->initrd.bytes;
	params->hdr.setup_data = 0;
	if (image->header.version >= SETUP_VERSION_RSDP)
		params->acpi_rsdp_addr = source->rsdp;
	params->e820_entries = e820_build(map, gm->bytes);
	memcpy(params->e820_table, map, params->e820_entries * sizeof(map[0]));
}

static int write_params(struct gmem *gm, const struct boot_source *source,
			const struct linux_image *image, const struct linux_plan *plan)
{
	struct boot_params *params = heap_zalloc(sizeof(*params), gm->account);
	int error;

	if (!params)
		return -ENOMEM;
	fill_params(params, gm, source, image, plan);
	error = gmem_write(gm, PARAMS_GPA, params, sizeof(*params));
	heap_free(params);
	return error;
}

/* Identity map of the first 4 GiB, in 2 MiB pages: every CPU model has these. */
static int write_tables(struct gmem *gm)
{
	uint64_t *table = heap_zalloc(PAGE_BYTES, gm->account);
	uint64_t pdpt = TABLES_GPA + PAGE_BYTES, pd = pdpt + PAGE_BYTES;
	int error;

	if (!table)
		return -ENOMEM;
	table[0] = pdpt | PTE_P | PTE_W;
	error = gmem_write(gm, TABLES_GPA, table, PAGE_BYTES);
	for (unsigned i = 0; i < IDENTITY_GIB; i++)
		table[i] = (pd + i * PAGE_BYTES) | PTE_P | PTE_W;
	if (!error)
		error = gmem_write(gm, pdpt, table, PAGE_BYTES);
	for (unsigned i = 0; i < IDENTITY_GIB && !error; i++) {
		for (unsigned j = 0; j < TABLE_ENTRIES; j++)
			table[j] = (i * PAGE_1G + j * PAGE_2M) | PTE_P | PTE_W | PTE_PS;
		error = gmem_write(gm, pd + i * PAGE_BYTES, table, PAGE_BYTES);
	}
	heap_free(table);
	return error;
}

/* The GDT that boot.rst asks for: __BOOT_CS 0x10, __BOOT_DS 0x18. */
static const uint64_t gdt64[] = {0, 0, 0x00af9b000000ffffull, 0x00cf93000000ffffull};
static const uint64_t gdt32[] = {0, 0, 0x00cf9b000000ffffull, 0x00cf93000000ffffull};
_Static_assert(BOOT_CS == 2 * 8 && BOOT_DS == 3 * 8, "the GDTs' order");
_Static_assert(sizeof(gdt32) == sizeof(gdt64), "one limit serves both");

static int write_all(struct gmem *gm, const struct boot_source *source,
		     const struct linux_image *image, const struct linux_plan *plan)
{
	int error = boot_copy(gm, plan->kernel, image->code, image->code_bytes);

	if (!error)
		error = boot_copy(gm, plan->initrd, source->initrd.data, source->initrd.bytes);
	if (!error)
		error = gmem_write(gm, CMDLINE_GPA, source->cmdline,
				   strlen(source->cmdline) + 1);
	if (!error)
		error = write_params(gm, source, image, plan);
	if (!error && image->wide)
		error = write_tables(gm);
	if (!error)
		error = gmem_write(gm, GDT_GPA, image->wide ? gdt64 : gdt32, sizeof(gdt64));
	return error;
}

/* boot.rst, "64-bit BOOT PROTOCOL" and "32-bit BOOT PROTOCOL". */
static void fill_entry(struct vcpu_entry *entry, const struct linux_image *image,
		       const struct linux_plan *plan)
{
	boot_entry_flat(entry, image->wide ? BOOT_CODE64 : BOOT_CODE32, BOOT_DATA);
	entry->rip = plan->kernel;
	if (image->wide) {
		entry->state.regs[REG_CR0] |= CR0_PG;
		entry->state.regs[REG_CR3] = TABLES_GPA;
		entry->state.regs[REG_CR4] = CR4_PAE;
		entry->state.regs[REG_EFER] = EFER_LME | EFER_LMA;
		entry->rip += SETUP_ENTRY_64;
	}
	entry->state.gdtr.base = GDT_GPA;
	entry->state.gdtr.limit = sizeof(gdt64) - 1;
	entry->regs[RSI] = PARAMS_GPA;
	entry->regs[RSP] = STACK_GPA;
}

int linux_load(struct gmem *gm, const struct boot_source *source, struct vcpu_entry *entry,
	       char why[BOOT_WHY_BYTES])
{
	struct linux_image image;
	struct linux_plan plan;
	int error;

	error = linux_image_parse(&source->kernel, &image, why);
	if (error)
		return error;
	error = linux_place(&image, source, gm->bytes, &plan, why);
	if (error)
		return error;
	error = write_all(gm, source, &image, &plan);
	if (error)
		return boot_refuse(why, error,
				   "the guest's memory could not be written (error %d)",
				   -error);
	fill_entry(entry, &image, &plan);
	return 0;
}
