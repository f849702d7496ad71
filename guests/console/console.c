/* The rings between a guest's UART and the terminal. Who is shown when is mux.c. */
#include "guests/console/console.h"

#include <stdatomic.h>
#include <stdio.h>

#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"

#define INPUT_BYTES 1024

/*
 * `out_lock` guards the output's ring and is taken under the UART's own lock. `uart_lock`,
 * taken before both, guards the rest and keeps the UART alive while we call it; `put` and
 * `room`, which the UART calls, must not need it.
 */
struct console {
	char name[32];
	struct spinlock out_lock, uart_lock;
	struct uart *uart;
	bool withheld; /* with out_lock: a byte was refused, so uart_drained() is due */
	unsigned out_first, out_count;
	unsigned in_first, in_count;
	char out[CONSOLE_RING_BYTES];
	uint8_t in[INPUT_BYTES];
};

static void (*output_fn)(void *arg);
static void *output_arg;

/* Entries are only added; `listed_lock` is for those who do. */
static struct console *listed[CONSOLE_MAX];
static _Atomic unsigned listed_count;
static struct spinlock listed_lock;

void console_on_output(void (*fn)(void *arg), void *arg)
{
	output_arg = arg;
	output_fn = fn;
}

static void tell(void)
{
	if (output_fn)
		output_fn(output_arg);
}

struct console *console_create(const char *name)
{
	struct console *c = heap_zalloc(sizeof *c, NULL);
	bool added;

	if (!c)
		return NULL;
	snprintf(c->name, sizeof c->name, "%s", name);
	spin_lock(&listed_lock);
	added = listed_count < CONSOLE_MAX;
	if (added) {
		listed[listed_count] = c;
		listed_count++;
	}
	spin_unlock(&listed_lock);
	if (added)
		return c;
	heap_free(c);
	return NULL;
}

const char *console_name(const struct console *c)
{
	return c->name;
}

struct console *console_at(unsigned index)
{
	return index < listed_count ? listed[index] : NULL;
}

bool console_put(struct console *c, char byte)
{
	uint64_t flags = spin_lock_irqsave(&c->out_lock);
	bool first = c->out_count == 0, room = c->out_count < sizeof c->out;

	if (room)
		c->out[(c->out_first + c->out_count++) % sizeof c->out] = byte;
	c->withheld = !room;
	spin_unlock_irqrestore(&c->out_lock, flags);
	/* Whoever takes output goes on until there is none: the first byte is enough. */
	if (first)
		tell();
	return room;
}

static bool put(void *arg, uint8_t byte)
{
	return console_put(arg, (char)byte);
}

/* Offers the UART what waits for it. Caller holds uart_lock. */
static void feed(struct console *c)
{
	while (c->uart && c->in_count) {
		unsigned run = MIN(c->in_count, (unsigned)INPUT_BYTES - c->in_first);
		unsigned taken = (unsigned)uart_receive(c->uart, c->in + c->in_first, run);

		c->in_first = (c->in_first + taken) % INPUT_BYTES;
		c->in_count -= taken;
		if (taken < run)
			break; /* the UART calls `room` when it can take more */
	}
}

/* The guest has read its input and there is more: it is fed from the thread that takes output,
 * since the UART may not be called from here. */
static void room(void *arg)
{
	(void)arg;
	tell();
}

struct uart_host console_uart_host(struct console *c)
{
	return (struct uart_host){.put = put, .room = room, .arg = c};
}

void console_set_uart(struct console *c, struct uart *uart)
{
	uint64_t flags = spin_lock_irqsave(&c->uart_lock);

	c->uart = uart;
	c->in_count = 0;
	spin_unlock_irqrestore(&c->uart_lock, flags);
}

size_t console_take(struct console *c, char *buf, size_t bytes)
{
	uint64_t uart_flags = spin_lock_irqsave(&c->uart_lock);
	uint64_t flags = spin_lock_irqsave(&c->out_lock);
	bool withheld = c->withheld && bytes;
	size_t n = 0;

	while (n < bytes && c->out_count) {
		buf[n++] = c->out[c->out_first];
		c->out_first = (c->out_first + 1) % sizeof c->out;
		c->out_count--;
	}
	if (withheld)
		c->withheld = false;
	spin_unlock_irqrestore(&c->out_lock, flags);
	if (withheld && c->uart)
		uart_drained(c->uart);
	feed(c);
	spin_unlock_irqrestore(&c->uart_lock, uart_flags);
	return n;
}

void console_type(struct console *c, const char *buf, size_t bytes)
{
	uint64_t flags = spin_lock_irqsave(&c->uart_lock);

	for (size_t i = 0; i < bytes && c->in_count < INPUT_BYTES; i++)
		c->in[(c->in_first + c->in_count++) % INPUT_BYTES] = (uint8_t)buf[i];
	feed(c);
	spin_unlock_irqrestore(&c->uart_lock, flags);
}
