/*
 * The ports by which a PC resets itself without a keyboard controller: 0x92 and 0xcf9. With
 * them come the PCI configuration ports 0xcf8-0xcff that surround the latter: no PCI bus
 * answers.
 */
#ifndef GUESTS_DEVICES_RESET_H
#define GUESTS_DEVICES_RESET_H

struct reset;
struct vm;

/* The FADT's reset register, and the value that resets: RST_CPU with SYS_RST. */
#define RESET_PORT  0xcf9
#define RESET_VALUE 0x06

/* Adds itself to vm->pio. NULL when out of memory or when the ports are taken (logged). */
struct reset *reset_create(struct vm *vm);
void reset_destroy(struct reset *reset); /* the VM runs no more */

#endif
