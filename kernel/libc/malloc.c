/* The malloc family over the kernel's heap, charged to nobody. Any context. */
#include <errno.h>
#include <malloc.h>
#include <reent.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/lib/types.h"
#include "kernel/mem/heap.h"

void *malloc(size_t bytes)
{
	void *p = heap_zalloc(bytes, NULL);

	if (!p)
		errno = ENOMEM;
	return p;
}

void free(void *p)
{
	heap_free(p);
}

void *calloc(size_t count, size_t bytes)
{
	size_t total;

	if (__builtin_mul_overflow(count, bytes, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return malloc(total); /* the heap zeroes */
}

void *realloc(void *old, size_t bytes)
{
	size_t old_bytes = old ? heap_usable_bytes(old) : 0;
	void *p;

	if (old && bytes <= old_bytes && bytes >= old_bytes / 2)
		return old;
	p = malloc(bytes);
	if (p && old) {
		memcpy(p, old, MIN(bytes, old_bytes));
		free(old);
	}
	return p;
}

/* The heap aligns to 16, to 64 from 64 bytes on, and from a page on to the size itself. */
void *memalign(size_t align, size_t bytes)
{
	size_t least = align <= 16 ? 0 : align <= 64 ? 64 : MAX(align, PAGE_BYTES);

	return malloc(MAX(bytes, least));
}

void *aligned_alloc(size_t align, size_t bytes)
{
	return memalign(align, bytes);
}

size_t malloc_usable_size(void *p)
{
	return p ? heap_usable_bytes(p) : 0;
}

/* newlib's own callers pass their reentrancy structure, which is the current one. */

void *_malloc_r(struct _reent *reent, size_t bytes)
{
	(void)reent;
	return malloc(bytes);
}

void _free_r(struct _reent *reent, void *p)
{
	(void)reent;
	free(p);
}

void *_calloc_r(struct _reent *reent, size_t count, size_t bytes)
{
	(void)reent;
	return calloc(count, bytes);
}

void *_realloc_r(struct _reent *reent, void *old, size_t bytes)
{
	(void)reent;
	return realloc(old, bytes);
}

void *_memalign_r(struct _reent *reent, size_t align, size_t bytes)
{
	(void)reent;
	return memalign(align, bytes);
}
