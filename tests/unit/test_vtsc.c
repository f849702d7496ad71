/*
 * A guest that writes its TSC, and the clock pages that tell how to read time from it: the time
 * is the same before and after, on every vCPU.
 */
/* links: kernel/vmm/vtsc.c kernel/vmm/pvclock.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vtsc.h"

#define VCPUS  2
#define PAGES  0x1000
#define STABLE 1

/* Where cpu_this() looks. */
static struct cpu cpu = {.self = &cpu};
#define ARCH_SET_GS 0x1001

static struct vm vm;
static struct vcpu vcpus[VCPUS];
static uint8_t ram[PAGES];
static uint64_t offset_set;
static unsigned moved, writes, odd_writes;
static uint32_t posted[VCPUS];

struct page {
	uint32_t version, pad;
	uint64_t tsc_timestamp, system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad2[2];
} __attribute__((packed));

static void set_tsc_offset(struct vcpu *vcpu, uint64_t offset)
{
	(void)vcpu;
	offset_set = offset;
}

static const struct vmm_backend backend = {.set_tsc_offset = set_tsc_offset};
const struct vmm_backend *vmm_backend = &backend;

void vlapic_tsc_moved(struct vlapic *lapic)
{
	(void)lapic;
	moved++;
}

void vcpu_post(struct vcpu *vcpu, uint32_t requests)
{
	posted[vcpu->id] |= requests;
}

static uint64_t wall_ns, now_ns, khz;

uint64_t clock_wall_ns(void)
{
	return wall_ns;
}

uint64_t clock_now_ns(void)
{
	return now_ns;
}

uint64_t clock_ns_to_tsc(uint64_t ns)
{
	return 2 * ns;
}

uint64_t clock_tsc_khz(void)
{
	return khz;
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	uint32_t version;

	(void)gm;
	if (gpa >= PAGES || bytes > PAGES - gpa)
		return -EFAULT;
	memcpy(ram + gpa, buf, bytes);
	memcpy(&version, ram + gpa, sizeof version);
	writes++;
	odd_writes += version & 1;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof vm);
	memset(vcpus, 0, sizeof vcpus);
	memset(ram, 0, sizeof ram);
	memset(posted, 0, sizeof posted);
	cpu.tsc_offset = 0;
	wall_ns = now_ns = 0;
	khz = 2000000;
	syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
	offset_set = moved = writes = odd_writes = 0;
	vm.vcpu_count = VCPUS;
	vm.tsc_offset = -rdtsc();
	for (unsigned i = 0; i < VCPUS; i++) {
		vm.vcpus[i] = &vcpus[i];
		vcpus[i].vm = &vm;
		vcpus[i].id = i;
	}
	return 0;
}

static struct page page(unsigned vcpu)
{
	struct page p;

	memcpy(&p, ram + 0x100 * vcpu, sizeof p);
	return p;
}

/* Nanoseconds of a page for so many ticks, as Linux computes them. */
static uint64_t page_ns(uint64_t ticks)
{
	struct page p = page(0);

	ticks = p.shift < 0 ? ticks >> -p.shift : ticks << p.shift;
	return (uint64_t)((unsigned __int128)ticks * p.mul >> 32);
}

/* Whatever the counter's rate is, a second is one, to a few nanoseconds. */
static void rates_of_the_counter(void **state)
{
	static const uint64_t rates[] = {1000,	  999999,  1000000, 1000001, 1999999,
					 2000000, 2000001, 3600123, 4000001, 12000000};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
		khz = rates[i];
		assert_int_equal(pvclock_write_system(&vcpus[0], 1), 0);
		assert_in_range(page_ns(khz * 1000), NSEC_PER_SEC - 4, NSEC_PER_SEC);
		assert_true(page(0).mul >= BIT(31)); /* all its bits count */
	}
}

/* When the VM began, by the wall's clock; in RAM, to its last byte. */
static void wall_clock(void **state)
{
	uint32_t wall[3];

	(void)state;
	wall_ns = 1700000005ull * NSEC_PER_SEC + 7;
	now_ns = 9 * NSEC_PER_SEC;
	vm.start_ns = 4 * NSEC_PER_SEC;
	assert_int_equal(pvclock_write_wall(&vcpus[0], PAGES - sizeof wall), 0);
	memcpy(wall, ram + PAGES - sizeof wall, sizeof wall);
	assert_int_equal(wall[0], 2);
	assert_int_equal(wall[1], 1700000000);
	assert_int_equal(wall[2], 7);
	assert_int_equal(pvclock_write_wall(&vcpus[0], PAGES - sizeof wall + 1), -EPERM);
}

/* SDM vol. 3B 17.17.3: a write to either MSR is seen in the other. */
static void either_msr_moves_the_counter(void **state)
{
	(void)state;
	vtsc_write(&vcpus[0], BIT(60));
	assert_in_range(vtsc_read(&vcpus[0]), BIT(60), BIT(60) + BIT(40));
	assert_int_equal(offset_set, vtsc_offset(&vcpus[0]));
	assert_int_equal(offset_set, vm.tsc_offset + vcpus[0].tsc_adjust);
	assert_int_equal(moved, 1);
	assert_in_range(vcpus[0].tsc_adjust, BIT(60) - BIT(40), BIT(60));
	assert_int_equal(vcpus[1].tsc_adjust, 0);
	vtsc_set_adjust(&vcpus[0], 0);
	assert_in_range(vtsc_read(&vcpus[0]), 0, BIT(40));
	assert_int_equal(offset_set, vm.tsc_offset);
	vtsc_write(&vcpus[0], 0); /* back: the adjustment is negative, modulo 2^64 */
	assert_in_range(vtsc_read(&vcpus[0]), 0, BIT(40));
	assert_true((int64_t)vcpus[0].tsc_adjust < 0);
}

/* Time of a page is (TSC - tsc_timestamp) * rate + system_time. */
static void pages_follow_it(void **state)
{
	(void)state;
	assert_int_equal(pvclock_write_system(&vcpus[0], 0x000 | 1), 0);
	assert_int_equal(page(0).version, 2);
	assert_int_equal(page(0).tsc_timestamp, 0);
	assert_int_equal(page(0).flags, STABLE);
	vtsc_set_adjust(&vcpus[0], 12345);
	assert_int_equal(page(0).tsc_timestamp, 12345);
	assert_int_equal(page(0).system_time, 0);
	assert_int_equal(page(0).version, 4);
	assert_int_equal(odd_writes, writes / 2); /* readers are held off meanwhile */
}

/* One vCPU's page with another's TSC would be wrong now, so that they are not stable together.
 */
static void apart_they_are_not_stable(void **state)
{
	(void)state;
	pvclock_write_system(&vcpus[0], 0x000 | 1);
	pvclock_write_system(&vcpus[1], 0x100 | 1);
	vtsc_set_adjust(&vcpus[1], 99);
	assert_int_equal(page(1).flags, 0);
	assert_int_equal(posted[0], VCPU_REQ_CLOCK);
	assert_int_equal(posted[1], 0);
	pvclock_refresh(&vcpus[0]);
	assert_int_equal(page(0).flags, 0);
	assert_int_equal(page(0).tsc_timestamp, 0);
	posted[0] = 0;
	/* Still apart: but had the other moved as well, between what we saw and what we did, it
	 * would have found us together. Whoever moves tells the others. */
	vtsc_set_adjust(&vcpus[1], 100);
	assert_int_equal(posted[0], VCPU_REQ_CLOCK);
	vtsc_set_adjust(&vcpus[0], 100);
	assert_int_equal(page(0).flags, STABLE);
	assert_int_equal(posted[1], VCPU_REQ_CLOCK);
	pvclock_refresh(&vcpus[1]);
	assert_int_equal(page(1).flags, STABLE);
}

static void without_a_page(void **state)
{
	(void)state;
	vtsc_set_adjust(&vcpus[0], 1);
	pvclock_refresh(&vcpus[0]);
	assert_int_equal(pvclock_write_system(&vcpus[0], 0x200), 0); /* off */
	pvclock_refresh(&vcpus[0]);
	assert_int_equal(writes, 0);
	assert_int_equal(pvclock_write_system(&vcpus[0], PAGES | 1), -EPERM);
	pvclock_refresh(&vcpus[0]); /* not RAM: nothing happens */
	assert_int_equal(writes, 0);
}

/* From CPU to CPU, whose TSCs differ by anything: the guest's counts on. Measured a little
 * wrong, it is not seen to run back. */
static void test_cpus_differ(void **state)
{
	static const int64_t differ[] = {0, 1000000000, -1000000000, INT64_MAX, INT64_MIN, 7};

	(void)state;
	vcpus[0].tsc_adjust = 0x123456789;
	for (unsigned i = 0; i < ARRAY_SIZE(differ); i++) {
		uint64_t host = rdtsc();

		cpu.tsc_offset = differ[i];
		vtsc_load(&vcpus[0]);
		assert_int_equal(offset_set, vm.tsc_offset + 0x123456789 + (uint64_t)differ[i]);
		/* This test's CPU is one: what differs is what it is said to. */
		assert_in_range(vtsc_read(&vcpus[0]) - (host + offset_set), 0, 1ull << 40);
		vtsc_put(&vcpus[0]);
		vm.tsc_offset -= (uint64_t)(i + 1 < ARRAY_SIZE(differ) ? differ[i + 1] : 0) -
				 (uint64_t)differ[i];
	}
	setup(NULL);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t left;

		vtsc_put(&vcpus[0]);
		left = vcpus[0].tsc_seen;
		cpu.tsc_offset -= 100000; /* 50 us at 2 GHz */
		vtsc_load(&vcpus[0]);
		assert_true(rdtsc() + offset_set >= left);
	}
	vtsc_put(&vcpus[0]); /* what can be no error of measuring is not waited for */
	vcpus[0].tsc_seen += 1ull << 50;
	vtsc_load(&vcpus[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(rates_of_the_counter, setup),
		cmocka_unit_test_setup(wall_clock, setup),
		cmocka_unit_test_setup(test_cpus_differ, setup),
		cmocka_unit_test_setup(either_msr_moves_the_counter, setup),
		cmocka_unit_test_setup(pages_follow_it, setup),
		cmocka_unit_test_setup(apart_they_are_not_stable, setup),
		cmocka_unit_test_setup(without_a_page, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
