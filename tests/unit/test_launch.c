/*
 * From a configuration to a VM that is ready to start, and what becomes of it when any step on
 * the way fails: each allocation, each write to the guest's memory, and each part that others
 * make. Nothing stays behind, the reason is said, and what is made is taken apart in order.
 */
/* links: guests/launch/launch.c guests/boot/boot.c guests/bios/bios.c guests/boot/e820.c */
/* links: guests/acpi/build.c guests/acpi/install.c kernel/lib/size.c */
/* links: guests/mptable/build.c guests/mptable/install.c tests/unit/fake_gmem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guests/acpi/acpi.h"
#include "guests/bios/bios.h"
#include "guests/devices/console.h"
#include "guests/launch/devices.h"
#include "guests/launch/kernel.h"
#include "guests/launch/launch.h"
#include "guests/linux/linux.h"
#include "guests/mptable/mptable.h"
#include "guests/multiboot/multiboot.h"
#include "guests/pci/pci.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/vmm.h"
#include "tests/unit/fake_gmem.h"

const uint8_t dsdt_aml[] = {'D', 'S', 'D', 'T'};
const uint32_t dsdt_aml_bytes = sizeof(dsdt_aml);

static struct fake_gmem fake;
static struct vm vm;
static struct vcpu vcpu;
static unsigned held, step_fails; /* 0: none fails */
static char undone[8];		  /* what was taken apart, in this order */
static struct aspace *current, *const ours = (struct aspace *)1;
static struct uart *uart_of_console;
static enum config_protocol protocol;
static uint64_t rsdp_told, frames_left;
static _Atomic bool given_up, give_up_late; /* late: as the kernel goes in */

static bool fails(void)
{
	return step_fails && !--step_fails;
}

static void *made(void *p)
{
	if (fails())
		return NULL;
	held++;
	return p;
}

static void undo(char what)
{
	held--;
	undone[strlen(undone)] = what;
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	if (fails())
		return NULL;
	held++;
	return calloc(1, bytes);
}

void heap_free(void *p)
{
	held -= p != NULL;
	free(p);
}

struct vm *vm_create(const struct vm_params *params)
{
	vm.vcpu_count = params->vcpu_count;
	vm.vcpus[0] = &vcpu;
	vm.gmem = fake.gm;
	return made(&vm);
}

/* Before anything that may wait for a disk. */
void vm_retire(struct vm *v)
{
	assert_ptr_equal(v, &vm);
	undone[strlen(undone)] = 'r';
}

void vm_destroy(struct vm *v)
{
	assert_ptr_equal(v, &vm);
	undo('v');
}

uint64_t guest_frames_free_bytes(void)
{
	return frames_left;
}

struct chipset *chipset_create(const struct board *board, const struct chipset_params *params)
{
	(void)board, (void)params;
	return made((void *)2);
}

void chipset_destroy(struct chipset *chipset)
{
	if (chipset)
		undo('c');
}

struct pci_root *chipset_pci(struct chipset *chipset)
{
	return (void *)chipset;
}

struct uart *chipset_console(struct chipset *chipset)
{
	return (void *)chipset;
}

struct cpumask vmm_cpus(void)
{
	return (struct cpumask){{0x1b}};
}

const struct cpumask *sched_housekeeping(void)
{
	static const struct cpumask fourth = {{0x8}};

	return &fourth;
}

/* Before anything else: it may hang. */
int sources_open(const struct guest_config *config, const _Atomic bool *unwanted,
		 struct sources *sources, char why[BOOT_WHY_BYTES])
{
	(void)config;
	assert_ptr_equal(unwanted, &given_up);
	assert_int_equal(held, 0);
	if (fails())
		return boot_refuse(why, -ENODEV, "a disk is not there");
	held++;
	sources->devs[0] = (void *)4;
	return 0;
}

void sources_close(struct sources *sources)
{
	if (sources->devs[0])
		undo('s');
	sources->devs[0] = NULL;
}

int devices_create(const struct guest_config *config, struct blkdev *const disks[],
		   const struct board *board, struct pci_root *root, struct console *console,
		   struct devices **devices, char why[BOOT_WHY_BYTES])
{
	(void)config, (void)board, (void)console;
	assert_ptr_equal(disks[0], (void *)4);
	assert_ptr_equal(root, (void *)2);
	*devices = made((void *)3);
	return *devices ? 0 : boot_refuse(why, -ENOMEM, "no memory for it");
}

void devices_destroy(struct devices *devices)
{
	if (devices)
		undo('d');
}

struct uart_host console_uart_host(struct console *console)
{
	(void)console;
	return (struct uart_host){0};
}

void console_set_uart(struct console *console, struct uart *uart)
{
	(void)console;
	uart_of_console = uart;
}

struct aspace *thread_set_aspace(struct aspace *as)
{
	struct aspace *old = current;

	current = as;
	return old;
}

void thread_yield(void)
{
}

uint64_t pci_high_base(void)
{
	return BIT(39);
}

struct cpuid features_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
	(void)v, (void)leaf, (void)subleaf;
	return (struct cpuid){0};
}

int kernel_open(const struct config_boot *boot, struct mem_account *account,
		struct kernel_files *files, char why[BOOT_WHY_BYTES])
{
	(void)boot;
	assert_ptr_equal(account, &vm.account);
	memset(files, 0, sizeof(*files));
	files->protocol = protocol;
	return made(files) ? 0 : boot_refuse(why, -ENOENT, "there is no file");
}

void kernel_close(struct kernel_files *files)
{
	(void)files;
	held--;
}

/* The kernel goes in when all that firmware leaves is there, and by the guest's own tables. */
static int load(const struct boot_source *source, struct vcpu_entry *entry, uint64_t rip,
		char *why)
{
	assert_ptr_equal(current, &vm.gmem.as);
	assert_memory_equal(fake.ram + ACPI_BASE, "RSD PTR ", 8);
	assert_memory_equal(fake.ram + MPTABLE_BASE, "_MP_", 4);
	assert_int_equal(fake.ram[BIOS_END - 16], 0xea);
	rsdp_told = source->rsdp;
	entry->rip = rip;
	given_up = give_up_late;
	return fails() ? boot_refuse(why, -ENOEXEC, "the kernel is damaged") : 0;
}

int linux_load(struct gmem *gm, const struct boot_source *source, struct vcpu_entry *entry,
	       char why[BOOT_WHY_BYTES])
{
	assert_ptr_equal(gm, &vm.gmem);
	return load(source, entry, CONFIG_PROTOCOL_LINUX, why);
}

int multiboot_load(struct gmem *gm, const struct boot_source *source,
		   enum multiboot_version version, struct vcpu_entry *entry,
		   char why[BOOT_WHY_BYTES])
{
	assert_ptr_equal(gm, &vm.gmem);
	return load(source, entry,
		    version == MULTIBOOT_1 ? CONFIG_PROTOCOL_MULTIBOOT
					   : CONFIG_PROTOCOL_MULTIBOOT2,
		    why);
}

static int prepare(struct launch *out, char why[BOOT_WHY_BYTES])
{
	static const struct guest_config config = {
		.name = "guest", .cpus.count = 1, .memory_bytes = 16 * MIB};
	static const struct cpumask shared;
	const struct launch_params params = {
		.config = &config, .shared = &shared, .given_up = &given_up};
	int err;

	memset(why, 0, BOOT_WHY_BYTES);
	memset(undone, 0, sizeof(undone));
	uart_of_console = NULL;
	current = ours;
	err = launch_prepare(&params, out, why);
	assert_ptr_equal(current, ours);
	return err;
}

static int set_up(void **state)
{
	(void)state;
	fake_gmem_init(&fake, 16 * MIB);
	frames_left = 16 * MIB;
	protocol = CONFIG_PROTOCOL_LINUX;
	held = step_fails = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_gmem_fini(&fake);
	return 0;
}

/* Devices before what is behind them, and before the chipset with their bus, that before the
 * VM. */
static void release(struct launch *launch)
{
	launch_release(launch);
	assert_string_equal(undone, "rdscv");
	assert_int_equal(held, 0);
	assert_null(launch->vm);
}

static void test_each_protocol(void **state)
{
	static const enum config_protocol all[] = {
		CONFIG_PROTOCOL_LINUX, CONFIG_PROTOCOL_MULTIBOOT, CONFIG_PROTOCOL_MULTIBOOT2};
	char why[BOOT_WHY_BYTES];
	struct launch launch;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		protocol = all[i];
		assert_int_equal(prepare(&launch, why), 0);
		assert_int_equal(launch.entry.rip, all[i]);
		assert_int_equal(rsdp_told, ACPI_BASE);
		assert_ptr_equal(uart_of_console, (void *)2);
		assert_int_equal(held, 4); /* the files are not */
		release(&launch);
	}
}

static void assert_refused(int err, const struct launch *launch, const char *why)
{
	assert_true(err < 0);
	assert_true(strlen(why) > 10);
	assert_int_equal(held, 0);
	assert_null(launch->vm);
	assert_null(uart_of_console);
	assert_ptr_equal(current, ours);
}

static void test_each_step_fails(void **state)
{
	char why[BOOT_WHY_BYTES];
	struct launch launch;
	unsigned n;

	(void)state;
	for (n = 1;; n++) {
		int err;

		step_fails = n;
		err = prepare(&launch, why);
		if (step_fails)
			break;
		assert_refused(err, &launch, why);
		if (strstr(why, "no file") || strstr(why, "disk"))
			assert_int_equal(err, -ENODEV);
	}
	step_fails = 0;
	release(&launch);
	assert_int_equal(n - 1,
			 8); /* sources, VM, chipset, devices, files, two tables, the kernel */
}

/* Where there is memory for it, a CPU that it is to have to itself may be another's still. */
static void test_cpu_in_use(void **state)
{
	static const struct guest_config pinned = {.name = "guest",
						   .cpus = {.count = 1, .pin_count = 1},
						   .memory_bytes = 16 * MIB};
	static const struct cpumask shared;
	const struct launch_params params = {
		.config = &pinned, .shared = &shared, .given_up = &given_up};
	char why[BOOT_WHY_BYTES];
	struct launch launch;

	(void)state;
	for (unsigned n = 0; n < 2; n++) {
		frames_left = 16 * MIB - n;
		step_fails = 2;
		assert_int_equal(launch_prepare(&params, &launch, why), n ? -ENOMEM : -EBUSY);
		assert_int_equal(!!strstr(why, "CPU"), !n);
	}
	step_fails = 0;
}

/* It is told before anything is taken, and what there is of it. */
static void test_memory_too_small(void **state)
{
	char why[BOOT_WHY_BYTES];
	struct launch launch;

	(void)state;
	frames_left = 16 * MIB;
	assert_int_equal(prepare(&launch, why), 0);
	release(&launch);
	frames_left = 14 * MIB;
	assert_int_equal(prepare(&launch, why), -ENOMEM);
	assert_string_equal(why, "memory is 16 MiB, and 14 MiB are free for guests");
	assert_string_equal(undone, "");
	assert_int_equal(held, 0);
}

/* A document for another machine: the guest can't start here, and nothing of it is asked for.
 */
static void test_cpu_absent(void **state)
{
	struct guest_config config = {.name = "guest", .memory_bytes = 16 * MIB};
	static const struct cpumask shared;
	const struct launch_params params = {
		.config = &config, .shared = &shared, .given_up = &given_up};
	char why[BOOT_WHY_BYTES];
	struct launch launch;

	(void)state;
	memset(undone, 0, sizeof(undone));
	for (uint16_t cpu = 1; cpu <= 2; cpu++) {
		config.cpus = (struct config_vcpus){.count = 1, .pin_count = 1, .pin = {cpu}};
		assert_int_equal(launch_prepare(&params, &launch, why), cpu == 2 ? -ENODEV : 0);
		if (cpu == 1)
			release(&launch);
	}
	assert_string_equal(why, "cpus.pin names CPU 2, which this machine does not have, or "
				 "which runs no guests");
	assert_int_equal(held, 0);
	config.cpus = (struct config_vcpus){.count = 1, .allowed = {{0x5}}};
	assert_int_equal(launch_prepare(&params, &launch, why), -ENODEV);
	assert_non_null(strstr(why, "cpus.allowed names CPU 2"));
	config.cpus = (struct config_vcpus){.count = 2, .pin_count = 2, .pin = {4, 3}};
	assert_int_equal(launch_prepare(&params, &launch, why), -ENODEV);
	assert_string_equal(why, "cpus.pin names CPU 3, on which the hypervisor does its own "
				 "work since the machine's start");
	launch_release(&launch);
}

/* What was given up is not there in the end, however late that was. */
static void test_given_up(void **state)
{
	char why[BOOT_WHY_BYTES];
	struct launch launch;

	(void)state;
	give_up_late = true;
	assert_refused(prepare(&launch, why), &launch, "it was given up");
	assert_string_equal(undone, "rdscv");
	give_up_late = given_up = false;
	assert_int_equal(prepare(&launch, why), 0);
	release(&launch);
}

/* As memory of the guest's may be short: bios, ACPI tables and MP table. */
static void test_each_write_fails(void **state)
{
	char why[BOOT_WHY_BYTES];
	struct launch launch;
	unsigned n;

	(void)state;
	for (n = 1;; n++) {
		int err;

		fake.writes_left = n;
		err = prepare(&launch, why);
		if (fake.writes_left)
			break;
		assert_int_equal(err, -ENOMEM);
		assert_refused(err, &launch, why);
	}
	fake.writes_left = 0;
	release(&launch);
	assert_int_equal(n - 1, 8);
}

/* acpi_install() says where the tables are only with them there, and -ENOSPC is no memory's. */
static void test_acpi_install(void **state)
{
	uint64_t rsdp = 0;

	(void)state;
	fake.writes_left = 1;
	assert_int_equal(acpi_install(&fake.gm, 1, true, &rsdp), -ENOMEM);
	assert_int_equal(held, 0);
	step_fails = 1;
	assert_int_equal(acpi_install(&fake.gm, 1, true, &rsdp), -ENOMEM);
	assert_int_equal(acpi_install(&fake.gm, VCPU_MAX, true, &rsdp), 0);
	assert_int_equal(rsdp, ACPI_BASE);
	assert_true(fake.written_low == ACPI_BASE);
	assert_true(fake.written_high <= ACPI_BASE + ACPI_BYTES);
	assert_int_equal(acpi_install(&fake.gm, 100000, true, &rsdp), -ENOSPC);
	assert_int_equal(held, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_protocol),    TEST(test_each_step_fails), TEST(test_given_up),
		TEST(test_memory_too_small), TEST(test_cpu_in_use),	 TEST(test_cpu_absent),
		TEST(test_each_write_fails), TEST(test_acpi_install),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
