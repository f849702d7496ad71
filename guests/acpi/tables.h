/* ACPI tables as guests read them. Names are the specification's (ACPI 6.4, chapter 5). */
#ifndef GUESTS_ACPI_TABLES_H
#define GUESTS_ACPI_TABLES_H

#include "kernel/lib/types.h"

#define packed_table __attribute__((packed))

struct acpi_rsdp { /* 5.2.5.3 */
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt_address, length;
	uint64_t xsdt_address;
	uint8_t extended_checksum, reserved[3];
} packed_table;
_Static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 5.2.5.3");

struct acpi_header { /* 5.2.6 */
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} packed_table;
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 5.2.6");

struct acpi_gas { /* generic address structure, 5.2.3.2 */
	uint8_t space, bit_width, bit_offset, access_size;
	uint64_t address;
} packed_table;
#define ACPI_SPACE_IO 1

enum acpi_access { ACPI_ACCESS_BYTE = 1, ACPI_ACCESS_WORD, ACPI_ACCESS_DWORD };

struct acpi_fadt { /* 5.2.9 */
	struct acpi_header header;
	uint32_t firmware_ctrl, dsdt;
	uint8_t reserved0, preferred_pm_profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	uint32_t pm1a_evt_blk, pm1b_evt_blk, pm1a_cnt_blk, pm1b_cnt_blk, pm2_cnt_blk,
		pm_tmr_blk, gpe0_blk, gpe1_blk;
	uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_blk_len, gpe1_blk_len,
		gpe1_base, cst_cnt;
	uint16_t p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alrm, mon_alrm, century;
	uint16_t iapc_boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_firmware_ctrl, x_dsdt;
	struct acpi_gas x_pm1a_evt_blk, x_pm1b_evt_blk, x_pm1a_cnt_blk, x_pm1b_cnt_blk,
		x_pm2_cnt_blk, x_pm_tmr_blk, x_gpe0_blk, x_gpe1_blk, sleep_control_reg,
		sleep_status_reg;
	char hypervisor_vendor[8];
} packed_table;
_Static_assert(offsetof(struct acpi_fadt, reset_reg) == 116, "ACPI table 5.9");
_Static_assert(offsetof(struct acpi_fadt, x_pm1a_evt_blk) == 148, "ACPI table 5.9");
_Static_assert(sizeof(struct acpi_fadt) == 276, "ACPI table 5.9");

enum acpi_fadt_flags {
	FADT_WBINVD = BIT(0),
	FADT_PROC_C1 = BIT(2),
	FADT_SLP_BUTTON = BIT(5), /* set: no sleep button in the fixed hardware */
	FADT_FIX_RTC = BIT(6),	  /* set: no RTC wake status in the fixed hardware */
	FADT_TMR_VAL_EXT = BIT(8),
	FADT_RESET_REG_SUP = BIT(10),
};
enum acpi_boot_arch {
	BOOT_ARCH_LEGACY_DEVICES = BIT(0),
	BOOT_ARCH_VGA_NOT_PRESENT = BIT(2),
};
#define FADT_PROFILE_ENTERPRISE_SERVER 4

struct acpi_facs { /* 5.2.10 */
	char signature[4];
	uint32_t length, hardware_signature, firmware_waking_vector, global_lock, flags;
	uint64_t x_firmware_waking_vector;
	uint8_t version, reserved[31];
} packed_table;
_Static_assert(sizeof(struct acpi_facs) == 64, "ACPI table 5.13");

struct acpi_madt { /* 5.2.12; entries follow */
	struct acpi_header header;
	uint32_t local_apic_address, flags;
} packed_table;
#define MADT_PCAT_COMPAT BIT(0)

enum acpi_madt_type {
	MADT_LOCAL_APIC = 0,
	MADT_IO_APIC = 1,
	MADT_SOURCE_OVERRIDE = 2,
	MADT_LOCAL_APIC_NMI = 4,
	MADT_LOCAL_X2APIC = 9,
	MADT_LOCAL_X2APIC_NMI = 10,
};
#define MADT_CPU_ENABLED BIT(0)
/* MPS INTI flags (table 5.26). */
#define MADT_ACTIVE_HIGH 0x1
#define MADT_LEVEL	 0xc

struct acpi_madt_local_apic {
	uint8_t type, length, processor_uid, apic_id;
	uint32_t flags;
} packed_table;

struct acpi_madt_io_apic {
	uint8_t type, length, io_apic_id, reserved;
	uint32_t address, gsi_base;
} packed_table;

struct acpi_madt_source_override {
	uint8_t type, length, bus, source;
	uint32_t gsi;
	uint16_t flags;
} packed_table;

struct acpi_madt_local_apic_nmi {
	uint8_t type, length, processor_uid;
	uint16_t flags;
	uint8_t lint;
} packed_table;

struct acpi_madt_local_x2apic {
	uint8_t type, length;
	uint16_t reserved;
	uint32_t x2apic_id, flags, processor_uid;
} packed_table;

struct acpi_madt_local_x2apic_nmi {
	uint8_t type, length;
	uint16_t flags;
	uint32_t processor_uid;
	uint8_t lint, reserved[3];
} packed_table;

_Static_assert(sizeof(struct acpi_madt_local_apic) == 8, "ACPI table 5.22");
_Static_assert(sizeof(struct acpi_madt_io_apic) == 12, "ACPI table 5.24");
_Static_assert(sizeof(struct acpi_madt_source_override) == 10, "ACPI table 5.25");
_Static_assert(sizeof(struct acpi_madt_local_apic_nmi) == 6, "ACPI table 5.28");
_Static_assert(sizeof(struct acpi_madt_local_x2apic) == 16, "ACPI table 5.34");
_Static_assert(sizeof(struct acpi_madt_local_x2apic_nmi) == 12, "ACPI table 5.36");

struct acpi_mcfg { /* PCI Firmware 3.2, 4.1.2; one segment */
	struct acpi_header header;
	uint64_t reserved0;
	uint64_t base;
	uint16_t segment;
	uint8_t first_bus, last_bus;
	uint32_t reserved1;
} packed_table;
_Static_assert(sizeof(struct acpi_mcfg) == 60, "PCI Firmware 3.2, 4.1.2");

/* `Name (\PCIH, base)` in AML (20.2.5.1): what the DSDT, which is compiled once, can't know. */
struct acpi_ssdt {
	struct acpi_header header;
	uint8_t name_op;
	char name[4];
	uint8_t qword_prefix;
	uint64_t base;
} packed_table;
#define AML_NAME_OP	 0x08
#define AML_QWORD_PREFIX 0x0e

/* Watchdog action table ("Hardware Watchdog Timers Design Specification", Microsoft, 2006;
 * names as ACPICA has them). Each action is what `entries` of its number say, in their order.
 */
struct acpi_wdat {
	struct acpi_header header;
	uint32_t header_bytes; /* from here to the entries */
	uint16_t pci_segment;  /* all ones, in 8 bits each: no PCI device */
	uint8_t pci_bus, pci_device, pci_function, reserved0[3];
	uint32_t timer_period_ms, max_count, min_count;
	uint8_t flags, reserved1[3];
	uint32_t entries;
} packed_table;
_Static_assert(sizeof(struct acpi_wdat) == 68, "WDAT");
#define WDAT_NOT_PCI 0xff
#define WDAT_ENABLED BIT(0)

enum acpi_wdat_action {
	WDAT_RESET = 1, /* the counter begins anew */
	WDAT_GET_CURRENT_COUNTDOWN = 4,
	WDAT_GET_COUNTDOWN = 5,
	WDAT_SET_COUNTDOWN = 6,
	WDAT_GET_RUNNING_STATE = 8,
	WDAT_SET_RUNNING_STATE = 9,
	WDAT_GET_STOPPED_STATE = 10,
	WDAT_SET_STOPPED_STATE = 11,
	WDAT_GET_STATUS = 32, /* whether it ended what was before */
	WDAT_SET_STATUS = 33, /* clears that */
};

enum acpi_wdat_instruction {
	WDAT_READ_VALUE,     /* what is read, masked, is `value` */
	WDAT_READ_COUNTDOWN, /* what is read, masked */
	WDAT_WRITE_VALUE,
	WDAT_WRITE_COUNTDOWN, /* the action's argument, masked */
};

struct acpi_wdat_entry {
	uint8_t action, instruction;
	uint16_t reserved;
	struct acpi_gas port;
	uint32_t value, mask;
} packed_table;
_Static_assert(sizeof(struct acpi_wdat_entry) == 24, "WDAT");

#endif
