/* The ChaCha20 block against RFC 8439: 2.3.2, and three of appendix A.1. */
/* links: kernel/lib/chacha20.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/lib/chacha20.h"

static const uint32_t counting[8] = {0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c,
				     0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c};
static const uint32_t zero[8];

static void test_block(void **state)
{
	static const uint32_t nonce[3] = {0x09000000, 0x4a000000, 0x00000000};
	static const uint32_t expected[16] = {0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3,
					      0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
					      0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
					      0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2};
	uint32_t block[16];

	(void)state;
	chacha20_block(counting, 1, nonce, block);
	assert_memory_equal(block, expected, sizeof(block));
}

static void test_zero_key(void **state)
{
	static const uint32_t first[4] = {0xade0b876, 0x903df1a0, 0xe56a5d40, 0x28bd8653};
	static const uint32_t second[4] = {0xbee7079f, 0x7a385155, 0x7c97ba98, 0x0d082d73};
	uint32_t block[16];

	(void)state;
	chacha20_block(zero, 0, zero, block);
	assert_memory_equal(block, first, sizeof(first));
	chacha20_block(zero, 1, zero, block);
	assert_memory_equal(block, second, sizeof(second));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_zero_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
