/*
 * The table of MSRs on CPUs of each vendor, at the numbers' and values' edges, and docs/cpu.md,
 * which has every row of it and of the guest program's list of instructions.
 */
/* links: kernel/vmm/msr.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "kernel/cpu/msr.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/place.h"
#include "kernel/vmm/pvclock.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"
#include "kernel/vmm/vtsc.h"

struct cpu_features cpu_features = {.phys_bits = 40};
static uint64_t regs[REG_COUNT];
static struct vm vm;
static struct vcpu vcpu = {.vm = &vm};

static uint64_t get_reg(struct vcpu *v, enum vcpu_reg reg)
{
	(void)v;
	return regs[reg];
}

static void set_reg(struct vcpu *v, enum vcpu_reg reg, uint64_t value)
{
	(void)v;
	regs[reg] = value;
}

static const struct vmm_backend backend = {.get_reg = get_reg, .set_reg = set_reg};
const struct vmm_backend *vmm_backend = &backend;

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	(void)account;
	return calloc(1, bytes);
}

static char said[160]; /* the last line of the log */
static unsigned lines;

void log_line(enum log_level level, const char *scope, const char *format, ...)
{
	va_list args;

	(void)level, (void)scope;
	va_start(args, format);
	vsnprintf(said, sizeof said, format, args);
	va_end(args);
	lines++;
}

struct vcpu_place vcpu_place(struct vcpu *v)
{
	(void)v;
	return (struct vcpu_place){"somewhere"};
}

int wrmsr_safe(uint32_t msr, uint64_t value)
{
	(void)msr, (void)value;
	return 0;
}

bool vlapic_owns_msr(uint32_t msr)
{
	(void)msr;
	return false;
}

int vlapic_rdmsr(struct vlapic *lapic, uint32_t msr, uint64_t *value)
{
	(void)lapic, (void)msr, (void)value;
	return -EPERM;
}

int vlapic_wrmsr(struct vlapic *lapic, uint32_t msr, uint64_t value)
{
	(void)lapic, (void)msr, (void)value;
	return -EPERM;
}

int pvclock_write_wall(struct vcpu *v, uint64_t gpa)
{
	(void)v, (void)gpa;
	return 0;
}

int pvclock_write_system(struct vcpu *v, uint64_t value)
{
	v->pvclock = value;
	return 0;
}

uint64_t vtsc_read(const struct vcpu *v)
{
	return 1000 + v->tsc_adjust;
}

void vtsc_write(struct vcpu *v, uint64_t tsc)
{
	v->tsc_adjust = tsc - 1000;
}

void vtsc_set_adjust(struct vcpu *v, uint64_t adjust)
{
	v->tsc_adjust = adjust;
}

struct cpuid features_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
	(void)v, (void)subleaf;
	return (struct cpuid){leaf, 1, 2, 3};
}

uint64_t features_efer_mask(void)
{
	return EFER_SCE | EFER_LME | EFER_LMA;
}

static int setup(void **state)
{
	(void)state;
	memset(regs, 0, sizeof regs);
	vm.gmem = (struct gmem){.bytes = 5 * GIB, .low_bytes = 3 * GIB};
	vcpu.tsc_adjust = 0;
	atomic_store(&vcpu.counters.msr_unknown_reads, 0);
	atomic_store(&vcpu.counters.msr_unknown_writes, 0);
	free(vcpu.msrs);
	vcpu.msrs = features_msrs_create(NULL);
	return 0;
}

static uint64_t got(uint32_t msr)
{
	uint64_t value = 0;

	assert_int_equal(features_rdmsr(&vcpu, msr, &value), 0);
	return value;
}

static bool taken(uint32_t msr, uint64_t value)
{
	return features_wrmsr(&vcpu, msr, value) == 0;
}

static bool is_absent(uint32_t msr)
{
	uint64_t value;

	return features_rdmsr(&vcpu, msr, &value) == -EPERM && !taken(msr, 0);
}

/* Every AMD64 CPU has four counters without saying so; Intel's have none there. */
static void legacy_counters_are_amds(void **state)
{
	(void)state;
	cpu_features.vendor = CPU_VENDOR_AMD;
	for (uint32_t msr = 0xc0010000; msr <= 0xc0010007; msr++) {
		assert_int_equal(got(msr), 0);
		assert_true(taken(msr, 0x123456789abcdef0 + msr));
	}
	for (uint32_t msr = 0xc0010000; msr <= 0xc0010007; msr++)
		assert_int_equal(got(msr), 0x123456789abcdef0 + msr);
	assert_true(is_absent(0xc0010008));
	assert_true(is_absent(0xc000ffff));
	cpu_features.vendor = CPU_VENDOR_INTEL;
	assert_true(is_absent(0xc0010000));
	assert_true(is_absent(0xc0010007));
}

/* One number, two rows. */
static void vendors_differ(void **state)
{
	(void)state;
	cpu_features.vendor = CPU_VENDOR_AMD;
	assert_int_equal(got(0x8b), 0x1000065);
	assert_true(taken(0x1d9, 0x3f));
	assert_int_equal(got(0x1d9), 0x3f);
	assert_true(is_absent(0x1a0));
	cpu_features.vendor = CPU_VENDOR_INTEL;
	assert_int_equal(got(0x8b), 1ull << 32);
	assert_false(taken(0x1d9, 4));
	assert_true(taken(0x1d9, 3));
	cpu_features.vendor = CPU_VENDOR_OTHER; /* as Intel's */
	assert_int_equal(got(0x1d9), 3);
	assert_int_equal(got(0x3a), 1);
	assert_false(taken(0x3a, 5));
}

/* Bits that always read as one may be written either way, those that are always zero not. */
static void fixed_bits(void **state)
{
	(void)state;
	cpu_features.vendor = CPU_VENDOR_INTEL;
	assert_int_equal(got(0x1a0), 0x1801);
	assert_true(taken(0x1a0, 0));
	assert_int_equal(got(0x1a0), 0x1800);
	cpu_features.vendor = CPU_VENDOR_AMD;
	assert_int_equal(got(0xc0010015), 0x1000001);
	assert_true(taken(0xc0010015, 8));
	assert_int_equal(got(0xc0010015), 0x1000009);
	assert_false(taken(0xc0010015, BIT(31)));
	assert_int_equal(got(0xc0010015), 0x1000009);
	features_msrs_reset(vcpu.msrs);
	assert_int_equal(got(0xc0010015), 0x1000001);
}

static void memory_types(void **state)
{
	static const uint64_t bad[] = {2, 3, 7, 0x106, BIT(40) | 6};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(taken(0x200, bad[i]));
	assert_true(taken(0x20e, (BIT(40) - 0x1000) | 6));
	assert_true(taken(0x201, 0x800));
	assert_false(taken(0x201, 0x400));
	assert_false(taken(0x20f, BIT(40)));
	assert_true(taken(0x250, 0x0605040100060504));
	assert_false(taken(0x26f, 0x0200000000000000));
	assert_true(taken(0x2ff, 0xc00));
	assert_false(taken(0x2ff, 0xc02));
	assert_false(taken(0x2ff, 0x1006));
	assert_int_equal(got(0x2ff), 0xc00);
	assert_int_equal(got(0x250), 0x0605040100060504);
}

static void computed_ones(void **state)
{
	(void)state;
	cpu_features.vendor = CPU_VENDOR_AMD;
	assert_int_equal(got(0xc001001a), 3 * GIB);
	assert_int_equal(got(0xc001001d), 6 * GIB);
	assert_true(taken(0xc001001a, 0));
	assert_int_equal(got(0xc001001a), 3 * GIB);
	assert_int_equal(got(0xc0010030), 1ull << 32 | 0x80000002);
	assert_int_equal(got(0xc0010031), 3ull << 32 | 2);
	assert_int_equal(got(0xc0010035), 3ull << 32 | 2);
	assert_int_equal(got(0xc0010034), 1ull << 32 | 0x80000004);
	assert_true(taken(0x10, 5000));
	assert_int_equal(got(0x10), 5000);
	assert_int_equal(got(0x3b), 4000);
	assert_true(taken(0x3b, 1));
	assert_int_equal(got(0x10), 1001);
	assert_true(taken(0x11, 0) && taken(0x4b564d00, 0));
	assert_int_equal(features_rdmsr(&vcpu, 0x11, &(uint64_t){0}), -EPERM);
}

static void registers(void **state)
{
	(void)state;
	assert_true(taken(0xc0000082, 0xffff800000001234));
	assert_int_equal(regs[REG_LSTAR], 0xffff800000001234);
	assert_false(taken(0xc0000082, BIT(47)));
	assert_true(taken(0xc0000081, BIT(47)));
	assert_int_equal(got(0xc0000082), 0xffff800000001234);
	assert_false(taken(0x277, 2));
	assert_false(taken(0x277, 7ull << 56 | 3));
	assert_true(taken(0x277, 7ull << 56));
	assert_false(taken(0xc0000080, BIT(1)));
	assert_false(taken(0xc0000103, BIT(32)));
	assert_true(taken(0xc0000103, 7));
	assert_int_equal(got(0xc0000103), 7);
}

/* What is listed as absent and what is not listed are the same, and both are counted. */
static void absent_ones_are_counted(void **state)
{
	(void)state;
	assert_true(is_absent(0x480) && is_absent(0x12345));
	assert_int_equal(vcpu.counters.msr_unknown_reads, 2);
	assert_int_equal(vcpu.counters.msr_unknown_writes, 2);
	assert_int_equal(lines, 0);
	while (vcpu.counters.msr_unknown_reads < BUS_UNCLAIMED_MANY - 1)
		assert_true(is_absent(0x480));
	assert_int_equal(lines, 0);
	assert_true(is_absent(0x481) && is_absent(0x482)); /* the first is the one to many */
	assert_int_equal(lines, 2);			   /* of reads, and of writes */
	assert_non_null(strstr(said, "now 0x481 (somewhere)"));
}

/* ---- docs/cpu.md ---- */

#define INTEL 1
#define AMD   2
#define BOTH  3

enum gets { G_READS, G_IGNORES, G_KEEPS, G_OWN, G_SETS, G_VANISHES, G_LAPIC, G_ABSENT };

struct row {
	uint32_t first, last;
	unsigned cpus;
	const char *name, *why;
	enum gets gets;
	uint64_t value, bits;
};

#define MSR(from, to, on, what, called, because) \
	{.first = (from), .last = (to), .cpus = (on), .name = (called), .why = (because), what},
#define READS(v)	.gets = G_READS, .value = (v)
#define IGNORES(v)	.gets = G_IGNORES, .value = (v)
#define KEEPS(v, mask)	.gets = G_KEEPS, .value = (v), .bits = (mask)
#define TYPES(v, mask)	.gets = G_KEEPS, .value = (v), .bits = (mask)
#define REGISTER(r)	.gets = G_OWN
#define ADDRESS(r)	.gets = G_OWN
#define CALLS(get, set) .gets = G_OWN
#define SETS(set)	.gets = G_SETS
#define VANISHES	.gets = G_VANISHES
#define LAPIC		.gets = G_LAPIC
#define ABSENT		.gets = G_ABSENT
static const struct row rows[] = {
#include "kernel/vmm/msr_table.h"
};

static const struct insn {
	const char *name;
	unsigned cpus;
	const char *gets, *why;
} insns[] = {
#define RUNS					"runs"
#define UD					"#UD"
#define GP					"#GP(0)"
#define INSN(called, code, on, result, because) {called, on, result, because},
#include "tests/guest/instructions.h"
};

static const char *where(unsigned mask)
{
	return mask == BOTH ? "both" : mask == INTEL ? "Intel" : "AMD";
}

static void write_gets(char *text, size_t bytes, const struct row *row)
{
	static const char *const words[] = {
		[G_READS] = "reads 0x%llx; WRMSR is #GP",
		[G_IGNORES] = "reads 0x%llx; writes are ignored",
		[G_KEEPS] = "keeps what is written (bits 0x%llx; 0x%llx at reset)",
		[G_OWN] = "works",
		[G_SETS] = "WRMSR works; RDMSR is #GP",
		[G_VANISHES] = "writes are ignored; RDMSR is #GP",
		[G_LAPIC] = "works",
		[G_ABSENT] = "#GP",
	};

	snprintf(text, bytes, words[row->gets],
		 (unsigned long long)(row->gets == G_KEEPS ? row->bits : row->value),
		 (unsigned long long)row->value);
}

static void write_row(char *line, size_t bytes, const struct row *row)
{
	char number[40], gets[100];

	if (row->first == row->last)
		snprintf(number, sizeof number, "0x%x", row->first);
	else
		snprintf(number, sizeof number, "0x%x–0x%x", row->first, row->last);
	write_gets(gets, sizeof gets, row);
	snprintf(line, bytes, "| %s | %s | %s | %s | %s |\n", number, row->name,
		 where(row->cpus), gets, row->why);
}

static void write_tables(FILE *out)
{
	char line[400];

	fprintf(out, "| MSR | name | on | a guest finds | why |\n|---|---|---|---|---|\n");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		write_row(line, sizeof line, &rows[i]);
		fputs(line, out);
	}
	fprintf(out, "\n| instruction | on | a guest finds | why |\n|---|---|---|---|\n");
	for (unsigned i = 0; i < ARRAY_SIZE(insns); i++)
		fprintf(out, "| %s | %s | %s | %s |\n", insns[i].name, where(insns[i].cpus),
			insns[i].gets, insns[i].why);
}

static void rows_are_in_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_true(rows[i].first <= rows[i].last);
		if (!i)
			continue;
		assert_true(rows[i - 1].first <= rows[i].first);
		if (rows[i - 1].cpus & rows[i].cpus)
			assert_true(rows[i - 1].last < rows[i].first);
	}
}

static void the_page_has_them_all(void **state)
{
	static char page[64 * KIB];
	char *tables = NULL;
	size_t bytes = 0;
	FILE *file = fopen("docs/cpu.md", "r"), *out = open_memstream(&tables, &bytes);

	(void)state;
	assert_non_null(file);
	page[fread(page, 1, sizeof page - 1, file)] = '\0';
	fclose(file);
	write_tables(out);
	fclose(out);
	if (!strstr(page, tables))
		fail_msg("other tables than build/unit/test_cpu_table --print writes");
	free(tables);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(legacy_counters_are_amds, setup),
		cmocka_unit_test_setup(vendors_differ, setup),
		cmocka_unit_test_setup(fixed_bits, setup),
		cmocka_unit_test_setup(memory_types, setup),
		cmocka_unit_test_setup(computed_ones, setup),
		cmocka_unit_test_setup(registers, setup),
		cmocka_unit_test_setup(absent_ones_are_counted, setup),
		cmocka_unit_test_setup(rows_are_in_order, setup),
		cmocka_unit_test_setup(the_page_has_them_all, setup),
	};

	if (argc > 1 && !strcmp(argv[1], "--print")) {
		write_tables(stdout);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
