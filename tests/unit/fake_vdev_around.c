/*
 * The kernel around a virtio device of fake_vdev.h: memory that is looked after, interrupts,
 * sleep, as far as fake_vmm and fake_threads do not have it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kernel/lib/cpumask.h"
#include "kernel/mem/frames.h"
#include "kernel/sched/thread.h"
#include "tests/unit/fake_vdev.h"
#include "tests/unit/fake_vmm.h"

#define PAGES FAKE_VDEV_PAGES

struct pci_device fake_pci;

static struct fake_vdev *const dev = &fake_vdev;
static volatile uint8_t *registers;
static _Alignas(PAGE_BYTES) uint8_t memory[PAGES][PAGE_BYTES];
static uint8_t page_used[PAGES];
static struct {
	irq_handler handler;
	void *arg;
} vectors[FAKE_VDEV_VECTORS];

void fake_vdev_around_start(volatile uint8_t *of)
{
	registers = of;
	memset(page_used, 0, sizeof(page_used));
	memset(vectors, 0, sizeof(vectors));
	fake_now_ns = 1000 * NSEC_PER_SEC;
}

bool fake_vdev_is_master(void)
{
	return dev->master;
}

bool fake_vdev_vector(unsigned vector)
{
	return vectors[vector].handler && vectors[vector].handler(vectors[vector].arg);
}

/* Memory that the driver has told of: all of it was allocated. */
void *fake_vdev_reach(uint64_t phys, uint64_t bytes)
{
	uint8_t *at = directmap(phys);
	size_t first = (size_t)(at - memory[0]) / PAGE_BYTES;
	size_t last = (size_t)(at + bytes - 1 - memory[0]) / PAGE_BYTES;

	assert_true(bytes && at >= memory[0] && last < PAGES);
	for (; first <= last; first++)
		assert_true(page_used[first]);
	return at;
}

uint64_t frames_alloc(unsigned order, struct mem_account *account)
{
	unsigned pages = 1u << order;

	(void)account;
	if (dev->pages_left < pages)
		return 0;
	for (unsigned at = 0; at + pages <= PAGES; at += pages) {
		if (memchr(&page_used[at], 1, pages))
			continue;
		memset(&page_used[at], 1, pages);
		memset(memory[at], 0, pages * PAGE_BYTES);
		dev->pages_left -= pages;
		dev->pages_out += pages;
		return directmap_phys(memory[at]);
	}
	return 0;
}

void frames_free(uint64_t phys, unsigned order, struct mem_account *account)
{
	uint8_t *at = fake_vdev_reach(phys, PAGE_BYTES << order);

	(void)account;
	memset(&page_used[(size_t)(at - memory[0]) / PAGE_BYTES], 0, 1u << order);
	dev->pages_out -= 1u << order;
}

void vmap_free(void *virt)
{
	assert_true(!virt || virt == registers);
}

void thread_sleep_ns(uint64_t ns)
{
	fake_now_ns += ns;
	if (dev->while_asleep)
		dev->while_asleep();
}

const struct cpumask *sched_housekeeping(void)
{
	static const struct cpumask one = {.bits = {1}};

	return &one;
}

void pci_enable(struct pci_device *d, unsigned what)
{
	(void)d;
	dev->master |= (what & PCI_ENABLE_MASTER) != 0;
}

void pci_disable(struct pci_device *d, unsigned what)
{
	(void)d;
	dev->master &= !(what & PCI_ENABLE_MASTER);
}

volatile void *pci_map_bar(struct pci_device *d, unsigned bar)
{
	(void)d;
	assert_int_equal(bar, 0);
	return registers;
}

int pci_irq_setup(struct pci_device *d, unsigned wanted)
{
	(void)d;
	return (int)MAX(MIN(wanted, dev->vectors), 1u);
}

int pci_irq_connect(struct pci_device *d, unsigned index, unsigned cpu, irq_handler handler,
		    void *arg)
{
	(void)d;
	assert_int_equal(cpu, 0);
	assert_null(vectors[index].handler);
	if (dev->connect_error)
		return dev->connect_error;
	vectors[index].handler = handler;
	vectors[index].arg = arg;
	return 0;
}

bool pci_irq_is_message(const struct pci_device *d)
{
	(void)d;
	return dev->vectors;
}
