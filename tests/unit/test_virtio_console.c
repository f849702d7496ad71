/*
 * The virtio console between a driver and the console's rings: what is printed and typed comes
 * whole and in order, however little room there is at either end; and drivers that break the
 * rules, or reset it in the middle.
 */
/* links: guests/devices/virtio/console.c guests/devices/console.c */
/* links: guests/devices/virtio/virtio.c guests/devices/virtio/registers.c */
/* links: guests/devices/virtio/queue.c guests/devices/virtio/split.c */
/* links: guests/devices/virtio/packed.c guests/pci/pci.c guests/pci/access.c */
/* links: guests/pci/bars.c guests/pci/function.c guests/pci/msix.c guests/pci/pins.c */
/* links: kernel/vmm/bus.c tests/unit/fake_vmm.c tests/unit/fake_gmem.c */
/* links: tests/unit/fake_threads.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "guests/devices/console.h"
#include "guests/devices/virtio/console.h"
#include "tests/unit/virtio_pci.h"

#define RECEIVE	    0
#define TRANSMIT    1
#define QUEUE_MAX   64
#define EMERG_WRITE BIT(2)
#define EMERG_WR    8
#define VERSION_1   BIT(VIRTIO_F_VERSION_1)
#define RING(n)	    (0x100000ull + 0x10000ull * (n))
#define OUTPUT	    0x800000ull
#define INPUT	    0x900000ull
#define INPUT_BYTES 64

static struct console *console;
static struct virtio_console *vc;
static struct virtq_driver drivers[2];
static char typed_to_uart[100];
static unsigned uart_count;

size_t uart_receive(struct uart *uart, const uint8_t *bytes, size_t n)
{
	(void)uart;
	memcpy(typed_to_uart + uart_count, bytes, n);
	uart_count += (unsigned)n;
	return n;
}

void uart_drained(struct uart *uart)
{
	(void)uart;
}

static int setup(void **state)
{
	char rest[100];

	(void)state;
	machine_create();
	if (!console)
		console = console_create("alpha");
	console_set_uart(console, (struct uart *)vm);
	while (console_take(console, rest, sizeof rest))
		;
	uart_count = 0;
	vc = virtio_console_create(&vm->board, root, console);
	if (!vc)
		return -1;
	virtio_pci_find(&pci, (struct virtio *)vc); /* its first member */
	fake_threads_run();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	virtio_console_destroy(vc);
	return machine_destroy();
}

static void give_input_buffer(uint32_t bytes)
{
	static unsigned next;
	const struct driver_buffer buffer = {INPUT + next++ % QUEUE_MAX * INPUT_BYTES, bytes,
					     true};

	assert_true(driver_add(&drivers[RECEIVE], &buffer, 1, false) >= 0);
}

static void bring_up(uint64_t features)
{
	virtio_pci_enable_msix(&pci);
	assert_true(virtio_pci_negotiate(&pci, features | VERSION_1));
	for (unsigned i = 0; i < 2; i++)
		virtio_pci_enable_queue(&pci, i, RING(i), &drivers[i]);
	virtio_pci_driver_ok(&pci);
	fake_threads_run();
}

/* The guest prints; returns whether it would have told the device. */
static bool print(const char *text, uint32_t bytes)
{
	static uint64_t at = OUTPUT;
	uint32_t first = (bytes + 1) / 2;
	const struct driver_buffer buffers[2] = {{at, first, false},
						 {at + first, bytes - first, false}};

	memcpy(fake.ram + at, text, bytes);
	at = at + bytes > OUTPUT + 512 * KIB ? OUTPUT : at + bytes;
	assert_true(driver_add(&drivers[TRANSMIT], buffers, bytes > 1 ? 2 : 1, false) >= 0);
	if (!driver_kicks(&drivers[TRANSMIT]))
		return false;
	virtio_pci_kick(&pci, TRANSMIT);
	return true;
}

static void assert_printed(const char *text)
{
	char got[200];
	size_t n = console_take(console, got, sizeof got);

	fake_threads_run();
	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, n);
}

static void type(const char *text)
{
	console_type(console, text, strlen(text));
	fake_threads_run();
}

/* What the driver finds in the next buffer that the device has filled; "" if there is none. */
static const char *received(void)
{
	static char text[INPUT_BYTES + 1];
	uint64_t gpa;
	uint32_t bytes;
	struct virtq_driver *d = &drivers[RECEIVE];
	uint16_t head =
		(uint16_t) * (const uint32_t *)driver_used(d, 2u + d->used % d->q->size * 4u);

	gpa = driver_desc(d, head)->addr;
	if (driver_take(d, &bytes) < 0)
		return "";
	assert_in_range(bytes, 1, INPUT_BYTES);
	memcpy(text, fake.ram + gpa, bytes);
	text[bytes] = '\0';
	return text;
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(cfg_read(&pci, 0, 4), 0x10431af4);
	assert_int_equal(cfg_read(&pci, 8, 4) >> 8, 0x078000);
	assert_int_equal(common_read(&pci, NUM_QUEUES, 2), 2);
	common_write(&pci, DEVICE_SELECT, 4, 0);
	assert_int_equal(common_read(&pci, DEVICE_FEATURE, 4) & 0xffffff, EMERG_WRITE);
}

static void test_output(void **state)
{
	uint32_t bytes;

	(void)state;
	bring_up(0);
	assert_true(print("hello, ", 7));
	assert_true(print("world\n", 6));
	assert_printed("hello, world\n");
	for (unsigned i = 0; i < 2; i++) {
		assert_true(driver_take(&drivers[TRANSMIT], &bytes) >= 0);
		assert_int_equal(bytes, 0);
	}
	assert_int_equal(fake_messages[fake_message_count - 1].data, TRANSMIT + 1);
}

/* As much as the guest likes to print, through a ring that is emptied a little at a time. */
static void flood(uint64_t features)
{
	char line[300], got[100];
	unsigned long printed = 0, shown = 0;
	uint32_t bytes;

	bring_up(features);
	for (unsigned round = 0; round < 2000; round++) {
		unsigned length = 1 + round * 7 % sizeof line;

		for (unsigned i = 0; i < length; i++)
			line[i] = (char)((printed + i) % 251);
		if (drivers[TRANSMIT].free_count > 3 && drivers[TRANSMIT].slots_free > 3) {
			print(line, length);
			printed += length;
		}
		for (size_t i = 0, n = console_take(console, got, 1 + round % sizeof got);
		     i < n; i++, shown++)
			assert_int_equal((uint8_t)got[i], shown % 251);
		fake_threads_run();
		while (driver_take(&drivers[TRANSMIT], &bytes) >= 0)
			;
	}
	while (shown < printed) {
		size_t n = console_take(console, got, sizeof got);

		fake_threads_run();
		assert_true(n > 0);
		for (size_t i = 0; i < n; i++, shown++)
			assert_int_equal((uint8_t)got[i], shown % 251);
	}
	assert_true(printed > 4 * CONSOLE_RING_BYTES);
}

static void test_flood(void **state)
{
	(void)state;
	flood(0);
}

static void test_flood_packed_with_events(void **state)
{
	(void)state;
	flood(BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_EVENT_IDX));
}

static void test_a_busy_console_wants_no_kicks(void **state)
{
	static const char text[CONSOLE_RING_BYTES] = "x";
	char got[100];

	(void)state;
	bring_up(0);
	assert_true(print(text, sizeof text));
	assert_true(print("more", 4));	 /* there was no more when it looked */
	assert_false(print("still", 5)); /* now it holds one, and the ring is full */
	console_take(console, got, sizeof got);
	fake_threads_run();
	assert_true(print("!", 1));
	for (unsigned n = sizeof got; n < sizeof text; n += 4)
		console_take(console, got, 4);
	assert_printed("morestill!");
}

/* Kicks are wanted again after a queue that was full, all of it given back. */
static void test_a_full_queue(void **state)
{
	uint32_t bytes;

	(void)state;
	bring_up(0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < QUEUE_MAX; i++)
			driver_add(&drivers[TRANSMIT],
				   &(struct driver_buffer){OUTPUT, 1, false}, 1, false);
		assert_true(driver_kicks(&drivers[TRANSMIT]));
		virtio_pci_kick(&pci, TRANSMIT);
		for (unsigned i = 0; i < QUEUE_MAX; i++)
			assert_true(driver_take(&drivers[TRANSMIT], &bytes) >= 0);
	}
}

static void test_input(void **state)
{
	(void)state;
	console_type(console, "early ", 6);
	assert_int_equal(uart_count, 6); /* no driver yet: the serial port's */
	bring_up(0);
	type("waits");
	assert_int_equal(uart_count, 6);
	assert_string_equal(received(), "");
	give_input_buffer(INPUT_BYTES);
	assert_true(driver_kicks(&drivers[RECEIVE])); /* it asked for that */
	virtio_pci_kick(&pci, RECEIVE);
	assert_string_equal(received(), "waits");
	assert_int_equal(fake_messages[fake_message_count - 1].data, RECEIVE + 1);
	for (unsigned i = 0; i < 4; i++)
		give_input_buffer(3);
	virtio_pci_kick(&pci, RECEIVE);
	type("abcdefgh");
	assert_string_equal(received(), "abc");
	assert_string_equal(received(), "def");
	assert_string_equal(received(), "gh");
	assert_string_equal(received(), "");
	type("i"); /* into the buffer that was left */
	assert_string_equal(received(), "i");
}

static void test_without_driver_the_serial_port_is_typed_to(void **state)
{
	(void)state;
	bring_up(0);
	type("a");
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	assert_int_equal(common_read(&pci, STATUS, 1), 0);
	type("b");
	assert_int_equal(uart_count, 2); /* what was not read either */
	assert_memory_equal(typed_to_uart, "ab", 2);
}

static void test_reset_amid_output(void **state)
{
	static const char text[CONSOLE_RING_BYTES + 100] = "x";
	char got[200];

	(void)state;
	bring_up(0);
	print(text, sizeof text);
	common_write(&pci, STATUS, 1, 0);
	fake_threads_run();
	while (console_take(console, got, sizeof got)) {
		assert_false(fake_threads_pending());
		fake_threads_run();
	}
	bring_up(0);
	print("new", 3);
	assert_printed("new");
}

static void test_one_queue_is_reset(void **state)
{
	static const char text[CONSOLE_RING_BYTES + 100] = "x";
	char got[200];

	(void)state;
	bring_up(BIT(VIRTIO_F_RING_RESET));
	print(text, sizeof text);
	common_write(&pci, QUEUE_SELECT, 2, TRANSMIT);
	common_write(&pci, QUEUE_RESET, 2, 1);
	fake_threads_run();
	assert_int_equal(common_read(&pci, QUEUE_RESET, 2), 0);
	while (console_take(console, got, sizeof got))
		fake_threads_run();
	virtio_pci_enable_queue(&pci, TRANSMIT, RING(TRANSMIT), &drivers[TRANSMIT]);
	fake_threads_run();
	print("new", 3);
	assert_printed("new");
}

static void test_emergency_write(void **state)
{
	(void)state;
	mem_write(&pci, pci.device + EMERG_WR, 4, 'p'); /* before any driver */
	mem_write(&pci, pci.device + EMERG_WR, 1, 'q'); /* not as the field is wide */
	mem_write(&pci, pci.device, 4, 'r');
	assert_printed("p");
}

static void test_wrong_directions(void **state)
{
	const struct driver_buffer readable = {INPUT, 10, false}, none = {INPUT, 0, true};

	(void)state;
	bring_up(0);
	/* Nothing to read in output, nothing to write to for input: given back, no harm. */
	driver_add(&drivers[TRANSMIT], &(struct driver_buffer){OUTPUT, 10, true}, 1, false);
	virtio_pci_kick(&pci, TRANSMIT);
	driver_add(&drivers[RECEIVE], &readable, 1, false);
	give_input_buffer(INPUT_BYTES);
	type("hi");
	virtio_pci_kick(&pci, RECEIVE);
	print("ok", 2);
	assert_printed("ok");
	assert_false(common_read(&pci, STATUS, 1) & NEEDS_RESET);

	driver_add(&drivers[RECEIVE], &none, 1, false); /* breaks it: 2.7.5 */
	virtio_pci_kick(&pci, RECEIVE);
	type("x");
	assert_true(common_read(&pci, STATUS, 1) & NEEDS_RESET);
	assert_int_equal(typed_to_uart[uart_count - 1], 'x');
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity),
		TEST(test_output),
		TEST(test_flood),
		TEST(test_flood_packed_with_events),
		TEST(test_a_busy_console_wants_no_kicks),
		TEST(test_a_full_queue),
		TEST(test_input),
		TEST(test_without_driver_the_serial_port_is_typed_to),
		TEST(test_reset_amid_output),
		TEST(test_one_queue_is_reset),
		TEST(test_emergency_write),
		TEST(test_wrong_directions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
