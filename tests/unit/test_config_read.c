/*
 * Both stages at once: one guest's document among those that are there, what is kept of more
 * faults than there is room for, and memory that is short. What is said of whole documents is
 * test_config_broken's.
 */
/* links: guests/config/address.c guests/config/bind.c guests/config/check.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/check_boot.c */
/* links: guests/config/check_disks.c guests/config/check_networks.c */
/* links: guests/config/config.c guests/config/cpus.c guests/config/derive.c */
/* links: guests/config/hint.c guests/config/merge.c guests/config/parse.c */
/* links: guests/config/read.c guests/config/report.c guests/config/schema.c */
/* links: guests/config/schema_devices.c guests/config/sound.c guests/config/tree.c */
/* links: guests/config/value.c kernel/lib/size.c kernel/lib/duration.c */
/* links: tests/unit/fail_malloc.c */
#include <stdio.h>
#include <stdlib.h>

#include "guests/config/sound.h"
#include "tests/unit/config_parse.h"
#include "tests/unit/fail_malloc.h"

#define NOW                                                             \
	"networks: [{name: lan}]\n"                                     \
	"guests:\n"                                                     \
	"- {name: a, memory: 64 MiB, cpus: {pin: [3]}, boot: {kernel: " \
	"'esp:/samples/vmlinuz'},"                                      \
	" disks: [{source: 'lvm:v/a'}], nics: [{network: lan, addresses: [192.0.2.7]}]}\n"

static struct guest_config guest;

static int read_guest(const char *text, struct config **next)
{
	struct config *now = parse(NOW);
	int err = config_read_guest(text, strlen(text), "g", now, &test_machine, &guest, next,
				    &report);

	config_free(now);
	return err;
}

static void a_guest_has_its_faults_and_those_beside_others(void **state)
{
	static const char *const said[] = {
		"g:1:10: guest 'b': memory is '65 MiB'; write a multiple of 2 MiB, such as 66 "
		"MiB",
		"g:2:14: guest 'b': cpus.pin names CPU 3, which guest 'a' owns by its pin; "
		"take "
		"it "
		"out of one of the two",
		"g:3:17: guest 'b': boot.kernel: there is no file esp:/none; put it into the "
		"folder \\bulkhead\\ of the boot partition, or correct the path",
		"g:4:19: guest 'b': disks[0].source 'lvm:v/a' is disks[0] of guest 'a' too; "
		"write "
		"'read_only: true' at both, or give each its own",
		"g:5:35: guest 'b': nics[0].addresses[0]: 192.0.2.7 is one of guest 'a' in "
		"network "
		"'lan' too; give each its own",
	};
	struct config *next;

	(void)state;
	assert_int_equal(read_guest("{memory: 65 MiB, name: b,\n"
				    " cpus: {pin: [3]},\n"
				    " boot: {kernel: 'esp:/none'},\n"
				    " disks: [{source: 'lvm:v/a'}],\n"
				    " nics: [{network: lan, addresses: [192.0.2.7]}]}",
				    &next),
			 -EINVAL);
	assert_null(next);
	for (uint32_t i = 0; i < report.count || i < ARRAY_SIZE(said); i++) {
		char line[CONFIG_LINE_MAX];

		assert_in_range(i, 0, ARRAY_SIZE(said) - 1);
		assert_in_range(i, 0, report.count - 1);
		config_report_line(&report, i, line);
		assert_string_equal(line, said[i]);
	}
}

/* A guest's new document takes the place of its old one: they are no two guests. */
static void a_guest_is_put_in_its_place(void **state)
{
	struct config *next;

	(void)state;
	assert_int_equal(read_guest("{name: a, memory: 66 MiB, boot: {kernel: "
				    "'esp:/samples/vmlinuz'}, disks: [{source: 'lvm:v/a'}], "
				    "nics: [{network: lan, addresses: [192.0.2.7]}]}",
				    &next),
			 0);
	assert_int_equal(next->guest_count, 1);
	assert_int_equal(next->guests[0].memory_bytes, 66 * MIB);
	config_free(next);
}

/* Without a name it is none of those that are there, and has nothing of theirs. */
static void a_guest_without_a_name_replaces_none(void **state)
{
	struct config *next;
	char line[CONFIG_LINE_MAX];

	(void)state;
	assert_int_equal(read_guest("{memory: 64 MiB, boot: {kernel: 'esp:/samples/vmlinuz'}, "
				    "nics: [{network: lan}], cpus: {allowed: [3]}}",
				    &next),
			 -EINVAL);
	assert_int_equal(report.count, 2);
	config_report_line(&report, 0, line);
	assert_string_equal(line, "g:1:1: name is missing; add 'name: alpha'");
	config_report_line(&report, 1, line);
	assert_non_null(strstr(line, "which guest 'a' owns"));
}

/* All guests of one name, each with a fault: in which order they are found does not matter. */
static void the_first_faults_of_the_document_are_kept(void **state)
{
	char text[8192], line[CONFIG_LINE_MAX];
	const unsigned room = CONFIG_ERRORS_MAX / 2; /* two faults each, but for the first */
	struct config *config;

	(void)state;
	for (unsigned guests = room; guests <= room + 1; guests++) {
		size_t used = (size_t)snprintf(text, sizeof(text), "guests:\n");
		unsigned faults = 2 * guests - 1;

		for (unsigned i = 0; i < guests; i++)
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 "- name: a\n  memory: 1\n"
						 "  boot: {kernel: 'esp:/k'}\n");
		assert_int_equal(config_read(text, used, "f", &(struct config_machine){0},
					     &config, &report),
				 -EINVAL);
		assert_int_equal(report.count, MIN(faults, (unsigned)CONFIG_ERRORS_MAX));
		assert_int_equal(report.dropped, faults - report.count);
		for (uint32_t i = 0; i < report.count; i++) {
			config_report_line(&report, i, line);
			assert_int_equal(report.errors[i].mark.line,
					 3 + (i + 1) / 2 * 3 - i % 2);
		}
	}
}

static void without_memory_there_is_none_of_it(void **state)
{
	static const char *const texts[] = {NOW, "guests: [{name: a}]\n"};
	struct config *config = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int good = i ? -EINVAL : 0, error = -ENOMEM;
		unsigned long call = 1;

		for (; error == -ENOMEM; call++) {
			fail_malloc_at(call);
			error = config_read(texts[i], strlen(texts[i]), "f", &test_machine,
					    &config, &report);
			assert_true(error == -ENOMEM || fail_malloc_calls() < call);
			fail_malloc_at(0);
			assert_true(error == -ENOMEM || error == good);
			assert_true(!error == (config != NULL));
			config_free(config);
		}
		assert_true(call > 4);
	}
}

static void without_memory_there_is_no_guest_of_it(void **state)
{
	static const char text[] =
		"{name: a, memory: 66 MiB, boot: {kernel: 'esp:/samples/vmlinuz'}}";
	struct config *now = parse(NOW), *next;
	unsigned long call = 1;
	int error = -ENOMEM;

	(void)state;
	for (; error == -ENOMEM; call++) {
		fail_malloc_at(call);
		error = config_read_guest(text, strlen(text), "g", now, &test_machine, &guest,
					  &next, &report);
		fail_malloc_at(0);
		assert_true(error == -ENOMEM || !error);
		assert_true(!error == (next != NULL));
		config_free(next);
	}
	assert_true(call > 5);
	config_free(now);
}

static void notes_end_with_the_struct(void **state)
{
	struct {
		char before, first, last, behind;
	} parts = {0};
	struct config_sound sound;

	(void)state;
	assert_int_equal(config_sound_open(&sound, &parts.first, 2), 0);
	config_sound_spoil(&sound, &parts.last, 100);
	assert_true(config_sound_is(&sound, &parts.first, 1));
	assert_false(config_sound_is(&sound, &parts.first, 2));
	assert_false(config_sound_is(&sound, &parts.last, 1));
	config_sound_spoil(&sound, &parts.before, 1);
	config_sound_spoil(&sound, &parts.behind, 1);
	assert_true(config_sound_is(&sound, &parts.first, 1));
	assert_true(config_sound_is(&sound, &parts.behind, 1));
	assert_true(config_sound_is(&sound, &parts.before, 1));
	config_sound_close(&sound);
	config_sound_spoil(NULL, &parts.first, 1);
	assert_true(config_sound_is(NULL, &parts.first, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_has_its_faults_and_those_beside_others),
		cmocka_unit_test(a_guest_is_put_in_its_place),
		cmocka_unit_test(a_guest_without_a_name_replaces_none),
		cmocka_unit_test(the_first_faults_of_the_document_are_kept),
		cmocka_unit_test(without_memory_there_is_none_of_it),
		cmocka_unit_test(without_memory_there_is_no_guest_of_it),
		cmocka_unit_test(notes_end_with_the_struct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
