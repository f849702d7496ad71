/*
 * Triple faults. The program dies at once, by an exception that can't be delivered, and does
 * the same after each restart: the hypervisor restarts it as often as its policy allows, then
 * stops it, and nobody else notices. It says one line, so that its lives can be counted.
 */
#include "tests/guest/lib/test.h"

void test(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) empty = {0, 0};

	print("about to triple fault\n");
	asm volatile("lidt %0; ud2" : : "m"(empty));
}
