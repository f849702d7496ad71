/* Reads MADT, FADT, MCFG and HPET, and the one AML object that powering off takes. */
#include "kernel/io/acpi_parse.h"

#include <string.h>

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

bool acpi_checksum_ok(const uint8_t *table, size_t bytes)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + table[i]);
	return sum == 0;
}

/* MADT: 5.2.12. */
enum madt_entry {
	MADT_LOCAL_APIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_X2APIC = 9,
};

#define MADT_ENTRIES	   44
#define MADT_CPU_ENABLED   BIT(0)
#define MADT_POLARITY_LOW  3 /* table 5.56: flags, bits 1:0 */
#define MADT_TRIGGER_LEVEL 3 /* bits 3:2 */
#define APIC_ID_BROADCAST  0xffu
#define X2APIC_ID_NONE	   0xffffffffu

static void add_cpu(struct acpi_machine *machine, uint32_t apic_id, uint32_t flags)
{
	if (!(flags & MADT_CPU_ENABLED))
		return;
	/* Firmware may list a CPU in both forms. */
	for (unsigned i = 0; i < machine->cpu_count; i++)
		if (machine->apic_ids[i] == apic_id)
			return;
	if (machine->cpu_count == CPU_MAX)
		machine->cpus_ignored++;
	else
		machine->apic_ids[machine->cpu_count++] = apic_id;
}

static void add_ioapic(struct acpi_machine *machine, const uint8_t *entry)
{
	if (machine->ioapic_count == ACPI_IOAPICS_MAX)
		return;
	machine->ioapics[machine->ioapic_count++] = (struct acpi_ioapic){
		.phys = get32(entry + 4),
		.gsi_base = get32(entry + 8),
	};
}

static void add_override(struct acpi_machine *machine, const uint8_t *entry)
{
	uint8_t irq = entry[3];
	uint16_t flags = get16(entry + 8);

	if (irq >= ACPI_ISA_IRQS)
		return;
	machine->isa[irq] = (struct acpi_isa_irq){
		.gsi = get32(entry + 4),
		.active_low = (flags & 3) == MADT_POLARITY_LOW,
		.level = (flags >> 2 & 3) == MADT_TRIGGER_LEVEL,
	};
}

static void parse_madt_entry(const uint8_t *entry, struct acpi_machine *machine)
{
	uint8_t type = entry[0], length = entry[1];

	if (type == MADT_LOCAL_APIC && length >= 8 && entry[3] != APIC_ID_BROADCAST)
		add_cpu(machine, entry[3], get32(entry + 4));
	else if (type == MADT_X2APIC && length >= 16 && get32(entry + 4) != X2APIC_ID_NONE)
		add_cpu(machine, get32(entry + 4), get32(entry + 8));
	else if (type == MADT_IOAPIC && length >= 12)
		add_ioapic(machine, entry);
	else if (type == MADT_OVERRIDE && length >= 10)
		add_override(machine, entry);
}

void acpi_parse_madt(const uint8_t *table, size_t bytes, struct acpi_machine *machine)
{
	size_t at = MADT_ENTRIES;

	for (unsigned irq = 0; irq < ACPI_ISA_IRQS; irq++)
		machine->isa[irq] = (struct acpi_isa_irq){.gsi = irq};
	while (at + 2 <= bytes) {
		uint8_t length = table[at + 1];

		if (length < 2 || length > bytes - at)
			return;
		parse_madt_entry(table + at, machine);
		at += length;
	}
}

/* FADT: 5.2.9. The fields of the extended forms count only where the table has them. */
enum fadt_offset {
	FADT_DSDT = 40,
	FADT_SMI_COMMAND = 48,
	FADT_ACPI_ENABLE = 52,
	FADT_PM1A_CONTROL = 64,
	FADT_PM1B_CONTROL = 68,
	FADT_PM_TIMER = 76,
	FADT_CENTURY = 108,
	FADT_FLAGS = 112,
	FADT_RESET = 116,
	FADT_RESET_VALUE = 128,
	FADT_X_DSDT = 140,
	FADT_X_PM1A_CONTROL = 172,
	FADT_X_PM1B_CONTROL = 184,
	FADT_X_PM_TIMER = 208,
};

#define FADT_FLAG_TIMER_32BIT BIT(8)
#define FADT_FLAG_RESET	      BIT(10)
#define GAS_BYTES	      12
#define GAS_MEMORY	      0
#define GAS_IO		      1

static struct acpi_register get_gas(const uint8_t *table, size_t bytes, size_t at)
{
	if (bytes < at + GAS_BYTES || (table[at] != GAS_MEMORY && table[at] != GAS_IO))
		return (struct acpi_register){0};
	return (struct acpi_register){.address = get64(table + at + 4),
				      .io = table[at] == GAS_IO};
}

/* A register given as a port in ACPI 1.0's place and in the generic form since 2.0. */
static struct acpi_register get_register(const uint8_t *table, size_t bytes, size_t old_at,
					 size_t at)
{
	struct acpi_register reg = get_gas(table, bytes, at);

	if (!reg.address)
		reg = (struct acpi_register){.address = get32(table + old_at), .io = true};
	return reg;
}

void acpi_parse_fadt(const uint8_t *table, size_t bytes, struct acpi_machine *machine)
{
	uint32_t flags;

	if (bytes < FADT_RESET)
		return;
	flags = get32(table + FADT_FLAGS);
	machine->dsdt_phys = get32(table + FADT_DSDT);
	if (bytes >= FADT_X_DSDT + 8 && get64(table + FADT_X_DSDT))
		machine->dsdt_phys = get64(table + FADT_X_DSDT);
	machine->smi_command_port = get16(table + FADT_SMI_COMMAND);
	machine->acpi_enable = table[FADT_ACPI_ENABLE];
	machine->pm1a_control =
		get_register(table, bytes, FADT_PM1A_CONTROL, FADT_X_PM1A_CONTROL);
	machine->pm1b_control =
		get_register(table, bytes, FADT_PM1B_CONTROL, FADT_X_PM1B_CONTROL);
	machine->pm_timer = get_register(table, bytes, FADT_PM_TIMER, FADT_X_PM_TIMER);
	machine->pm_timer_32bit = flags & FADT_FLAG_TIMER_32BIT;
	machine->rtc_century = table[FADT_CENTURY];
	if ((flags & FADT_FLAG_RESET) && bytes > FADT_RESET_VALUE) {
		machine->reset = get_gas(table, bytes, FADT_RESET);
		machine->reset_value = table[FADT_RESET_VALUE];
	}
}

/* MCFG: PCI Firmware Specification 3.3, 4.1.2. */
#define MCFG_ENTRIES	 44
#define MCFG_ENTRY_BYTES 16

void acpi_parse_mcfg(const uint8_t *table, size_t bytes, struct acpi_machine *machine)
{
	for (size_t at = MCFG_ENTRIES; at + MCFG_ENTRY_BYTES <= bytes; at += MCFG_ENTRY_BYTES) {
		const uint8_t *entry = table + at;

		if (machine->segment_count == ACPI_SEGMENTS_MAX || entry[11] < entry[10])
			continue;
		machine->segments[machine->segment_count++] = (struct acpi_segment){
			.phys = get64(entry),
			.segment = get16(entry + 8),
			.bus_first = entry[10],
			.bus_last = entry[11],
		};
	}
}

/* HPET: IA-PC HPET Specification 1.0a, 3.2.4. */
#define HPET_GAS 40

void acpi_parse_hpet(const uint8_t *table, size_t bytes, struct acpi_machine *machine)
{
	struct acpi_register reg = get_gas(table, bytes, HPET_GAS);

	if (!reg.io)
		machine->hpet_phys = reg.address;
}

/* AML opcodes: 20.3. */
enum aml_op {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_PACKAGE = 0x12
};

/* A small integer constant at *at; moves past it. Returns -1 for anything else. */
static int aml_small(const uint8_t *aml, size_t bytes, size_t *at)
{
	if (*at < bytes && (aml[*at] == AML_ZERO || aml[*at] == AML_ONE))
		return aml[(*at)++];
	if (*at + 1 < bytes && aml[*at] == AML_BYTE) {
		*at += 2;
		return aml[*at - 1];
	}
	return -1;
}

/* The package whose opcode is at `at`: PkgLength takes one byte more than the top bits of its
 * first say (20.2.4), then come the number of elements and these. */
static bool parse_s5_package(const uint8_t *aml, size_t bytes, size_t at,
			     struct acpi_machine *machine)
{
	int a, b;

	if (at + 2 > bytes || aml[at] != AML_PACKAGE)
		return false;
	at += 2 + (aml[at + 1] >> 6);
	if (at >= bytes || aml[at++] < 1)
		return false;
	a = aml_small(aml, bytes, &at);
	b = aml_small(aml, bytes, &at);
	if (a < 0 || a > 7)
		return false;
	machine->s5_known = true;
	machine->s5_type_a = (uint8_t)a;
	machine->s5_type_b = b >= 0 && b <= 7 ? (uint8_t)b : (uint8_t)a;
	return true;
}

void acpi_parse_s5(const uint8_t *aml, size_t bytes, struct acpi_machine *machine)
{
	for (size_t at = 1; at + 4 <= bytes; at++) {
		if (memcmp(aml + at, "_S5_", 4) != 0)
			continue;
		if (aml[at - 1] != AML_NAME &&
		    !(at >= 2 && aml[at - 1] == '\\' && aml[at - 2] == AML_NAME))
			continue;
		if (parse_s5_package(aml, bytes, at + 4, machine))
			return;
	}
}
