/* See fake_gmem.h. The heap is weak: a test that brings its own gets that. */
#define _GNU_SOURCE /* MAP_FIXED_NOREPLACE */
#include "tests/unit/fake_gmem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/lib/checks.h"
#include "kernel/mem/heap.h"

__attribute__((weak)) void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	return calloc(1, bytes);
}

__attribute__((weak)) void heap_free(void *p)
{
	free(p);
}

/* The one in the window. Its `gm` may have been copied into a VM. */
static struct fake_gmem *there;

void fake_gmem_init(struct fake_gmem *fake, uint64_t bytes)
{
	memset(fake, 0, sizeof(*fake));
	fake->gm.bytes = bytes;
	fake->ram_end = bytes <= GMEM_LOW_MAX ? bytes : GMEM_HIGH_BASE + (bytes - GMEM_LOW_MAX);
	fake->gm.low_bytes = MIN(bytes, GMEM_LOW_MAX);
	fake->ram =
		mmap((void *)GUEST_WINDOW_BASE, fake->ram_end, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (fake->ram == MAP_FAILED)
		abort();
	fake->written_low = UINT64_MAX;
	there = fake;
}

void fake_gmem_fini(struct fake_gmem *fake)
{
	munmap(fake->ram, fake->ram_end);
}

bool gmem_is_ram(const struct gmem *gm, uint64_t gpa, uint64_t bytes)
{
	uint64_t low = MIN(gm->bytes, GMEM_LOW_MAX), high = GMEM_HIGH_BASE + (gm->bytes - low);

	return (gpa < low && bytes <= low - gpa) ||
	       (gpa >= GMEM_HIGH_BASE && gpa < high && bytes <= high - gpa);
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	struct fake_gmem *fake = there;

	check_may_wait("guest memory");
	if (!gmem_is_ram(gm, gpa, bytes))
		return -EFAULT;
	if (fake->writes_left && !--fake->writes_left)
		return -ENOMEM;
	memcpy(fake->ram + gpa, buf, bytes);
	fake->written_low = MIN(fake->written_low, gpa);
	fake->written_high = MAX(fake->written_high, gpa + bytes);
	return 0;
}

int gmem_read(struct gmem *gm, uint64_t gpa, void *buf, size_t bytes)
{
	struct fake_gmem *fake = there;

	check_may_wait("guest memory");
	if (!bytes || !gmem_is_ram(gm, gpa, bytes))
		return -EFAULT;
	memcpy(buf, fake->ram + gpa, bytes);
	return 0;
}

int gmem_pin(struct gmem *gm, uint64_t gpa, uint64_t *hpa, uint64_t *bytes)
{
	struct fake_gmem *fake = there;

	check_may_wait("guest memory");
	if (!gmem_is_ram(gm, gpa, 1))
		return -EFAULT;
	if (fake->pins_left && !--fake->pins_left)
		return -ENOMEM;
	fake->pinned++;
	*hpa = gpa;
	*bytes = MIN(*bytes, PAGE_2M - gpa % PAGE_2M);
	return 0;
}

void gmem_unpin(struct gmem *gm, uint64_t gpa)
{
	struct fake_gmem *fake = there;

	if (!gmem_is_ram(gm, gpa, 1) || !fake->pinned)
		abort();
	fake->pinned--;
}
