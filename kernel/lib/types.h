/*
 * Small things every file needs: container_of, alignment, minimum and maximum.
 * No types of the hypervisor's own beyond integers; includes nothing of ours.
 */
#ifndef KERNEL_LIB_TYPES_H
#define KERNEL_LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))

#define BIT(n)				(1ull << (n))
#define ALIGN_DOWN(x, a)		((x) & ~((uint64_t)(a)-1)) /* a: a power of two */
#define ALIGN_UP(x, a)			ALIGN_DOWN((x) + (uint64_t)(a)-1, a)
#define IS_ALIGNED(x, a)		(((x) & ((uint64_t)(a)-1)) == 0)

#define MIN(a, b)                                  \
	({                                         \
		__typeof__(a) min_a_ = (a);        \
		__typeof__(b) min_b_ = (b);        \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define MAX(a, b)                                  \
	({                                         \
		__typeof__(a) max_a_ = (a);        \
		__typeof__(b) max_b_ = (b);        \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

#define KIB		       (1ull << 10)
#define MIB		       (1ull << 20)
#define GIB		       (1ull << 30)

#define PAGE_BYTES	       (4 * KIB)
#define PAGE_2M		       (2 * MIB)
#define PAGE_1G		       (1 * GIB)

#define NSEC_PER_SEC	       1000000000ull
#define NSEC_PER_MSEC	       1000000ull
#define NSEC_PER_USEC	       1000ull

#define likely(x)	       __builtin_expect(!!(x), 1)
#define unlikely(x)	       __builtin_expect(!!(x), 0)
#define noreturn	       __attribute__((noreturn))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))

/* Physical CPUs are numbered from 0 in the order they came up; CPU 0 booted the machine. */
#define CPU_MAX 256

#endif
