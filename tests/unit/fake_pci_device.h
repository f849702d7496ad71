/*
 * A guest's PCI bus with a device on it, and how the guest reaches both. For the tests of
 * guests/pci; devices over virtio have virtio_pci.h.
 */
#ifndef TESTS_UNIT_FAKE_PCI_DEVICE_H
#define TESTS_UNIT_FAKE_PCI_DEVICE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guests/devices/reset.h"
#include "guests/pci/pci.h"
#include "tests/unit/fake_devices.h"

#define COMMAND	     0x04
#define STATUS	     0x06
#define BAR(n)	     (0x10 + 4 * (n))
#define CAPABILITIES 0x34
#define CMD_IO	     0x001
#define CMD_MEMORY   0x002
#define CMD_MASTER   0x004
#define CMD_INTX_OFF 0x400
#define STATUS_INTX  0x008
#define STATUS_CAPS  0x010
#define MSIX_ENABLE  0x8000
#define MSIX_MASK    0x4000
#define PBA	     0x800
#define MSIX_ID	     0x11
#define AF_ID	     0x13
#define VECTORS	     5
#define ONES	     0xffffffffull

/* BAR 0: ports; BAR 1: memory of 32 bits; BARs 2 and 3: memory of 64 bits; BAR 4: MSI-X. */
struct device {
	struct pci_function pci;
	unsigned accesses, config_writes, config_reads, resets;
	unsigned bar;
	struct bus_access last;
};

static struct vm *vm;
static struct reset *reset;
static struct pci_root *root;
static struct device device, second;

static inline struct device *device_of(struct pci_function *function)
{
	return container_of(function, struct device, pci);
}

static inline void device_access(struct pci_function *function, unsigned bar,
				 struct bus_access *access)
{
	struct device *d = device_of(function);

	d->accesses++;
	d->bar = bar;
	d->last = *access;
	if (!access->write)
		access->value = 0x1122334455667788ull + bar;
}

static inline void device_config_written(struct pci_function *function, unsigned offset,
					 unsigned bytes)
{
	(void)offset, (void)bytes;
	device_of(function)->config_writes++;
}

/* Shows how often it was read in the last doubleword of configuration space. */
static inline void device_config_read(struct pci_function *function, unsigned offset,
				      unsigned bytes)
{
	(void)offset, (void)bytes;
	pci_config_set(function, 252, 4, ++device_of(function)->config_reads);
	assert_int_equal(pci_config_get(function, 252, 4), device_of(function)->config_reads);
}

static inline void device_reset(struct pci_function *function)
{
	device_of(function)->resets++;
}

static const struct pci_function_ops ops = {
	.access = device_access,
	.config_written = device_config_written,
	.config_read = device_config_read,
	.reset = device_reset,
};

static const struct pci_function model = {
	.name = "test",
	.ops = &ops,
	.vendor_id = 0x1af4,
	.device_id = 0x1042,
	.subsystem_vendor_id = 0x1af4,
	.subsystem_id = 0x0042,
	.class_code = 0x018000,
	.revision = 1,
	.bars = {[0] = {PCI_BAR_IO, 32, false},
		 [1] = {PCI_BAR_MEMORY32, 16 * KIB, false},
		 [2] = {PCI_BAR_MEMORY64, 64 * KIB, true},
		 [4] = {PCI_BAR_MEMORY32, 4 * KIB, false}},
	.msix_vectors = VECTORS,
	.msix_bar = 4,
};

static inline int setup(void **state)
{
	(void)state;
	vm = fake_machine_create();
	reset = reset_create(&vm->board);
	root = pci_root_create(&vm->board, reset_control_access, reset);
	device = (struct device){.pci = model};
	second = (struct device){.pci = model};
	return root ? pci_root_add(root, &device.pci) : -1;
}

static inline int teardown(void **state)
{
	(void)state;
	pci_root_remove(&device.pci);
	pci_root_remove(&second.pci);
	pci_root_destroy(root);
	reset_destroy(reset);
	fake_vm_destroy(vm);
	return 0;
}

static inline uint64_t in(uint16_t port, unsigned bytes)
{
	return fake_read(vm, &vm->pio, port, bytes);
}

static inline void out(uint16_t port, unsigned bytes, uint64_t value)
{
	fake_write(vm, &vm->pio, port, bytes, value);
}

static inline uint64_t get(uint64_t gpa, unsigned bytes)
{
	return fake_read(vm, &vm->mmio, gpa, bytes);
}

static inline void set(uint64_t gpa, unsigned bytes, uint64_t value)
{
	fake_write(vm, &vm->mmio, gpa, bytes, value);
}

static inline uint64_t ecam(unsigned slot, unsigned offset)
{
	return PCI_ECAM_BASE + slot * 32 * KIB + offset;
}

/* Configuration space of slot 1. */
static inline uint32_t config(unsigned offset, unsigned bytes)
{
	return get(ecam(1, offset), bytes);
}

static inline void configure(unsigned offset, unsigned bytes, uint32_t value)
{
	set(ecam(1, offset), bytes, value);
}

static inline unsigned find_capability(uint8_t id)
{
	unsigned at = config(CAPABILITIES, 1);

	while (at && config(at, 1) != id)
		at = config(at + 1, 1);
	return at;
}

static inline uint64_t msix_base(void)
{
	return config(BAR(4), 4);
}

/* Turns MSI-X on with each vector unmasked and aimed at a place of its own. */
static inline void msix_on(void)
{
	for (unsigned i = 0; i < VECTORS; i++) {
		set(msix_base() + 16 * i, 8, 0xfee00000 + (i << 12));
		set(msix_base() + 16 * i + 8, 8, 0x40 + i);
	}
	configure(COMMAND, 2, CMD_IO | CMD_MEMORY | CMD_MASTER);
	configure(find_capability(MSIX_ID) + 2, 2, MSIX_ENABLE);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
