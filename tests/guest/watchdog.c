/*
 * The devices by which a guest's death is seen. In one life the watchdog is used: all CPUs at
 * once write to its registers, it is stopped and started and served, and then served no more,
 * which is the program's end. In the next the watchdog says that it was so, and the program
 * panics (pvpanic). And so on: every other life ends the one way, and every other the other.
 */
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"

#define CONTROL	   0x620
#define COUNT	   0x624
#define REMAINING  0x628
#define RELOAD	   0x62c
#define STATUS	   0x630
#define COUNT_MAX  0xffff

#define PVPANIC	   0x505
#define PANICKED   0x1
#define ALL_EVENTS 0x7

static struct barrier barrier;

/* Whatever comes of it in which order: the counts are long, so that none of it ends the guest.
 */
static void write_at_random(uint64_t cpus)
{
	static const uint16_t ports[] = {CONTROL, COUNT,  REMAINING,
					 RELOAD,  STATUS, CONTROL + 2};

	barrier_wait(&barrier, (unsigned)cpus);
	for (unsigned i = race_rounds(5000); i; i--) {
		uint16_t port = ports[random32() % 6];

		if (random32() % 4 == 0)
			(void)in32(port);
		else if (port == COUNT)
			out32(port, COUNT_MAX - random32() % 16);
		else
			out32(port, random32());
	}
	barrier_wait(&barrier, (unsigned)cpus);
}

static void all_at_once(void)
{
	unsigned cpus = smp_start();

	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, write_at_random, cpus);
	write_at_random(cpus);
	for (unsigned i = 1; i < cpus; i++)
		cpu_join(i, 3000);
	out32(CONTROL, 0);
	check(in32(CONTROL) == 0, "stopped", "0x%x", in32(CONTROL));
	check(in32(COUNT) > COUNT_MAX - 16 && in32(COUNT) <= COUNT_MAX,
	      "a count that was written", "%u", in32(COUNT));
}

/* With room for a busy machine: it waits for 20 s, of which 2 are let go by. */
static void served(void)
{
	unsigned before;

	out32(COUNT, 200);
	delay_us(300000);
	check(in32(REMAINING) == 200, "one that is stopped does not count", "%u",
	      in32(REMAINING));
	out32(CONTROL, 1);
	check(in32(CONTROL) == 1, "it runs", "0x%x", in32(CONTROL));
	delay_us(2000000);
	before = in32(REMAINING);
	out32(RELOAD, 1);
	check(before <= 180, "it counts", "%u", before);
	check(in32(REMAINING) > before, "it is served", "%u, then %u", before, in32(REMAINING));
	out32(CONTROL, 0);
}

void test(void)
{
	check(in8(PVPANIC) == ALL_EVENTS, "pvpanic's events", "0x%x", in8(PVPANIC));
	if (in32(STATUS) & 1) {
		out32(STATUS, 1);
		check(!(in32(STATUS) & 1), "told once", "0x%x", in32(STATUS));
		print("about to panic\n");
		out8(PVPANIC, PANICKED);
		give_up("panicked, and lives");
	}
	all_at_once();
	served();
	print("about to be late\n");
	out32(COUNT, 3);
	out32(CONTROL, 1);
	delay_us(4000000);
	give_up("late, and lives");
}
