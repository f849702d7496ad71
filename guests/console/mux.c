/*
 * The terminal. One thread moves what was typed to the consoles, and what they print to the
 * screen and on to the line. Lines of the log do not wait for it: whoever logs puts them on the
 * screen and pushes what the line takes at once, so that the log is up to date if we hang.
 */
#include "guests/console/mux.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "guests/actions/power.h"
#include "guests/console/keys.h"
#include "guests/console/operator.h"
#include "guests/console/screen.h"
#include "guests/devices/console.h"
#include "kernel/cpu/apic.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/traps.h"
#include "kernel/lib/lock.h"
#include "kernel/lib/plural.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

#define CHUNK_BYTES	 128 /* of a console in one turn */
#define PUSH_BYTES	 64  /* given to the line while the lock is held */
#define LINE_BUSY_NS	 NSEC_PER_MSEC
#define POLL_NS		 (10 * NSEC_PER_MSEC) /* of a line without an interrupt */
#define SETTLE_NS	 (30 * NSEC_PER_MSEC) /* quiet before an unfinished line is shown */
#define SETTLE_LATEST_NS (500 * NSEC_PER_MSEC)
#define IDLE_NS		 (2 * NSEC_PER_SEC) /* the same of one that was shown as it is */
#define HELP_QUIET_NS	 (2 * NSEC_PER_SEC)
#define LONGER_NS	 (60 * NSEC_PER_SEC) /* for guests that are shutting down */
#define PATIENCE_NS	 (5 * NSEC_PER_SEC)  /* with who does not read what is typed */
#define LOG_SHOWN_BYTES	 2048
#define PANIC_PUSH_SPINS 1000000

/* `lock` guards the screen, and the line's sending side. It is taken with the log's lock held,
 * so nothing may be logged under it; and it is never held while waiting for the line. */
static struct spinlock lock = SPINLOCK("terminal");
static struct screen screen;
static struct chardev *line;
static uint64_t shown_ns; /* when something last was put on the screen */

/* The thread's own. */
static struct thread *thread;
static struct keys keys;
static unsigned next_console; /* whose turn it is */
/* What is shown at each place of the screen, with a reference; NULL: nobody. One that has left
 * its place of the list is shown until there is no more of it. */
static struct source {
	struct console *console;
	bool leaving;
} sources[SCREEN_SOURCES];
static unsigned source_end;	/* behind the last that was ever there */
static bool focus_chosen;	/* by the operator, or as the first guest printed */
static bool polled;		/* the line has no interrupt */
static uint64_t last_output_ns; /* of a guest */
static bool help_due;		/* once more, when the first guest waits for input */
static unsigned poke_vector;

/* A character that found no room, and all that was typed after it, waits for a while; but not
 * for ever, since keys for the terminal itself may be behind it. */
static struct {
	char byte;
	bool any;
	bool hopeless;	   /* it waited in vain: what finds no room is lost at once */
	uint64_t until_ns; /* with `any` */
} held;

static void wake(void *arg)
{
	(void)arg;
	thread_wake(thread);
}

/* Gives the line up to `limit` bytes; returns how many it took. */
static size_t push(size_t limit)
{
	size_t sent = 0, n, taken;
	const char *bytes;

	while (sent < limit && (n = screen_pending(&screen, &bytes))) {
		n = MIN(n, limit - sent);
		taken = line ? line->try_write(line, bytes, n) : n;
		screen_sent(&screen, taken);
		sent += taken;
		if (!taken)
			break;
	}
	return sent;
}

/* A line of the log. The thread is woken through an interrupt of our own, as the scheduler's
 * locks may be held here. */
static void log_write(struct log_sink *sink, enum log_level level, const char *text,
		      size_t bytes)
{
	bool rest;

	(void)sink;
	(void)level;
	spin_lock(&lock);
	screen_log(&screen, text, bytes);
	shown_ns = clock_now_ns();
	push(LOG_LINE_MAX);
	rest = screen.out_count || screen_unsettled(&screen);
	spin_unlock(&lock);
	if (rest && !polled)
		apic_send_ipi(cpu_this()->apic_id, poke_vector);
}

/* The same when all others are stopped: without the lock, which one of them may have. */
static void log_write_panic(const char *text, size_t bytes)
{
	screen_set_solo(&screen, false);
	screen_log(&screen, text, bytes);
	for (unsigned spins = 0; screen.out_count && spins < PANIC_PUSH_SPINS; spins++)
		if (push(PUSH_BYTES))
			spins = 0;
}

static void sink_write(struct log_sink *sink, enum log_level level, const char *text,
		       size_t bytes)
{
	if (unlikely(log_in_panic()))
		log_write_panic(text, bytes);
	else
		log_write(sink, level, text, bytes);
}

static void on_poke(unsigned vector, void *arg)
{
	(void)vector;
	wake(arg);
}

static void note(const char *text)
{
	uint64_t flags = spin_lock_irqsave(&lock);

	screen_note(&screen, text);
	spin_unlock_irqrestore(&lock, flags);
}

static void set_focus(unsigned source)
{
	uint64_t flags = spin_lock_irqsave(&lock);

	screen_set_focus(&screen, source);
	spin_unlock_irqrestore(&lock, flags);
	focus_chosen = true;
}

static void toggle_solo(void)
{
	uint64_t flags;

	if (!screen.solo)
		note("-- only this one is shown, as it is; Ctrl-] o shows all again --");
	flags = spin_lock_irqsave(&lock);
	screen_set_solo(&screen, !screen.solo);
	spin_unlock_irqrestore(&lock, flags);
}

static void name_source(unsigned place, const char *name)
{
	uint64_t flags = spin_lock_irqsave(&lock);

	screen_name(&screen, place, name);
	spin_unlock_irqrestore(&lock, flags);
}

/* Of one guest, which may have been removed and added again. What was typed for one is no other
 * one's. */
static bool is_same(const struct console *old, const struct console *new)
{
	return old && new && !strcmp(console_name(old), console_name(new));
}

/* Nothing more comes of a console that left: its place is whose it is by the list. */
static void change_source(unsigned place)
{
	struct source *source = &sources[place];
	struct console *console = console_hold(place);

	if (source->console && screen.focus == place && !is_same(source->console, console)) {
		if (screen.solo)
			toggle_solo();
		set_focus(SCREEN_HOST);
	}
	console_release(source->console);
	*source = (struct source){.console = console};
	name_source(place, console ? console_name(console) : "");
	if (console)
		source_end = MAX(source_end, place + 1);
}

/* Looks who came and who left. */
static void look_at_list(void)
{
	static unsigned seen;
	unsigned changes = console_changes();

	if (changes == seen)
		return;
	seen = changes;
	for (unsigned place = 0; place < SCREEN_SOURCES; place++) {
		struct console *console = console_hold(place);

		if (sources[place].console)
			sources[place].leaving = console != sources[place].console;
		else if (console)
			change_source(place);
		console_release(console);
	}
}

/* The next place, this way round, at which somebody is; the host always is. */
static unsigned next_source(unsigned place, unsigned step)
{
	do
		place = (place + step) % source_end;
	while (!sources[place].console);
	return place;
}

static void show_log(void)
{
	static char text[LOG_SHOWN_BYTES];
	char *at = text, *end = text + log_tail(text, sizeof text), *line_end;

	note("-- the log's last lines --");
	for (; at < end; at = line_end + 1) {
		line_end = memchr(at, '\n', (size_t)(end - at));
		*line_end = '\0';
		note(at);
	}
	note("-- so far the log --");
}

static void type(char byte, uint64_t until_ns)
{
	bool typed = console_type(sources[screen.focus].console, &byte, 1);
	uint64_t flags = spin_lock_irqsave(&lock);

	screen_typed(&screen);
	spin_unlock_irqrestore(&lock, flags);
	held.hopeless = !typed && (held.hopeless || clock_now_ns() >= until_ns);
	held.any = !typed && !held.hopeless;
	held.byte = byte;
	held.until_ns = until_ns;
}

/* ---- switching the machine off: a question before it, and another while it waits ----------
 */

static void ask_power_off(void)
{
	char names[LEAVERS_TEXT_BYTES], text[LEAVERS_TEXT_BYTES + 128];

	if (!power_waits(names)) {
		note("-- power this machine off? q or y does it --");
		return;
	}
	snprintf(text, sizeof text,
		 "-- waiting for %s. q: switch them off now; w: wait 60 s longer; c: keep the "
		 "machine on --",
		 names);
	note(text);
}

static void wait_longer(void)
{
	note(power_wait("", LONGER_NS) ? "-- nothing is being shut down --"
				       : "-- all that are shutting down have 60 s more --");
}

static void leave_power(void)
{
	char names[LEAVERS_TEXT_BYTES];

	note(power_waits(names) ? "-- it goes on shutting down --" : "-- it stays on --");
}

/* ------------------------------------------------------------------------------------------ */

static void obey(struct key key)
{
	char text[64];

	look_at_list();

	switch (key.action) {
	case KEY_NONE: break;
	case KEY_TYPE: type((char)key.value, clock_now_ns() + PATIENCE_NS); break;
	case KEY_NEXT: set_focus(next_source(screen.focus, 1)); break;
	case KEY_PREVIOUS: set_focus(next_source(screen.focus, source_end - 1)); break;
	case KEY_SOURCE:
		snprintf(text, sizeof text, "-- there is no guest %u --", key.value);
		if (key.value < source_end && sources[key.value].console)
			set_focus(key.value);
		else
			note(text);
		break;
	case KEY_SOLO: toggle_solo(); break;
	case KEY_LOG: show_log(); break;
	case KEY_ASK_POWER_OFF: ask_power_off(); break;
	case KEY_POWER_OFF: power_request(false, false, &actor_console); break;
	case KEY_WAIT_LONGER: wait_longer(); break;
	case KEY_STAY_ON:
		note(power_call_off() ? "-- it stays on --"
				      : "-- too late: the guests are being switched off --");
		break;
	case KEY_NOT_POWER_OFF: leave_power(); break;
	case KEY_HELP: note("-- " KEYS_HELP " --"); break;
	case KEY_WRONG: note("-- no such key. " KEYS_HELP " --"); break;
	}
}

static bool take_input(void)
{
	bool any = false;
	int byte;

	if (held.any)
		type(held.byte, held.until_ns);
	while (line && !held.any && (byte = line->getc(line)) >= 0) {
		obey(keys_take(&keys, (uint8_t)byte));
		any = true;
	}
	return any;
}

/* One console's turn: shows a piece of what it printed. false: nothing, or no room for it. */
static bool serve(unsigned source)
{
	struct console *console = sources[source].console;
	uint64_t flags = spin_lock_irqsave(&lock);
	size_t room = screen_room(&screen), n;
	char chunk[CHUNK_BYTES];

	spin_unlock_irqrestore(&lock, flags);
	n = console ? console_take(console, chunk, MIN(room, sizeof chunk)) : 0;
	if (!n && room && sources[source].leaving) {
		change_source(source);
		return true; /* who has the place now may have printed, and told of it, before
			      */
	}
	if (!n)
		return false;
	if (source == SCREEN_HOST + 1 && !focus_chosen) {
		set_focus(source);
		help_due = true;
	}
	flags = spin_lock_irqsave(&lock);
	screen_output(&screen, source, chunk, n);
	shown_ns = clock_now_ns();
	spin_unlock_irqrestore(&lock, flags);
	if (source != SCREEN_HOST)
		last_output_ns = shown_ns;
	return true;
}

static bool take_output(void)
{
	unsigned first = next_console;
	bool any = false;

	look_at_list();
	for (unsigned turn = 0; turn < source_end; turn++) {
		unsigned source = (first + turn) % source_end;

		if (!serve(source))
			continue;
		any = true;
		next_console = source + 1;
	}
	return any;
}

/* Pushes what the line takes, some of it at most. True when it is busy. */
static bool push_some(void)
{
	size_t sent;
	uint64_t flags;
	bool rest;

	for (unsigned turn = 0; turn < 16; turn++) {
		flags = spin_lock_irqsave(&lock);
		sent = push(PUSH_BYTES);
		rest = screen.out_count;
		spin_unlock_irqrestore(&lock, flags);
		if (!rest || !sent)
			break;
	}
	return rest;
}

/* Shows the line that is being typed or printed once the terminal is quiet, but not too late
 * where it never is. Returns when to look again. `lock` is held. */
static uint64_t settle(uint64_t now)
{
	static uint64_t since; /* when it was first seen missing; 0: it is there */
	uint64_t due;

	if (!screen_unsettled(&screen)) {
		since = 0;
		return UINT64_MAX;
	}
	since = since ? since : now;
	due = screen_was_shown(&screen) ? shown_ns + IDLE_NS
					: MIN(shown_ns + SETTLE_NS, since + SETTLE_LATEST_NS);
	if (now < due)
		return due;
	screen_settle(&screen);
	since = 0;
	return now;
}

/* Does what is done when nothing else is. Returns when to look again: clock_now_ns() scale, or
 * UINT64_MAX. */
static uint64_t tidy_up(void)
{
	uint64_t now = clock_now_ns(), help_ns = last_output_ns + HELP_QUIET_NS;
	uint64_t flags = spin_lock_irqsave(&lock), again = settle(now);
	bool prompted = help_due && screen.drawn && screen.focus != SCREEN_HOST;
	char text[80];

	if (screen.log_unseen && !screen.solo && screen_room(&screen)) {
		snprintf(text, sizeof text, "-- %u line%s of the log %s not shown here --",
			 screen.log_unseen, plural(screen.log_unseen),
			 screen.log_unseen == 1 ? "is" : "are");
		screen.log_unseen = 0;
		screen_note(&screen, text);
	}
	if (prompted && now >= help_ns) {
		help_due = false;
		screen_note(&screen, "-- " KEYS_HELP " --");
		again = settle(now);
	} else if (prompted) {
		again = MIN(again, help_ns);
	}
	spin_unlock_irqrestore(&lock, flags);
	return polled ? MIN(again, now + POLL_NS) : again;
}

static void mux_thread(void *arg)
{
	(void)arg;
	for (;;) {
		bool worked = take_output(); /* and makes room for what is typed */
		uint64_t again;

		worked |= take_input();
		again = tidy_up();
		if (held.any)
			again = MIN(again, held.until_ns);
		if (push_some())
			again = MIN(again, clock_now_ns() + LINE_BUSY_NS);
		if (!worked)
			thread_block_until(again);
		else if (thread_should_yield())
			thread_yield();
	}
}

static int create_thread(void)
{
	const struct thread_params params = {
		.name = "terminal", .fn = mux_thread, .weight = THREAD_WEIGHT_SERVICE};

	thread = thread_create(&params);
	return thread ? 0 : -ENOMEM;
}

int mux_init(struct chardev *chardev)
{
	static struct log_sink sink = {.write = sink_write, .only_new = true};
	struct console *host = console_create("host");
	int vector;

	line = chardev;
	if (!host || operator_init(host))
		return -ENOMEM;
	vector = trap_alloc_vector(on_poke, NULL);
	polled = vector < 0;
	poke_vector = (unsigned)vector;
	if (create_thread())
		return -ENOMEM;
	console_on_output(wake, NULL);
	log_attach(&sink);
	note("-- " KEYS_HELP " --");
	if (line && line->on_input(line, wake, NULL))
		polled = true;
	thread_wake(thread);
	return 0;
}
