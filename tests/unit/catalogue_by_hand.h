/* Changes of the catalogue by documents that a test writes, and what is said of them. */
#ifndef TESTS_UNIT_CATALOGUE_BY_HAND_H
#define TESTS_UNIT_CATALOGUE_BY_HAND_H

#include "tests/unit/catalogue_house.h"

static bool switched_off_now;

static int set_text(const char *text)
{
	struct config *next = parse(text);
	int err;

	config_report_start(&report, "next.yaml");
	operations = 0;
	change = (struct catalogue_change){.next = next,
					   .text = text,
					   .length = strlen(text),
					   .actor = &nobody,
					   .cancelled = cancelled,
					   .given_up = given_up,
					   .progress = progress,
					   .now = switched_off_now,
					   .report = &report};
	err = catalogue_apply(&change);
	config_free(next);
	return err;
}

static void demand_line(const char *expected)
{
	char line[CONFIG_LINE_MAX];

	assert_int_equal(report.count, 1);
	config_report_line(&report, 0, line);
	assert_string_equal(line, expected);
}

#endif
