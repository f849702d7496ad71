/* Heapsort (Williams, Floyd; Knuth, TAOCP vol. 3, 5.2.3, algorithm H), and binary search. */
#include "kernel/lib/sort.h"

#include <string.h>

#define SWAP_BYTES 64

struct order {
	uint8_t *at;
	size_t bytes;
	int (*compare)(const void *a, const void *b, void *arg);
	void *arg;
};

static void swap(const struct order *order, size_t a, size_t b)
{
	uint8_t *left = order->at + a * order->bytes, *right = order->at + b * order->bytes;
	uint8_t kept[SWAP_BYTES];

	for (size_t done = 0, part; done < order->bytes; done += part) {
		part = MIN(order->bytes - done, sizeof(kept));
		memcpy(kept, left + done, part);
		memcpy(left + done, right + done, part);
		memcpy(right + done, kept, part);
	}
}

static bool precedes(const struct order *order, size_t a, size_t b)
{
	return order->compare(order->at + a * order->bytes, order->at + b * order->bytes,
			      order->arg) < 0;
}

/* Element `root` goes down among the first `count` until both below it are no larger. */
static void sink(const struct order *order, size_t root, size_t count)
{
	size_t below;

	while ((below = 2 * root + 1) < count) {
		if (below + 1 < count && precedes(order, below, below + 1))
			below++;
		if (!precedes(order, root, below))
			return;
		swap(order, root, below);
		root = below;
	}
}

void sort_bounded(void *at, size_t count, size_t bytes,
		  int (*compare)(const void *a, const void *b, void *arg), void *arg)
{
	const struct order order = {at, bytes, compare, arg};

	for (size_t root = count / 2; root--;)
		sink(&order, root, count);
	while (count > 1) {
		swap(&order, 0, --count);
		sink(&order, 0, count);
	}
}

size_t sort_find(const void *at, size_t count, size_t bytes, const void *key,
		 int (*compare)(const void *element, const void *key))
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare((const uint8_t *)at + middle * bytes, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
