/* The host's 8259 pair, which is only silenced. The guests' is kernel/vmm/vpic. */
#ifndef KERNEL_IO_PIC_H
#define KERNEL_IO_PIC_H

/* Masks all their interrupts, and moves those that come all the same to vectors of no
 * exception. */
void pic_mask_all(void);

#endif
