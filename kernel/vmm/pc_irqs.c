/* How a PC is wired: from lines and messages to the controllers that have them. */
#include "kernel/vmm/pc_irqs.h"

#include <errno.h>

#include "kernel/vmm/vioapic.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vpic.h"

_Static_assert(IRQCHIP_LINES == VIOAPIC_PINS && IRQCHIP_LINES == VPIC_SOURCES &&
		       IRQCHIP_ISA_LINES == VPIC_ISA_LINES,
	       "each line reaches both");

/* All lines reach both controllers, PCI's wires by the IRQs of vpic_pci_irq(); IRQ 0 is pin 2
 * of the I/O APIC, as the MADT says. */
static void set_line(void *controllers, unsigned line, bool level)
{
	struct vm *vm = controllers;

	vpic_set_line(vm->pic, line, level);
	vioapic_set_pin(vm->ioapic, line == 0 ? 2 : line, level);
}

static void send_msi(void *controllers, uint64_t address, uint32_t data)
{
	vlapic_msi(controllers, address, data);
}

static void broadcast_eoi(void *controllers, uint8_t vector)
{
	struct vm *vm = controllers;

	vioapic_eoi(vm->ioapic, vector);
}

static const struct irqchip_ops ops = {.set = set_line, .msi = send_msi, .eoi = broadcast_eoi};

int pc_irqs_create(struct vm *vm)
{
	vm->board.irqs = (struct irqchip){.ops = &ops, .controllers = vm};
	vm->ioapic = vioapic_create(vm);
	vm->pic = vpic_create(vm);
	return vm->ioapic && vm->pic ? 0 : -ENOMEM;
}

void pc_irqs_destroy(struct vm *vm)
{
	if (vm->pic)
		vpic_destroy(vm->pic);
	if (vm->ioapic)
		vioapic_destroy(vm->ioapic);
}
