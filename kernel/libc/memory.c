/*
 * memcpy, memmove, memset for the kernel: newlib's use SSE. Bulk goes by eight-byte string
 * instructions, which processors do by whole lines and emulators by eight bytes a step; small
 * and odd sizes by unaligned words that overlap.
 */
#include <stdint.h>
#include <string.h>

typedef uint64_t word64 __attribute__((aligned(1), may_alias));
typedef uint32_t word32 __attribute__((aligned(1), may_alias));
typedef uint16_t word16 __attribute__((aligned(1), may_alias));

/* Up to 16 bytes; all loads come before the stores, so overlap is no matter. */
static inline void move_small(void *to, const void *from, size_t n)
{
	char *d = to;
	const char *s = from;

	if (n >= 8) {
		word64 head = *(const word64 *)s, tail = *(const word64 *)(s + n - 8);

		*(word64 *)d = head;
		*(word64 *)(d + n - 8) = tail;
	} else if (n >= 4) {
		word32 head = *(const word32 *)s, tail = *(const word32 *)(s + n - 4);

		*(word32 *)d = head;
		*(word32 *)(d + n - 4) = tail;
	} else if (n >= 2) {
		word16 head = *(const word16 *)s, tail = *(const word16 *)(s + n - 2);

		*(word16 *)d = head;
		*(word16 *)(d + n - 2) = tail;
	} else if (n) {
		*d = *s;
	}
}

/* n >= 8, upwards: right for `to` below `from` too. The last word is loaded first, since the
 * copy may overwrite it. */
static inline void move_up(void *to, const void *from, size_t n)
{
	word64 *end = (word64 *)((char *)to + n - 8);
	word64 tail = *(const word64 *)((const char *)from + n - 8);
	size_t words = (n - 1) / 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	*end = tail;
}

static inline void move_down(void *to, const void *from, size_t n)
{
	word64 head = *(const word64 *)from;
	char *d = to;
	const char *s = from;

	for (; n >= 8; n -= 8) {
		*(word64 *)(d + n - 8) = *(const word64 *)(s + n - 8);
		__asm__ volatile("" : : : "memory"); /* lest this become a call of memmove */
	}
	*(word64 *)d = head;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	if (n <= 16)
		move_small(to, from, n);
	else
		move_up(to, from, n);
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	if (n <= 16)
		move_small(to, from, n);
	else if ((uintptr_t)to - (uintptr_t)from >= n)
		move_up(to, from, n);
	else
		move_down(to, from, n);
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;
	char *d = to;

	if (n >= 8) {
		void *at = to;
		size_t words = n / 8;

		__asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
		*(word64 *)(d + n - 8) = pattern;
	} else if (n >= 4) {
		*(word32 *)d = (uint32_t)pattern;
		*(word32 *)(d + n - 4) = (uint32_t)pattern;
	} else if (n) {
		d[0] = (char)byte;
		d[n / 2] = (char)byte;
		d[n - 1] = (char)byte;
	}
	return to;
}
