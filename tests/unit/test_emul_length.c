/*
 * The decoder's lengths against another disassembler's: every instruction of some large
 * programs as objdump reads them, and random bytes in each mode. Skipped without objdump.
 */
/* links: kernel/vmm/emul/alu.c kernel/vmm/emul/decode.c kernel/vmm/emul/tables.c */
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

#include "kernel/vmm/emul/emul.h"

#define WANTED_INSNS 200000u
#define RANDOM_BYTES 400000u
#define SHOWN	     20u

struct tally {
	unsigned total, wrong;
};

/* Parses "  401000:\t48 8b 05 ...\tmov ..."; returns the number of bytes, 0 if it isn't one. */
static unsigned parse_line(const char *line, uint8_t bytes[16], const char **text)
{
	const char *at = strchr(line, '\t');
	unsigned count = 0;

	if (!at)
		return 0;
	for (at++; count < 16; at += 3) {
		char *end;
		unsigned long byte = strtoul(at, &end, 16);

		if (end != at + 2 || (*end != ' ' && *end != '\t'))
			break;
		bytes[count++] = byte;
	}
	*text = strchr(at, '\t');
	return *text ? count : 0;
}

/* What objdump puts before an instruction's name, or on a line of its own where no
 * instruction follows: prefixes that aren't part of the operands. */
static bool is_prefix(const char *word, size_t length)
{
	static const char *const prefixes[] = {
		"cs",	  "ds",	    "es",	"ss",	    "fs",   "gs",
		"data16", "addr16", "data32",	"addr32",   "lock", "rep",
		"repz",	  "repnz",  "xacquire", "xrelease", "bnd"};

	if (!strncmp(word, "rex", 3))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (strlen(prefixes[i]) == length && !strncmp(word, prefixes[i], length))
			return true;
	}
	return false;
}

/* Instructions that CPUs of today don't have: AMD's XOP, VIA's PadLock. */
static bool is_gone(const char *name)
{
	static const char *const gone[] = {"vpcom", "vpermil2", "xcrypt",
					   "xsha",  "xstore",	"montmul"};

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		if (!strncmp(name, gone[i], strlen(gone[i])))
			return true;
	}
	return false;
}

/*
 * Lines that don't show one instruction of today's CPUs: prefixes alone, LOCK where it is #UD
 * (objdump doesn't mind), FWAIT joined to what follows it, prefixes before VEX, and the test
 * registers of the 80386.
 */
static bool is_odd(const char *text, const uint8_t *bytes)
{
	bool has_prefix = false;

	if (strstr(text, "(bad)") || strstr(text, "{bad}") || strstr(text, ".byte") ||
	    strstr(text, "lock") || strstr(text, "%tr"))
		return true;
	for (text += strspn(text, "\t "); *text && *text != '\n'; text += strspn(text, "\t ")) {
		size_t length = strcspn(text, "\t \n");

		if (!is_prefix(text, length))
			return (*text == 'f' && memchr(bytes, 0x9b, 3)) ||
			       (*text == 'v' && has_prefix) || is_gone(text);
		has_prefix = true;
		text += length;
	}
	return true;
}

/* As the decoder must see it: alone, one byte short, and followed by other bytes. */
static bool is_right(enum emul_mode mode, const uint8_t *bytes, unsigned count)
{
	uint8_t padded[EMUL_INSN_MAX];
	struct emul_insn insn;

	memset(padded, 0xa5, sizeof(padded));
	memcpy(padded, bytes, count);
	return emul_decode(&insn, mode, bytes, count) == 0 && insn.length == count &&
	       emul_decode(&insn, mode, padded, EMUL_INSN_MAX) == 0 && insn.length == count &&
	       emul_decode(&insn, mode, bytes, count - 1) == -ENODATA;
}

static void check_listing(const char *command, enum emul_mode mode, struct tally *tally)
{
	FILE *listing = popen(command, "r");
	char line[512];

	assert_non_null(listing);
	while (fgets(line, sizeof(line), listing)) {
		const char *text;
		uint8_t bytes[16];
		unsigned count = parse_line(line, bytes, &text);

		if (count == 0 || count > EMUL_INSN_MAX || is_odd(text, bytes))
			continue;
		tally->total++;
		if (!is_right(mode, bytes, count) && ++tally->wrong <= SHOWN)
			print_message("mode %d:%s", mode, line);
	}
	pclose(listing);
}

static void programs_match(void **state)
{
	static const char *const programs[] = {"python3", "gdb", "gcc", "objdump", "bash"};
	struct tally tally = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(programs) && tally.total < WANTED_INSNS; i++) {
		char command[256];

		snprintf(command, sizeof(command),
			 "objdump -dw \"$(command -v %s)\" 2>/dev/null", programs[i]);
		check_listing(command, EMUL_MODE_64, &tally);
	}
	print_message("%u instructions, %u wrong\n", tally.total, tally.wrong);
	if (tally.total == 0)
		skip();
	assert_int_equal(tally.wrong, 0);
}

/* Half of the bytes are random, half are random instructions of the second map. */
static void write_random(int file)
{
	static uint8_t bytes[RANDOM_BYTES];
	uint64_t state = 0x9e3779b97f4a7c15ull;

	for (size_t i = 0; i < RANDOM_BYTES; i++) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		bytes[i] = state >> 56;
		if (i > RANDOM_BYTES / 2 && i % 10 == 0)
			bytes[i] = 0x0f;
	}
	assert_int_equal(write(file, bytes, RANDOM_BYTES), RANDOM_BYTES);
}

static void random_bytes_match(void **state)
{
	static const char *const options[] = {
		[EMUL_MODE_16] = "i8086", [EMUL_MODE_32] = "i386", [EMUL_MODE_64] = "x86-64"};
	char path[] = P_tmpdir "/test_emul_length.XXXXXX";
	int file = mkstemp(path);
	struct tally tally = {0};

	(void)state;
	assert_true(file >= 0);
	write_random(file);
	close(file);
	for (unsigned mode = EMUL_MODE_16; mode <= EMUL_MODE_64; mode++) {
		char command[256];

		snprintf(command, sizeof(command),
			 "objdump -Dw -z -b binary -m i386 -M %s %s 2>/dev/null", options[mode],
			 path);
		check_listing(command, mode, &tally);
	}
	unlink(path);
	print_message("%u instructions, %u wrong\n", tally.total, tally.wrong);
	if (tally.total == 0)
		skip();
	assert_int_equal(tally.wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_match),
		cmocka_unit_test(random_bytes_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
