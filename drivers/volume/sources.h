/* The kinds of sources that are made here; main.c registers them (kernel/io/storage.h). */
#ifndef DRIVERS_VOLUME_SOURCES_H
#define DRIVERS_VOLUME_SOURCES_H

#include "kernel/io/storage.h"

/* A whole disk: its serial number, or where it is ("pci:00:03.0", "pci:00:1f.2/port1"). */
extern const struct storage_scheme disk_scheme;
/* A partition: its PARTUUID, or its label in a GPT. */
extern const struct storage_scheme part_scheme;
/* Reads the table of each disk and logs what it has, and what is wrong with it; at start-up, so
 * that it is said once. Thread context. */
void part_log(void);
/* A file under \bulkhead\disks\ of the boot partition, in place. */
extern const struct storage_scheme esp_scheme;
/* Memory, of the size named: zeroes when it is opened, lost when it is closed. */
extern const struct storage_scheme ram_scheme;
/* A logical volume of LVM2's: "vg0/web". */
extern const struct storage_scheme lvm_scheme;

#endif
