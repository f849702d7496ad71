/*
 * The decoder's lengths against another disassembler's: every instruction of a large program,
 * as objdump reads it. Skipped where there is no objdump.
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

#include "kernel/vmm/emul/emul.h"

#define WANTED_INSNS 100000u

static const char *const programs[] = {
	"/usr/bin/python3",
	"/lib/x86_64-linux-gnu/libc.so.6",
	"/usr/bin/gdb",
	"/usr/bin/bash",
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

/* What objdump shows as an instruction and isn't one, or reads otherwise than CPUs do: a
 * REX or prefix that the next byte makes void is printed alone. */
static bool is_data(const char *text)
{
	static const char *const prefixes[] = {"rex",	 "cs",	   "ds",   "es",  "ss",
					       "data16", "addr32", "lock", "rep", "repz",
					       "repnz",	 "fs",	   "gs"};
	char word[16] = "";

	if (strstr(text, "(bad)") || strstr(text, ".byte"))
		return true;
	sscanf(text, "%15s", word);
	if (strchr(word, '.'))
		*strchr(word, '.') = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (!strcmp(word, prefixes[i]) &&
		    !strpbrk(text + 1 + strlen(word), "abcdefghijklmnopqrstuvwxyz"))
			return true;
	}
	return false;
}

/* As the decoder must see it: alone, one byte short, and followed by other bytes. */
static bool is_right(const uint8_t *bytes, unsigned count)
{
	uint8_t padded[EMUL_INSN_MAX + 1];
	struct emul_insn insn;

	memset(padded, 0xa5, sizeof(padded));
	memcpy(padded, bytes, count);
	return emul_decode(&insn, EMUL_MODE_64, bytes, count) == 0 && insn.length == count &&
	       emul_decode(&insn, EMUL_MODE_64, padded, EMUL_INSN_MAX) == 0 &&
	       insn.length == count &&
	       emul_decode(&insn, EMUL_MODE_64, bytes, count - 1) == -ENODATA;
}

static void check_program(const char *path, unsigned *total, unsigned *wrong)
{
	char command[256], line[512];
	FILE *listing;

	snprintf(command, sizeof(command), "objdump -dw '%s' 2>/dev/null", path);
	listing = popen(command, "r");
	assert_non_null(listing);
	while (fgets(line, sizeof(line), listing)) {
		const char *text;
		uint8_t bytes[16];
		unsigned count = parse_line(line, bytes, &text);

		if (count == 0 || count > EMUL_INSN_MAX || is_data(text))
			continue;
		++*total;
		if (!is_right(bytes, count)) {
			if (++*wrong <= 20)
				print_message("%s", line);
		}
	}
	pclose(listing);
}

static void lengths_match_objdump(void **state)
{
	unsigned total = 0, wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(programs) && total < WANTED_INSNS; i++)
		check_program(programs[i], &total, &wrong);
	print_message("%u instructions, %u wrong\n", total, wrong);
	if (total == 0)
		skip();
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_match_objdump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
