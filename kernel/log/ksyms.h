/*
 * The kernel's own function names, for backtraces. The table is made from the linked image
 * (tools/make/ksyms) and linked into it; this is not a debugger's view: no files, no lines.
 */
#ifndef KERNEL_LOG_KSYMS_H
#define KERNEL_LOG_KSYMS_H

#include <stdint.h>

/* One function. The kernel is linked in the top 4 GiB, so the low half of an address tells. */
struct ksym {
	uint32_t addr_low;    /* low 32 bits of the address of its first byte */
	uint32_t name_offset; /* into ksyms_names; the name is empty at the end of text */
};

extern const struct ksym ksyms_table[]; /* sorted by address */
extern const uint32_t ksyms_count;
extern const char ksyms_names[];

/*
 * The name of the function that holds `addr`, and in *offset (bytes) how far into it `addr`
 * lies; NULL, and *offset untouched, for an address outside the kernel's text.
 * Any context: takes no lock, allocates nothing.
 */
const char *ksyms_lookup(uint64_t addr, uint64_t *offset);

#endif
