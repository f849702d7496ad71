/*
 * Broken documents, one per file of tests/unit/config/broken, and exactly what is said of each.
 * A file begins with comments: `# machine: ...` where it is checked against the machine of
 * config_machine.h, then `# expect: line:column: message` for each message, in order.
 */
/* links: guests/config/address.c guests/config/bind.c guests/config/check.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/check_boot.c guests/config/sound.c */
/* links: guests/config/read.c guests/config/merge.c */
/* links: guests/config/check_disks.c guests/config/check_networks.c guests/config/config.c */
/* links: guests/config/parse.c */
/* links: guests/config/cpus.c guests/config/derive.c guests/config/hint.c */
/* links: guests/config/report.c guests/config/schema.c guests/config/schema_devices.c */
/* links: kernel/lib/duration.c */
/* links: guests/config/tree.c guests/config/value.c kernel/lib/size.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/config_machine.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define FOLDER	      "tests/unit/config/broken"
#define DOCUMENTS_MAX 512
#define DOCUMENTS_MIN 100 /* fewer means that the folder was not found whole */
#define BYTES_MAX     65536

static char document[BYTES_MAX];
static struct config_report report;

static size_t read_document(const char *name)
{
	char path[300];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), FOLDER "/%s", name);
	file = fopen(path, "rb");
	assert_non_null(file);
	length = fread(document, 1, sizeof(document) - 1, file);
	fclose(file);
	document[length] = '\0';
	return length;
}

/* Copies what follows `# key: ` on the next such line at `*at`, which moves behind it. */
static bool next_note(const char **at, const char *key, char note[CONFIG_LINE_MAX])
{
	size_t length = strlen(key), end = strcspn(*at, "\n");

	if (strncmp(*at, key, length) != 0)
		return false;
	snprintf(note, CONFIG_LINE_MAX, "%.*s", (int)(end - length), *at + length);
	*at += end + 1;
	return true;
}

static void says_what_is_expected(void **state)
{
	static const struct config_machine unknown;
	const char *name = *state, *notes = document;
	char line[CONFIG_LINE_MAX], note[CONFIG_LINE_MAX], expected[2 * CONFIG_LINE_MAX];
	struct config *config;
	size_t length = read_document(name);
	bool on_machine = next_note(&notes, "# machine: ", note);
	uint32_t said = 0;
	int error = config_read(document, length, name, on_machine ? &test_machine : &unknown,
				&config, &report);

	/* What only one guest lacks refuses nothing. */
	assert_int_equal(error, report.wrong ? -EINVAL : 0);
	assert_int_equal(!config, error != 0);
	config_free(config);
	for (; said < report.count; said++) {
		assert_true(next_note(&notes, "# expect: ", note));
		snprintf(expected, sizeof(expected), "%s:%s", name, note);
		config_report_line(&report, said, line);
		assert_string_equal(line, expected);
	}
	if (next_note(&notes, "# expect: ", note)) {
		snprintf(line, sizeof(line), "and %u more", (unsigned)report.dropped);
		assert_string_equal(line, note);
	}
	assert_false(next_note(&notes, "# expect: ", note));
	assert_true(said > 0);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct CMUnitTest *)a)->name,
		      ((const struct CMUnitTest *)b)->name);
}

int main(void)
{
	static struct CMUnitTest tests[DOCUMENTS_MAX];
	DIR *folder = opendir(FOLDER);
	struct dirent *entry;
	size_t count = 0;
	int failed;

	while (folder && (entry = readdir(folder)) && count < DOCUMENTS_MAX) {
		char *name = strstr(entry->d_name, ".yaml") ? strdup(entry->d_name) : NULL;

		if (name)
			tests[count++] = (struct CMUnitTest){
				.name = name,
				.test_func = says_what_is_expected,
				.initial_state = name,
			};
	}
	if (folder)
		closedir(folder);
	if (count < DOCUMENTS_MIN) {
		printf("only %zu documents in " FOLDER "\n", count);
		return 1;
	}
	qsort(tests, count, sizeof(tests[0]), by_name);
	failed = _cmocka_run_group_tests("broken configurations", tests, count, NULL, NULL);
	while (count)
		free(tests[--count].initial_state);
	return failed;
}
