/* Makes the tables, one builder each; a new table is a new builder in `builders`. Pure: no
 * guest memory here (install.c), so that the result can be examined on the build machine. */
#include <errno.h>
#include <string.h>

#include "guests/acpi/acpi.h"
#include "guests/acpi/tables.h"
#include "guests/boot/table.h"
#include "guests/devices/pm.h"
#include "guests/devices/reset.h"
#include "guests/devices/rtc_time.h"
#include "guests/devices/watchdog.h"
#include "guests/pci/pci.h"
#include "kernel/vmm/vioapic.h"
#include "kernel/vmm/vlapic.h"

#define TABLES_MAX     16
#define TABLE_ALIGN    16
#define UID_ALL_CPUS   0xff	   /* table 5.28 */
#define UID_ALL_X2APIC 0xffffffffu /* table 5.36 */
#define XAPIC_CPUS_MAX 255u	   /* ID 255 is the broadcast */
#define BUS_ISA	       0
#define LINT_NMI       1

/* The tables so far. */
struct blob {
	const struct acpi_config *config;
	uint8_t *buf;
	size_t size, used;
	uint64_t facs, dsdt;	     /* GPAs, for the FADT */
	uint64_t listed[TABLES_MAX]; /* GPAs, for RSDT and XSDT */
	unsigned listed_count;
};

static uint64_t gpa_of(const struct blob *blob, const void *p)
{
	return blob->config->base + ((const uint8_t *)p - blob->buf);
}

/* `bytes` zeroed bytes, or NULL when there is no room. */
static void *take(struct blob *blob, size_t bytes, size_t align)
{
	size_t start = ALIGN_UP(blob->used, align);

	if (start > blob->size || bytes > blob->size - start)
		return NULL;
	memset(blob->buf + blob->used, 0, start + bytes - blob->used);
	blob->used = start + bytes;
	return blob->buf + start;
}

/* A table's header with everything but the checksum; NULL when there is no room. */
static void *table_begin(struct blob *blob, const char *signature, uint8_t revision,
			 size_t bytes)
{
	struct acpi_header *header = take(blob, bytes, TABLE_ALIGN);

	if (!header)
		return NULL;
	memcpy(header->signature, signature, sizeof(header->signature));
	header->length = bytes;
	header->revision = revision;
	memcpy(header->oem_id, "BULKHD", sizeof(header->oem_id));
	memcpy(header->oem_table_id, "BULKHEAD", sizeof(header->oem_table_id));
	header->oem_revision = 1;
	memcpy(header->creator_id, "BLKH", sizeof(header->creator_id));
	header->creator_revision = 1;
	return header;
}

static void table_end(void *table)
{
	struct acpi_header *header = table;

	header->checksum = table_checksum(header, header->length);
}

/* The same, and names the table in RSDT and XSDT. */
static int table_list(struct blob *blob, void *table)
{
	table_end(table);
	if (blob->listed_count == TABLES_MAX)
		return -ENOSPC;
	blob->listed[blob->listed_count++] = gpa_of(blob, table);
	return 0;
}

static int build_facs(struct blob *blob)
{
	struct acpi_facs *facs = take(blob, sizeof(*facs), 64);

	if (!facs)
		return -ENOSPC;
	memcpy(facs->signature, "FACS", sizeof(facs->signature));
	facs->length = sizeof(*facs);
	facs->version = 2;
	blob->facs = gpa_of(blob, facs);
	return 0;
}

static int build_dsdt(struct blob *blob)
{
	void *dsdt = take(blob, blob->config->dsdt_bytes, TABLE_ALIGN);

	if (!dsdt)
		return -ENOSPC;
	memcpy(dsdt, blob->config->dsdt, blob->config->dsdt_bytes);
	blob->dsdt = gpa_of(blob, dsdt);
	return 0;
}

static struct acpi_gas io_register(uint16_t port, uint8_t bits, enum acpi_access access)
{
	return (struct acpi_gas){
		.space = ACPI_SPACE_IO,
		.bit_width = bits,
		.access_size = access,
		.address = port,
	};
}

static int build_fadt(struct blob *blob)
{
	struct acpi_fadt *fadt = table_begin(blob, "FACP", 6, sizeof(*fadt));

	if (!fadt)
		return -ENOSPC;
	fadt->firmware_ctrl = blob->facs; /* below 4 GiB: the 64-bit field stays zero */
	fadt->dsdt = blob->dsdt;
	fadt->x_dsdt = blob->dsdt;
	fadt->preferred_pm_profile = FADT_PROFILE_ENTERPRISE_SERVER;
	fadt->sci_int = PM_SCI_GSI;

	fadt->pm1a_evt_blk = PM1A_EVT_PORT;
	fadt->pm1_evt_len = PM1A_EVT_BYTES;
	fadt->x_pm1a_evt_blk = io_register(PM1A_EVT_PORT, PM1A_EVT_BYTES * 8, ACPI_ACCESS_WORD);
	fadt->pm1a_cnt_blk = PM1A_CNT_PORT;
	fadt->pm1_cnt_len = PM1A_CNT_BYTES;
	fadt->x_pm1a_cnt_blk = io_register(PM1A_CNT_PORT, PM1A_CNT_BYTES * 8, ACPI_ACCESS_WORD);
	fadt->pm_tmr_blk = PM_TMR_PORT;
	fadt->pm_tmr_len = PM_TMR_BYTES;
	fadt->x_pm_tmr_blk = io_register(PM_TMR_PORT, PM_TMR_BYTES * 8, ACPI_ACCESS_DWORD);

	fadt->p_lvl2_lat = 0xffff; /* no C2, no C3 */
	fadt->p_lvl3_lat = 0xffff;
	fadt->century = RTC_CENTURY;
	/* Not the 8042: there is one, but nothing at its ports that is worth looking for. */
	fadt->iapc_boot_arch = BOOT_ARCH_LEGACY_DEVICES | BOOT_ARCH_VGA_NOT_PRESENT;
	fadt->flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC |
		      FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP;
	fadt->reset_reg = io_register(RESET_PORT, 8, ACPI_ACCESS_BYTE);
	fadt->reset_value = RESET_VALUE;
	memcpy(fadt->hypervisor_vendor, "Bulkhead", sizeof(fadt->hypervisor_vendor));
	return table_list(blob, fadt);
}

static void *put_cpu(void *at, unsigned id)
{
	if (id < XAPIC_CPUS_MAX) {
		struct acpi_madt_local_apic *cpu = at;

		*cpu = (struct acpi_madt_local_apic){MADT_LOCAL_APIC, sizeof(*cpu), id, id,
						     MADT_CPU_ENABLED};
		return cpu + 1;
	}
	struct acpi_madt_local_x2apic *cpu = at;

	*cpu = (struct acpi_madt_local_x2apic){
		MADT_LOCAL_X2APIC, sizeof(*cpu), 0, id, MADT_CPU_ENABLED, id};
	return cpu + 1;
}

static void *put_override(void *at, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	struct acpi_madt_source_override *override = at;

	*override = (struct acpi_madt_source_override){
		MADT_SOURCE_OVERRIDE, sizeof(*override), BUS_ISA, irq, gsi, flags};
	return override + 1;
}

static int build_madt(struct blob *blob)
{
	unsigned cpus = blob->config->vcpu_count, xapic = MIN(cpus, XAPIC_CPUS_MAX);
	struct acpi_madt_io_apic *io_apic;
	struct acpi_madt_local_apic_nmi *nmi;
	struct acpi_madt_local_x2apic_nmi *x2apic_nmi;
	struct acpi_madt *madt;
	void *at;

	madt = table_begin(blob, "APIC", 5,
			   sizeof(*madt) + xapic * sizeof(struct acpi_madt_local_apic) +
				   (cpus - xapic) * sizeof(struct acpi_madt_local_x2apic) +
				   sizeof(*io_apic) +
				   2 * sizeof(struct acpi_madt_source_override) + sizeof(*nmi) +
				   (cpus > xapic ? sizeof(*x2apic_nmi) : 0));
	if (!madt)
		return -ENOSPC;
	madt->local_apic_address = VLAPIC_DEFAULT_BASE;
	madt->flags = MADT_PCAT_COMPAT;

	at = madt + 1;
	for (unsigned id = 0; id < cpus; id++)
		at = put_cpu(at, id);
	io_apic = at;
	*io_apic = (struct acpi_madt_io_apic){
		MADT_IO_APIC, sizeof(*io_apic), 0, 0, VIOAPIC_BASE, 0};
	at = put_override(io_apic + 1, 0, 2, 0); /* the 8254 */
	at = put_override(at, PM_SCI_GSI, PM_SCI_GSI, MADT_ACTIVE_HIGH | MADT_LEVEL);
	nmi = at;
	*nmi = (struct acpi_madt_local_apic_nmi){MADT_LOCAL_APIC_NMI, sizeof(*nmi),
						 UID_ALL_CPUS, 0, LINT_NMI};
	if (cpus > xapic) {
		x2apic_nmi = (void *)(nmi + 1);
		*x2apic_nmi = (struct acpi_madt_local_x2apic_nmi){MADT_LOCAL_X2APIC_NMI,
								  sizeof(*x2apic_nmi),
								  0,
								  UID_ALL_X2APIC,
								  LINT_NMI,
								  {0}};
	}
	return table_list(blob, madt);
}

static int build_mcfg(struct blob *blob)
{
	struct acpi_mcfg *mcfg = table_begin(blob, "MCFG", 1, sizeof(*mcfg));

	if (!mcfg)
		return -ENOSPC;
	mcfg->base = PCI_ECAM_BASE;
	mcfg->last_bus = PCI_ECAM_BYTES / MIB - 1;
	return table_list(blob, mcfg);
}

static int build_ssdt(struct blob *blob)
{
	struct acpi_ssdt *ssdt = table_begin(blob, "SSDT", 2, sizeof(*ssdt));

	if (!ssdt)
		return -ENOSPC;
	ssdt->name_op = AML_NAME_OP;
	memcpy(ssdt->name, "PCIH", sizeof(ssdt->name));
	ssdt->qword_prefix = AML_QWORD_PREFIX;
	ssdt->base = blob->config->pci_high;
	return table_list(blob, ssdt);
}

/* What each action of the watchdog's is: one access to one of its registers. */
static const struct {
	uint8_t action, instruction;
	uint16_t port;
	uint32_t value, mask;
} watchdog_actions[] = {
	{WDAT_RESET, WDAT_WRITE_VALUE, WATCHDOG_RELOAD_PORT, 1, 1},
	{WDAT_GET_CURRENT_COUNTDOWN, WDAT_READ_COUNTDOWN, WATCHDOG_REMAINING_PORT, 0,
	 WATCHDOG_COUNT_MAX},
	{WDAT_GET_COUNTDOWN, WDAT_READ_COUNTDOWN, WATCHDOG_COUNT_PORT, 0, WATCHDOG_COUNT_MAX},
	{WDAT_SET_COUNTDOWN, WDAT_WRITE_COUNTDOWN, WATCHDOG_COUNT_PORT, 0, WATCHDOG_COUNT_MAX},
	{WDAT_GET_RUNNING_STATE, WDAT_READ_VALUE, WATCHDOG_CONTROL_PORT, WATCHDOG_CONTROL_RUN,
	 WATCHDOG_CONTROL_RUN},
	{WDAT_SET_RUNNING_STATE, WDAT_WRITE_VALUE, WATCHDOG_CONTROL_PORT, WATCHDOG_CONTROL_RUN,
	 WATCHDOG_CONTROL_RUN},
	{WDAT_GET_STOPPED_STATE, WDAT_READ_VALUE, WATCHDOG_CONTROL_PORT, 0,
	 WATCHDOG_CONTROL_RUN},
	{WDAT_SET_STOPPED_STATE, WDAT_WRITE_VALUE, WATCHDOG_CONTROL_PORT, 0,
	 WATCHDOG_CONTROL_RUN},
	{WDAT_GET_STATUS, WDAT_READ_VALUE, WATCHDOG_STATUS_PORT, WATCHDOG_STATUS_FIRED,
	 WATCHDOG_STATUS_FIRED},
	{WDAT_SET_STATUS, WDAT_WRITE_VALUE, WATCHDOG_STATUS_PORT, WATCHDOG_STATUS_FIRED,
	 WATCHDOG_STATUS_FIRED},
};

static int build_wdat(struct blob *blob)
{
	struct acpi_wdat_entry *entry;
	struct acpi_wdat *wdat;

	if (!blob->config->watchdog)
		return 0;
	wdat = table_begin(blob, "WDAT", 1,
			   sizeof(*wdat) + ARRAY_SIZE(watchdog_actions) * sizeof(*entry));
	if (!wdat)
		return -ENOSPC;
	wdat->header_bytes = sizeof(*wdat) - sizeof(wdat->header);
	wdat->pci_segment = WDAT_NOT_PCI;
	wdat->pci_bus = wdat->pci_device = wdat->pci_function = WDAT_NOT_PCI;
	wdat->timer_period_ms = WATCHDOG_PERIOD_MS;
	wdat->min_count = 1;
	wdat->max_count = WATCHDOG_COUNT_MAX;
	wdat->flags = WDAT_ENABLED;
	wdat->entries = ARRAY_SIZE(watchdog_actions);
	entry = (struct acpi_wdat_entry *)(wdat + 1);
	for (unsigned i = 0; i < ARRAY_SIZE(watchdog_actions); i++, entry++)
		*entry = (struct acpi_wdat_entry){
			.action = watchdog_actions[i].action,
			.instruction = watchdog_actions[i].instruction,
			.port = io_register(watchdog_actions[i].port, WATCHDOG_PORT_BYTES * 8,
					    ACPI_ACCESS_DWORD),
			.value = watchdog_actions[i].value,
			.mask = watchdog_actions[i].mask,
		};
	return table_list(blob, wdat);
}

/* In this order: the FADT points to FACS and DSDT. */
static int (*const builders[])(struct blob *) = {
	build_facs, build_dsdt, build_fadt, build_madt, build_mcfg, build_ssdt, build_wdat,
};

/* RSDT (32-bit pointers, for old guests) or XSDT. Sets *gpa. */
static int build_root(struct blob *blob, const char *signature, size_t pointer_bytes,
		      uint64_t *gpa)
{
	struct acpi_header *root = table_begin(
		blob, signature, 1, sizeof(*root) + blob->listed_count * pointer_bytes);
	uint8_t *pointer = (uint8_t *)(root + 1);

	if (!root)
		return -ENOSPC;
	for (unsigned i = 0; i < blob->listed_count; i++)
		memcpy(pointer + i * pointer_bytes, &blob->listed[i], pointer_bytes);
	table_end(root);
	*gpa = gpa_of(blob, root);
	return 0;
}

int acpi_build(void *buf, size_t size, const struct acpi_config *config)
{
	struct blob blob = {.config = config, .buf = buf, .size = size};
	struct acpi_rsdp *rsdp = take(&blob, sizeof(*rsdp), 1);
	uint64_t rsdt, xsdt;

	if (!rsdp)
		return -ENOSPC;
	for (unsigned i = 0; i < ARRAY_SIZE(builders); i++)
		if (builders[i](&blob))
			return -ENOSPC;
	if (build_root(&blob, "RSDT", sizeof(uint32_t), &rsdt) ||
	    build_root(&blob, "XSDT", sizeof(uint64_t), &xsdt))
		return -ENOSPC;

	memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
	memcpy(rsdp->oem_id, "BULKHD", sizeof(rsdp->oem_id));
	rsdp->revision = 2;
	rsdp->rsdt_address = rsdt;
	rsdp->length = sizeof(*rsdp);
	rsdp->xsdt_address = xsdt;
	rsdp->checksum = table_checksum(rsdp, offsetof(struct acpi_rsdp, length));
	rsdp->extended_checksum = table_checksum(rsdp, sizeof(*rsdp));
	return blob.used;
}
