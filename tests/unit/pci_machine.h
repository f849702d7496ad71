/*
 * The machine's PCI functions, played, and the kernel around drivers/bus/pci*.c. For test_pci.c
 * and test_pci_irq.c.
 */
#ifndef TESTS_UNIT_PCI_MACHINE_H
#define TESTS_UNIT_PCI_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/bus/pci.h"
#include "drivers/bus/pci_internal.h"
#include "kernel/cpu/cpu.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"

/* ---- the machine ---- */

static struct function {
	uint16_t segment;
	uint8_t bus, device, function;
	uint8_t space[256];
	uint32_t sizes[6]; /* bits of each BAR that can be set */
	bool decoding_while_sizing, gone;
} functions[16];
static unsigned function_count;
static struct pci_segment segments[3];

static inline struct function *find(const struct pci_device *d)
{
	for (unsigned i = 0; i < function_count; i++) {
		struct function *f = &functions[i];

		if (f->segment == d->segment && f->bus == d->bus && f->device == d->device &&
		    f->function == d->function && !f->gone)
			return f;
	}
	return NULL;
}

uint32_t pci_read(const struct pci_device *d, unsigned offset, unsigned bytes)
{
	const struct function *f = find(d);
	uint32_t value = UINT32_MAX;

	assert_int_equal(offset % bytes, 0);
	if (f && offset + bytes <= sizeof(f->space)) {
		value = 0;
		memcpy(&value, f->space + offset, bytes);
	}
	return bytes == 4 ? value : value & ((1u << 8 * bytes) - 1);
}

void pci_write(const struct pci_device *d, unsigned offset, unsigned bytes, uint32_t value)
{
	struct function *f = find(d);

	assert_int_equal(offset % bytes, 0);
	if (!f)
		return;
	if (offset >= 0x10 && offset < 0x28 && (f->space[14] & 0x7f) == 0) {
		uint32_t mask = f->sizes[(offset - 0x10) / 4], low = f->space[offset] & 0xf;

		f->decoding_while_sizing |= f->space[4] & 3;
		value = (value & mask) | (low & ~mask);
	}
	memcpy(f->space + offset, &value, bytes);
}

void pci_config_init(void)
{
}

const struct pci_segment *pci_config_segment(unsigned index)
{
	return index < 3 && segments[index].bus_last ? &segments[index] : NULL;
}

static inline void put(struct function *f, unsigned offset, unsigned bytes, uint32_t value)
{
	memcpy(f->space + offset, &value, bytes);
}

static inline struct function *add(uint8_t bus, uint8_t device, uint8_t function,
				   uint32_t class)
{
	struct function *f = &functions[function_count++];

	f->bus = bus;
	f->device = device;
	f->function = function;
	put(f, 0, 4, 0x100e8086);
	put(f, 8, 4, class << 8 | 3);
	return f;
}

static inline void bar(struct function *f, unsigned index, uint32_t value, uint32_t mask)
{
	put(f, 0x10 + 4 * index, 4, value);
	f->sizes[index] = mask;
}

/* ---- the kernel ---- */

static unsigned warnings, errors, calls, fail_at, allocated, mapped;
static char line[256]; /* the last that was logged */
static trap_handler vector_handler;
static void *vector_arg;
static uint32_t pin_gsi = UINT32_MAX;
static enum irq_mode pin_mode;
static uint32_t table[4 * 4];
static uint64_t mapped_phys;

struct acpi_machine acpi_machine;
struct cpu *cpus[CPU_MAX];
struct cpu cpu_boot;

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	(void)area;
	warnings += level == LOG_WARN;
	errors += level == LOG_ERROR;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
}

/* Memory, mappings, vectors, lines: the call of that number fails; 0: none. */
static inline bool fails(void)
{
	return ++calls == fail_at;
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	if (fails())
		return NULL;
	allocated++;
	return calloc(1, bytes);
}

void *vmap(uint64_t phys, uint64_t bytes, unsigned prot)
{
	(void)bytes;
	assert_true(prot & PT_UNCACHED);
	if (fails())
		return NULL;
	mapped++;
	mapped_phys = phys;
	return table;
}

void vmap_free(void *virt)
{
	mapped -= virt != NULL;
}

int trap_alloc_vector(trap_handler handler, void *arg)
{
	if (fails())
		return -ENOSPC;
	vector_handler = handler;
	vector_arg = arg;
	return 0x47;
}

int irq_connect(uint32_t gsi, enum irq_mode mode, irq_handler handler, void *arg)
{
	(void)handler, (void)arg;
	if (fails())
		return -EBUSY;
	pin_gsi = gsi;
	pin_mode = mode;
	return 0;
}

static bool handled;

static inline bool handler(void *arg)
{
	assert_ptr_equal(arg, &handled);
	return handled = true;
}

/* ---- tests ---- */

static inline const struct pci_device *at(uint8_t bus, uint8_t device, uint8_t function)
{
	const struct pci_device *d;

	for (unsigned i = 0; (d = pci_at(i)); i++)
		if (d->bus == bus && d->device == device && d->function == function)
			return d;
	return NULL;
}

/* The list stays: one machine for all tests, that has everything. */
static inline int start(void **state)
{
	struct function *f;

	(void)state;
	segments[0] = (struct pci_segment){.bus_last = 0x7f};
	segments[1] = (struct pci_segment){.number = 1, .bus_first = 0x80, .bus_last = 0xff};

	f = add(0, 0, 0, 0x060000); /* host bridge: its BAR is left alone */
	bar(f, 0, 0xd0000000, 0xf0000000);
	put(f, 4, 2, 7);
	f = add(0, 1, 0, 0x060400); /* bridge */
	put(f, 14, 1, 1);
	f = add(0, 3, 0, 0x020000);
	put(f, 4, 2, 7);
	put(f, 14, 1, 0x80);
	bar(f, 0, 0xfebc0000, 0xfffe0000);
	bar(f, 1, 0xc001, 0xffc0);
	bar(f, 2, 0x0000000c, 0xffff0000); /* 64 bits, prefetchable, above 4 GiB */
	bar(f, 3, 0x00000008, 0xffffffff);
	f = add(0, 3, 5, 0x0c0300);
	put(f, 4, 2, 4);
	f = add(0, 4, 0, 0x010802);
	put(f, 0x2c, 4, 0x12345678);
	f = add(0, 4, 1, 0x010802); /* not there: function 0 has no others */
	f = add(5, 0, 0, 0x010601); /* behind a bridge */
	f = add(0x90, 31, 7, 0x010802);
	f->segment = 1;
	f = add(0x90, 31, 0, 0x010802);
	f->segment = 1;
	put(f, 14, 1, 0x80);
	pci_init();
	return 0;
}

static inline struct function *function_of(const struct pci_device *d)
{
	return find(d);
}

#endif
