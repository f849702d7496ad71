/* A guest's pair of 8259A at ports 0x20, 0xa0 and 0x4d0 (ELCR). Guarded by vm->irq_lock, which
 * its functions take themselves. */
#ifndef KERNEL_VMM_VPIC_H
#define KERNEL_VMM_VPIC_H

#include "kernel/lib/types.h"

struct vm;
struct vpic;

struct vpic *vpic_create(struct vm *vm); /* adds itself to vm->pio; NULL on failure */
void vpic_destroy(struct vpic *pic);
void vpic_set_line(struct vpic *pic, unsigned irq, bool level);
/* INTA cycle: the vector to deliver (spurious IRQ 7 where nothing is pending any more). Keeps
 * vm->pic_intr up to date; when INTR rises, the vCPUs whose LINT0 takes it are kicked. */
uint8_t vpic_acknowledge(struct vpic *pic);

#endif
