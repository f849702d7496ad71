/* A guest's I/O APIC, 24 pins (82093AA data sheet), at 0xfec00000. Guarded by vm->irq_lock,
 * which its functions take themselves. */
#ifndef KERNEL_VMM_VIOAPIC_H
#define KERNEL_VMM_VIOAPIC_H

#include "kernel/lib/types.h"

struct vm;
struct vioapic;

#define VIOAPIC_BASE	0xfec00000ull
#define VIOAPIC_PINS	24
#define VIOAPIC_VERSION (0x11u | (VIOAPIC_PINS - 1) << 16) /* its register */

struct vioapic *vioapic_create(struct vm *vm); /* adds itself to vm->mmio; NULL on failure */
void vioapic_destroy(struct vioapic *ioapic);
void vioapic_set_pin(struct vioapic *ioapic, unsigned pin, bool level);
/* A lapic saw EOI for a level-triggered vector. */
void vioapic_eoi(struct vioapic *ioapic, uint8_t vector);

#endif
