/* The generator of random bytes: nothing before it is seeded, whole buffers and no more, no
 * repetition, no bit that leans to one side. Not how hard they are to guess. */
/* links: kernel/cpu/random.c kernel/lib/chacha20.c tests/unit/fake_vmm.c kernel/vmm/bus.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/random.h"
#include "tests/unit/fake_vmm.h"

uint64_t clock_wall_ns(void)
{
	return 1700000000 * NSEC_PER_SEC;
}

/* The first test: the generator is seeded once for all. */
static void test_before_seeding(void **state)
{
	uint8_t byte;

	(void)state;
	assert_int_equal(random_bytes(&byte, 1), -EAGAIN);
	random_init();
	assert_int_equal(random_bytes(&byte, 1), 0);
	assert_int_equal(fake_log_lines, 1);
}

/* Every length, to the byte. A byte that stays zero in 64 tries was not written. */
static void test_lengths(void **state)
{
	uint8_t buf[700];

	(void)state;
	for (size_t bytes = 0; bytes < 600; bytes++) {
		uint8_t seen[700] = {0};

		for (unsigned i = 0; i < 64; i++) {
			memset(buf, 0, sizeof(buf));
			assert_int_equal(random_bytes(buf, bytes), 0);
			for (size_t at = 0; at < sizeof(buf); at++)
				seen[at] |= buf[at];
		}
		for (size_t at = 0; at < sizeof(buf); at++)
			assert_int_equal(seen[at] != 0, at < bytes);
	}
}

static void test_no_repetition(void **state)
{
	static uint64_t words[4096];

	(void)state;
	assert_int_equal(random_bytes(words, sizeof(words)), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(words[i], words[j]);
}

/* Each bit is set about half of the time: six standard deviations of 65536 trials. */
static void test_balance(void **state)
{
	unsigned ones[64] = {0};

	(void)state;
	for (unsigned i = 0; i < 65536; i++) {
		uint64_t word;

		assert_int_equal(random_bytes(&word, sizeof(word)), 0);
		for (unsigned bit = 0; bit < 64; bit++)
			ones[bit] += word >> bit & 1;
	}
	for (unsigned bit = 0; bit < 64; bit++)
		assert_in_range(ones[bit], 32768 - 768, 32768 + 768);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_seeding),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_no_repetition),
		cmocka_unit_test(test_balance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
