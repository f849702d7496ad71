/* Which of the states of a group counts, of those that disks have. Private to scan.c. */
#ifndef DRIVERS_VOLUME_LVM_SCAN_INTERNAL_H
#define DRIVERS_VOLUME_LVM_SCAN_INTERNAL_H

#include "drivers/volume/lvm/scan.h"

/* Takes older states out of scan->vgs, to scan->old, and refuses what is ambiguous: two states
 * of one number, a newest state that only strangers have, two groups of one name. 0 or -ENOMEM.
 */
int lvm_choose(struct lvm_scan *scan);

#endif
