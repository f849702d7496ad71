/*
 * A guest's serial port: a 16550A (National PC16550D data sheet) with 16-byte FIFOs, whose wire
 * leads to a `struct uart_host`. Characters take no time: baud rate and framing are registers
 * without effect. Not a console: who prints or types is the host side's business.
 */
#ifndef GUESTS_DEVICES_UART_H
#define GUESTS_DEVICES_UART_H

#include "kernel/lib/types.h"

struct uart;
struct board;

#define UART_COM1_PORT 0x3f8
#define UART_COM1_GSI  4
#define UART_COM2_PORT 0x2f8
#define UART_COM2_GSI  3
#define UART_PORTS     8

/* The other end of the wire. Both are called with the UART's lock held and interrupts off: they
 * must neither sleep nor call the UART. Either may be NULL: output is lost, input has nobody to
 * tell. */
struct uart_host {
	/* Takes one byte from the guest. false: no room; the UART keeps the byte, and the guest
	 * waits, until uart_drained(). */
	bool (*put)(void *arg, uint8_t byte);
	/* The guest has read its input after uart_receive() had refused some of it. */
	void (*room)(void *arg);
	void *arg;
};

/* Adds itself to board->pio. NULL when out of memory or when the ports are taken (logged). */
struct uart *uart_create(const struct board *board, uint16_t port, unsigned gsi,
			 const struct uart_host *host);
void uart_destroy(struct uart *uart); /* the VM runs no more */

/* Input for the guest. Returns how many bytes were taken, 0..n; the rest is to be offered again
 * when `room` is called. Any context. */
size_t uart_receive(struct uart *uart, const uint8_t *bytes, size_t n);

/* The host side has room again after a refused byte. Cheap when nothing waits. Any context, but
 * without a lock that `put` takes. */
void uart_drained(struct uart *uart);

#endif
