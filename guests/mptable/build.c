/* Makes the MP configuration table. Pure: no guest memory here (install.c), so that the result
 * can be examined on the build machine. */
#include <errno.h>
#include <string.h>

#include "guests/boot/table.h"
#include "guests/devices/pm.h"
#include "guests/mptable/mptable.h"
#include "guests/mptable/tables.h"
#include "guests/pci/pci.h"
#include "kernel/vmm/vioapic.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vpic.h"

#define XAPIC_CPUS_MAX 255u   /* ID 255 is the broadcast */
#define SIGNATURE_MASK 0xfffu /* family, model, stepping; what is above is reserved */
#define BUS_PCI	       0      /* bus numbers of PCI come first (4.3.2) */
#define BUS_ISA	       1
#define IO_APIC_ID     0 /* as in its register at reset, and in the MADT */
#define IRQ_TIMER      0
#define IRQ_CASCADE    2
#define PIN_TIMER      2
#define LINT_INTR      0
#define LINT_NMI       1

struct blob {
	uint8_t *buf;
	size_t size, used;
	uint16_t entries;
};

/* `bytes` zeroed bytes, or NULL when there is no room. */
static void *take(struct blob *blob, size_t bytes)
{
	void *at = blob->buf + blob->used;

	if (bytes > blob->size - blob->used)
		return NULL;
	blob->used += bytes;
	return memset(at, 0, bytes);
}

static int put(struct blob *blob, const void *entry, size_t bytes)
{
	void *at = take(blob, bytes);

	if (!at)
		return -ENOSPC;
	memcpy(at, entry, bytes);
	blob->entries++;
	return 0;
}

static int put_processors(struct blob *blob, const struct mptable_config *config)
{
	int error = 0;

	for (unsigned id = 0; !error && id < MIN(config->vcpu_count, XAPIC_CPUS_MAX); id++) {
		const struct mp_processor cpu = {
			.type = MP_PROCESSOR,
			.local_apic_id = id,
			.local_apic_version = VLAPIC_VERSION & 0xff,
			.flags = MP_PROCESSOR_ENABLED | (id ? 0 : MP_PROCESSOR_BOOTSTRAP),
			.signature = config->signature & SIGNATURE_MASK,
			.features = config->features,
		};

		error = put(blob, &cpu, sizeof(cpu));
	}
	return error;
}

static int put_buses(struct blob *blob)
{
	static const struct mp_bus buses[] = {
		{MP_BUS, BUS_PCI, {'P', 'C', 'I', ' ', ' ', ' '}},
		{MP_BUS, BUS_ISA, {'I', 'S', 'A', ' ', ' ', ' '}},
	};
	static const struct mp_io_apic io_apic = {MP_IO_APIC, IO_APIC_ID,
						  VIOAPIC_VERSION & 0xff, MP_IO_APIC_ENABLED,
						  VIOAPIC_BASE};
	int error = 0;

	for (unsigned i = 0; !error && i < ARRAY_SIZE(buses); i++)
		error = put(blob, &buses[i], sizeof(buses[i]));
	return error ? error : put(blob, &io_apic, sizeof(io_apic));
}

static int put_interrupt(struct blob *blob, unsigned bus, unsigned irq, uint16_t flags,
			 unsigned pin)
{
	const struct mp_interrupt interrupt = {MP_IO_INTERRUPT, MP_INT, flags, bus, irq,
					       IO_APIC_ID,	pin};

	return put(blob, &interrupt, sizeof(interrupt));
}

/* ISA's IRQs, each at the pin of its number but for the 8254's; the SCI is PCI's kind of one.
 */
static int put_isa(struct blob *blob)
{
	int error = 0;

	for (unsigned irq = 0; !error && irq < VPIC_ISA_LINES; irq++)
		if (irq != IRQ_CASCADE)
			error = put_interrupt(blob, BUS_ISA, irq,
					      irq == PM_SCI_GSI ? MP_ACTIVE_HIGH | MP_LEVEL
								: MP_CONFORMS,
					      irq == IRQ_TIMER ? PIN_TIMER : irq);
	return error;
}

static int put_pci(struct blob *blob)
{
	int error = 0;

	for (unsigned slot = 1; !error && slot < PCI_SLOTS; slot++)
		error = put_interrupt(blob, BUS_PCI, slot << 2, MP_CONFORMS,
				      pci_slot_gsi(slot));
	return error;
}

/* Virtual wire mode (3.6.2.2): the 8259 pair's INTR is at each LINT0; there is no IMCR. */
static int put_local(struct blob *blob)
{
	static const struct mp_interrupt lines[] = {
		{MP_LOCAL_INTERRUPT, MP_EXTINT, MP_CONFORMS, BUS_ISA, 0, MP_ALL_APICS,
		 LINT_INTR},
		{MP_LOCAL_INTERRUPT, MP_NMI, MP_CONFORMS, BUS_ISA, 0, MP_ALL_APICS, LINT_NMI},
	};
	int error = put(blob, &lines[0], sizeof(lines[0]));

	return error ? error : put(blob, &lines[1], sizeof(lines[1]));
}

static void end_header(struct blob *blob, struct mp_header *header)
{
	memcpy(header->signature, "PCMP", sizeof(header->signature));
	header->length = (uint8_t *)blob->buf + blob->used - (uint8_t *)header;
	header->spec_rev = MP_SPEC_REV;
	memcpy(header->oem_id, "BULKHEAD", sizeof(header->oem_id));
	memcpy(header->product_id, "GUEST       ", sizeof(header->product_id));
	header->entry_count = blob->entries;
	header->local_apic_address = VLAPIC_DEFAULT_BASE;
	header->checksum = table_checksum(header, header->length);
}

int mptable_build(void *buf, size_t size, const struct mptable_config *config)
{
	struct blob blob = {.buf = buf, .size = size};
	struct mp_floating_pointer *pointer = take(&blob, sizeof(*pointer));
	struct mp_header *header = pointer ? take(&blob, sizeof(*header)) : NULL;

	/* Entries are sorted by their type (4.3). */
	if (!header || put_processors(&blob, config) || put_buses(&blob) || put_isa(&blob) ||
	    put_pci(&blob) || put_local(&blob))
		return -ENOSPC;
	end_header(&blob, header);
	memcpy(pointer->signature, "_MP_", sizeof(pointer->signature));
	pointer->table = config->base + sizeof(*pointer);
	pointer->length = sizeof(*pointer) / 16;
	pointer->spec_rev = MP_SPEC_REV;
	pointer->checksum = table_checksum(pointer, sizeof(*pointer));
	return blob.used;
}
