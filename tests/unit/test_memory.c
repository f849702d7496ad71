/* The kernel's own memcpy, memmove and memset against plain loops, under other names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define memcpy	kernel_memcpy
#define memmove kernel_memmove
#define memset	kernel_memset
void *kernel_memcpy(void *restrict to, const void *restrict from, size_t n);
void *kernel_memmove(void *to, const void *from, size_t n);
void *kernel_memset(void *to, int byte, size_t n);
#include "kernel/libc/memory.c"
#undef memcpy
#undef memmove
#undef memset

#define BYTES 600

static uint8_t real[BYTES], model[BYTES];

static void fill(void)
{
	for (unsigned i = 0; i < BYTES; i++)
		real[i] = model[i] = (uint8_t)rand();
}

static void compare(void)
{
	for (unsigned i = 0; i < BYTES; i++)
		assert_int_equal(real[i], model[i]);
}

static void test_memmove(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 80; n++) {
		for (int distance = -90; distance <= 90; distance++) {
			uint8_t copy[80];

			fill();
			assert_ptr_equal(kernel_memmove(real + 200 + distance, real + 200, n),
					 real + 200 + distance);
			for (unsigned i = 0; i < n; i++)
				copy[i] = model[200 + i];
			for (unsigned i = 0; i < n; i++)
				model[200 + distance + (int)i] = copy[i];
			compare();
		}
	}
}

static void test_memcpy(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 200; n++) {
		unsigned to = 300 + (unsigned)rand() % 16, from = (unsigned)rand() % 16;

		fill();
		assert_ptr_equal(kernel_memcpy(real + to, real + from, n), real + to);
		for (unsigned i = 0; i < n; i++)
			model[to + i] = model[from + i];
		compare();
	}
}

static void test_memset(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 200; n++) {
		unsigned to = (unsigned)rand() % 16;

		fill();
		assert_ptr_equal(kernel_memset(real + to, 0x1a5, n), real + to);
		for (unsigned i = 0; i < n; i++)
			model[to + i] = 0xa5;
		compare();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memmove),
		cmocka_unit_test(test_memcpy),
		cmocka_unit_test(test_memset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
