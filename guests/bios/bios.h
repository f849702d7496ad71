/*
 * What a PC's firmware leaves below 1 MiB for whoever looks there without calling it: interrupt
 * vectors, the BIOS data area, the extended one, and the place where a reset begins. There is
 * no BIOS behind it: each of its services says that it failed. ACPI tables are guests/acpi's.
 */
#ifndef GUESTS_BIOS_BIOS_H
#define GUESTS_BIOS_BIOS_H

#include "kernel/lib/types.h"

struct gmem;

/*
 * Guest-physical memory below 1 MiB. E820 has RAM up to the EBDA, which is all that a kernel
 * may be loaded over, and reserves the rest.
 */
#define BIOS_IVT_BYTES	0x400ull /* from 0: 256 real-mode vectors */
#define BIOS_DATA	0x400ull /* BIOS data area */
#define BIOS_DATA_END	0x500ull
#define BIOS_EBDA	0x9fc00ull /* extended BIOS data area; its first byte is its KiB */
#define BIOS_EBDA_BYTES 0x400ull
#define BIOS_AREA	0xf0000ull /* to 1 MiB; tables, and at its end: */
#define BIOS_CODE	0xff000ull /* 4 KiB with the stub and the reset vector */
#define BIOS_END	0x100000ull

/* Writes all of it to the memory of a guest that has not started. 0, or as gmem_write(). On a
 * thread whose aspace is the guest's. */
int bios_install(struct gmem *gm);

#endif
