/*
 * The start of an 82540EM, whose registers are memory here, with everything failing once: what
 * it asks of the kernel, its words of EEPROM, its presence. Then a frame each way. Descriptors
 * are test_e1000_tx.c's, and resets test_nic.c's.
 */
/* links: drivers/net/e1000.c drivers/net/e1000_hw.c drivers/net/e1000_tx.c drivers/net/nic.c */
/* links: kernel/io/packet.c tests/unit/fake_block.c tests/unit/fake_threads.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/net/e1000.h"
#include "drivers/net/e1000_regs.h"
#include "drivers/net/nic.h"
#include "kernel/log/log.h"
#include "kernel/mem/frames.h"
#include "tests/unit/fake_block.h"
#include "tests/unit/fake_threads.h"

#define WORDS 3 /* of the address, in the EEPROM */
#define EVERY 61

static uint32_t registers[E1000_REGISTER_BYTES / 4];
static const uint8_t mac[NET_MAC_BYTES] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

static struct {
	unsigned silent_word; /* of the EEPROM, from 1; 0: none */
	unsigned words;	      /* answered */
	unsigned gone_at, sleeps;
} device;

static struct netdev *found;
static struct list received;

/* ---- the kernel, as far as fake_block.c is for disks ---- */

void timer_cancel(struct timer *timer)
{
	(void)timer;
}

bool timer_armed(const struct timer *timer)
{
	return timer->armed;
}

void netdev_register(struct netdev *dev)
{
	found = dev;
}

void netdev_receive(struct netdev *dev, struct list *packets)
{
	assert_ptr_equal(dev, found);
	list_for_each_safe(packet, packets, struct packet, link)
	{
		list_remove(&packet->link);
		list_push_back(&received, &packet->link);
	}
}

void netdev_ready(struct netdev *dev)
{
	(void)dev;
}

void netdev_set_link(struct netdev *dev, bool up, uint32_t mbit)
{
	(void)mbit;
	atomic_store(&dev->link_up, up);
}

/* ---- the controller ---- */

static uint32_t *reg(enum e1000_register at)
{
	return &registers[at / 4];
}

/* Time passes: the EEPROM answers (317453, 13.4.4), or the card is pulled. */
static bool work(void)
{
	uint32_t *eerd = reg(E1000_EERD), word = *eerd >> 8 & 0xff;

	if (++device.sleeps == device.gone_at)
		memset(registers, 0xff, sizeof(registers));
	if (*eerd & E1000_EERD_START && *eerd != UINT32_MAX && word + 1 != device.silent_word) {
		device.words++;
		*eerd = (uint32_t)(BIT(4) | (uint32_t)(mac[2 * word] | mac[2 * word + 1] << 8)
						    << 16);
	}
	return false;
}

/* With `valid`, firmware has put the address into the register. */
static void start(bool valid)
{
	fake_block_start();
	memset(&device, 0, sizeof(device));
	memset(registers, 0, sizeof(registers));
	*reg(E1000_STATUS) = 0x80080783; /* up, 1000 Mbit/s */
	if (valid) {
		memcpy(reg(E1000_RAL), mac, 4);
		memcpy(reg(E1000_RAH), mac + 4, 2);
		*reg(E1000_RAH) |= (uint32_t)E1000_RAH_AV;
	}
	fake_pci.vendor_id = 0x8086;
	fake_pci.device_id = 0x100e;
	fake_pci.bars[0].bytes = E1000_REGISTER_BYTES;
	fake_registers = registers;
	fake_hardware = work;
	fake_threads_refused = false;
	found = NULL;
	list_init(&received);
}

static void see_nothing_left(int err, int expected, unsigned threads)
{
	assert_int_equal(err, expected);
	assert_null(found);
	assert_false(fake_master);
	assert_int_equal(fake_allocated, 0);
	assert_int_equal(fake_threads_alive(), threads);
	assert_int_equal(fake_errors, 1);
	assert_non_null(strstr(fake_line, "pci:00:03.0: not usable: error "));
}

/* ---- a frame each way ---- */

static void send(void)
{
	struct packet_pool *pool = packet_pool_create(1, 1, NULL);
	struct packet *packet = packet_alloc(pool, 60);
	union e1000_tx_desc *ring =
		directmap((uint64_t)*reg(E1000_TDBAH) << 32 | *reg(E1000_TDBAL));
	uint32_t tail;

	memset(directmap(packet->pages[0]), 0x5a, PAGE_BYTES);
	assert_int_equal(found->ops->transmit(found, packet), 0);
	found->ops->commit(found);
	tail = *reg(E1000_TDT);
	assert_true(tail > 0);
	assert_null(packet_alloc(pool, 60)); /* it is on its way */
	ring[tail - 1].status = E1000_TX_DD;
	assert_true(fake_interrupt(0));
	fake_pass(NSEC_PER_MSEC);
	packet = packet_alloc(pool, 60);
	assert_non_null(packet);
	packet_put(packet);
	packet_pool_destroy(pool);
}

static void receive(void)
{
	struct e1000_rx_desc *ring =
		directmap((uint64_t)*reg(E1000_RDBAH) << 32 | *reg(E1000_RDBAL));
	struct packet *packet;

	memset(directmap(ring[0].address), 0xa5, 60);
	ring[0].bytes = 60;
	ring[0].status = E1000_RX_DD | E1000_RX_EOP;
	assert_true(fake_interrupt(0));
	fake_pass(NSEC_PER_MSEC);
	assert_false(list_empty(&received));
	packet = list_first(&received, struct packet, link);
	assert_int_equal(packet->bytes, 60);
	assert_int_equal(((uint8_t *)directmap(packet->pages[0]))[59], 0xa5);
	assert_int_equal(ring[0].status, 0);
	list_remove(&packet->link);
	packet_put(packet);
}

static void see_it_works(void)
{
	assert_non_null(found);
	assert_memory_equal(found->mac, mac, sizeof(mac));
	assert_true(fake_master);
	fake_pass(NSEC_PER_MSEC);
	assert_true(found->link_up);
	send();
	receive();
	assert_int_equal(fake_warnings + fake_errors, 0);
}

/* ---- tests ---- */

static void it_works(void **state)
{
	(void)state;
	assert_true(e1000_driver.match(&fake_pci));
	assert_int_equal(e1000_driver.probe(&fake_pci), 0);
	see_it_works();
}

/* Pages of its pool are all alike: of those only some. */
static void every_call_may_fail(void **state)
{
	unsigned calls, failures = 0;

	(void)state;
	start(true);
	assert_int_equal(e1000_driver.probe(&fake_pci), 0);
	calls = fake_calls;
	assert_true(calls > 1024);
	for (unsigned at = 1; at <= calls; at++) {
		unsigned threads = fake_threads_alive();
		int err;

		if (at > 16 && at + 16 < calls && at % EVERY)
			continue;
		start(true);
		fake_fail_at = at;
		err = e1000_driver.probe(&fake_pci);
		fake_fail_at = 0;
		assert_true(err < 0);
		if (at == 1) { /* its own memory: nobody is there to say more */
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(fake_allocated, 0);
		} else {
			see_nothing_left(err, err, threads);
		}
		failures++;
	}
	assert_true(failures > 40);
	start(true);
	assert_int_equal(e1000_driver.probe(&fake_pci), 0);
	see_it_works();
}

static void no_thread(void **state)
{
	unsigned threads = fake_threads_alive();

	(void)state;
	fake_threads_refused = true;
	see_nothing_left(e1000_driver.probe(&fake_pci), -ENOMEM, threads);
}

/* The address is in the EEPROM, or in one word that does not come. */
static void every_word_may_stay_away(void **state)
{
	(void)state;
	for (unsigned word = 1; word <= WORDS; word++) {
		unsigned threads = fake_threads_alive();

		start(false);
		device.silent_word = word;
		see_nothing_left(e1000_driver.probe(&fake_pci), -EIO, threads);
		assert_int_equal(device.words, word - 1);
		assert_true(device.sleeps < 200);
	}
	start(false);
	assert_int_equal(e1000_driver.probe(&fake_pci), 0);
	assert_int_equal(device.words, WORDS);
	see_it_works();
}

/* Pulled at each of the moments at which the driver waits. */
static void it_may_be_gone_at_any_time(void **state)
{
	unsigned moments = 0;

	(void)state;
	for (bool whole = false; !whole; moments++) {
		unsigned threads = fake_threads_alive();
		int err;

		start(true);
		device.gone_at = moments + 1;
		err = e1000_driver.probe(&fake_pci);
		whole = device.sleeps < device.gone_at;
		if (!whole)
			see_nothing_left(err, -ENODEV, threads);
		else
			assert_int_equal(err, 0);
	}
	assert_true(moments >= 3);
}

static void an_address_that_is_a_groups(void **state)
{
	unsigned threads = fake_threads_alive();

	(void)state;
	*reg(E1000_RAL) |= 1;
	see_nothing_left(e1000_driver.probe(&fake_pci), -EIO, threads);
}

static void too_few_registers(void **state)
{
	unsigned threads = fake_threads_alive();

	(void)state;
	fake_pci.bars[0].bytes = E1000_REGISTER_BYTES / 2;
	see_nothing_left(e1000_driver.probe(&fake_pci), -ENODEV, threads);
}

static int with_an_address(void **state)
{
	(void)state;
	start(true);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_works, with_an_address),
		cmocka_unit_test_setup(every_call_may_fail, with_an_address),
		cmocka_unit_test_setup(no_thread, with_an_address),
		cmocka_unit_test_setup(every_word_may_stay_away, with_an_address),
		cmocka_unit_test_setup(it_may_be_gone_at_any_time, with_an_address),
		cmocka_unit_test_setup(an_address_that_is_a_groups, with_an_address),
		cmocka_unit_test_setup(too_few_registers, with_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
