/*
 * The ACPI tables as a guest finds them: reached from the RSDP, with right lengths and
 * checksums, saying what the devices say; and iasl can read every one.
 */
/* links: guests/acpi/build.c guests/acpi/dsdt.asl kernel/io/acpi_parse.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guests/acpi/acpi.h"
#include "guests/acpi/tables.h"
#include "guests/devices/pm.h"
#include "guests/pci/pci.h"
#include "kernel/io/acpi_parse.h"
#include "kernel/vmm/vpic.h"

extern const uint8_t dsdt_aml[];
extern const uint32_t dsdt_aml_bytes;

#define PCI_HIGH 0x4000000000ull

struct built {
	uint8_t *bytes;
	int used;
};

static struct acpi_config config_for(unsigned vcpus)
{
	return (struct acpi_config){
		.base = ACPI_BASE,
		.vcpu_count = vcpus,
		.pci_high = PCI_HIGH,
		.watchdog = true,
		.dsdt = dsdt_aml,
		.dsdt_bytes = dsdt_aml_bytes,
	};
}

static struct built build(unsigned vcpus)
{
	const struct acpi_config config = config_for(vcpus);
	struct built built = {malloc(ACPI_BYTES), 0};

	memset(built.bytes, 0xee, ACPI_BYTES);
	built.used = acpi_build(built.bytes, ACPI_BYTES, &config);
	assert_in_range(built.used, 1, ACPI_BYTES);
	return built;
}

static void assert_sums_to_zero(const void *p, size_t bytes)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum += ((const uint8_t *)p)[i];
	assert_int_equal(sum, 0);
}

/* What lies at a guest-physical address; the whole table must lie in the blob. */
static const void *at(const struct built *built, uint64_t gpa, size_t bytes)
{
	assert_true(gpa >= ACPI_BASE && gpa - ACPI_BASE + bytes <= (uint64_t)built->used);
	return built->bytes + (gpa - ACPI_BASE);
}

static const struct acpi_header *table_at(const struct built *built, uint64_t gpa)
{
	const struct acpi_header *header = at(built, gpa, sizeof(*header));

	at(built, gpa, header->length);
	assert_sums_to_zero(header, header->length);
	return header;
}

static uint64_t root_entry(const struct acpi_header *root, unsigned i, size_t bytes)
{
	uint64_t gpa = 0;

	memcpy(&gpa, (const uint8_t *)(root + 1) + i * bytes, bytes);
	return gpa;
}

/* Follows the RSDP to a listed table. RSDT and XSDT must agree about it. */
static const void *find(const struct built *built, const char *signature)
{
	const struct acpi_rsdp *rsdp = at(built, ACPI_BASE, sizeof(*rsdp));
	const struct acpi_header *xsdt = table_at(built, rsdp->xsdt_address);
	const struct acpi_header *rsdt = table_at(built, rsdp->rsdt_address);
	unsigned count = (xsdt->length - sizeof(*xsdt)) / 8;

	assert_memory_equal(xsdt->signature, "XSDT", 4);
	assert_memory_equal(rsdt->signature, "RSDT", 4);
	assert_int_equal((rsdt->length - sizeof(*rsdt)) / 4, count);
	for (unsigned i = 0; i < count; i++) {
		const struct acpi_header *table = table_at(built, root_entry(xsdt, i, 8));

		assert_int_equal(root_entry(xsdt, i, 8), root_entry(rsdt, i, 4));
		if (!memcmp(table->signature, signature, 4))
			return table;
	}
	fail_msg("no %s", signature);
	return NULL;
}

static void test_rsdp(void **state)
{
	struct built built = build(2);
	const struct acpi_rsdp *rsdp = (void *)built.bytes;

	(void)state;
	assert_memory_equal(rsdp->signature, "RSD PTR ", 8);
	assert_sums_to_zero(rsdp, 20);
	assert_sums_to_zero(rsdp, sizeof(*rsdp));
	assert_int_equal(rsdp->revision, 2);
	assert_int_equal(ACPI_BASE % 16, 0); /* where kernels search for it */
	free(built.bytes);
}

static void test_fadt(void **state)
{
	struct built built = build(2);
	const struct acpi_fadt *fadt = find(&built, "FACP");
	const struct acpi_facs *facs = at(&built, fadt->firmware_ctrl, sizeof(*facs));

	(void)state;
	assert_int_equal(fadt->header.length, 276);
	assert_memory_equal(facs->signature, "FACS", 4);
	assert_int_equal(fadt->firmware_ctrl % 64, 0);
	/* Only a FACS above 4 GiB is named by the 64-bit field (table 5.9); Xen warns of it. */
	assert_int_equal(fadt->x_firmware_ctrl, 0);
	assert_memory_equal(table_at(&built, fadt->dsdt)->signature, "DSDT", 4);
	assert_int_equal(fadt->x_dsdt, fadt->dsdt);
	assert_int_equal(fadt->smi_cmd, 0); /* always in ACPI mode */
	assert_int_equal(fadt->sci_int, 9);
	assert_int_equal(fadt->pm1a_evt_blk, 0x600);
	assert_int_equal(fadt->x_pm1a_evt_blk.address, 0x600);
	assert_int_equal(fadt->x_pm1a_evt_blk.bit_width, fadt->pm1_evt_len * 8);
	assert_int_equal(fadt->x_pm1a_cnt_blk.address, fadt->pm1a_cnt_blk);
	assert_int_equal(fadt->x_pm1a_cnt_blk.bit_width, fadt->pm1_cnt_len * 8);
	assert_int_equal(fadt->x_pm_tmr_blk.address, fadt->pm_tmr_blk);
	assert_int_equal(fadt->x_pm_tmr_blk.bit_width, fadt->pm_tmr_len * 8);
	assert_int_equal(fadt->reset_reg.address, 0xcf9);
	assert_int_equal(fadt->reset_value, 6);
	assert_true(fadt->flags & FADT_RESET_REG_SUP);
	assert_false(fadt->flags & BIT(4));  /* the power button is fixed hardware */
	assert_false(fadt->flags & BIT(20)); /* not hardware-reduced */
	free(built.bytes);
}

/* Counts the MADT's entries of a type, and checks that entries fill the table exactly. */
static unsigned count_entries(const struct acpi_madt *madt, enum acpi_madt_type type,
			      const uint8_t **last)
{
	const uint8_t *p = (const uint8_t *)(madt + 1);
	const uint8_t *end = (const uint8_t *)madt + madt->header.length;
	unsigned count = 0;

	for (; p < end; p += p[1]) {
		assert_true(p[1] >= 2 && p[1] <= end - p);
		if (p[0] == type) {
			count++;
			*last = p;
		}
	}
	return count;
}

static void test_madt(void **state)
{
	static const struct {
		unsigned vcpus, xapic, x2apic;
	} cases[] = {{1, 1, 0},	    {2, 2, 0},	   {64, 64, 0},
		     {255, 255, 0}, {256, 255, 1}, {300, 255, 45}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct built built = build(cases[i].vcpus);
		const struct acpi_madt *madt = find(&built, "APIC");
		const uint8_t *p = NULL;

		assert_int_equal(madt->local_apic_address, 0xfee00000);
		assert_int_equal(count_entries(madt, MADT_LOCAL_APIC, &p), cases[i].xapic);
		assert_int_equal(p[3], cases[i].xapic - 1);
		assert_int_equal(count_entries(madt, MADT_LOCAL_X2APIC, &p), cases[i].x2apic);
		if (cases[i].x2apic)
			assert_int_equal(((struct acpi_madt_local_x2apic *)p)->x2apic_id,
					 cases[i].vcpus - 1);
		assert_int_equal(count_entries(madt, MADT_IO_APIC, &p), 1);
		assert_int_equal(((struct acpi_madt_io_apic *)p)->address, 0xfec00000);
		assert_int_equal(count_entries(madt, MADT_SOURCE_OVERRIDE, &p), 2);
		assert_int_equal(((struct acpi_madt_source_override *)p)->source, 9);
		assert_int_equal(((struct acpi_madt_source_override *)p)->flags, 0xd);
		assert_int_equal(count_entries(madt, MADT_LOCAL_APIC_NMI, &p), 1);
		free(built.bytes);
	}
}

static void test_mcfg(void **state)
{
	struct built built = build(2);
	const struct acpi_mcfg *mcfg = find(&built, "MCFG");

	(void)state;
	assert_int_equal(mcfg->header.length, 60);
	assert_int_equal(mcfg->base, PCI_ECAM_BASE);
	assert_int_equal(mcfg->segment, 0);
	assert_int_equal(mcfg->first_bus, 0);
	assert_int_equal((mcfg->last_bus + 1) * MIB, PCI_ECAM_BYTES);
	free(built.bytes);
}

/* The DSDT's soft-off is the one that the PM block obeys. */
static void test_soft_off(void **state)
{
	struct acpi_machine machine = {0};

	(void)state;
	acpi_parse_s5(dsdt_aml, dsdt_aml_bytes, &machine);
	assert_true(machine.s5_known);
	assert_int_equal(machine.s5_type_a, PM_S5_SLP_TYP);
}

/* A buffer of any smaller size is refused, and not written past (the sanitizer watches). */
static void test_every_size(void **state)
{
	struct built built = build(3);
	const struct acpi_config config = config_for(3);

	(void)state;
	for (int bytes = 0; bytes <= built.used; bytes++) {
		void *buf = malloc(bytes ? bytes : 1);
		int used = acpi_build(buf, bytes, &config);

		assert_int_equal(used, bytes < built.used ? -ENOSPC : built.used);
		if (used > 0)
			assert_memory_equal(buf, built.bytes, used);
		free(buf);
	}
	free(built.bytes);
}

/* Disassembles a table; iasl must not complain. */
static void run_iasl(const char *dir, const struct acpi_header *table)
{
	char path[100], command[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%.4s.dat", dir, table->signature);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(table, 1, table->length, file), table->length);
	fclose(file);
	snprintf(command, sizeof(command),
		 "iasl -d %s >%s/log 2>&1 && ! grep -Ei 'error|warning|invalid' %s/log "
		 "%s/%.4s.dsl",
		 path, dir, dir, dir, table->signature);
	if (system(command))
		fail_msg("iasl on %.4s: see %s/log", table->signature, dir);
}

/* What acpiexec, a system's interpreter of AML, says to commands, each of which ends with a
 * `\n` of printf(1), about both tables together. */
static void run_acpiexec(const char *dir, const char *command, char *said, size_t bytes)
{
	char line[300];
	FILE *pipe;

	snprintf(line, sizeof(line),
		 "cd %s && printf '%squit\\n' | acpiexec DSDT.dat SSDT.dat 2>&1", dir, command);
	pipe = popen(line, "r");
	assert_non_null(pipe);
	said[fread(said, 1, bytes - 1, pipe)] = '\0';
	assert_int_equal(pclose(pipe), 0);
}

static void assert_said(const char *said, const char *what, unsigned long long value)
{
	char expected[60];

	snprintf(expected, sizeof(expected), "%s : %0*llX", what, value > 0xffffffff ? 16 : 8,
		 value);
	if (!strstr(said, expected))
		fail_msg("no `%s` in:\n%s", expected, said);
}

/* The next thing of a kind that it said behind *at, as a number in a base. */
static unsigned long long next_number(const char **at, const char *what, int base)
{
	*at = strstr(*at + 1, what);
	assert_non_null(*at);
	return strtoull(*at + strlen(what), NULL, base);
}

/* Each slot's INTA# is where it is wired to: once the system has said that it uses I/O APICs,
 * their pin, before that, or when it says otherwise, a link of the 8259 pair's. */
static void check_routing(const char *dir)
{
	static const char *const modes[] = {"", "evaluate \\\\_PIC 0\\n",
					    "evaluate \\\\_PIC 1\\n"};
	static char said[64 * 1024];
	const char *at;
	char command[100];

	for (unsigned mode = 0; mode < ARRAY_SIZE(modes); mode++) {
		snprintf(command, sizeof(command), "%sevaluate \\\\_SB.PCI0._PRT\\n",
			 modes[mode]);
		run_acpiexec(dir, command, said, sizeof(said));
		at = strstr(said, "[Package] Contains 31 Elements");
		assert_non_null(at);
		for (unsigned slot = 1; slot < PCI_SLOTS; slot++) {
			assert_int_equal(next_number(&at, "[Integer] = ", 16),
					 slot << 16 | 0xffff);
			assert_int_equal(next_number(&at, "[Integer] = ", 16), 0);
			if (mode == 2) {
				assert_int_equal(next_number(&at, "[Integer] = ", 16), 0);
				assert_int_equal(next_number(&at, "[Integer] = ", 16),
						 pci_slot_gsi(slot));
				continue;
			}
			at = strstr(at, "Name LNK");
			assert_non_null(at);
			assert_int_equal(at[strlen("Name LNK")],
					 vpic_pci_irq(pci_slot_gsi(slot)) == 10	  ? 'A'
					 : vpic_pci_irq(pci_slot_gsi(slot)) == 11 ? 'B'
										  : 'C');
			assert_int_equal(next_number(&at, "[Integer] = ", 16), 0);
		}
	}
}

/* The IRQ of each link, now, and the only one that it may have: vpic_pci_irq()'s, as levels. */
static void check_links(const char *dir)
{
	static const unsigned irqs[] = {10, 11, 5};
	static char said[64 * 1024];
	char command[100];

	for (unsigned i = 0; i < ARRAY_SIZE(irqs); i++) {
		const char *at = said;

		snprintf(command, sizeof(command), "resources \\\\_SB.LNK%c\\n", 'A' + i);
		run_acpiexec(dir, command, said, sizeof(said));
		for (unsigned n = 0; n < 2; n++) { /* _CRS and _PRS */
			at = strstr(at, "Triggering : Level");
			assert_non_null(at);
			assert_int_equal(next_number(&at, "Interrupt Count : ", 16), 1);
			assert_int_equal(next_number(&at, "Interrupt List : ", 16), irqs[i]);
		}
	}
}

/* The root's windows are those of pci.h. */
static void check_pci_root(const char *dir)
{
	static char said[64 * 1024];

	run_acpiexec(dir, "resources \\\\_SB.PCI0\\n", said, sizeof(said));
	assert_said(said, "Address Minimum", PCI_HIGH);
	assert_said(said, "Address Maximum", 2 * PCI_HIGH - 1);
	assert_said(said, "Address Length", PCI_HIGH);
	assert_said(said, "Address Minimum", PCI_WINDOW_BASE);
	assert_said(said, "Address Maximum", PCI_WINDOW_BASE + PCI_WINDOW_BYTES - 1);
	run_acpiexec(dir, "resources \\\\_SB.SYSR\\n", said, sizeof(said));
	assert_said(said, "Address", PCI_ECAM_BASE);
	assert_said(said, "Address Length", PCI_ECAM_BYTES);
}

static void test_iasl_reads_them(void **state)
{
	char dir[] = P_tmpdir "/test_acpi.XXXXXX", command[100];
	struct built built = build(4);
	const struct acpi_fadt *fadt = find(&built, "FACP");
	const struct acpi_rsdp *rsdp = (void *)built.bytes;

	(void)state;
	assert_non_null(mkdtemp(dir));
	run_iasl(dir, &fadt->header);
	run_iasl(dir, find(&built, "APIC"));
	run_iasl(dir, find(&built, "MCFG"));
	run_iasl(dir, find(&built, "SSDT"));
	run_iasl(dir, find(&built, "WDAT"));
	run_iasl(dir, table_at(&built, fadt->dsdt));
	run_iasl(dir, table_at(&built, rsdp->xsdt_address));
	check_pci_root(dir);
	check_routing(dir);
	check_links(dir);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
	free(built.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsdp),
		cmocka_unit_test(test_fadt),
		cmocka_unit_test(test_madt),
		cmocka_unit_test(test_soft_off),
		cmocka_unit_test(test_mcfg),
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_iasl_reads_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
