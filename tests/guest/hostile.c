/*
 * A guest that does, on all its CPUs at once and for as long as it is told, whatever a guest
 * can do: it knows what there is to touch (tests/guest/hostile), and takes one operation after
 * the other at random. It leaves out only what ends itself by its own will: reset, power-off,
 * INIT to the boot processor, a triple fault. What it does to itself it survives, as exceptions
 * are taken and skipped, and CPUs that make no progress are started again; the boot processor,
 * which can't be, is led back by an NMI, and says where it stood.
 *
 * It fails if it can't go on. Whether others were hurt is asked from outside. Its command line:
 * `seed=N operations=N without=N`, in decimal; without: a mask of kinds to leave out, to find
 * who it was. The same seed tries the same on each CPU, but not at the same times.
 */
#include "tests/guest/hostile/hostile.h"

#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"

#define INFO_FLAG_CMDLINE BIT(2) /* Multiboot 0.6.96, 3.3 */
#define WEIGHTS		  284	 /* of all operations */
#define STUCK_US	  200000
#define STANDS_US	  2000000 /* of CPU 0; less than half of what the PM timer can tell, */
#define STANDS_OPERATIONS \
	256	      /* and another's operations meanwhile: the build machine is busy */
#define DEAF_TRIES 20 /* NMIs that CPU 0 takes none of */

struct info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
};

static const struct {
	void (*run)(void);
	const char *name;
	unsigned weight;
} operations[] = {
	{op_instruction, "instruction", 60},
	{op_compatibility, "compatibility mode", 14},
	{op_control_register, "control register", 12},
	{op_debug_register, "debug register", 10},
	{op_msr, "MSR", 30},
	{op_system_call, "system call", 2},
	{op_segment, "segment", 14},
	{op_port, "port", 24},
	{op_port_string, "port string", 3},
	{op_device_memory, "device memory", 24},
	{op_pci, "PCI", 10},
	{op_bar, "BAR", 2},
	{op_apic, "APIC", 12},
	{op_apic_mode, "APIC mode", 2},
	{op_ioapic, "I/O APIC", 6},
	{op_ipi, "IPI", 4},
	{op_start, "start", 1},
	{op_virtio, "virtio", 50},
	{op_window, "window", 4},
};

static volatile uint64_t done[CPUS_MAX];
static volatile unsigned doing[CPUS_MAX];
static volatile bool over;
static uint64_t without;
static unsigned cpus, restarts;
static volatile unsigned rescues;
static void *again[5]; /* __builtin_setjmp()'s: amid CPU 0's loop */

/* ---- random numbers ---- */

unsigned random_below(unsigned count)
{
	return random32() % count;
}

bool one_in(unsigned n)
{
	return random32() % n == 0;
}

uint64_t random64(void)
{
	return (uint64_t)random32() << 32 | random32();
}

uint64_t odd_number(void)
{
	switch (random_below(5)) {
	case 0: return random_below(16);
	case 1: return BIT(random_below(64));
	case 2: return BIT(random_below(64)) - 1;
	case 3: return ~0ull;
	default: return random64();
	}
}

uint64_t harmless(uint64_t value)
{
	for (unsigned i = 0; i < 64; i += 8) {
		unsigned mode = value >> i & 7;

		if (mode >= 4 && mode <= 6)
			value &= ~(7ull << i);
	}
	return value;
}

/* ---- locks ---- */

bool lock_try(volatile unsigned *lock)
{
	unsigned none = 0;

	return __atomic_compare_exchange_n(lock, &none, cpu_index() + 1, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void lock_give(volatile unsigned *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

void lock_give_mine(volatile unsigned *lock)
{
	if (*lock == cpu_index() + 1)
		lock_give(lock);
}

/* ---- a CPU's life ---- */

static void one_operation(unsigned self)
{
	unsigned at, i;

	do {
		at = random_below(WEIGHTS);
		for (i = 0; at >= operations[i].weight; i++)
			at -= operations[i].weight;
	} while (without >> i & 1);
	doing[self] = i;
	operations[i].run();
	done[self]++;
}

/* After it was torn out of an operation, and what it knows of itself may be overwritten. */
static void begin_anew(void)
{
	line_let_go();
	cpu_self()->seed |= 1;
	cpu_self()->resume = 0;
	cpu_orderly();
	apic_orderly();
	virtio_release();
	start_release();
}

/* The others look at CPU 0, each by itself. It is deaf where NMIs that are not blocked do not
 * come, which would not be its own fault. */
static void look_after_first(unsigned self)
{
	static struct {
		uint64_t firsts, own; /* operations, CPU 0's and our own, then */
		uint32_t time;
		unsigned tries;
	} thens[CPUS_MAX], *then;

	then = &thens[self];
	if (done[self] % 16)
		return;
	if (done[0] != then->firsts) {
		then->tries = 0;
	} else {
		if (done[self] - then->own < STANDS_OPERATIONS ||
		    pm_us_since(then->time) < STANDS_US)
			return;
		if (++then->tries > DEAF_TRIES)
			give_up("CPU 0 stands in %s, and takes no NMI",
				operations[doing[0]].name);
		rescue();
	}
	then->firsts = done[0];
	then->own = done[self];
	then->time = pm_now();
}

/* Also where a CPU comes that was started anew amid an operation. */
static void live(uint64_t self)
{
	begin_anew();
	cpu_self()->work = live;
	cpu_self()->arg = self;
	while (!over) {
		one_operation((unsigned)self);
		look_after_first((unsigned)self);
	}
	irq_window_stays();
}

/* Looks at the others once in a while, and starts those that stand still. */
static void look_after(void)
{
	static uint64_t then[CPUS_MAX];
	static uint32_t since[CPUS_MAX];

	for (unsigned i = 1; i < cpus; i++) {
		uint64_t now = done[i];

		if (now != then[i] || over) {
			then[i] = now;
			since[i] = pm_now();
		} else if (pm_us_since(since[i]) > STUCK_US) {
			start_again(i);
			restarts++;
			since[i] = pm_now();
		}
	}
}

static uint64_t sum_done(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < cpus; i++)
		sum += done[i];
	return sum;
}

void torn_out(void)
{
	if (!cpu_index())
		__builtin_longjmp(again, 1);
	live(cpu_index());
	for (;;)
		irq_wait();
}

static volatile uint64_t all; /* operations to do; not on a stack that it may harm itself */

/* CPU 0 until all is done. */
static uint64_t lead(void)
{
	static volatile uint64_t next;
	uint64_t sum;

	if (__builtin_setjmp(again)) {
		begin_anew();
		if (stood_at.rip) {
			rescues++;
			print("CPU 0 stood in %s at 0x%lx, flags 0x%lx\n",
			      operations[doing[0]].name, stood_at.rip, stood_at.rflags);
		}
		stood_at.rip = 0;
	}
	do {
		for (unsigned i = 0; i < 64; i++)
			one_operation(0);
		look_after();
		sum = sum_done();
		if (sum >= next) {
			print("%lu operations so far\n", sum);
			next += 4096;
		}
	} while (sum < all);
	return sum;
}

static uint64_t argument(const char *name, uint64_t otherwise)
{
	const struct info *info = (const struct info *)multiboot_info;
	const char *text = (const char *)(uint64_t)info->cmdline;

	for (; info->flags & INFO_FLAG_CMDLINE && *text; text++) {
		unsigned n = 0;

		while (name[n] && text[n] == name[n])
			n++;
		if (name[n])
			continue;
		for (otherwise = 0, text += n; *text >= '0' && *text <= '9'; text++)
			otherwise = otherwise * 10 + (uint64_t)(*text - '0');
		break;
	}
	return otherwise;
}

void test(void)
{
	uint64_t seed = argument("seed=", 1);
	uint64_t sum, least = ~0ull;

	without = argument("without=", 0);
	all = argument("operations=", 100000);
	cpus = smp_start();
	print("seed %lu, %lu operations on %u CPUs\n", seed, all, cpus);
	for (unsigned i = 0; i < cpus; i++)
		cpu_at(i)->seed = (uint32_t)(seed * 2654435761u + i * 0x9e3779b9u) | 1;
	instructions_prepare();
	pci_prepare();
	virtio_prepare();
	start_prepare(cpus);
	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, live, i);
	cpu_orderly();
	sum = lead();
	over = true;
	for (unsigned i = 1; i < cpus; i++)
		least = done[i] < least ? done[i] : least;
	apic_orderly();
	print("%lu operations, seed %lu: %u restarts of CPUs, CPU 0 stood %u times, %u went "
	      "astray, %lu looks found chains served\n",
	      sum, seed, restarts, rescues, strays, virtio_served);
	check(sum >= all, "all operations", "%lu", sum);
	check(least > 0, "all CPUs", "one did nothing");
	check(virtio_served > 0, "devices served", "none");
}
