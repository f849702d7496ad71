/*
 * The 16550A. Register names and bits are the PC16550D data sheet's, section 8. What is not
 * modelled: time on the wire, parity and framing errors, break, modem lines that change.
 */
#include "guests/devices/uart.h"

#include <errno.h>

#include "guests/devices/isa.h"
#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/board.h"

enum uart_register {	       /* with DLAB = 1, the first two are the divisor's */
		     REG_DATA, /* RBR (read), THR (write) */
		     REG_IER,
		     REG_IIR_FCR, /* IIR (read), FCR (write) */
		     REG_LCR,
		     REG_MCR,
		     REG_LSR,
		     REG_MSR,
		     REG_SCR,
};

enum uart_bits {
	IER_RX = 0x01,
	IER_THRE = 0x02,
	IER_LINE = 0x04,
	IER_MODEM = 0x08,
	IER_MASK = 0x0f,

	IIR_MODEM = 0x00,
	IIR_NONE = 0x01,
	IIR_THRE = 0x02,
	IIR_RX = 0x04,
	IIR_LINE = 0x06,
	IIR_TIMEOUT = 0x0c,
	IIR_FIFOS = 0xc0,

	FCR_ENABLE = 0x01,
	FCR_CLEAR_RX = 0x02,
	FCR_CLEAR_TX = 0x04,

	LCR_DLAB = 0x80,

	MCR_DTR = 0x01,
	MCR_RTS = 0x02,
	MCR_OUT1 = 0x04,
	MCR_OUT2 = 0x08, /* on a PC: lets the interrupt reach the bus */
	MCR_LOOP = 0x10,
	MCR_MASK = 0x1f,

	LSR_READY = 0x01,
	LSR_OVERRUN = 0x02,
	LSR_THRE = 0x20,
	LSR_IDLE = 0x40,

	MSR_DELTAS = 0x0f,
	MSR_TERI = 0x04, /* set by RI's trailing edge only */
	MSR_CTS = 0x10,
	MSR_DSR = 0x20,
	MSR_RI = 0x40,
	MSR_DCD = 0x80,
	MSR_CONNECTED = MSR_CTS | MSR_DSR | MSR_DCD,
};

#define FIFO_BYTES 16

struct fifo {
	uint8_t bytes[FIFO_BYTES];
	uint8_t head, count;
};

/* All guarded by `lock`, but that `lsr` may be read without it: it is changed under the lock,
 * each time to a value that was true at that moment. */
struct uart {
	const struct board *board;
	struct uart_host host;
	unsigned gsi;

	struct spinlock lock;
	uint8_t ier, lcr, mcr, msr, scr;
	uint8_t trigger; /* RX level that interrupts without a timeout; 1 with FIFOs off */
	uint16_t divisor;
	_Atomic uint8_t lsr;
	bool fifos;
	bool thre_pending;  /* THRE interrupt not yet seen in IIR */
	bool refused;	    /* uart_receive() took less than it was given */
	bool line;	    /* interrupt output as last driven */
	struct fifo rx, tx; /* tx: what the host had no room for */
};

static unsigned fifo_depth(const struct uart *uart)
{
	return uart->fifos ? FIFO_BYTES : 1;
}

static void fifo_push(struct fifo *fifo, uint8_t byte)
{
	fifo->bytes[(fifo->head + fifo->count++) % FIFO_BYTES] = byte;
}

static uint8_t fifo_pop(struct fifo *fifo)
{
	uint8_t byte = fifo->bytes[fifo->head];

	fifo->head = (fifo->head + 1) % FIFO_BYTES;
	fifo->count--;
	return byte;
}

static uint8_t lsr_get(const struct uart *uart)
{
	return atomic_load_explicit(&uart->lsr, memory_order_relaxed);
}

static void lsr_change(struct uart *uart, uint8_t set, uint8_t clear)
{
	uint8_t lsr = (lsr_get(uart) & ~clear) | set;

	atomic_store_explicit(&uart->lsr, lsr, memory_order_relaxed);
}

/* The highest of the pending interrupts, as IIR shows it (data sheet table III). The character
 * timeout comes at once: whoever waits for four idle characters would wait in vain for ours. */
static uint8_t interrupt_id(const struct uart *uart)
{
	if (uart->ier & IER_LINE && lsr_get(uart) & LSR_OVERRUN)
		return IIR_LINE;
	if (uart->ier & IER_RX && uart->rx.count)
		return uart->rx.count >= uart->trigger ? IIR_RX : IIR_TIMEOUT;
	if (uart->ier & IER_THRE && uart->thre_pending)
		return IIR_THRE;
	if (uart->ier & IER_MODEM && uart->msr & MSR_DELTAS)
		return IIR_MODEM;
	return IIR_NONE;
}

static void update_line(struct uart *uart)
{
	bool connected = uart->mcr & MCR_OUT2 && !(uart->mcr & MCR_LOOP);
	bool line = connected && interrupt_id(uart) != IIR_NONE;

	if (line == uart->line)
		return;
	uart->line = line;
	irqchip_set(&uart->board->irqs, uart->gsi, line);
}

/* What the modem inputs are now, and which of them changed since MSR was read. */
static void update_modem(struct uart *uart)
{
	uint8_t mcr = uart->mcr, now = MSR_CONNECTED, changed;

	if (mcr & MCR_LOOP)
		now = (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
		      (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);
	changed = (uart->msr ^ now) >> 4;
	if (now & MSR_RI)
		changed &= ~MSR_TERI;
	uart->msr = now | (uart->msr & MSR_DELTAS) | changed;
}

/* A character arrives. With a full FIFO it is lost; without FIFOs it replaces the last one. */
static void receive(struct uart *uart, uint8_t byte)
{
	if (uart->rx.count == fifo_depth(uart)) {
		lsr_change(uart, LSR_OVERRUN, 0);
		if (uart->fifos)
			return;
		fifo_pop(&uart->rx);
	}
	fifo_push(&uart->rx, byte);
	lsr_change(uart, LSR_READY, 0);
}

static bool host_put(struct uart *uart, uint8_t byte)
{
	return !uart->host.put || uart->host.put(uart->host.arg, byte);
}

/* The transmitter is empty, or holds what the host refused. */
static void update_transmitter(struct uart *uart)
{
	if (uart->tx.count) {
		lsr_change(uart, 0, LSR_THRE | LSR_IDLE);
		return;
	}
	lsr_change(uart, LSR_THRE | LSR_IDLE, 0);
	uart->thre_pending = true;
}

static void transmit(struct uart *uart, uint8_t byte)
{
	/* Writing THR resets its interrupt, even when it is set again in the same instant: the
	 * bus sees an edge for each time the transmitter runs empty. */
	uart->thre_pending = false;
	update_line(uart);
	if (uart->mcr & MCR_LOOP) {
		receive(uart, byte);
	} else if (uart->tx.count || !host_put(uart, byte)) {
		if (uart->tx.count < fifo_depth(uart))
			fifo_push(&uart->tx, byte);
	}
	update_transmitter(uart);
}

/* Tells the host side, if it was refused before, that it may send again. */
static void offer_room(struct uart *uart)
{
	if (!uart->refused || uart->rx.count || uart->mcr & MCR_LOOP)
		return;
	uart->refused = false;
	if (uart->host.room)
		uart->host.room(uart->host.arg);
}

static uint8_t read_data(struct uart *uart)
{
	uint8_t byte = 0;

	if (uart->rx.count)
		byte = fifo_pop(&uart->rx);
	if (!uart->rx.count) {
		lsr_change(uart, 0, LSR_READY);
		offer_room(uart);
	}
	return byte;
}

static uint8_t read_iir(struct uart *uart)
{
	uint8_t id = interrupt_id(uart);

	if (id == IIR_THRE)
		uart->thre_pending = false;
	return id | (uart->fifos ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct uart *uart)
{
	uint8_t lsr = lsr_get(uart);

	lsr_change(uart, 0, LSR_OVERRUN);
	return lsr;
}

static uint8_t read_msr(struct uart *uart)
{
	uint8_t msr = uart->msr;

	uart->msr &= ~MSR_DELTAS;
	return msr;
}

static uint8_t read_register(void *device, unsigned reg)
{
	struct uart *uart = device;
	bool dlab = uart->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA: return dlab ? uart->divisor : read_data(uart);
	case REG_IER: return dlab ? uart->divisor >> 8 : uart->ier;
	case REG_IIR_FCR: return read_iir(uart);
	case REG_LCR: return uart->lcr;
	case REG_MCR: return uart->mcr;
	case REG_LSR: return read_lsr(uart);
	case REG_MSR: return read_msr(uart);
	default: return uart->scr;
	}
}

static void write_ier(struct uart *uart, uint8_t value)
{
	value &= IER_MASK;
	/* Enabling it while THR is empty raises it (data sheet 8.6.2). */
	if (value & ~uart->ier & IER_THRE && lsr_get(uart) & LSR_THRE)
		uart->thre_pending = true;
	uart->ier = value;
}

static void write_fcr(struct uart *uart, uint8_t value)
{
	static const uint8_t triggers[] = {1, 4, 8, 14};
	bool enable = value & FCR_ENABLE;
	bool toggled = enable != uart->fifos;

	uart->fifos = enable;
	uart->trigger = enable ? triggers[value >> 6] : 1;
	if (toggled || (enable && value & FCR_CLEAR_RX)) {
		uart->rx.count = 0;
		lsr_change(uart, 0, LSR_READY);
		offer_room(uart);
	}
	if (uart->tx.count && (toggled || (enable && value & FCR_CLEAR_TX))) {
		uart->tx.count = 0;
		update_transmitter(uart);
	}
}

static void write_register(void *device, unsigned reg, uint8_t value)
{
	struct uart *uart = device;
	bool dlab = uart->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			uart->divisor = (uart->divisor & 0xff00) | value;
		else
			transmit(uart, value);
		break;
	case REG_IER:
		if (dlab)
			uart->divisor = (uart->divisor & 0x00ff) | value << 8;
		else
			write_ier(uart, value);
		break;
	case REG_IIR_FCR: write_fcr(uart, value); break;
	case REG_LCR: uart->lcr = value; break;
	case REG_MCR:
		uart->mcr = value & MCR_MASK;
		update_modem(uart);
		offer_room(uart);
		break;
	case REG_SCR: uart->scr = value; break;
	default: break; /* LSR and MSR: factory tests, and read-only */
	}
}

static void uart_access(void *device, struct bus_access *access)
{
	struct uart *uart = device;
	uint64_t flags;

	/* Guests poll LSR before each character: answer without the lock, unless reading it has
	 * an effect. */
	if (!access->write && access->offset == REG_LSR && access->bytes == 1) {
		access->value = lsr_get(uart);
		if (likely(!(access->value & LSR_OVERRUN)))
			return;
	}
	flags = spin_lock_irqsave(&uart->lock);
	isa_access(uart, access, read_register, write_register);
	update_line(uart);
	spin_unlock_irqrestore(&uart->lock, flags);
}

size_t uart_receive(struct uart *uart, const uint8_t *bytes, size_t n)
{
	uint64_t flags = spin_lock_irqsave(&uart->lock);
	size_t taken = 0;

	if (!(uart->mcr & MCR_LOOP))
		while (taken < n && uart->rx.count < fifo_depth(uart))
			receive(uart, bytes[taken++]);
	uart->refused = taken < n;
	update_line(uart);
	spin_unlock_irqrestore(&uart->lock, flags);
	return taken;
}

void uart_drained(struct uart *uart)
{
	uint64_t flags = spin_lock_irqsave(&uart->lock);

	if (uart->tx.count) {
		while (uart->tx.count && host_put(uart, uart->tx.bytes[uart->tx.head]))
			fifo_pop(&uart->tx);
		update_transmitter(uart);
		update_line(uart);
	}
	spin_unlock_irqrestore(&uart->lock, flags);
}

struct uart *uart_create(const struct board *board, uint16_t port, unsigned gsi,
			 const struct uart_host *host)
{
	struct uart *uart = heap_zalloc(sizeof(*uart), board->account);

	if (!uart)
		return NULL;
	uart->board = board;
	spin_lock_init(&uart->lock, "UART");
	uart->gsi = gsi;
	if (host)
		uart->host = *host;
	uart->divisor = 1;
	uart->trigger = 1;
	uart->lsr = LSR_THRE | LSR_IDLE;
	uart->msr = MSR_CONNECTED;
	if (bus_add(board->pio, port, UART_PORTS, uart_access, uart, "uart")) {
		heap_free(uart);
		return NULL;
	}
	return uart;
}

void uart_destroy(struct uart *uart)
{
	heap_free(uart);
}
