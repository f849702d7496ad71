/* The rings between a guest's UART and the terminal. Who is shown when is mux.c. */
#include "guests/console/console.h"

#include <stdio.h>

#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"

#define INPUT_BYTES 256

/*
 * `lock` guards the rings and is taken under the UART's own; `uart_lock`, taken first, keeps
 * the UART alive while we call it, which `put` and `room`, called by the UART, must not need.
 */
struct console {
	char name[32];
	struct spinlock lock, uart_lock;
	struct uart *uart;
	bool withheld; /* a byte was refused: uart_drained() is due */
	unsigned out_first, out_count;
	unsigned in_first, in_count;
	char out[CONSOLE_RING_BYTES];
	uint8_t in[INPUT_BYTES];
};

static void (*output_fn)(void *arg);
static void *output_arg;

void console_on_output(void (*fn)(void *arg), void *arg)
{
	output_arg = arg;
	output_fn = fn;
}

struct console *console_create(const char *name)
{
	struct console *c = heap_zalloc(sizeof *c, NULL);

	if (c)
		snprintf(c->name, sizeof c->name, "%s", name);
	return c;
}

const char *console_name(const struct console *c)
{
	return c->name;
}

static bool put(void *arg, uint8_t byte)
{
	struct console *c = arg;
	bool first;

	spin_lock(&c->lock); /* interrupts are off already */
	c->withheld = c->out_count == sizeof c->out;
	first = c->out_count == 0;
	if (!c->withheld)
		c->out[(c->out_first + c->out_count++) % sizeof c->out] = (char)byte;
	spin_unlock(&c->lock);
	if ((first || c->withheld || byte == '\n') && output_fn)
		output_fn(output_arg);
	return !c->withheld;
}

/* Offers the UART what waits for it. Caller holds uart_lock. */
static void feed(struct console *c)
{
	uint64_t flags;
	uint8_t chunk[16];
	unsigned n, taken;

	do {
		flags = spin_lock_irqsave(&c->lock);
		for (n = 0; n < sizeof chunk && n < c->in_count; n++)
			chunk[n] = c->in[(c->in_first + n) % sizeof c->in];
		spin_unlock_irqrestore(&c->lock, flags);
		taken = n && c->uart ? (unsigned)uart_receive(c->uart, chunk, n) : 0;
		flags = spin_lock_irqsave(&c->lock);
		c->in_first = (c->in_first + taken) % sizeof c->in;
		c->in_count -= taken;
		spin_unlock_irqrestore(&c->lock, flags);
	} while (taken && taken == n);
}

/* The guest read its FIFO and there is more: it is fed from the thread that takes output, since
 * the UART may not be called from here. */
static void room(void *arg)
{
	(void)arg;
	if (output_fn)
		output_fn(output_arg);
}

struct uart_host console_uart_host(struct console *c)
{
	return (struct uart_host){.put = put, .room = room, .arg = c};
}

void console_set_uart(struct console *c, struct uart *uart)
{
	uint64_t flags = spin_lock_irqsave(&c->uart_lock);

	c->uart = uart;
	c->withheld = false;
	c->in_count = 0;
	spin_unlock_irqrestore(&c->uart_lock, flags);
}

bool console_has_output(const struct console *c)
{
	return c->out_count || c->in_count;
}

size_t console_take(struct console *c, char *buf, size_t bytes)
{
	uint64_t uart_flags = spin_lock_irqsave(&c->uart_lock);
	uint64_t flags = spin_lock_irqsave(&c->lock);
	bool withheld = c->withheld;
	size_t n = 0;

	while (n < bytes && c->out_count) {
		buf[n++] = c->out[c->out_first];
		c->out_first = (c->out_first + 1) % sizeof c->out;
		c->out_count--;
	}
	c->withheld = false;
	spin_unlock_irqrestore(&c->lock, flags);
	if (withheld && c->uart)
		uart_drained(c->uart);
	feed(c);
	spin_unlock_irqrestore(&c->uart_lock, uart_flags);
	return n;
}

void console_type(struct console *c, const char *buf, size_t bytes)
{
	uint64_t uart_flags = spin_lock_irqsave(&c->uart_lock);
	uint64_t flags = spin_lock_irqsave(&c->lock);

	for (size_t i = 0; i < bytes && c->in_count < sizeof c->in; i++)
		c->in[(c->in_first + c->in_count++) % sizeof c->in] = (uint8_t)buf[i];
	spin_unlock_irqrestore(&c->lock, flags);
	feed(c);
	spin_unlock_irqrestore(&c->uart_lock, uart_flags);
}
