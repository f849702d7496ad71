/* Sorting with a bound: for what strangers wrote, whose order may have been chosen to make
 * quicksort, and so newlib's qsort(), quadratic. Not stable. */
#ifndef KERNEL_LIB_SORT_H
#define KERNEL_LIB_SORT_H

#include "kernel/lib/types.h"

/*
 * Sorts `count` elements of `bytes` each, in place: heapsort, so at most 2 * count *
 * log2(count) calls of `compare`, in any order of the elements, and no memory. `compare`
 * returns less than, equal to or greater than 0; `arg` is its own. Any context.
 */
void sort_bounded(void *at, size_t count, size_t bytes,
		  int (*compare)(const void *a, const void *b, void *arg), void *arg);

/* The first of `count` sorted elements that `compare` does not put before `key`, as an index:
 * `count` when there is none. log2(count) + 1 calls of `compare` with an element and the key.
 */
size_t sort_find(const void *at, size_t count, size_t bytes, const void *key,
		 int (*compare)(const void *element, const void *key));

#endif
