/*
 * Two CPUs that are as good as dead, and one that is well: CPU 1 spins with interrupts off, CPU
 * 2 sleeps in HLT with interrupts off, and CPU 0 works, sleeps and takes its timer's
 * interrupts. Who watches from outside must see which is which. It goes on for ever.
 */
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"

static void spin(uint64_t arg)
{
	(void)arg;
	for (;;)
		asm volatile("" : : : "memory");
}

static void halt(uint64_t arg)
{
	(void)arg;
	for (;;)
		asm volatile("cli; hlt" : : : "memory");
}

void test(void)
{
	if (smp_start() < 3)
		give_up("needs three CPUs");
	cpu_run(1, spin, 0);
	cpu_run(2, halt, 0);
	print("one spins, one is halted\n");
	for (;;)
		sleep_us(50000);
}
