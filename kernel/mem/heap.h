/* The hypervisor's heap: size classes over the host pool. newlib's malloc family is this too.
 */
#ifndef KERNEL_MEM_HEAP_H
#define KERNEL_MEM_HEAP_H

#include "kernel/mem/frames.h"

/* Zeroed, 16-byte aligned (64 from 64 bytes on, a page from a page on); NULL when there is
 * none. Any context. The account is remembered and credited at heap_free(). */
void *heap_zalloc(size_t bytes, struct mem_account *account);
void heap_free(void *p); /* NULL is nothing */

/* Bytes usable at `p`: at least what was asked for. */
size_t heap_usable_bytes(const void *p);

#endif
