/* Configuration space by memory and by ports, on a machine that is played: which way leads to
 * which segment, what a wrong MCFG does, and memory that is not there. */
/* links: drivers/bus/pci_config.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers/bus/pci.h"
#include "drivers/bus/pci_internal.h"
#include "kernel/cpu/port.h"
#include "kernel/log/log.h"
#include "kernel/mem/hostmap.h"

#define SPACE_BYTES 4096
#define BUS_BYTES   (32 * 8 * SPACE_BYTES)

/* ---- the machine ---- */

struct acpi_machine acpi_machine;

static uint8_t *memory[2]; /* ECAM of two segments, one bus each */
static uint32_t address;   /* CF8h */
static uint8_t by_ports[256];
static unsigned calls, fail_at, mapped, warnings, errors;
static char line[256];

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	(void)area;
	warnings += level == LOG_WARN;
	errors += level == LOG_ERROR;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
}

void *vmap(uint64_t phys, uint64_t bytes, unsigned prot)
{
	assert_true(prot & PT_UNCACHED);
	assert_int_equal(bytes, BUS_BYTES);
	if (++calls == fail_at)
		return NULL;
	mapped++;
	return memory[phys == acpi_machine.segments[1].phys + (0x80 << 20)];
}

void vmap_free(void *virt)
{
	assert_non_null(virt);
	mapped--;
}

void outl(uint16_t port, uint32_t value)
{
	if (port == 0xcf8)
		address = value;
	else
		memcpy(by_ports + (address & 0xfc), &value, 4);
}

void outw(uint16_t port, uint16_t value)
{
	memcpy(by_ports + (address & 0xfc) + (port & 3), &value, 2);
}

void outb(uint16_t port, uint8_t value)
{
	by_ports[(address & 0xfc) + (port & 3)] = value;
}

/* Function 0:0.0 is the only one there. */
static uint32_t in(uint16_t port, unsigned bytes)
{
	uint32_t value = 0;

	assert_int_equal(port & ~3u, 0xcfc);
	assert_int_equal(address >> 24 & 0x7f, 0);
	if (address & 0xffff00)
		return UINT32_MAX;
	memcpy(&value, by_ports + (address & 0xfc) + (port & 3), bytes);
	return value;
}

uint8_t inb(uint16_t port)
{
	return (uint8_t)in(port, 1);
}

uint16_t inw(uint16_t port)
{
	return (uint16_t)in(port, 2);
}

uint32_t inl(uint16_t port)
{
	return in(port, 4);
}

/* ---- tests: each start is a process of its own, as there is one in a machine's life ---- */

static const struct pci_device first, second = {.segment = 1, .bus = 0x80},
				      beyond = {.segment = 1, .bus = 0x81};

static void put(uint8_t *space, uint32_t value)
{
	memcpy(space, &value, 4);
}

static int start(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		memory[i] = calloc(1, BUS_BYTES);
		put(memory[i], i ? 0x22228086 : 0x11118086);
	}
	put(by_ports, 0x11118086);
	acpi_machine.segment_count = 2;
	acpi_machine.segments[0] = (struct acpi_segment){.phys = 0xe0000000};
	acpi_machine.segments[1] = (struct acpi_segment){
		.phys = 0x100000000, .segment = 1, .bus_first = 0x80, .bus_last = 0x80};
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free(memory[0]);
	free(memory[1]);
	return 0;
}

static void apart(void (*fn)(unsigned), unsigned arg)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (!child) {
		fn(arg);
		_exit(0); /* an assertion that fails ends otherwise */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define SEE(what)                                                                  \
	do {                                                                       \
		if (!(what)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
			_exit(1);                                                  \
		}                                                                  \
	} while (0)

/* Each width, each way; what is written is read again. */
static void see_widths(const struct pci_device *d)
{
	pci_write(d, 0x40, 4, 0x44332211);
	SEE(pci_read(d, 0x40, 4) == 0x44332211);
	pci_write(d, 0x42, 2, 0x6655);
	pci_write(d, 0x41, 1, 0x77);
	SEE(pci_read(d, 0x40, 4) == 0x66557711);
	SEE(pci_read(d, 0x42, 2) == 0x6655);
	SEE(pci_read(d, 0x43, 1) == 0x66);
}

static void by_memory(unsigned arg)
{
	(void)arg;
	pci_config_init();
	SEE(pci_config_segment(0)->ecam && pci_config_segment(1)->ecam);
	SEE(!pci_config_segment(2));
	SEE(pci_read(&first, 0, 4) == 0x11118086);
	SEE(pci_read(&second, 0, 4) == 0x22228086);
	see_widths(&second);
	SEE(memory[1][0x41] == 0x77);
	pci_write(&second, 4092, 4, 0x01020304); /* the last of its space, and behind it */
	SEE(pci_read(&second, 4092, 4) == 0x01020304);
	pci_write(&second, 4096, 1, 5);
	SEE(pci_read(&second, 4096, 1) == 0xff);
	SEE(memory[1][4096] == 0);
	pci_write(&beyond, 0, 4, 0);
	SEE(pci_read(&beyond, 0, 4) == UINT32_MAX);
	SEE(pci_read(&beyond, 0, 2) == 0xffff);
	SEE(warnings + errors == 0);
}

static void by_memory_in_its_process(void **state)
{
	(void)state;
	apart(by_memory, 0);
}

static void see_ports(void)
{
	SEE(pci_read(&first, 0, 4) == 0x11118086);
	see_widths(&first);
	SEE(by_ports[0x41] == 0x77);
	SEE(memory[0][0x41] == 0);
	SEE(pci_read(&first, 252, 4) == 0);
	SEE(pci_read(&first, 256, 1) == 0xff); /* ports reach no further */
	SEE(pci_read(&(struct pci_device){.bus = 255}, 0, 4) == UINT32_MAX);
}

static void without_mcfg(unsigned arg)
{
	(void)arg;
	acpi_machine.segment_count = 0;
	pci_config_init();
	SEE(pci_config_segment(0) && !pci_config_segment(1));
	see_ports();
}

/* It points to something else: what ports show is believed. A segment whose last bus comes
 * before its first has none. */
static void with_a_wrong_mcfg(unsigned arg)
{
	(void)arg;
	put(memory[0], 0x33338086);
	acpi_machine.segments[1].bus_last = 0x7f;
	pci_config_init();
	SEE(warnings == 1 && strstr(line, "segment 0 at 0xe0000000, where it is not"));
	SEE(mapped == 0);
	SEE(!pci_config_segment(1));
	see_ports();
}

static void by_ports_in_their_process(void **state)
{
	(void)state;
	apart(without_mcfg, 0);
	apart(with_a_wrong_mcfg, 0);
}

/* Segment 0 is reached by ports then, another one not at all; the log says so. */
static void without_a_mapping(unsigned at)
{
	fail_at = at;
	pci_config_init();
	SEE(calls == 2 && mapped == (at > 2 ? 2 : 1));
	SEE(errors == (at > 2 ? 0 : 1));
	if (at == 1) {
		SEE(strstr(line, "no memory to map the configuration space of segment 0"));
		see_ports();
	}
	SEE(pci_read(&second, 0, 4) == (at == 2 ? UINT32_MAX : 0x22228086));
}

static void every_mapping_may_fail(void **state)
{
	(void)state;
	for (unsigned at = 1; at <= 3; at++)
		apart(without_a_mapping, at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_memory_in_its_process, start, stop),
		cmocka_unit_test_setup_teardown(by_ports_in_their_process, start, stop),
		cmocka_unit_test_setup_teardown(every_mapping_may_fail, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
