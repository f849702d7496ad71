/*
 * The Multiboot loader on kernels that are made here, in ELF32 and flat: what a sound one finds
 * in memory, and that damaged ones are refused with a reason and never read beyond their end
 * (each image is a heap block of exactly its size, watched by the address sanitizer).
 */
/* links: guests/multiboot/load.c guests/multiboot/image.c guests/multiboot/info.c */
/* links: guests/multiboot/elf.c guests/multiboot/header2.c guests/multiboot/info2.c */
/* links: guests/multiboot/place.c */
/* links: guests/boot/boot.c guests/boot/e820.c tests/unit/fake_gmem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guests/multiboot/multiboot.h"
#include "tests/unit/fake_gmem.h"
#include "tests/unit/load_image.h"

#define MAGIC	     0x1badb002u
#define KERNEL_GPA   (4 * MIB)
#define KERNEL_VIRT  0xc0400000u
#define HEADER_AT    0x100 /* offsets in the file */
#define CODE_AT	     0x120
#define IMAGE_BYTES  0x200
#define CODE_BYTES   (IMAGE_BYTES - CODE_AT)
#define MEMORY_BYTES 0x10000

struct elf_image {
	Elf32_Ehdr ehdr;
	Elf32_Phdr phdr[2];
	uint8_t rest[IMAGE_BYTES - sizeof(Elf32_Ehdr) - 2 * sizeof(Elf32_Phdr)];
};
_Static_assert(sizeof(struct elf_image) == IMAGE_BYTES, "no padding");

static void put_header(void *image, uint32_t flags)
{
	uint32_t header[] = {MAGIC, flags, -(MAGIC + flags)};

	memcpy((uint8_t *)image + HEADER_AT, header, sizeof(header));
}

/* One segment that holds the code, linked high and loaded at 4 MiB; one that is a note. */
static void make_elf(struct elf_image *image)
{
	memset(image, 0xcc, sizeof(*image));
	image->ehdr = (Elf32_Ehdr){
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_entry = KERNEL_VIRT + 0x10,
		.e_phoff = offsetof(struct elf_image, phdr),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 2,
	};
	image->phdr[0] = (Elf32_Phdr){.p_type = PT_NOTE, .p_filesz = 0xffffffff};
	image->phdr[1] = (Elf32_Phdr){
		.p_type = PT_LOAD,
		.p_offset = CODE_AT,
		.p_vaddr = KERNEL_VIRT,
		.p_paddr = KERNEL_GPA,
		.p_filesz = CODE_BYTES,
		.p_memsz = MEMORY_BYTES,
	};
	put_header(image, 3);
}

/* Flat: loaded whole but for its first 0x100 bytes, with bss. */
static void make_flat(uint8_t image[IMAGE_BYTES])
{
	uint32_t flags = 0x10003;
	uint32_t header[] = {
		MAGIC,
		flags,
		-(MAGIC + flags),
		KERNEL_GPA,
		KERNEL_GPA,
		KERNEL_GPA + IMAGE_BYTES - HEADER_AT,
		KERNEL_GPA + MEMORY_BYTES,
		KERNEL_GPA + 0x20,
	};

	for (unsigned i = 0; i < IMAGE_BYTES; i++)
		image[i] = i * 5;
	memcpy(image + HEADER_AT, header, sizeof(header));
}

static int load_1(struct gmem *gm, const struct boot_source *source, struct vcpu_entry *into,
		  char *reason)
{
	return multiboot_load(gm, source, MULTIBOOT_1, into, reason);
}

static int load_bytes(uint64_t ram, const void *image, size_t bytes,
		      const struct boot_source *like)
{
	return load_image(load_1, ram, image, bytes, like);
}

struct info { /* Multiboot 3.3, as a kernel would declare it */
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	uint32_t syms[4], mmap_length, mmap_addr, drives[2], config_table, loader_name;
};

static void test_elf(void **state)
{
	struct elf_image image;

	(void)state;
	make_elf(&image);
	assert_int_equal(load_bytes(16 * MIB, &image, sizeof(image), NULL), 0);
	assert_memory_equal(fake.ram + KERNEL_GPA, (uint8_t *)&image + CODE_AT, CODE_BYTES);
	assert_int_equal(fake.ram[KERNEL_GPA + CODE_BYTES], 0);
	assert_int_equal(entry.rip, KERNEL_GPA + 0x10); /* physical, though linked high */
	assert_int_equal(entry.regs[RAX], 0x2badb002);
	assert_int_equal(entry.state.regs[REG_CR0] & 0x80000001, 1);
	assert_int_equal(entry.state.regs[REG_EFER], 0);
	for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
		assert_int_equal(entry.state.segs[i].base, 0);
		assert_int_equal(entry.state.segs[i].limit, 0xffffffff);
		assert_true(entry.state.segs[i].attributes & SEG_ATTR_DB);
	}
	assert_false(entry.rflags & 0x200);
	fake_gmem_fini(&fake);
}

static void test_flat(void **state)
{
	uint8_t image[IMAGE_BYTES];

	(void)state;
	make_flat(image);
	assert_int_equal(load_bytes(16 * MIB, image, sizeof(image), NULL), 0);
	assert_memory_equal(fake.ram + KERNEL_GPA, image + HEADER_AT, IMAGE_BYTES - HEADER_AT);
	assert_int_equal(entry.rip, KERNEL_GPA + 0x20);
	fake_gmem_fini(&fake);
}

static void test_information(void **state)
{
	static const uint8_t env[] = "NR_CPUS=2\n", second[4097] = {7};
	const struct boot_module module = {{second, sizeof(second)}, "second one"};
	const struct boot_source source = {
		.name = "test.flat",
		.cmdline = "cpuid 3",
		.initrd = {env, sizeof(env)},
		.modules = &module,
		.module_count = 1,
	};
	struct elf_image image;
	const struct info *info;
	const uint32_t *mods, *mmap;

	(void)state;
	make_elf(&image);
	assert_int_equal(load_bytes(5 * GIB, &image, sizeof(image), &source), 0);
	assert_true(entry.regs[RBX] < 0x9fc00);
	info = fake_gmem_at(&fake, entry.regs[RBX], struct info);
	assert_int_equal(info->flags, 0x24d);
	assert_int_equal(info->mem_lower, 639);
	assert_int_equal(info->mem_upper, (GMEM_LOW_MAX - MIB) / 1024);
	assert_string_equal(fake.ram + info->cmdline, "test.flat cpuid 3");
	assert_string_equal(fake.ram + info->loader_name, "Bulkhead");

	assert_int_equal(info->mods_count, 2);
	mods = fake_gmem_at(&fake, info->mods_addr, uint32_t);
	assert_int_equal(mods[0] % PAGE_BYTES, 0);
	assert_true(mods[0] >= KERNEL_GPA + MEMORY_BYTES);
	assert_int_equal(mods[1] - mods[0], sizeof(env));
	assert_memory_equal(fake.ram + mods[0], env, sizeof(env));
	assert_int_equal(mods[4] % PAGE_BYTES, 0);
	assert_true(mods[4] >= mods[1]);
	assert_int_equal(mods[5] - mods[4], sizeof(second));
	assert_memory_equal(fake.ram + mods[4], second, sizeof(second));
	assert_string_equal(fake.ram + mods[6], "second one");

	mmap = fake_gmem_at(&fake, info->mmap_addr, uint32_t);
	assert_int_equal(info->mmap_length, 5 * 24);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(mmap[i * 6], 20);
	assert_int_equal(mmap[6 * 4 + 2], 1); /* the last begins at 4 GiB */
	fake_gmem_fini(&fake);
}

/* A kernel in low memory leaves no room there: the information follows the modules. */
static void test_kernel_in_low_memory(void **state)
{
	struct elf_image image;

	(void)state;
	make_elf(&image);
	image.phdr[1].p_paddr = 0x9fc00 - MEMORY_BYTES;
	assert_int_equal(load_bytes(16 * MIB, &image, sizeof(image), NULL), 0);
	assert_true(entry.regs[RBX] >= MIB);
	assert_int_equal(entry.rip, 0x9fc00 - MEMORY_BYTES + 0x10);
	fake_gmem_fini(&fake);
}

static uint32_t first_module(void)
{
	return fake_gmem_at(&fake, entry.regs[RBX], struct info)->mods_addr;
}

static void test_memory_limits(void **state)
{
	static const uint8_t big[12 * MIB];
	const struct boot_source source = {.cmdline = "", .initrd = {big, sizeof(big)}};
	struct elf_image image;

	(void)state;
	make_elf(&image);
	/* How much it takes is said, and is enough: the kernel's 64 KiB at 4 MiB, the module.
	 */
	for (uint64_t ram = 2 * MIB; ram <= 20 * MIB; ram += 2 * MIB) {
		assert_int_equal(load_bytes(ram, &image, sizeof(image), NULL),
				 ram < 6 * MIB ? -ENOSPC : 0);
		assert_true(ram >= 6 * MIB || strstr(why, "6 MiB at the least"));
		fake_gmem_fini(&fake);
		assert_int_equal(load_bytes(ram, &image, sizeof(image), &source),
				 ram < 18 * MIB ? -ENOSPC : 0);
		assert_true(ram >= 18 * MIB || strstr(why, "18 MiB at the least"));
		assert_true(ram >= 18 * MIB || !fake.written_high);
		fake_gmem_fini(&fake);
	}
	/* A module that has no room behind a kernel at the end lies before it. */
	image.phdr[1].p_paddr = 16 * MIB - MEMORY_BYTES;
	assert_int_equal(load_bytes(16 * MIB, &image, sizeof(image), &source), 0);
	assert_int_equal(fake_gmem_at(&fake, first_module(), uint32_t)[0], MIB);
	fake_gmem_fini(&fake);
	image.phdr[1].p_paddr = MIB + sizeof(big) - MEMORY_BYTES;
	assert_int_equal(load_bytes(16 * MIB, &image, sizeof(image), &source), -ENOSPC);
	fake_gmem_fini(&fake);
	/* No guest has room for these. */
	image.phdr[1].p_paddr = GMEM_LOW_MAX - MEMORY_BYTES;
	assert_int_equal(load_bytes(8 * GIB, &image, sizeof(image), NULL), 0);
	fake_gmem_fini(&fake);
	image.phdr[1].p_paddr++;
	assert_int_equal(load_bytes(8 * GIB, &image, sizeof(image), NULL), -ENOSPC);
	assert_non_null(strstr(why, "up to 0xc0000000"));
	fake_gmem_fini(&fake);
}

/* A segment may lie over what firmware has left, and finds its bss zero even there. */
static void test_bss_over_firmware_is_zero(void **state)
{
	struct elf_image image;

	(void)state;
	make_elf(&image);
	image.phdr[1].p_paddr = 0;
	fill_low_memory = true;
	assert_int_equal(load_bytes(16 * MIB, &image, sizeof(image), NULL), 0);
	fill_low_memory = false;
	assert_memory_equal(fake.ram, (uint8_t *)&image + CODE_AT, CODE_BYTES);
	for (unsigned gpa = CODE_BYTES; gpa < MEMORY_BYTES; gpa++)
		assert_int_equal(fake.ram[gpa], 0);
	fake_gmem_fini(&fake);
}

static void test_each_step_may_fail(void **state)
{
	static const uint8_t data[5000];
	const struct boot_module module = {{data, sizeof(data)}, "m"};
	struct boot_source source = {.cmdline = "",
				     .initrd = {data, sizeof(data)},
				     .modules = &module,
				     .module_count = 1};
	struct elf_image image;

	(void)state;
	make_elf(&image);
	assert_int_equal(fail_each_write(load_1, &image, sizeof(image), &source), 4);
	assert_int_equal(fail_each_allocation(load_1, &image, sizeof(image), &source), 2);
}

#define EHDR(field) offsetof(struct elf_image, ehdr.field), sizeof(((Elf32_Ehdr *)0)->field)
#define PHDR(field) offsetof(struct elf_image, phdr[1].field), sizeof(((Elf32_Phdr *)0)->field)

static const struct {
	unsigned offset, bytes;
	uint32_t value;
	const char *why;
} elf_damages[] = {
	{HEADER_AT, 4, 0, "no Multiboot header"},
	{HEADER_AT + 8, 4, 0, "no Multiboot header"},
	{0, 4, 0, "not an ELF file"},
	{4, 1, ELFCLASS64, "not 56"}, /* the file is too short for its program headers */
	{4, 1, ELFCLASSNONE, "neither 32- nor 64-bit"},
	{4, 1, 3, "neither 32- nor 64-bit"},
	{5, 1, ELFDATA2MSB, "little-endian"},
	{EHDR(e_type), ET_DYN, "executable"},
	{EHDR(e_phentsize), 56, "program headers"},
	{EHDR(e_phentsize), 0, "program headers"},
	{EHDR(e_phoff), IMAGE_BYTES, "program headers"},
	{EHDR(e_phoff), 0xffffffff, "program headers"},
	{EHDR(e_phnum), 0, "no segment"},
	{EHDR(e_phnum), 0xffff, "program headers"},
	{PHDR(p_type), PT_NOTE, "no segment"},
	{PHDR(p_memsz), 0, "no segment"},
	{PHDR(p_memsz), CODE_BYTES - 1, "longer in the file"},
	{PHDR(p_memsz), 0xffffffff, "above 4 GiB"},
	{PHDR(p_filesz), CODE_BYTES + 1, "outside of its file"},
	{PHDR(p_offset), 0xffffffff, "outside of its file"},
	{PHDR(p_paddr), 0xf0000, "reserved"},
	{PHDR(p_paddr), 0x9fc00 - MEMORY_BYTES + 1, "reserved"},
	{PHDR(p_paddr), 0, NULL}, /* unusual, but RAM */
	{PHDR(p_paddr), 16 * MIB - MEMORY_BYTES, NULL},
	{PHDR(p_paddr), 16 * MIB - MEMORY_BYTES + 1, "at the least"},
};

static void test_elf_damage(void **state)
{
	struct elf_image image;
	int error;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(elf_damages); i++) {
		make_elf(&image);
		memcpy((uint8_t *)&image + elf_damages[i].offset, &elf_damages[i].value,
		       elf_damages[i].bytes);
		error = load_bytes(16 * MIB, &image, sizeof(image), NULL);
		if (!elf_damages[i].why != !error)
			fail_msg("damage %u: error %d, \"%s\"", i, error, why);
		if (error && !strstr(why, elf_damages[i].why))
			fail_msg("damage %u: \"%s\" does not say \"%s\"", i, why,
				 elf_damages[i].why);
		if (error)
			assert_int_equal(fake.written_high, 0);
		fake_gmem_fini(&fake);
	}
}

static const struct {
	unsigned field; /* of the header, in 32-bit words */
	uint32_t value;
	const char *why;
} flat_damages[] = {
	{3, KERNEL_GPA - 1, "before the file"},
	{3, KERNEL_GPA + HEADER_AT + 1, "before the file"},
	{4, KERNEL_GPA + 1, "before the file"},
	{5, KERNEL_GPA - 1, "load_end_addr"},
	{5, KERNEL_GPA + IMAGE_BYTES - HEADER_AT + 1, "load_end_addr"},
	{5, 0, NULL}, /* to the file's end */
	{6, KERNEL_GPA - 1, "bss_end_addr"},
	{6, KERNEL_GPA + IMAGE_BYTES - HEADER_AT - 1, "bss_end_addr"},
	{6, 0, NULL}, /* no bss */
	{6, 16 * MIB + 1, "at the least"},
};

static void test_flat_damage(void **state)
{
	uint8_t image[IMAGE_BYTES];
	int error;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(flat_damages); i++) {
		make_flat(image);
		memcpy(image + HEADER_AT + 4 * flat_damages[i].field, &flat_damages[i].value,
		       4);
		error = load_bytes(16 * MIB, image, sizeof(image), NULL);
		if (!flat_damages[i].why != !error)
			fail_msg("damage %u: error %d, \"%s\"", i, error, why);
		if (error && !strstr(why, flat_damages[i].why))
			fail_msg("damage %u: \"%s\" does not say \"%s\"", i, why,
				 flat_damages[i].why);
		fake_gmem_fini(&fake);
	}
}

static void test_unknown_requirement(void **state)
{
	struct elf_image image;

	(void)state;
	make_elf(&image);
	put_header(&image, 8);
	assert_int_equal(load_bytes(16 * MIB, &image, sizeof(image), NULL), -ENOEXEC);
	assert_non_null(strstr(why, "flags 0x8"));
	fake_gmem_fini(&fake);
	put_header(&image, 0); /* asks for nothing, as kvm-unit-tests does */
	assert_int_equal(load_bytes(16 * MIB, &image, sizeof(image), NULL), 0);
	fake_gmem_fini(&fake);
}

static void test_truncation_and_random_damage(void **state)
{
	uint8_t image[IMAGE_BYTES];
	unsigned loaded = 0, rounds = 20000;

	(void)state;
	for (size_t bytes = 0; bytes < IMAGE_BYTES; bytes++)
		for (unsigned flat = 0; flat < 2; flat++) {
			if (flat)
				make_flat(image);
			else
				make_elf((void *)image);
			assert_int_equal(load_bytes(16 * MIB, image, bytes, NULL), -ENOEXEC);
			fake_gmem_fini(&fake);
		}
	srand(1);
	for (unsigned round = 0; round < rounds; round++) {
		unsigned start = round % 2 ? HEADER_AT + 12 : 0;
		unsigned bytes = round % 2 ? 20 : CODE_AT;

		if (round % 2)
			make_flat(image);
		else
			make_elf((void *)image);
		for (int n = rand() % 4; n >= 0; n--)
			image[start + rand() % bytes] = rand();
		loaded += !load_bytes(16 * MIB, image, sizeof(image), NULL);
		fake_gmem_fini(&fake);
	}
	assert_in_range(loaded, rounds / 20, rounds * 19 / 20); /* both ways were tried */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elf),
		cmocka_unit_test(test_flat),
		cmocka_unit_test(test_information),
		cmocka_unit_test(test_kernel_in_low_memory),
		cmocka_unit_test(test_memory_limits),
		cmocka_unit_test(test_bss_over_firmware_is_zero),
		cmocka_unit_test(test_each_step_may_fail),
		cmocka_unit_test(test_elf_damage),
		cmocka_unit_test(test_flat_damage),
		cmocka_unit_test(test_unknown_requirement),
		cmocka_unit_test(test_truncation_and_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
