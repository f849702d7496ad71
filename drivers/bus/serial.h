/*
 * 16550 serial ports of the host: a sink for the log, and a line for the console. What is
 * done with the bytes is the console's affair; guests' UARTs are in guests/devices.
 */
#ifndef DRIVERS_BUS_SERIAL_H
#define DRIVERS_BUS_SERIAL_H

#include "kernel/io/chardev.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"

#define SERIAL_RX_BYTES 256

struct serial {
	uint16_t port;	  /* first of its eight I/O ports */
	uint8_t irq;	  /* ISA interrupt */
	bool present;	  /* set by serial_init() */
	bool irq_driven;  /* serial_receive() was called */
	bool rx_stopped;  /* with rx_lock: no interrupts until `rx` has room */
	const char *name; /* for people */
	struct log_sink sink;
	struct chardev line; /* the same port for a console; it never waits */

	struct spinlock tx_lock; /* the transmitter, so that writes stay whole */
	struct spinlock rx_lock; /* the receiver, and: */
	uint8_t rx[SERIAL_RX_BYTES];
	unsigned rx_first, rx_count;
	void (*on_input)(void *arg);
	void *on_input_arg;
};

extern struct serial serial_com1, serial_com2;

/* Finds out whether the port is there and sets it to 115200 8N1. Any time, once. -ENODEV. */
int serial_init(struct serial *serial);

/* Sets another speed, `baud` a divisor of 115200. What is being sent may be garbled. */
void serial_set_speed(struct serial *serial, uint32_t baud);

/* Sends all bytes, waiting for the transmitter; a port that stands still loses them. Any
 * context. Line ends are the caller's ("\r\n"). */
void serial_write(struct serial *serial, const char *buf, size_t bytes);

/* The next byte received, or -1. Any context. */
int serial_getc_nonblock(struct serial *serial);

/* Has `on_input` called, in interrupt context, after bytes arrived. After irq_init(). Returns
 * 0 or a negative errno; then serial_getc_nonblock() must be polled. */
int serial_receive(struct serial *serial, void (*on_input)(void *arg), void *arg);

#endif
