/*
 * What a PC's firmware leaves below 1 MiB: the BIOS data area says where the EBDA is and how
 * much memory lies below it, as the loader's map does; each of the 256 real-mode vectors leads
 * to code that returns with CF set and all registers as they were; and a jump to FFFF:0000
 * resets. Kernels look there without asking whether there is a BIOS. The program ends by that
 * jump, again after each restart, until the hypervisor stops it.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"

#define PROBE	0x9000 /* real-mode code, at a page for SIPI */
#define RESULTS 0x9800 /* shared with it: counts of vectors, then two flags */
#define RESET	0x467  /* warm-reset vector: zero unless someone wrote it */

#define MODEL	0xffffe
#define MAX_MS	2000

extern const char bios_probe[], bios_probe_end[];

/* Executes INT n for each n; AX, BX, SP and DS must come back. Then waits for the word to jump.
 */
asm(".pushsection .text\n"
    ".code16\n"
    "bios_probe:\n"
    "	cli\n"
    "	xor %ax, %ax\n"
    "	mov %ax, %ds\n"
    "	mov %ax, %ss\n"
    "	mov $0x7000, %sp\n"
    "	xor %bx, %bx\n"
    "	xor %cx, %cx\n"
    "1:	movb %bl, 0x9000 + bios_int - bios_probe + 1\n"
    "	jmp 2f\n"
    "2:	mov $0x1234, %ax\n"
    "	mov $0x5678, %bp\n"
    "	clc\n"
    "bios_int:\n"
    "	int $0\n"
    "	jnc 3f\n"
    "	cmp $0x1234, %ax\n"
    "	jne 3f\n"
    "	cmp $0x5678, %bp\n"
    "	jne 3f\n"
    "	cmp $0x7000, %sp\n"
    "	jne 3f\n"
    "	inc %cx\n"
    "3:	inc %bl\n"
    "	jnz 1b\n"
    "	movw %cx, 0x9800\n"
    "	movw $1, 0x9802\n"
    "4:	pause\n"
    "	cmpw $0, 0x9804\n"
    "	je 4b\n"
    "	ljmp $0xffff, $0\n"
    "bios_probe_end:\n"
    ".code64\n"
    ".popsection\n");

/* Memory so low that GCC would take its address for a null pointer's. */
static uint64_t peek(uintptr_t at, unsigned bytes)
{
	volatile const uint8_t *p = (volatile const uint8_t *)at;
	uint64_t value = 0;

	asm volatile("" : "+r"(p));
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)p[i] << 8 * i;
	return value;
}

static void expect(uintptr_t at, unsigned bytes, uint64_t value, const char *name)
{
	check(peek(at, bytes) == value, name, "0x%lx is at 0x%lx", peek(at, bytes), at);
}

static void check_data(void)
{
	const uint32_t *info = (const uint32_t *)multiboot_info;
	uint64_t low_kib = info[1]; /* mem_lower */

	expect(0x413, 2, low_kib, "base memory");
	expect(0x40e, 2, low_kib * 1024 / 16, "EBDA segment");
	expect(low_kib * 1024, 1, 1, "EBDA size");
	expect(0x400, 4, 0x02f803f8, "serial ports");
	expect(0x410, 2, 0x0402, "equipment");
	expect(RESET, 4, 0, "warm-reset vector");
	expect(MODEL, 1, 0xfc, "model byte");
}

static void check_vectors(void)
{
	volatile uint16_t *results = (volatile uint16_t *)RESULTS;
	uint32_t start;

	for (const char *from = bios_probe; from < bios_probe_end; from++)
		*(volatile char *)(PROBE + (from - bios_probe)) = *from;
	results[0] = results[1] = results[2] = 0;
	apic_ipi(1, ICR_ASSERT | ICR_INIT);
	delay_us(10000);
	apic_ipi(1, ICR_ASSERT | ICR_SIPI | PROBE >> 12);
	for (start = pm_now(); !results[1] && pm_us_since(start) < MAX_MS * 1000;)
		pause();
	check(results[1], "all vectors return", "the probe does not come to its end");
	check(results[0] == 256, "all vectors say that they failed", "%u of 256 do",
	      results[0]);
}

void test(void)
{
	check_data();
	check_vectors();
	print("about to jump to FFFF:0000\n");
	*(volatile uint16_t *)(RESULTS + 4) = 1;
	delay_us(MAX_MS * 1000);
	give_up("a jump to FFFF:0000 does not reset");
}
