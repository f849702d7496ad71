/*
 * Loads a checked bzImage. Guest memory below 640 KiB, used until the kernel has its own:
 *   0x1000  GDT       0x7000  boot_params      0x8ff0  stack's top
 *   0x9000  PML4, PDPT, 4 page directories     0x20000 command line
 * The kernel lies where it prefers to; the initrd as high as it allows.
 */
#include <errno.h>
#include <string.h>

#include "guests/e820.h"
#include "guests/linux/image.h"
#include "guests/linux/linux.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/gmem.h"

#define GDT_GPA	      0x1000ull
#define PARAMS_GPA    0x7000ull
#define STACK_GPA     0x8ff0ull
#define TABLES_GPA    0x9000ull
#define CMDLINE_GPA   0x20000ull
#define CMDLINE_ROOM  (E820_LOW_END - CMDLINE_GPA)

#define TABLE_ENTRIES 512
#define IDENTITY_GIB  4	       /* mapped 1:1 at entry */
#define PTE_TABLE     0x003ull /* present, writable */
#define PTE_LEAF_2M   0x083ull /* present, writable, large */

#define CR0_PG	      BIT(31)
#define CR4_PAE	      BIT(5)

struct plan { /* where things go */
	uint64_t kernel, initrd;
};

/* Whether [base, base + bytes) is RAM above 1 MiB that ends at or below `end`. */
static bool fits(uint64_t base, uint64_t bytes, uint64_t end)
{
	return base >= E820_HIGH_RAM && base <= end && bytes <= end - base;
}

static int place_kernel(const struct setup_header *header, uint64_t ram_end, struct plan *plan,
			char *why)
{
	uint64_t lowest = ALIGN_UP(E820_HIGH_RAM, header->kernel_alignment);

	plan->kernel = header->pref_address;
	if (fits(plan->kernel, header->init_size, ram_end))
		return 0;
	plan->kernel = lowest;
	if (header->relocatable_kernel && fits(lowest, header->init_size, ram_end))
		return 0;
	return boot_refuse(
		why, -ENOSPC,
		"the kernel needs %u KiB at 0x%llx to start; give the guest more memory",
		header->init_size / 1024,
		(unsigned long long)(header->relocatable_kernel ? lowest
								: header->pref_address));
}

static int place_initrd(const struct setup_header *header, uint64_t bytes, uint64_t ram_end,
			struct plan *plan, char *why)
{
	uint64_t end = MIN(ram_end, (uint64_t)header->initrd_addr_max + 1);
	uint64_t kernel_end = plan->kernel + header->init_size;

	plan->initrd = 0;
	if (!bytes)
		return 0;
	if (bytes <= end)
		plan->initrd = ALIGN_DOWN(end - bytes, PAGE_BYTES);
	if (fits(plan->initrd, bytes, end) &&
	    (plan->initrd >= kernel_end || plan->initrd + bytes <= plan->kernel))
		return 0;
	return boot_refuse(
		why, -ENOSPC,
		"the initrd (%llu KiB) does not fit beside the kernel; give the guest more "
		"memory",
		(unsigned long long)bytes / 1024);
}

static void fill_params(struct boot_params *params, const struct gmem *gm,
			const struct boot_source *source, const struct linux_image *image,
			const struct plan *plan)
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
			const struct linux_image *image, const struct plan *plan)
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
	table[0] = pdpt | PTE_TABLE;
	error = gmem_write(gm, TABLES_GPA, table, PAGE_BYTES);
	for (unsigned i = 0; i < IDENTITY_GIB; i++)
		table[i] = (pd + i * PAGE_BYTES) | PTE_TABLE;
	if (!error)
		error = gmem_write(gm, pdpt, table, PAGE_BYTES);
	for (unsigned i = 0; i < IDENTITY_GIB && !error; i++) {
		for (unsigned j = 0; j < TABLE_ENTRIES; j++)
			table[j] = (i * PAGE_1G + j * PAGE_2M) | PTE_LEAF_2M;
		error = gmem_write(gm, pd + i * PAGE_BYTES, table, PAGE_BYTES);
	}
	heap_free(table);
	return error;
}

/* The GDT that boot.rst asks for: __BOOT_CS 0x10, __BOOT_DS 0x18. */
static const uint64_t gdt[] = {0, 0, 0x00af9b000000ffffull, 0x00cf93000000ffffull};
_Static_assert(BOOT_CS == 2 * 8 && BOOT_DS == 3 * 8, "the GDT's order");

static int write_all(struct gmem *gm, const struct boot_source *source,
		     const struct linux_image *image, const struct plan *plan)
{
	int error = boot_copy(gm, plan->kernel, image->code, image->code_bytes);

	if (!error)
		error = boot_copy(gm, plan->initrd, source->initrd.data, source->initrd.bytes);
	if (!error)
		error = gmem_write(gm, CMDLINE_GPA, source->cmdline,
				   strlen(source->cmdline) + 1);
	if (!error)
		error = write_params(gm, source, image, plan);
	if (!error)
		error = write_tables(gm);
	if (!error)
		error = gmem_write(gm, GDT_GPA, gdt, sizeof(gdt));
	return error;
}

/* boot.rst, "64-bit BOOT PROTOCOL". */
static void fill_entry(struct vcpu_entry *entry, const struct plan *plan)
{
	boot_entry_flat(entry, BOOT_CODE64, BOOT_DATA);
	entry->state.regs[REG_CR0] |= CR0_PG;
	entry->state.regs[REG_CR3] = TABLES_GPA;
	entry->state.regs[REG_CR4] = CR4_PAE;
	entry->state.regs[REG_EFER] = EFER_LME | EFER_LMA;
	entry->state.gdtr.base = GDT_GPA;
	entry->state.gdtr.limit = sizeof(gdt) - 1;
	entry->regs[RSI] = PARAMS_GPA;
	entry->regs[RSP] = STACK_GPA;
	entry->rip = plan->kernel + SETUP_ENTRY_64;
}

int linux_load(struct gmem *gm, const struct boot_source *source, struct vcpu_entry *entry,
	       char why[BOOT_WHY_BYTES])
{
	uint64_t ram_end = e820_low_ram_end(gm->bytes);
	struct linux_image image;
	struct plan plan;
	int error;

	error = linux_image_parse(&source->kernel, &image, why);
	if (error)
		return error;
	if (strlen(source->cmdline) > MIN(image.header.cmdline_size, CMDLINE_ROOM - 1))
		return boot_refuse(why, -EINVAL,
				   "the command line is longer than this kernel takes (%u)",
				   image.header.cmdline_size);
	error = place_kernel(&image.header, ram_end, &plan, why);
	if (!error)
		error = place_initrd(&image.header, source->initrd.bytes, ram_end, &plan, why);
	if (error)
		return error;
	error = write_all(gm, source, &image, &plan);
	if (error)
		return boot_refuse(why, error,
				   "the guest's memory could not be written (error %d)",
				   -error);
	fill_entry(entry, &plan);
	return 0;
}
