/* How tests parse configurations that must be good. */
#ifndef TESTS_UNIT_CONFIG_PARSE_H
#define TESTS_UNIT_CONFIG_PARSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/config_machine.h"

static struct config_report report;

/* Parses what must be good; the caller frees it. */
static inline struct config *parse_bytes(const char *text, size_t length)
{
	struct config *config;
	char line[CONFIG_LINE_MAX];
	int error = config_parse(text, length, "test.yaml", &config, &report);

	for (uint32_t i = 0; i < report.count; i++) {
		config_report_line(&report, i, line);
		print_error("%s\n", line);
	}
	assert_int_equal(error, 0);
	assert_int_equal(report.count, 0);
	assert_non_null(config);
	return config;
}

static inline struct config *parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

#endif
