/* The rings between a guest's UART, or another device, and the terminal. Who is shown when is
 * mux.c. */
#include "guests/console/console.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"

#define INPUT_BYTES 1024

/*
 * `out_lock` guards the output's ring and is taken under the UART's own lock. `uart_lock`,
 * taken before both, guards the rest and keeps UART and reader alive while we call them; `put`
 * and `room`, which the UART calls, must not need it.
 */
struct console {
	char name[32];
	unsigned references; /* under listed_lock */
	struct spinlock out_lock, uart_lock;
	struct uart *uart;
	void (*wake)(void *arg); /* the reader's; NULL: the UART is typed to */
	void *wake_arg;
	bool withheld; /* with out_lock: a byte was refused, so drained() is due */
	bool crowded;  /* input was refused: who types is to be told of room */
	char last;     /* byte printed */
	unsigned out_first, out_count;
	uint64_t printed_bytes; /* with out_lock */
	uint64_t typed_bytes;
	unsigned in_first, in_count;
	char out[CONSOLE_RING_BYTES];
	uint8_t in[INPUT_BYTES];
};

static void (*output_fn)(void *arg);
static void *output_arg;

/* `listed_lock` guards these. */
static struct console *listed[CONSOLE_MAX]; /* NULL: a free place */
static struct spinlock listed_lock = SPINLOCK("consoles");

static _Atomic unsigned changes; /* of the list */

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

/* A place for the console. Caller holds listed_lock. */
static bool list(struct console *c)
{
	for (unsigned i = 0; i < CONSOLE_MAX; i++) {
		if (listed[i])
			continue;
		listed[i] = c;
		changes++;
		return true;
	}
	return false;
}

struct console *console_create(const char *name)
{
	struct console *c = heap_zalloc(sizeof *c, NULL);
	bool added;

	if (!c)
		return NULL;
	c->references = 1;
	snprintf(c->name, sizeof c->name, "%s", name);
	spin_lock_init(&c->out_lock, "console output");
	spin_lock_init(&c->uart_lock, "console UART");
	spin_lock(&listed_lock);
	added = list(c);
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

void console_hide(struct console *c)
{
	spin_lock(&listed_lock);
	for (unsigned i = 0; i < CONSOLE_MAX; i++) {
		if (listed[i] != c)
			continue;
		listed[i] = NULL;
		changes++;
	}
	spin_unlock(&listed_lock);
	tell();
}

struct console *console_hold(unsigned place)
{
	struct console *c = NULL;

	spin_lock(&listed_lock);
	if (place < CONSOLE_MAX)
		c = listed[place];
	if (c)
		c->references++;
	spin_unlock(&listed_lock);
	return c;
}

void console_release(struct console *c)
{
	bool last;

	if (!c)
		return;
	spin_lock(&listed_lock);
	last = --c->references == 0;
	spin_unlock(&listed_lock);
	if (last)
		heap_free(c);
}

unsigned console_changes(void)
{
	return changes;
}

size_t console_write(struct console *c, const char *buf, size_t bytes)
{
	uint64_t flags = spin_lock_irqsave(&c->out_lock);
	bool first = c->out_count == 0;
	size_t n = 0;

	for (; n < bytes && c->out_count < sizeof c->out; n++)
		c->out[(c->out_first + c->out_count++) % sizeof c->out] = c->last = buf[n];
	c->printed_bytes += n;
	if (n < bytes)
		c->withheld = true;
	spin_unlock_irqrestore(&c->out_lock, flags);
	/* Whoever takes output goes on until there is none: the first byte is enough. */
	if (first && n)
		tell();
	return n;
}

bool console_put(struct console *c, char byte)
{
	return console_write(c, &byte, 1);
}

static bool put(void *arg, uint8_t byte)
{
	return console_put(arg, (char)byte);
}

/* The longest run of input that lies in one piece, and its use. Caller holds uart_lock. */
static unsigned in_run(const struct console *c)
{
	return MIN(c->in_count, (unsigned)INPUT_BYTES - c->in_first);
}

static void in_used(struct console *c, unsigned bytes)
{
	c->in_first = (c->in_first + bytes) % INPUT_BYTES;
	c->in_count -= bytes;
}

/* Offers the guest what waits for it. Caller holds uart_lock. */
static void feed(struct console *c)
{
	if (c->wake && c->in_count)
		c->wake(c->wake_arg);
	while (!c->wake && c->uart && c->in_count) {
		unsigned run = in_run(c);
		unsigned taken = (unsigned)uart_receive(c->uart, c->in + c->in_first, run);

		in_used(c, taken);
		if (taken < run)
			break; /* the UART calls `room` when it can take more */
	}
}

/* There is room for output again. Caller holds uart_lock. */
static void drained(struct console *c)
{
	if (c->uart)
		uart_drained(c->uart);
	if (c->wake)
		c->wake(c->wake_arg);
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
	uint64_t flags;

	if (uart && c->last && c->last != '\n')
		console_write(c, "\r\n", 2);
	flags = spin_lock_irqsave(&c->uart_lock);

	c->uart = uart;
	c->in_count = 0;
	spin_unlock_irqrestore(&c->uart_lock, flags);
}

void console_set_reader(struct console *c, void (*wake)(void *arg), void *arg)
{
	uint64_t flags = spin_lock_irqsave(&c->uart_lock);

	c->wake = wake;
	c->wake_arg = arg;
	feed(c);
	spin_unlock_irqrestore(&c->uart_lock, flags);
}

size_t console_read(struct console *c, char *buf, size_t bytes)
{
	uint64_t flags = spin_lock_irqsave(&c->uart_lock);
	size_t n = 0;
	bool more;

	while (n < bytes && c->in_count) {
		unsigned run = MIN(in_run(c), (unsigned)(bytes - n));

		memcpy(buf + n, c->in + c->in_first, run);
		in_used(c, run);
		n += run;
	}
	more = n && c->crowded;
	c->crowded = c->crowded && !n;
	spin_unlock_irqrestore(&c->uart_lock, flags);
	if (more)
		tell();
	return n;
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
	if (withheld)
		drained(c);
	feed(c);
	spin_unlock_irqrestore(&c->uart_lock, uart_flags);
	return n;
}

size_t console_type(struct console *c, const char *buf, size_t bytes)
{
	uint64_t flags = spin_lock_irqsave(&c->uart_lock);
	size_t n = 0;

	for (; n < bytes && c->in_count < INPUT_BYTES; n++)
		c->in[(c->in_first + c->in_count++) % INPUT_BYTES] = (uint8_t)buf[n];
	c->typed_bytes += n;
	c->crowded = n < bytes;
	feed(c);
	spin_unlock_irqrestore(&c->uart_lock, flags);
	return n;
}

void console_get_info(struct console *c, struct console_info *info)
{
	uint64_t uart_flags = spin_lock_irqsave(&c->uart_lock);
	uint64_t flags = spin_lock_irqsave(&c->out_lock);

	info->printed_bytes = c->printed_bytes;
	info->typed_bytes = c->typed_bytes;
	info->has_reader = c->wake != NULL;
	spin_unlock_irqrestore(&c->out_lock, flags);
	spin_unlock_irqrestore(&c->uart_lock, uart_flags);
}
