/* virtio-rng: buffers are filled to the byte, a page at most; a guest that wants too much
 * waits; what is not to be written breaks the device. */
/* links: guests/devices/virtio/rng.c guests/devices/virtio/virtio.c */
/* links: guests/devices/virtio/registers.c guests/devices/virtio/queue.c */
/* links: guests/devices/virtio/split.c guests/devices/virtio/packed.c guests/pci/pci.c */
/* links: guests/pci/access.c guests/pci/bars.c guests/pci/function.c guests/pci/msix.c */
/* links: guests/pci/pins.c kernel/vmm/bus.c tests/unit/fake_vmm.c tests/unit/fake_gmem.c */
/* links: tests/unit/fake_threads.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "guests/devices/virtio/rng.h"
#include "kernel/cpu/random.h"
#include "tests/unit/virtio_pci.h"

#define RING   0x100000ull
#define BUFFER 0x200000ull

static struct virtio_rng *rng;
static struct virtq_driver driver;

int random_bytes(void *buf, size_t bytes)
{
	memset(buf, 0x5a, bytes);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	machine_create();
	rng = virtio_rng_create(vm, root);
	virtio_pci_find(&pci, (struct virtio *)rng); /* it comes first in it */
	virtio_pci_enable_msix(&pci);
	if (!virtio_pci_negotiate(&pci, BIT(VIRTIO_F_VERSION_1)))
		return -1;
	virtio_pci_enable_queue(&pci, 0, RING, &driver);
	virtio_pci_driver_ok(&pci);
	fake_threads_run();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	virtio_rng_destroy(rng);
	return machine_destroy();
}

static void ask(uint32_t bytes, bool writable)
{
	const struct driver_buffer buffer = {BUFFER, bytes, writable};

	assert_true(driver_add(&driver, &buffer, 1, false) >= 0);
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(cfg_read(&pci, 0, 4), 0x10441af4);
	assert_int_equal(pci.capability[CFG_DEVICE], 0); /* it has no configuration */
}

static void test_filled_to_the_byte(void **state)
{
	uint32_t bytes;

	(void)state;
	ask(300, true);
	virtio_pci_kick(&pci, 0);
	assert_true(driver_take(&driver, &bytes) >= 0);
	assert_int_equal(bytes, 300);
	for (unsigned i = 0; i < 310; i++)
		assert_int_equal(*fake_gmem_at(&fake, BUFFER + i, uint8_t), i < 300 ? 0x5a : 0);
	assert_int_equal(fake_message_count, 1);
	ask(64 * MIB - BUFFER, true);
	virtio_pci_kick(&pci, 0);
	assert_true(driver_take(&driver, &bytes) >= 0);
	assert_int_equal(bytes, PAGE_BYTES);
}

static void test_not_to_be_written(void **state)
{
	(void)state;
	ask(64, false);
	virtio_pci_kick(&pci, 0);
	assert_true(common_read(&pci, STATUS, 1) & NEEDS_RESET);
}

/* Takes what there is, asks again, and so on for so long; returns the bytes it got. */
static uint64_t drain(uint64_t ns, uint32_t each)
{
	uint64_t end = fake_now_ns + ns, sum = 0;
	uint32_t bytes;

	for (; fake_now_ns < end; fake_run_until(fake_now_ns + NSEC_PER_MSEC)) {
		while (driver_take(&driver, &bytes) >= 0)
			sum += bytes;
		while (driver.free_count)
			ask(each, true);
		virtio_pci_kick(&pci, 0);
	}
	return sum;
}

static void test_limit(void **state)
{
	struct virtio_rng_info info;

	(void)state;
	drain(NSEC_PER_SEC, PAGE_BYTES); /* what is saved up */
	assert_in_range(drain(4 * NSEC_PER_SEC, PAGE_BYTES), 3 * MIB, 5 * MIB);
	virtio_rng_get_info(rng, &info);
	assert_in_range(info.bytes, 3 * MIB, 6 * MIB);
	assert_int_equal(info.bytes / PAGE_BYTES, info.requests);
	assert_true(info.throttled > 0);
	drain(NSEC_PER_SEC, 1); /* what was asked for before */
	assert_in_range(drain(4 * NSEC_PER_SEC, 1), 3 * 4096, 5 * 4096);
}

/* One that waits for its turn is served without a further kick, and a reset ends the waiting.
 */
static void test_waiting(void **state)
{
	uint32_t bytes;
	unsigned got = 0;

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		ask(PAGE_BYTES, true);
	virtio_pci_kick(&pci, 0);
	while (driver_take(&driver, &bytes) >= 0)
		got++;
	assert_in_range(got, 1, 63);
	assert_int_equal(fake_timers_armed(), 1);
	for (unsigned i = 0; i < 1000; i++) {
		fake_run_until(fake_now_ns + NSEC_PER_MSEC);
		fake_threads_run();
	}
	while (driver_take(&driver, &bytes) >= 0)
		got++;
	assert_int_equal(got, 64);
	for (unsigned i = 0; i < 64; i++)
		ask(PAGE_BYTES, true);
	virtio_pci_kick(&pci, 0);
	assert_int_equal(fake_timers_armed(), 1);
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	assert_int_equal(fake_timers_armed(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity),	      TEST(test_filled_to_the_byte),
		TEST(test_not_to_be_written), TEST(test_limit),
		TEST(test_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
