/*
 * The 16550A as drivers use it: Linux's detection steps, polled and interrupt-driven output,
 * input with back-pressure, and a console that is full.
 */
/* links: guests/devices/uart.c kernel/vmm/bus.c */
/* links: tests/unit/fake_vmm.c tests/unit/fake_devices.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "guests/devices/uart.h"
#include "tests/unit/fake_devices.h"

enum { DATA = 0x3f8, IER, IIR, LCR, MCR, LSR, MSR, SCR };

#define GSI UART_COM1_GSI

/* A console that takes `room` bytes. */
struct console {
	char text[200];
	unsigned used, room, room_calls;
};

static struct vm *vm;
static struct uart *uart;
static struct console console;

static bool put(void *arg, uint8_t byte)
{
	struct console *to = arg;

	if (!to->room)
		return false;
	to->room--;
	to->text[to->used++] = byte;
	return true;
}

static void room(void *arg)
{
	((struct console *)arg)->room_calls++;
}

static int setup(void **state)
{
	const struct uart_host host = {put, room, &console};

	(void)state;
	console = (struct console){.room = sizeof(console.text)};
	vm = fake_machine_create();
	uart = uart_create(&vm->board, UART_COM1_PORT, GSI, &host);
	return uart ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	uart_destroy(uart);
	fake_vm_destroy(vm);
	return 0;
}

static void in_is(uint16_t port, uint8_t value)
{
	assert_int_equal(fake_in(vm, port), value);
}

static void out(uint16_t port, uint8_t value)
{
	fake_out(vm, port, value);
}

static size_t type(const char *text)
{
	return uart_receive(uart, (const uint8_t *)text, strlen(text));
}

static void test_after_reset(void **state)
{
	(void)state;
	in_is(IER, 0);
	in_is(IIR, 0x01);
	in_is(LCR, 0);
	in_is(MCR, 0);
	in_is(LSR, 0x60);
	in_is(MSR, 0xb0); /* connected: DCD, DSR, CTS */
	assert_false(fake_irq_level[GSI]);
}

static void test_registers_hold(void **state)
{
	(void)state;
	out(SCR, 0xa5);
	in_is(SCR, 0xa5);
	out(IER, 0xff);
	in_is(IER, 0x0f);
	out(MCR, 0xff & ~0x10);
	in_is(MCR, 0x0f);
	out(LCR, 0x83);
	out(DATA, 0x34);
	out(IER, 0x12);
	in_is(DATA, 0x34);
	in_is(IER, 0x12);
	out(LCR, 0x03);
	in_is(LCR, 0x03);
	in_is(IER, 0x0f); /* the divisor is not the enable register */
	assert_int_equal(console.used, 0);
}

/* What Linux's autoconfig reads: a 16550A, and nothing newer. */
static void test_is_a_16550a(void **state)
{
	(void)state;
	out(MCR, 0x1a); /* loop, OUT2, RTS */
	assert_int_equal(fake_in(vm, MSR) & 0xf0, 0x90);
	out(MCR, 0);
	out(IIR, 0x01);
	assert_int_equal(fake_in(vm, IIR) >> 6, 3);
	out(IIR, 0x21);
	assert_int_equal(fake_in(vm, IIR) >> 5, 6); /* not a 16750 */
	out(LCR, 0xbf);
	assert_int_not_equal(fake_in(vm, IIR), 0); /* no EFR */
}

static void test_polled_output(void **state)
{
	(void)state;
	for (const char *p = "hello"; *p; p++) {
		assert_true(fake_in(vm, LSR) & 0x20);
		out(DATA, *p);
	}
	assert_int_equal(console.used, 5);
	assert_memory_equal(console.text, "hello", 5);
	assert_int_equal(fake_irq_rises[GSI], 0);
}

static void test_transmit_interrupt(void **state)
{
	(void)state;
	out(MCR, 0x08);
	out(IER, 0x02); /* raised at once: THR is empty */
	assert_true(fake_irq_level[GSI]);
	in_is(IIR, 0x02); /* reading IIR answers it */
	assert_false(fake_irq_level[GSI]);
	in_is(IIR, 0x01);
	out(IER, 0x06); /* enabled already: nothing new */
	in_is(IIR, 0x01);
	out(IER, 0);
	out(IER, 0x02); /* enabled again: raised again */
	assert_true(fake_irq_level[GSI]);
	in_is(IIR, 0x02);
	out(DATA, 'a');
	assert_true(fake_irq_level[GSI]);
	assert_int_equal(fake_irq_rises[GSI], 3);
	out(DATA, 'b'); /* an edge for each time it runs empty */
	assert_int_equal(fake_irq_rises[GSI], 4);
}

static void test_out2_gates_the_interrupt(void **state)
{
	(void)state;
	out(IER, 0x02);
	assert_false(fake_irq_level[GSI]);
	out(MCR, 0x08);
	assert_true(fake_irq_level[GSI]);
	out(MCR, 0x00);
	assert_false(fake_irq_level[GSI]);
	out(MCR, 0x18); /* in loopback the pin is off */
	assert_false(fake_irq_level[GSI]);
}

static void test_full_console_makes_the_guest_wait(void **state)
{
	(void)state;
	console.room = 1;
	out(MCR, 0x08);
	out(IIR, 0x01);
	out(DATA, 'a');
	in_is(LSR, 0x60);
	out(DATA, 'b');
	in_is(LSR, 0x00); /* neither THRE nor TEMT */
	out(IER, 0x02);
	assert_false(fake_irq_level[GSI]); /* nor the interrupt */
	for (char c = 'c'; c <= 'q'; c++)  /* a driver that knows of the FIFO: 15 more */
		out(DATA, c);
	out(DATA, '!'); /* one too many is lost, as from any full FIFO */

	console.room = 10;
	uart_drained(uart);
	in_is(LSR, 0x00);
	assert_int_equal(console.used, 11);
	console.room = 100;
	uart_drained(uart);
	in_is(LSR, 0x60);
	assert_true(fake_irq_level[GSI]);
	assert_int_equal(console.used, 17);
	assert_memory_equal(console.text, "abcdefghijklmnopq", 17);
	uart_drained(uart); /* nothing waits: nothing happens */
	assert_int_equal(console.used, 17);
}

static void test_clearing_the_transmit_fifo(void **state)
{
	(void)state;
	out(IIR, 0x01);
	console.room = 0;
	out(DATA, 'a');
	in_is(LSR, 0x00);
	out(IIR, 0x05);
	in_is(LSR, 0x60);
	console.room = 10;
	uart_drained(uart);
	assert_int_equal(console.used, 0);
}

static void test_input(void **state)
{
	(void)state;
	out(MCR, 0x08);
	out(IIR, 0x81); /* FIFOs, trigger at 8 */
	out(IER, 0x01);
	assert_int_equal(type("abc"), 3);
	in_is(LSR, 0x61);
	in_is(IIR, 0xcc); /* below the trigger: timeout */
	assert_true(fake_irq_level[GSI]);
	assert_int_equal(type("defgh"), 5);
	in_is(IIR, 0xc4);
	for (const char *p = "abcdefgh"; *p; p++)
		in_is(DATA, *p);
	in_is(LSR, 0x60);
	in_is(IIR, 0xc1);
	assert_false(fake_irq_level[GSI]);
	in_is(DATA, 0);
}

static void test_input_back_pressure(void **state)
{
	static const char text[] = "0123456789abcdefghij";

	(void)state;
	assert_int_equal(type(text), 1); /* no FIFOs: one character */
	in_is(DATA, '0');
	assert_int_equal(console.room_calls, 1);
	in_is(DATA, 0);
	assert_int_equal(console.room_calls, 1); /* told once */

	out(IIR, 0x01);
	assert_int_equal(type(text), 16);
	assert_int_equal(type("x"), 0);
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(console.room_calls, 1);
		in_is(DATA, text[i]);
	}
	assert_int_equal(console.room_calls, 2);
	in_is(LSR, 0x60); /* and no overrun */
	assert_int_equal(type(text + 16), 4);
	out(IIR, 0x03); /* cleared: gone */
	in_is(LSR, 0x60);
}

static void test_refused_in_loopback(void **state)
{
	(void)state;
	out(MCR, 0x10);
	assert_int_equal(type("a"), 0); /* the wire is cut */
	assert_int_equal(console.room_calls, 0);
	out(MCR, 0x00);
	assert_int_equal(console.room_calls, 1);
	assert_int_equal(type("a"), 1);
}

static void test_loopback(void **state)
{
	(void)state;
	out(IIR, 0x01);
	out(MCR, 0x10);
	for (unsigned i = 0; i < 16; i++)
		out(DATA, 'a' + i);
	in_is(LSR, 0x61);
	out(DATA, 'z'); /* overrun: the FIFO keeps the old ones */
	in_is(LSR, 0x63);
	in_is(LSR, 0x61); /* reading clears it */
	for (unsigned i = 0; i < 16; i++)
		in_is(DATA, 'a' + i);
	assert_int_equal(console.used, 0);

	out(IIR, 0x00); /* without FIFOs the last one stays */
	out(DATA, 'x');
	out(DATA, 'y');
	in_is(LSR, 0x63);
	in_is(DATA, 'y');
}

static void test_line_status_interrupt(void **state)
{
	(void)state;
	out(IER, 0x07);
	out(MCR, 0x18);
	out(DATA, 'x');
	out(DATA, 'y');
	in_is(IIR, 0x06); /* before data, before THRE */
	in_is(LSR, 0x63);
	in_is(IIR, 0x04);
	in_is(DATA, 'y');
	in_is(IIR, 0x02);
	in_is(IIR, 0x01);
}

static void test_modem_status(void **state)
{
	(void)state;
	out(MCR, 0x08);
	out(IER, 0x08);
	assert_false(fake_irq_level[GSI]);
	out(MCR, 0x1f);		 /* loop: RI appears, the others stay */
	in_is(IIR, 0x00 | 0x01); /* RI's rise is no event */
	in_is(MSR, 0xf0);
	out(MCR, 0x1b); /* OUT1, that is RI, falls */
	in_is(IIR, 0x00);
	in_is(MSR, 0xb4);
	in_is(MSR, 0xb0);
	out(MCR, 0x19); /* RTS, that is CTS, falls */
	in_is(MSR, 0xa1);
}

static void test_wide_access_is_bytes(void **state)
{
	(void)state;
	fake_write(vm, &vm->pio, LCR, 2, 0x0b03);
	in_is(LCR, 0x03);
	in_is(MCR, 0x0b);
	assert_int_equal(fake_read(vm, &vm->pio, LCR, 4), 0xb0600b03);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_after_reset),
		TEST(test_registers_hold),
		TEST(test_is_a_16550a),
		TEST(test_polled_output),
		TEST(test_transmit_interrupt),
		TEST(test_out2_gates_the_interrupt),
		TEST(test_full_console_makes_the_guest_wait),
		TEST(test_clearing_the_transmit_fifo),
		TEST(test_input),
		TEST(test_input_back_pressure),
		TEST(test_refused_in_loopback),
		TEST(test_loopback),
		TEST(test_line_status_interrupt),
		TEST(test_modem_status),
		TEST(test_wide_access_is_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
