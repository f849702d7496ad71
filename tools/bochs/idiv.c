/* What tools/bochs/mend has Bochs use as its long_idiv(). */
#include <stdint.h>

struct bits128 {
	uint64_t lo;
	int64_t hi;
};

/* Signed 128 by 64 bits, rounding towards zero; the divisor is not 0. The caller checks that
 * the quotient fits. The remainder has the dividend's sign. */
void long_idiv(struct bits128 *quotient, int64_t *remainder, const struct bits128 *dividend,
	       int64_t divisor)
{
	unsigned __int128 n = (unsigned __int128)(__int128)dividend->hi << 64 | dividend->lo;
	uint64_t d = divisor < 0 ? -(uint64_t)divisor : (uint64_t)divisor;
	int64_t sign = dividend->hi;
	uint64_t high, low, rest;

	if (sign < 0)
		n = -n;
	high = (uint64_t)(n >> 64) / d;
	rest = (uint64_t)(n >> 64) % d;
	__asm__("div %3" : "=a"(low), "+d"(rest) : "0"((uint64_t)n), "r"(d));
	n = (unsigned __int128)high << 64 | low;
	if ((sign ^ divisor) < 0)
		n = -n;
	quotient->lo = (uint64_t)n;
	quotient->hi = (int64_t)(n >> 64);
	*remainder = (int64_t)(sign < 0 ? -rest : rest);
}
