/*
 * Any file as a gzip'd kernel. Beside memory errors this finds: a refusal without a reason,
 * memory that stays allocated after one, more output than the file claims, and output of
 * another length.
 */
/* links: guests/boot/gzip.c guests/boot/boot.c */
#include <stdlib.h>
#include <string.h>

#include "guests/boot/gzip.h"
#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/gmem.h"

static unsigned allocations;

void thread_yield(void)
{
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	allocations++;
	return calloc(1, bytes);
}

void heap_free(void *p)
{
	allocations -= p != NULL;
	free(p);
}

/* guests/boot/boot.c can; unpacking does not. */
int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm, (void)gpa, (void)buf, (void)bytes;
	abort();
}

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const struct boot_image file = {data, bytes};
	char why[BOOT_WHY_BYTES] = "";
	struct boot_image out;
	uint32_t claimed;
	int error;

	error = gzip_unpack(&file, NULL, &out, why);
	require(allocations == (error ? 0 : 1));
	require(!error || why[0]);
	if (error)
		return 0;
	memcpy(&claimed, data + bytes - 4, 4);
	require(out.bytes == claimed && out.bytes <= GZIP_BYTES_MAX);
	heap_free((void *)out.data);
	return 0;
}
