/*
 * The kernel loaders on arbitrary files. The first byte chooses loader and memory; the rest is
 * the kernel. Beside memory errors this finds: a refusal without a reason, a write that was not
 * planned to fit, a kernel that is refused after memory was changed, an entry outside of RAM, a
 * check that says something else than the loader.
 */
/* links: guests/linux/load.c guests/linux/image.c guests/linux/place.c */
/* links: guests/multiboot/load.c guests/multiboot/image.c guests/multiboot/info.c */
/* links: guests/multiboot/elf.c guests/multiboot/header2.c guests/multiboot/info2.c */
/* links: guests/multiboot/place.c guests/multiboot/check.c guests/boot/boot.c */
/* links: guests/boot/e820.c */
/* links: tests/unit/fake_gmem.c */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guests/linux/linux.h"
#include "guests/multiboot/multiboot.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_gmem.h"

#define CHOICE_MULTIBOOT 0x01
#define CHOICE_INITRD	 0x02
#define CHOICE_LARGE	 0x04
#define CHOICE_2	 0x08

void thread_yield(void)
{
}

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const uint8_t initrd[100];
	const struct boot_module module = {{initrd, sizeof(initrd)}, "module"};
	struct boot_source source = {.cmdline = "console=ttyS0", .rsdp = 0xf0000};
	char why[BOOT_WHY_BYTES] = "", checked_why[BOOT_WHY_BYTES] = "";
	enum multiboot_version version;
	struct vcpu_entry entry;
	struct fake_gmem fake;
	bool multiboot;
	int error, checked;

	if (!bytes)
		return 0;
	multiboot = data[0] & CHOICE_MULTIBOOT;
	source.kernel = (struct boot_image){data + 1, bytes - 1};
	if (data[0] & CHOICE_INITRD) {
		source.initrd = (struct boot_image){initrd, sizeof(initrd)};
		source.modules = &module;
		source.module_count = 1;
	}
	fake_gmem_init(&fake, data[0] & CHOICE_LARGE ? 4 * GIB : 32 * MIB);
	version = data[0] & CHOICE_2 ? MULTIBOOT_2 : MULTIBOOT_1;
	checked = multiboot ? multiboot_check(fake.gm.bytes, &source, version, checked_why)
			    : linux_check(fake.gm.bytes, &source, checked_why);
	error = multiboot ? multiboot_load(&fake.gm, &source, version, &entry, why)
			  : linux_load(&fake.gm, &source, &entry, why);
	require(checked == error && !strcmp(why, checked_why));
	require(error != -EFAULT);
	require(!error || (why[0] && !fake.written_high));
	/* A Multiboot kernel may name any entry: it is the guest that jumps there. */
	require(error || multiboot || gmem_is_ram(&fake.gm, entry.rip, 1));
	fake_gmem_fini(&fake);
	return 0;
}
