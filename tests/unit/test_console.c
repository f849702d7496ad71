/* A guest's console: nothing is lost or reordered between the guest's UART and the terminal,
 * however slow either is. The UART is a fake that keeps what was refused, as the real one. */
/* links: guests/console/console.c tests/unit/fake_gmem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "guests/console/console.h"

struct uart {
	struct uart_host host;
	uint8_t kept[16]; /* output that the console had no room for */
	unsigned kept_count;
	char input[4096];
	unsigned input_count, input_room;
};

static struct uart uart;
static struct console *console;
static unsigned told;

size_t uart_receive(struct uart *u, const uint8_t *bytes, size_t n)
{
	size_t taken = MIN(n, (size_t)u->input_room);

	memcpy(u->input + u->input_count, bytes, taken);
	u->input_count += (unsigned)taken;
	u->input_room -= (unsigned)taken;
	return taken;
}

void uart_drained(struct uart *u)
{
	unsigned sent = 0;

	while (sent < u->kept_count && u->host.put(u->host.arg, u->kept[sent]))
		sent++;
	u->kept_count -= sent;
	memmove(u->kept, u->kept + sent, u->kept_count);
}

/* The guest prints a byte; false when its UART is full and it must wait. */
static bool guest_prints(uint8_t byte)
{
	if (uart.kept_count || !uart.host.put(uart.host.arg, byte)) {
		if (uart.kept_count == sizeof uart.kept)
			return false;
		uart.kept[uart.kept_count++] = byte;
	}
	return true;
}

static void tell(void *arg)
{
	(void)arg;
	told++;
}

static void forget(void)
{
	static char rest[CONSOLE_RING_BYTES];

	while (console_take(console, rest, sizeof rest))
		;
}

static int fresh(void **state)
{
	(void)state;
	if (!console)
		console = console_create("alpha");
	console_on_output(tell, NULL);
	console_set_uart(console, NULL);
	uart = (struct uart){.host = console_uart_host(console)};
	console_set_uart(console, &uart);
	forget();
	told = 0;
	return 0;
}

static void output_comes_in_order_however_full_the_ring_is(void **state)
{
	unsigned printed = 0, taken = 0;
	char piece[100];

	(void)state;
	for (unsigned round = 0; round < 1000; round++) {
		while (guest_prints((uint8_t)(printed % 251)))
			printed++;
		for (unsigned turn = 0; turn <= round % 3; turn++) {
			size_t n = console_take(console, piece, 1 + round % sizeof piece);

			for (size_t i = 0; i < n; i++, taken++)
				assert_int_equal((uint8_t)piece[i], taken % 251);
		}
	}
	while (guest_prints((uint8_t)(printed % 251)))
		printed++;
	assert_int_equal(printed - taken, CONSOLE_RING_BYTES + sizeof uart.kept);
}

static void whoever_takes_output_is_told_of_the_first_byte(void **state)
{
	char piece[2];

	(void)state;
	guest_prints('a');
	assert_int_equal(told, 1);
	guest_prints('b');
	guest_prints('c');
	assert_int_equal(told, 1); /* there was something to take all the time */
	assert_int_equal(console_take(console, piece, 2), 2);
	assert_int_equal(console_take(console, piece, 2), 1);
	assert_int_equal(console_take(console, piece, 2), 0);
	guest_prints('d');
	assert_int_equal(told, 2);
}

static void input_waits_for_the_guest(void **state)
{
	char none[1];

	(void)state;
	console_type(console, "hello", 5);
	assert_int_equal(uart.input_count, 0);
	uart.input_room = 2;
	uart.host.room(uart.host.arg);
	assert_int_equal(told, 1);
	console_take(console, none, 0);
	assert_int_equal(uart.input_count, 2);
	uart.input_room = 100;
	console_type(console, ", you", 5);
	assert_memory_equal(uart.input, "hello, you", 10);
	assert_int_equal(uart.input_count, 10);
}

static void much_input_comes_in_order_and_the_rest_is_refused(void **state)
{
	char text[1500];

	(void)state;
	for (unsigned i = 0; i < sizeof text; i++)
		text[i] = (char)('a' + i % 26);
	for (unsigned round = 0; round < 3; round++) { /* around the ring's end */
		uart.input_count = uart.input_room = 0;
		assert_int_equal(console_type(console, text, sizeof text), 1024);
		uart.input_room = sizeof uart.input;
		console_take(console, text, 0);
		assert_int_equal(uart.input_count, 1024);
		assert_memory_equal(uart.input, text, 1024);
		console_type(console, text, 100);
	}
}

static void a_restarted_guest_gets_no_old_input(void **state)
{
	(void)state;
	console_type(console, "for the old one", 15);
	console_set_uart(console, NULL);
	console_type(console, "for nobody", 10);
	uart.input_room = 100;
	console_set_uart(console, &uart);
	console_type(console, "new", 3);
	assert_int_equal(uart.input_count, 3);
}

static void a_restarted_guest_begins_on_a_line_of_its_own(void **state)
{
	char got[20];

	(void)state;
	guest_prints('#');
	console_set_uart(console, NULL);
	console_set_uart(console, &uart);
	guest_prints('a');
	assert_int_equal(console_take(console, got, sizeof got), 4);
	assert_memory_equal(got, "#\r\na", 4);
	guest_prints('\n');
	console_set_uart(console, &uart);
	assert_int_equal(console_take(console, got, sizeof got), 1);
}

static unsigned woken;

static void wake(void *arg)
{
	assert_ptr_equal(arg, &woken);
	woken++;
}

/* Another device takes what is typed, for as long as it is there; the UART still prints. */
static void a_reader_is_typed_to(void **state)
{
	char got[100];

	(void)state;
	woken = 0;
	uart.input_room = 100;
	console_set_reader(console, wake, &woken);
	assert_int_equal(woken, 0);
	console_type(console, "hello", 5);
	assert_int_equal(woken, 1);
	assert_int_equal(console_read(console, got, 2), 2);
	assert_int_equal(console_read(console, got + 2, sizeof got), 3);
	assert_memory_equal(got, "hello", 5);
	assert_int_equal(console_read(console, got, sizeof got), 0);
	assert_int_equal(uart.input_count, 0);
	guest_prints('a');
	assert_int_equal(console_take(console, got, sizeof got), 1);

	for (unsigned i = 0; i < 1024; i++)
		assert_int_equal(console_type(console, "x", 1), 1);
	assert_int_equal(console_type(console, "y", 1), 0);
	told = 0;
	assert_int_equal(console_read(console, got, 10), 10);
	assert_int_equal(told, 1); /* that there is room again */
	while (console_read(console, got, sizeof got))
		;
	assert_int_equal(told, 1);

	woken = 1;
	console_type(console, "late", 4);
	console_set_reader(console, NULL, NULL); /* what it left is the UART's */
	assert_int_equal(uart.input_count, 4);
	console_type(console, "r", 1);
	assert_memory_equal(uart.input, "later", 5);
	assert_int_equal(woken, 2);
}

static void a_reader_waits_for_room(void **state)
{
	static char text[CONSOLE_RING_BYTES + 100];
	char got[50];

	(void)state;
	for (unsigned i = 0; i < sizeof text; i++)
		text[i] = (char)('a' + i % 26);
	woken = 0;
	console_set_reader(console, wake, &woken);
	assert_int_equal(console_write(console, text, sizeof text), CONSOLE_RING_BYTES);
	assert_int_equal(told, 1);
	assert_int_equal(console_write(console, text, 1), 0);
	assert_false(console_put(console, 'x'));
	assert_int_equal(woken, 0);
	console_take(console, got, sizeof got);
	assert_int_equal(woken, 1);
	assert_memory_equal(got, text, sizeof got);
	console_take(console, got, sizeof got);
	assert_int_equal(woken, 1); /* nobody had been refused since */
	assert_int_equal(console_write(console, "xyz", 3), 3);
	for (unsigned at = 2 * sizeof got; at < CONSOLE_RING_BYTES; at++) {
		assert_int_equal(console_take(console, got, 1), 1);
		assert_int_equal(got[0], text[at]);
	}
	assert_int_equal(console_take(console, got, sizeof got), 3);
	assert_memory_equal(got, "xyz", 3);
	console_set_reader(console, NULL, NULL);
}

static void consoles_come_and_go_and_are_only_so_many(void **state)
{
	struct console *others[CONSOLE_MAX + 1], *kept;
	unsigned count = 1, changes;
	char got[8];

	(void)state;
	for (unsigned place = 1; place < CONSOLE_MAX; place++)
		assert_null(console_hold(place));
	while ((others[count] = console_create("another"))) {
		struct console *found = console_hold(count);

		assert_ptr_equal(found, others[count++]);
		console_release(found);
	}
	assert_int_equal(count, CONSOLE_MAX);
	assert_null(console_hold(CONSOLE_MAX));

	/* One that leaves can still be shown to its end; its place is the next one's. */
	changes = console_changes();
	told = 0;
	kept = console_hold(7);
	assert_int_equal(console_write(kept, "bye", 3), 3);
	console_hide(kept);
	assert_int_not_equal(console_changes(), changes);
	assert_int_equal(told, 2);
	console_release(others[7]);
	assert_null(console_hold(7));
	others[7] = console_create("new");
	assert_non_null(others[7]);
	assert_int_equal(console_take(kept, got, sizeof got), 3);
	assert_memory_equal(got, "bye", 3);
	console_release(kept);
	kept = console_hold(7);
	assert_string_equal(console_name(kept), "new");
	console_release(kept);
	console_release(NULL);
	for (unsigned place = 1; place < CONSOLE_MAX; place++) {
		console_hide(others[place]);
		console_release(others[place]);
	}
}

static void wake_nobody(void *arg)
{
	(void)arg;
}

/* What found no room is not counted. */
static void what_is_printed_and_typed_is_counted(void **state)
{
	static char many[CONSOLE_RING_BYTES + 1];
	struct console_info before, after;

	(void)state;
	console_get_info(console, &before);
	assert_false(before.has_reader);
	assert_int_equal(console_write(console, many, sizeof many), CONSOLE_RING_BYTES);
	assert_false(console_put(console, 'x'));
	assert_int_equal(console_type(console, "abc", 3), 3);
	console_set_reader(console, wake_nobody, NULL);
	console_get_info(console, &after);
	console_set_reader(console, NULL, NULL);
	assert_int_equal(after.printed_bytes - before.printed_bytes, CONSOLE_RING_BYTES);
	assert_int_equal(after.typed_bytes - before.typed_bytes, 3);
	assert_true(after.has_reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(output_comes_in_order_however_full_the_ring_is, fresh),
		cmocka_unit_test_setup(whoever_takes_output_is_told_of_the_first_byte, fresh),
		cmocka_unit_test_setup(input_waits_for_the_guest, fresh),
		cmocka_unit_test_setup(much_input_comes_in_order_and_the_rest_is_refused,
				       fresh),
		cmocka_unit_test_setup(a_restarted_guest_gets_no_old_input, fresh),
		cmocka_unit_test_setup(a_restarted_guest_begins_on_a_line_of_its_own, fresh),
		cmocka_unit_test_setup(a_reader_is_typed_to, fresh),
		cmocka_unit_test_setup(a_reader_waits_for_room, fresh),
		cmocka_unit_test_setup(what_is_printed_and_typed_is_counted, fresh),
		cmocka_unit_test_setup(consoles_come_and_go_and_are_only_so_many, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
