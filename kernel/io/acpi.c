/*
 * Finds the ACPI tables, checks and maps them, and has them read (acpi_parse.c); powers the
 * machine off and resets it.
 */
#include "kernel/io/acpi.h"

#include <errno.h>
#include <string.h>

#include "kernel/cpu/apic.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/port.h"
#include "kernel/cpu/smp.h"
#include "kernel/io/acpi_parse.h"
#include "kernel/lib/plural.h"
#include "kernel/log/log.h"
#include "kernel/mem/hostmap.h"

#define TABLE_BYTES_MAX (16 * MIB) /* far above any real one: a length beyond is damage */
#define TABLES_MAX	256

/* RSDP: 5.2.5.3. */
#define RSDP_BYTES_V1 20
#define RSDP_BYTES    36

struct acpi_machine acpi_machine;

static const uint8_t *root; /* XSDT or RSDT, mapped */
static unsigned root_count, root_entry_bytes;

static uint32_t table_bytes(const uint8_t *table)
{
	uint32_t bytes;

	memcpy(&bytes, table + 4, sizeof(bytes));
	return bytes;
}

/* Maps the table at `phys`; NULL, with the reason logged, if it is damaged. */
static const uint8_t *map_table(uint64_t phys)
{
	const uint8_t *table = phys ? vmap(phys, ACPI_HEADER_BYTES, PT_READ) : NULL;
	char name[5] = "";
	uint32_t bytes;

	if (!table)
		return NULL;
	bytes = table_bytes(table);
	memcpy(name, table, 4);
	vmap_free((void *)(uintptr_t)table);
	if (bytes < ACPI_HEADER_BYTES || bytes > TABLE_BYTES_MAX) {
		log_warn("acpi", "table '%s' at %#lx claims %u bytes: ignored", name, phys,
			 bytes);
		return NULL;
	}
	table = vmap(phys, bytes, PT_READ);
	if (table && !acpi_checksum_ok(table, bytes)) {
		log_warn("acpi", "table '%s' at %#lx has a wrong checksum: ignored", name,
			 phys);
		vmap_free((void *)(uintptr_t)table);
		return NULL;
	}
	return table;
}

/* Maps the XSDT, or on old firmware the RSDT. */
static int find_root(uint64_t rsdp_phys)
{
	const uint8_t *rsdp = rsdp_phys ? vmap(rsdp_phys, RSDP_BYTES, PT_READ) : NULL;
	uint64_t xsdt = 0;
	uint32_t rsdt;

	if (!rsdp || memcmp(rsdp, "RSD PTR ", 8) != 0 || !acpi_checksum_ok(rsdp, RSDP_BYTES_V1))
		return -ENOENT;
	memcpy(&rsdt, rsdp + 16, sizeof(rsdt));
	if (rsdp[15] >= 2 && acpi_checksum_ok(rsdp, RSDP_BYTES))
		memcpy(&xsdt, rsdp + 24, sizeof(xsdt));
	vmap_free((void *)(uintptr_t)rsdp);

	root_entry_bytes = xsdt ? 8 : 4;
	root = map_table(xsdt ? xsdt : rsdt);
	if (!root)
		return -ENOENT;
	root_count = (table_bytes(root) - ACPI_HEADER_BYTES) / root_entry_bytes;
	root_count = MIN(root_count, (unsigned)TABLES_MAX);
	return 0;
}

const uint8_t *acpi_table(const char signature[4], unsigned n)
{
	for (unsigned i = 0; i < root_count; i++) {
		const uint8_t *table;
		uint64_t phys = 0;
		bool same;

		memcpy(&phys, root + ACPI_HEADER_BYTES + i * root_entry_bytes,
		       root_entry_bytes);
		table = phys ? vmap(phys, ACPI_HEADER_BYTES, PT_READ) : NULL;
		if (!table)
			continue;
		same = memcmp(table, signature, 4) == 0;
		vmap_free((void *)(uintptr_t)table);
		if (same && n-- == 0)
			return map_table(phys);
	}
	return NULL;
}

static void read_table(const char signature[4],
		       void (*parse)(const uint8_t *, size_t, struct acpi_machine *))
{
	const uint8_t *table = acpi_table(signature, 0);

	if (!table)
		return;
	parse(table, table_bytes(table), &acpi_machine);
	vmap_free((void *)(uintptr_t)table);
}

static void read_dsdt(void)
{
	const uint8_t *dsdt = map_table(acpi_machine.dsdt_phys);

	if (!dsdt)
		return;
	acpi_parse_s5(dsdt + ACPI_HEADER_BYTES, table_bytes(dsdt) - ACPI_HEADER_BYTES,
		      &acpi_machine);
	vmap_free((void *)(uintptr_t)dsdt);
}

int acpi_init(uint64_t rsdp_phys)
{
	int err = find_root(rsdp_phys);

	if (err) {
		log_warn("acpi",
			 "the firmware has no usable ACPI tables: one CPU, no I/O APIC");
	} else {
		read_table("APIC", acpi_parse_madt);
		read_table("FACP", acpi_parse_fadt);
		read_table("HPET", acpi_parse_hpet);
		read_table("MCFG", acpi_parse_mcfg);
		read_dsdt();
	}
	if (acpi_machine.cpu_count == 0)
		acpi_machine.apic_ids[acpi_machine.cpu_count++] = apic_id();
	if (acpi_machine.cpus_ignored)
		log_warn("acpi", "%u CPU%s beyond the first %u stay unused",
			 acpi_machine.cpus_ignored, plural(acpi_machine.cpus_ignored), CPU_MAX);
	return err;
}

/* Power management timer: 4.8.3.3. */
#define PM_TIMER_HZ 3579545

static uint32_t read_pm_timer(const struct clock_reference *ref)
{
	return inl((uint16_t)ref->address);
}

int acpi_pm_timer(struct clock_reference *ref)
{
	if (!acpi_machine.pm_timer.io || !acpi_machine.pm_timer.address)
		return -ENODEV;
	*ref = (struct clock_reference){
		.name = "ACPI PM timer",
		.hz = PM_TIMER_HZ,
		.mask = acpi_machine.pm_timer_32bit ? UINT32_MAX : UINT32_MAX >> 8,
		.read = read_pm_timer,
		.address = acpi_machine.pm_timer.address,
	};
	return 0;
}

/* PM1 control register: 4.8.3.2.1. */
#define PM1_SCI_ENABLE	 BIT(0)
#define PM1_SLEEP_TYPE	 10
#define PM1_SLEEP_ENABLE BIT(13)
#define ENTER_ACPI_MS	 300
#define POWER_OFF_MS	 1000

static void enter_acpi_mode(void)
{
	uint16_t port = (uint16_t)acpi_machine.pm1a_control.address;

	if (!acpi_machine.smi_command_port || (inw(port) & PM1_SCI_ENABLE))
		return;
	outb(acpi_machine.smi_command_port, acpi_machine.acpi_enable);
	for (unsigned ms = 0; ms < ENTER_ACPI_MS && !(inw(port) & PM1_SCI_ENABLE); ms++)
		clock_delay_us(1000);
}

static void sleep_now(const struct acpi_register *control, uint8_t type)
{
	if (control->io && control->address)
		outw((uint16_t)control->address,
		     (uint16_t)(type << PM1_SLEEP_TYPE | PM1_SLEEP_ENABLE));
}

void acpi_power_off(void)
{
	if (!acpi_machine.s5_known || !acpi_machine.pm1a_control.io) {
		log_error("acpi",
			  "the firmware does not say how to power off; switch it off by hand");
		return;
	}
	irq_disable();
	smp_stop_others();
	enter_acpi_mode();
	sleep_now(&acpi_machine.pm1a_control, acpi_machine.s5_type_a);
	sleep_now(&acpi_machine.pm1b_control, acpi_machine.s5_type_b);
	clock_delay_us(POWER_OFF_MS * 1000);
	log_error("acpi", "the machine does not power off; switch it off by hand");
}

#define RESET_CONTROL_PORT   0xcf9 /* since Intel PIIX3: 2 = system reset, 4 = do it */
#define KEYBOARD_COMMAND     0x64
#define KEYBOARD_PULSE_RESET 0xfe
#define RESET_WAIT_US	     50000

static void reset_by_triple_fault(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) no_idt = {0, 0};

	__asm__ volatile("lidt %0; int3" : : "m"(no_idt));
}

noreturn void acpi_reset(void)
{
	const struct acpi_register *reg = &acpi_machine.reset;

	irq_disable();
	smp_stop_others();
	if (reg->address && reg->io)
		outb((uint16_t)reg->address, acpi_machine.reset_value);
	clock_delay_us(RESET_WAIT_US);
	outb(RESET_CONTROL_PORT, 0x02);
	outb(RESET_CONTROL_PORT, 0x06);
	clock_delay_us(RESET_WAIT_US);
	outb(KEYBOARD_COMMAND, KEYBOARD_PULSE_RESET);
	clock_delay_us(RESET_WAIT_US);
	reset_by_triple_fault();
	for (;;)
		__asm__ volatile("hlt");
}
