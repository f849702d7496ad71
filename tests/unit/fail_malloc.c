/* A program's own malloc() comes before the sanitizer's, which is called in its turn. */
#include "tests/unit/fail_malloc.h"

#include <stdbool.h>
#include <stddef.h>

void *__interceptor_malloc(size_t bytes);
void *__interceptor_calloc(size_t count, size_t bytes);
void *__interceptor_realloc(void *old, size_t bytes);

void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *old, size_t bytes);

static unsigned long fail_at, calls;

void fail_malloc_at(unsigned long call)
{
	fail_at = call;
	calls = 0;
}

unsigned long fail_malloc_calls(void)
{
	return calls;
}

static bool fails(void)
{
	return fail_at && ++calls == fail_at;
}

void *malloc(size_t bytes)
{
	return fails() ? NULL : __interceptor_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	return fails() ? NULL : __interceptor_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
	return fails() ? NULL : __interceptor_realloc(old, bytes);
}
