/* A PC's interrupt controllers as one: the 8259 pair and the I/O APIC, which share the wires,
 * and the local APICs, which messages go to. */
#ifndef KERNEL_VMM_PC_IRQS_H
#define KERNEL_VMM_PC_IRQS_H

struct vm;

/* Creates vm->ioapic and vm->pic, which add themselves to the VM's buses, and fills in
 * vm->board.irqs. 0 or -ENOMEM; what is there then is pc_irqs_destroy()'s. Thread context. */
int pc_irqs_create(struct vm *vm);
void pc_irqs_destroy(struct vm *vm); /* the VM runs no more */

#endif
