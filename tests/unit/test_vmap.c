/* The vmap area over page tables that are played: guards and alignment, what was freed and may
 * not be used again before all CPUs have forgotten it, and memory that is short. */
/* links: kernel/mem/vmap.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "kernel/cpu/control.h"
#include "kernel/cpu/smp.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"
#include "kernel/mem/hostmap_internal.h"

#define MAPPINGS 128
#define LIMBO	 32 /* areas freed before all CPUs are interrupted */
#define PGE	 BIT(7)

static struct mapping {
	uint64_t virt, phys, bytes;
	unsigned prot;
} mappings[MAPPINGS];
static struct pagetable tables;
static unsigned calls, fail_at, allocated, frames_out, others_called, flushes;
static uint64_t cr4 = PGE | 0x20;

static bool fails(void)
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

void heap_free(void *p)
{
	allocated -= p != NULL;
	free(p);
}

uint64_t frames_alloc(unsigned order, struct mem_account *account)
{
	if (fails())
		return 0;
	frames_out++;
	if (account)
		account->bytes += PAGE_BYTES << order;
	return 0x100000000 + (frames_out << 21);
}

void frames_free(uint64_t phys, unsigned order, struct mem_account *account)
{
	assert_true(phys >= 0x100000000);
	frames_out--;
	if (account)
		account->bytes -= PAGE_BYTES << order;
}

static struct mapping *mapping_at(uint64_t virt)
{
	for (unsigned i = 0; i < MAPPINGS; i++)
		if (mappings[i].bytes && virt - mappings[i].virt < mappings[i].bytes)
			return &mappings[i];
	return NULL;
}

/* What fails has mapped a part. Nothing is mapped twice. */
int pagetable_map(struct pagetable *pt, uint64_t virt, uint64_t phys, uint64_t bytes,
		  unsigned prot)
{
	unsigned i = 0;

	assert_ptr_equal(pt, &tables);
	assert_int_equal((virt | phys | bytes) % PAGE_BYTES, 0);
	for (uint64_t at = virt - PAGE_BYTES; at <= virt + bytes; at += PAGE_BYTES)
		assert_null(mapping_at(at)); /* with the guards */
	while (mappings[i].bytes)
		assert_true(++i < MAPPINGS);
	if (fails()) {
		mappings[i] = (struct mapping){virt, phys, PAGE_BYTES, prot};
		return -ENOMEM;
	}
	mappings[i] = (struct mapping){virt, phys, bytes, prot};
	return 0;
}

int pagetable_unmap(struct pagetable *pt, uint64_t virt, uint64_t bytes)
{
	struct mapping *m = mapping_at(virt);

	assert_ptr_equal(pt, &tables);
	if (m)
		assert_true(m->virt == virt && m->bytes <= bytes);
	if (m)
		m->bytes = 0;
	return 0;
}

uint64_t read_cr4(void)
{
	return cr4;
}

/* SDM vol. 3A 4.10.4.1: a change of PGE flushes. */
void write_cr4(uint64_t value)
{
	flushes += (value ^ cr4) & PGE && !(value & PGE);
	cr4 = value;
}

void smp_call_others(void (*fn)(void *), void *arg)
{
	others_called++;
	fn(arg);
}

static jmp_buf panicked;
static bool may_panic;

void panic(const char *fmt, ...)
{
	if (!may_panic)
		fail_msg("%s", fmt);
	may_panic = false;
	longjmp(panicked, 1);
}

static unsigned mapped(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MAPPINGS; i++)
		count += mappings[i].bytes != 0;
	return count;
}

static int start(void **state)
{
	(void)state;
	calls = fail_at = 0;
	return vmap_init(&tables);
}

/* Nothing waits any more, and nothing is left. */
static int stop(void **state)
{
	(void)state;
	vmap_flush();
	others_called = flushes = 0;
	return mapped() || allocated || frames_out ? -1 : 0;
}

static void places(void **state)
{
	uint64_t a = (uint64_t)vmap(0xfeb00123, 10, PT_READ | PT_UNCACHED), b, c;
	const struct mapping *m = mapping_at(a);

	(void)state;
	assert_int_equal(a % PAGE_BYTES, 0x123); /* need not be aligned */
	assert_int_equal(m->phys, 0xfeb00000);
	assert_int_equal(m->bytes, PAGE_BYTES);
	assert_int_equal(m->prot & (PT_READ | PT_WRITE | PT_UNCACHED), PT_READ | PT_UNCACHED);
	b = (uint64_t)vmap(0xfeb00fff, 2, PT_READ); /* two pages */
	assert_int_equal(mapping_at(b)->bytes, 2 * PAGE_BYTES);
	assert_int_equal(mapping_at(b)->virt - mapping_at(a)->virt, 2 * PAGE_BYTES);
	c = (uint64_t)vmap(0xe0003000, PAGE_2M, PT_READ); /* large leaves fit */
	assert_int_equal(c % PAGE_2M, 0x3000);
	vmap_free((void *)b);
	vmap_free((void *)a);
	vmap_free((void *)c);
	vmap_free(NULL);
	stack_free(NULL, 16 * KIB, NULL);
	assert_int_equal(mapped(), 0);
	assert_null(vmap(0, 512 * GIB + 1, PT_READ));
	assert_null(vmap(0, 512 * GIB, PT_READ)); /* with its guards it does not fit */
	assert_non_null(b = (uint64_t)vmap(0, 511 * GIB, PT_READ));
	vmap_free((void *)b);
}

/* Addresses and frames come back after a flush, and one is for 32. The account has its own at
 * once. */
static void what_is_freed_waits(void **state)
{
	struct mem_account account = {0};
	uint64_t first = (uint64_t)stack_alloc(16 * KIB, &account), again;

	(void)state;
	assert_int_equal(first % 16, 0);
	assert_int_equal(mapping_at(first - 1)->bytes, 16 * KIB);
	assert_int_equal(account.bytes, 16 * KIB);
	stack_free((void *)first, 16 * KIB, &account);
	assert_int_equal(account.bytes, 0);
	assert_int_equal(frames_out, 1);
	again = (uint64_t)stack_alloc(16 * KIB, &account);
	assert_true(again != first);
	stack_free((void *)again, 16 * KIB, &account);
	for (unsigned i = 2; i < LIMBO; i++) {
		assert_int_equal(others_called, 0);
		assert_int_equal(frames_out, i);
		stack_free(stack_alloc(16 * KIB, NULL), 16 * KIB, NULL);
	}
	assert_int_equal(others_called, 1);
	assert_int_equal(flushes, 2); /* the others, and this one */
	assert_int_equal(cr4 & PGE, PGE);
	assert_int_equal(frames_out | allocated, 0);
	again = (uint64_t)stack_alloc(16 * KIB, NULL);
	assert_true(again == first);
	stack_free((void *)again, 16 * KIB, NULL);
}

static void every_call_may_fail(void **state)
{
	struct mem_account account = {0};
	unsigned failures = 0;

	(void)state;
	for (bool whole = false; !whole;) {
		void *top;

		calls = 0;
		fail_at = failures + 1;
		top = stack_alloc(16 * KIB, &account);
		whole = calls < fail_at;
		fail_at = 0;
		assert_int_equal(top != NULL, whole);
		if (whole) {
			stack_free(top, 16 * KIB, &account);
			break;
		}
		failures++;
		assert_int_equal(account.bytes, 0);
		assert_int_equal(mapped() | allocated | frames_out, 0);
	}
	assert_int_equal(failures, 3); /* frames, the area's notes, its tables */
}

/* Tables that were taken out may still be walked: they are freed once every TLB was flushed. */
static void tables_wait_too(void **state)
{
	static _Alignas(PAGE_BYTES) uint8_t pages[2][PAGE_BYTES];

	(void)state;
	frames_out += 2;
	for (unsigned i = 0; i < 2; i++)
		vmap_retire_table(NULL, pages[i], directmap_phys(pages[i]));
	assert_int_equal(frames_out, 2);
	assert_int_equal(*(uint64_t *)pages[0] % PAGE_BYTES, 0); /* not present */
	assert_int_equal(*(uint64_t *)pages[1] % PAGE_BYTES, 0);
	vmap_flush();
	assert_int_equal(frames_out, 0);
	assert_int_equal(others_called, 1);
	vmap_flush(); /* once */
	assert_int_equal(frames_out, 0);
}

/* The last of all, as the panic leaves the lock held. */
static void what_is_freed_twice_ends_it(void **state)
{
	void *virt = vmap(0xfeb00000, 1, PT_READ);

	(void)state;
	vmap_free(virt);
	may_panic = true;
	if (!setjmp(panicked))
		vmap_free(virt);
	assert_false(may_panic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(places, start, stop),
		cmocka_unit_test_setup_teardown(what_is_freed_waits, start, stop),
		cmocka_unit_test_setup_teardown(every_call_may_fail, start, stop),
		cmocka_unit_test_setup_teardown(tables_wait_too, start, stop),
		cmocka_unit_test_setup(what_is_freed_twice_ends_it, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
