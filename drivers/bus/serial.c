/*
 * The 16550: sending by polling, receiving by interrupt once asked to. Sending is not driven
 * by interrupts, so that the last words of a dying machine get out.
 */
#include "drivers/bus/serial.h"

#include <errno.h>

#include "kernel/cpu/port.h"
#include "kernel/io/irq.h"

/* Registers and bits: 16550D data sheet, section 8. */
enum {
	RBR = 0,
	THR = 0,
	DLL = 0,
	IER = 1,
	DLM = 1,
	IIR = 2,
	FCR = 2,
	LCR = 3,
	MCR = 4,
	LSR = 5,
	MSR = 6,
	SCR = 7
};

#define IER_RECEIVED	 0x01
#define FCR_ENABLE_RESET 0x07 /* FIFOs on and emptied; receive trigger at one byte */
#define LCR_8N1		 0x03
#define LCR_DLAB	 0x80
#define MCR_DTR_RTS_OUT2 0x0b /* OUT2 lets the interrupt out of the chip, on a PC */
#define LSR_RECEIVED	 0x01
#define LSR_THR_EMPTY	 0x20

#define BASE_BAUD	 115200
#define TX_FIFO_BYTES	 16
#define TX_SPINS	 100000 /* a character takes 87 us; a read of a port about 1 us */

static void set_divisor(uint16_t port, uint32_t divisor)
{
	outb(port + LCR, LCR_DLAB);
	outb(port + DLL, (uint8_t)divisor);
	outb(port + DLM, (uint8_t)(divisor >> 8));
	outb(port + LCR, LCR_8N1);
}

int serial_init(struct serial *serial)
{
	uint16_t port = serial->port;

	/* The scratch register keeps what it is given; an empty bus reads as ones. */
	outb(port + SCR, 0x5a);
	if (inb(port + SCR) != 0x5a)
		return -ENODEV;
	outb(port + SCR, 0xa5);
	if (inb(port + SCR) != 0xa5)
		return -ENODEV;

	outb(port + IER, 0);
	set_divisor(port, 1);
	outb(port + FCR, FCR_ENABLE_RESET);
	outb(port + MCR, MCR_DTR_RTS_OUT2);
	serial->present = true;
	return 0;
}

/*
 * A CPU that was stopped while it sent never gives the lock back; the last words of a panic
 * must get out nevertheless. Returns false when the lock is not held.
 */
static bool tx_lock(struct serial *serial)
{
	if (likely(!log_in_panic())) {
		spin_lock(&serial->tx_lock);
		return true;
	}
	return spin_trylock(&serial->tx_lock);
}

static void tx_unlock(struct serial *serial, bool held)
{
	if (held)
		spin_unlock(&serial->tx_lock);
}

static bool has_room(const struct serial *serial)
{
	return inb(serial->port + LSR) & LSR_THR_EMPTY;
}

static bool wait_for_room(const struct serial *serial)
{
	for (unsigned spins = 0; spins < TX_SPINS; spins++) {
		if (has_room(serial))
			return true;
		cpu_relax();
	}
	return false;
}

/* An empty holding register means an empty FIFO: sixteen bytes at once. */
static size_t fill_fifo(const struct serial *serial, const char *buf, size_t bytes)
{
	size_t n = MIN(bytes, (size_t)TX_FIFO_BYTES);

	for (size_t i = 0; i < n; i++)
		outb(serial->port + THR, (uint8_t)buf[i]);
	return n;
}

void serial_set_speed(struct serial *serial, uint32_t baud)
{
	uint64_t flags;
	bool held;

	if (!serial->present || !baud || baud > BASE_BAUD)
		return;
	flags = irq_save();
	spin_lock(&serial->rx_lock); /* whose handler reads RBR, which DLL hides */
	held = tx_lock(serial);
	wait_for_room(serial);
	set_divisor(serial->port, BASE_BAUD / baud);
	tx_unlock(serial, held);
	spin_unlock(&serial->rx_lock);
	irq_restore(flags);
}

void serial_write(struct serial *serial, const char *buf, size_t bytes)
{
	uint64_t flags;
	bool held;

	if (!serial->present)
		return;
	flags = irq_save();
	held = tx_lock(serial);
	while (bytes && wait_for_room(serial)) {
		size_t n = fill_fifo(serial, buf, bytes);

		buf += n;
		bytes -= n;
	}
	tx_unlock(serial, held);
	irq_restore(flags);
}

static size_t try_write(struct serial *serial, const char *buf, size_t bytes)
{
	uint64_t flags;
	size_t n;
	bool held;

	if (!serial->present)
		return bytes;
	flags = irq_save();
	held = tx_lock(serial);
	n = has_room(serial) ? fill_fifo(serial, buf, bytes) : 0;
	tx_unlock(serial, held);
	irq_restore(flags);
	return n;
}

/* Moves what the chip holds to `rx`. What finds no room stays in the chip, which stops asking;
 * what finds none there either is lost, unless the other end of the wire waits. rx_lock is
 * held.
 */
static void drain(struct serial *serial)
{
	while (serial->rx_count < SERIAL_RX_BYTES && inb(serial->port + LSR) & LSR_RECEIVED)
		serial->rx[(serial->rx_first + serial->rx_count++) % SERIAL_RX_BYTES] =
			inb(serial->port + RBR);
	if (serial->rx_stopped == (serial->rx_count == SERIAL_RX_BYTES))
		return;
	serial->rx_stopped = !serial->rx_stopped;
	outb(serial->port + IER, serial->rx_stopped || !serial->irq_driven ? 0 : IER_RECEIVED);
}

int serial_getc_nonblock(struct serial *serial)
{
	uint64_t flags;
	int byte = -1;

	if (!serial->present)
		return -1;
	flags = spin_lock_irqsave(&serial->rx_lock);
	if (!serial->irq_driven || (serial->rx_stopped && !serial->rx_count))
		drain(serial);
	if (serial->rx_count) {
		byte = serial->rx[serial->rx_first];
		serial->rx_first = (serial->rx_first + 1) % SERIAL_RX_BYTES;
		serial->rx_count--;
	}
	spin_unlock_irqrestore(&serial->rx_lock, flags);
	return byte;
}

static bool on_interrupt(void *arg)
{
	struct serial *serial = arg;

	spin_lock(&serial->rx_lock);
	drain(serial);
	spin_unlock(&serial->rx_lock);
	serial->on_input(serial->on_input_arg);
	return true;
}

int serial_receive(struct serial *serial, void (*on_input)(void *arg), void *arg)
{
	int err;

	if (!serial->present)
		return -ENODEV;
	serial->on_input = on_input;
	serial->on_input_arg = arg;
	err = irq_connect_isa(serial->irq, on_interrupt, serial);
	if (err)
		return err;
	serial->irq_driven = true;
	outb(serial->port + IER, IER_RECEIVED);
	return 0;
}

static void sink_write(struct log_sink *sink, enum log_level level, const char *line,
		       size_t bytes)
{
	struct serial *serial = container_of(sink, struct serial, sink);

	(void)level;
	serial_write(serial, line, bytes);
	serial_write(serial, "\r\n", 2);
}

static size_t line_try_write(struct chardev *line, const char *buf, size_t bytes)
{
	return try_write(container_of(line, struct serial, line), buf, bytes);
}

static int line_getc(struct chardev *line)
{
	return serial_getc_nonblock(container_of(line, struct serial, line));
}

static int line_on_input(struct chardev *line, void (*fn)(void *arg), void *arg)
{
	return serial_receive(container_of(line, struct serial, line), fn, arg);
}

#define SERIAL(name_, port_, irq_)                                                         \
	{                                                                                  \
		.port = (port_), .irq = (irq_), .name = (name_),                           \
		.tx_lock = SPINLOCK("serial output"), .rx_lock = SPINLOCK("serial input"), \
		.sink = {.write = sink_write},                                             \
		.line = {                                                                  \
			.try_write = line_try_write,                                       \
			.getc = line_getc,                                                 \
			.on_input = line_on_input,                                         \
		},                                                                         \
	}

struct serial serial_com1 = SERIAL("COM1", 0x3f8, 4);
struct serial serial_com2 = SERIAL("COM2", 0x2f8, 3);
