/* Documents at their limits: forms that are fine, the last that is good and the first that is
 * not, bytes that are no text; and sets of CPUs in words. */
/* links: guests/config/address.c guests/config/bind.c guests/config/check.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/check_boot.c guests/config/sound.c */
/* links: guests/config/check_disks.c guests/config/check_networks.c */
/* links: guests/config/config.c guests/config/cpus.c guests/config/derive.c */
/* links: guests/config/parse.c */
/* links: guests/config/hint.c guests/config/report.c guests/config/schema.c */
/* links: guests/config/schema_devices.c guests/config/tree.c guests/config/value.c */
/* links: kernel/lib/duration.c */
/* links: kernel/lib/size.c */
#include <stdio.h>
#include <stdlib.h>

#include "guests/config/tree.h"
#include "tests/unit/config_parse.h"

/* Parses what must be refused with exactly one message, which this gives. */
static const char *refusal(const char *text, size_t length)
{
	static char line[CONFIG_LINE_MAX];
	struct config *config;

	assert_int_equal(config_parse(text, length, "test.yaml", &config, &report), -EINVAL);
	assert_null(config);
	assert_int_equal(report.count, 1);
	config_report_line(&report, 0, line);
	return line;
}

static void json_is_the_same_document(void **state)
{
	struct config *json =
		parse("{\"guests\": [{\"name\": \"a\", \"memory\": \"64 MiB\",\n"
		      "\"cpus\": {\"count\": 2, \"pin\": [1, 2]},\n"
		      "\"boot\": {\"kernel\": \"esp:/k\"}, \"autostart\": false}]}");
	struct config *yaml = parse("guests:\n- name: a\n  memory: 64 MiB\n"
				    "  cpus: {count: 2, pin: [1, 2]}\n"
				    "  boot: {kernel: 'esp:/k'}\n  autostart: false\n");

	(void)state;
	assert_int_equal(json->guest_count, 1);
	assert_string_equal(json->guests[0].name, yaml->guests[0].name);
	assert_int_equal(json->guests[0].memory_bytes, yaml->guests[0].memory_bytes);
	assert_int_equal(json->guests[0].cpus.pin[1], yaml->guests[0].cpus.pin[1]);
	assert_false(json->guests[0].autostart);
	config_free(json);
	config_free(yaml);
}

static void forms_of_a_file_that_are_fine(void **state)
{
	static const char *const documents[] = {
		"guests: []",
		"\xef\xbb\xbfguests: []\n",
		"%YAML 1.1\n---\nguests: []\n...\n",
		"host: {}\r\nguests: []\r\n",
		"# a\nguests: [] # b\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		struct config *config = parse(documents[i]);

		assert_int_equal(config->guest_count, 0);
		assert_string_equal(config->host.name, "bulkhead");
		config_free(config);
	}
}

/* One guest whose memory, count and kernel's name are at their limits. */
static struct config *parse_limits(const char *memory, unsigned count, size_t name_length)
{
	static char text[1024];
	char name[CONFIG_FILE_MAX + 1] = "esp:/";

	memset(name + 5, 'k', name_length - 5);
	name[name_length] = '\0';
	snprintf(text, sizeof(text),
		 "guests:\n- {name: a, memory: %s, cpus: {count: %u}, boot: {kernel: '%s'}}\n",
		 memory, count, name);
	return parse(text);
}

static void limits_are_still_good(void **state)
{
	struct config *least = parse_limits("8 MiB", 1, 6);
	struct config *most = parse_limits("4 TiB", CONFIG_VCPUS_MAX, CONFIG_FILE_MAX - 1);
	struct config *kib = parse_limits("8192KiB", 1, 6);

	(void)state;
	assert_int_equal(least->guests[0].memory_bytes, 8 * MIB);
	assert_int_equal(kib->guests[0].memory_bytes, 8 * MIB);
	assert_true(most->guests[0].memory_bytes == 4096 * GIB);
	assert_int_equal(most->guests[0].cpus.count, CONFIG_VCPUS_MAX);
	assert_int_equal(strlen(most->guests[0].boot.kernel), CONFIG_FILE_MAX - 1);
	config_free(least);
	config_free(most);
	config_free(kib);
}

/* The first and last of each that is good, and what stands there without it. */
static void orders_and_times(void **state)
{
	struct config *config =
		parse("host: {shutdown_timeout: 24 h}\nguests:\n"
		      "- {name: a, memory: 8 MiB, boot: {kernel: 'esp:/k'},"
		      " start: {order: 1, delay: 0s}, shutdown: {timeout: 0 s, order: 1000}}\n"
		      "- {name: b, memory: 8 MiB, boot: {kernel: 'esp:/k'},"
		      " start: {order: 1000, delay: 60 min}, shutdown: {timeout: 1440 min}}\n"
		      "- {name: c, memory: 8 MiB, boot: {kernel: 'esp:/k'}}\n");

	(void)state;
	assert_int_equal(config->host.shutdown_timeout_seconds, 86400);
	assert_int_equal(config->guests[0].start.order, 1);
	assert_int_equal(config->guests[0].start.delay_seconds, 0);
	assert_int_equal(config->guests[0].shutdown.timeout_seconds, 0);
	assert_int_equal(config->guests[0].shutdown.order, 1000);
	assert_int_equal(config->guests[1].start.delay_seconds, 3600);
	assert_int_equal(config->guests[1].shutdown.timeout_seconds, 86400);
	assert_int_equal(config->guests[1].shutdown.order, 1000); /* as it starts */
	assert_int_equal(config->guests[2].start.order, 100);
	assert_int_equal(config->guests[2].shutdown.order, 100);
	assert_int_equal(config->guests[2].shutdown.timeout_seconds, 60);
	config_free(config);
	config = parse("guests: []");
	assert_int_equal(config->host.shutdown_timeout_seconds, 300);
	config_free(config);
}

/* A document of `count` guests; the caller frees it. */
static char *many_guests(unsigned count)
{
	size_t room = 64 * (size_t)count + 64, used;
	char *text = malloc(room);

	assert_non_null(text);
	used = (size_t)snprintf(text, room, "guests:\n");
	for (unsigned i = 0; i < count; i++)
		used += (size_t)snprintf(
			text + used, room - used,
			"- {name: g%u, memory: 8 MiB, boot: {kernel: 'esp:/k'}}\n", i);
	return text;
}

static void as_many_guests_as_there_may_be(void **state)
{
	char *text = many_guests(CONFIG_GUESTS_MAX);
	char *more = many_guests(CONFIG_GUESTS_MAX + 1);
	struct config *config = parse(text);

	(void)state;
	assert_int_equal(config->guest_count, CONFIG_GUESTS_MAX);
	assert_string_equal(config->guests[CONFIG_GUESTS_MAX - 1].name, "g63");
	assert_string_equal(refusal(more, strlen(more)),
			    "test.yaml:66:3: guests has more than 64 elements; leave some out");
	config_free(config);
	free(text);
	free(more);
}

static void large_documents_are_refused(void **state)
{
	char *text = malloc(CONFIG_BYTES_MAX + 1);
	struct config *config;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', CONFIG_BYTES_MAX + 1);
	memcpy(text, "guests: []\n#", 12);
	config = parse_bytes(text, CONFIG_BYTES_MAX);
	config_free(config);
	assert_string_equal(
		refusal(text, CONFIG_BYTES_MAX + 1),
		"test.yaml:1:1: the document is larger than 256 KiB; make it smaller");
	memset(text, ',', CONFIG_BYTES_MAX);
	memcpy(text, "guests: [1", 10);
	for (size_t i = 10; i < CONFIG_BYTES_MAX; i += 2)
		text[i + 1] = '1';
	assert_string_equal(
		refusal(text, CONFIG_BYTES_MAX),
		"test.yaml:1:65540: the document has more than 32768 keys and values; "
		"make it smaller");
	free(text);
}

/* Aliases are values, too, whatever else is said of them. */
static void aliases_count(void **state)
{
	const size_t aliases = CONFIG_NODES_MAX - 1; /* beside the list */
	char *text = malloc(3 * aliases + 8);
	struct config_tree tree;
	size_t at = 0;

	(void)state;
	assert_non_null(text);
	text[at++] = '[';
	for (size_t i = 0; i < aliases; i++, at += 3)
		memcpy(text + at, "*a,", 3);
	memcpy(text + at, "]*a]", 5);
	assert_int_equal(config_tree_read(&tree, text, at + 1, &report), 0);
	assert_int_equal(tree.count, CONFIG_NODES_MAX);
	config_tree_free(&tree);
	text[at] = ' ';
	assert_int_equal(config_tree_read(&tree, text, at + 4, &report), -EINVAL);
	assert_int_equal(tree.count, CONFIG_NODES_MAX);
	config_tree_free(&tree);
	free(text);
}

static void bad_bytes_have_a_place(void **state)
{
	static const char latin1[] = "guests: []\n# caf\xc3\xa9 caf\xe9\n";
	static const char utf16[] = "\xff\xfeg\0: \0";
	static const char control[] = "host: {}\nguests: []\x01\n";

	(void)state;
	assert_string_equal(refusal(latin1, sizeof(latin1) - 1),
			    "test.yaml:2:11: not YAML: incomplete UTF-8 octet sequence; "
			    "save the file as UTF-8 text");
	assert_string_equal(refusal(control, sizeof(control) - 1),
			    "test.yaml:2:11: not YAML: control characters are not allowed; "
			    "save the file as plain text");
	assert_string_equal(
		refusal(utf16, sizeof(utf16) - 1),
		"test.yaml:1:1: not YAML: invalid leading UTF-8 octet; save the file as "
		"UTF-8 text");
	assert_string_equal(refusal(NULL, 0), "test.yaml:1:1: the document is empty; write at "
					      "least 'guests: []'");
}

static void long_names_of_documents_keep_their_end(void **state)
{
	char name[300], line[CONFIG_LINE_MAX];
	struct config *config;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memcpy(name + sizeof(name) - 6, "/end", 4);
	assert_int_equal(config_parse("", 0, name, &config, &report), -EINVAL);
	config_report_line(&report, 0, line);
	assert_memory_equal(line, "...xxx", 6);
	assert_non_null(strstr(line, "/endx:1:1: the document is empty; "));
	assert_int_equal(strcspn(line, ":"), CONFIG_NAME_MAX - 1);
}

#define GUEST_OF(name, file) \
	"  - {name: " name ", memory: 64 MiB, boot: {kernel: 'esp:/samples/" file "'}}\n"
#define GUEST_WITH(name, more)                                                               \
	"  - {name: " name ", memory: 64 MiB, boot: {kernel: 'esp:/samples/vmlinuz'}, " more \
	"}\n"

static void memory_may_be_used_to_the_last_step(void **state)
{
	struct config *config = parse_limits("2048 MiB", 1, 6);
	struct config_machine machine = {.memory_bytes = 2 * GIB};

	(void)state;
	assert_int_equal(config_check(config, &machine, &report), 0);
	assert_int_equal(report.lacking, 0);
	machine.memory_bytes -= 1;
	assert_int_equal(config_check(config, &machine, &report), 0);
	assert_int_equal(report.lacking, 1);
	config_free(config);
}

/* Guests of one letter: how each is there. */
static enum config_presence is_there(void *context, const char *name)
{
	const char *letters = context, *at = strchr(letters, name[0]);

	return at ? (enum config_presence)(at[1] - '0') : CONFIG_IS_NEW;
}

/* Who runs keeps its memory, whatever stands before it or is said of autostart; who was
 * switched off needs none; who waits comes as one that starts. */
static void memory_is_counted_of_who_has_it(void **state)
{
	static const struct {
		const char *there; /* letter and enum config_presence of each */
		uint64_t lacking;
	} cases[] = {
		{"", 2},   {"a3", 2}, {"b3", 1},     {"b2", 2},	    {"a1b1", 0},
		{"a1", 0}, {"c3", 2}, {"a1b3c3", 4}, {"a1b3c1", 0},
	};
	struct config *config = parse(
		"guests:\n"
		"  - {name: a, memory: 1 GiB, boot: {kernel: 'esp:/samples/vmlinuz'}}\n"
		"  - {name: b, memory: 1026 MiB, boot: {kernel: 'esp:/samples/vmlinuz'}}\n"
		"  - {name: c, memory: 1 GiB, boot: {kernel: 'esp:/samples/vmlinuz'}, "
		"autostart: false}\n");

	(void)state;
	_Static_assert(CONFIG_IS_OFF == 1 && CONFIG_WAITS == 2 && CONFIG_RUNS == 3, "digits");
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config_machine machine = {.memory_bytes = 2 * GIB,
						 .presence = is_there,
						 .context = (void *)cases[i].there};

		config_report_start(&report, "document");
		assert_int_equal(config_check(config, &machine, &report), 0);
		assert_int_equal(report.lacking, cases[i].lacking);
	}
	config_free(config);
}

/* On a machine who lacks something else waits, and needs no memory but to fit alone. For one
 * that is yet to be had all count. */
static void memory_is_not_counted_of_who_waits_for_something_else(void **state)
{
	struct config_machine machine = {.memory_bytes = 2 * GIB,
					 .cpus = {{1}},
					 .cpu_count = 1,
					 .presence = is_there,
					 .context = (void *)""};
	struct config *config = parse(
		"guests:\n"
		"  - {name: a, memory: 2 GiB, cpus: {allowed: [1]}, boot: {kernel: 'esp:/k'}}\n"
		"  - {name: b, memory: 2 GiB, boot: {kernel: 'esp:/k'}}\n"
		"  - {name: c, memory: 2050 MiB, cpus: {allowed: [1]}, boot: {kernel: "
		"'esp:/k'}}\n");

	(void)state;
	config_report_start(&report, "document");
	assert_int_equal(config_check(config, &machine, &report), 0);
	assert_int_equal(report.lacking, 5);
	assert_int_equal(report.count, 3); /* c, of two things */
	machine.presence = NULL;
	config_report_start(&report, "document");
	assert_int_equal(config_check(config, &machine, &report), 0);
	assert_int_equal(report.lacking, 7);
	config_free(config);
}

/* What one guest names and the machine lacks is that guest's alone; without CPUs that the host
 * is to have it goes on with others. */
static void what_a_machine_lacks_is_told_apart(void **state)
{
	static const struct {
		const char *guests;
		int error;
		uint64_t lacking;
		uint32_t count;
	} cases[] = {
		{"guests:\n" GUEST_WITH("a", "cpus: {pin: [3]}")
			 GUEST_WITH("b", "autostart: false"),
		 0, 0, 0},
		{"guests:\n" GUEST_WITH("a", "cpus: {pin: [4]}")
			 GUEST_WITH("b", "autostart: false"),
		 0, 1, 1},
		{"guests:\n" GUEST_WITH("a", "autostart: false")
			 GUEST_WITH("b", "cpus: {allowed: [2, 4]}, on_crash: stop"),
		 0, 2, 1},
		{"guests:\n" GUEST_OF("a", "nothing") GUEST_OF("b", "empty")
			 GUEST_OF("c", "huge.img"),
		 0, 7, 3},
		{"host: {housekeeping: [4]}\nguests:\n" GUEST_OF("a", "nothing"), 0, 1, 2},
		{"host: {housekeeping: [4]}\nguests:\n" GUEST_WITH("a",
								   "cpus: {pin: [1, 2, 3]}")
			 GUEST_WITH("b", "cpus: {pin: [0]}") GUEST_OF("c", "vmlinuz"),
		 0, 2, 2},
		{"host: {housekeeping: [0, 4]}\nguests:\n" GUEST_WITH("b", "cpus: {pin: [0]}"),
		 -EINVAL, 0, 2},
		{"guests:\n" GUEST_OF("a", "nothing") GUEST_OF("a", "vmlinuz"), -EINVAL, 1, 2},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *config = parse(cases[i].guests);

		assert_int_equal(config_check(config, &test_machine, &report), cases[i].error);
		assert_int_equal(report.lacking, cases[i].lacking);
		assert_int_equal(report.count, cases[i].count);
		assert_int_equal(!!report.wrong, cases[i].error != 0);
		config_free(config);
	}
}

static void sets_of_cpus_in_words(void **state)
{
	static const struct {
		struct cpumask set;
		const char *text;
	} cases[] = {
		{{{0x4}}, "CPU 2"},
		{{{0xf}}, "CPUs 0-3"},
		{{{0x4f}}, "CPUs 0-3, 6"},
		{{{1ull << 63, 1}}, "CPUs 63-64"},
		{{{~0ull, ~0ull, ~0ull, ~0ull}}, "CPUs 0-255"},
		{{{0, 0, 0, 0x5555555555555555}}, "CPUs 192, 194, 196, 198, 200, 202, ..."},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[CONFIG_CPUS_TEXT];

		assert_string_equal(config_cpus_text(&cases[i].set, text), cases[i].text);
	}
}

/* A byte-order mark before the document, as some editors write it, is not there. */
static void a_byte_order_mark_is_no_content(void **state)
{
	static const char *const documents[] = {
		"host: {name: n, housekeeping: [1, 3]}\nguests: []\n",
		"--- {host: {name: n, housekeeping: [1, 3]}, guests: []}\n",
		"---\nhost: {name: n, housekeeping: [1, 3]}\nguests: []\n",
		"# a comment\nhost: {name: n, housekeeping: [1, 3]}\nguests: []\n",
	};
	char marked[200] = "\xef\xbb\xbf";
	struct config *plain, *config;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		strcpy(marked + 3, documents[i]);
		plain = parse(documents[i]);
		config = parse(marked);
		assert_int_equal(config->host.housekeeping_mark.line,
				 plain->host.housekeeping_mark.line);
		assert_int_equal(config->host.housekeeping_mark.column,
				 plain->host.housekeeping_mark.column);
		config_free(config);
		config_free(plain);
	}
	/* What is wrong on the first line is where a person sees it; half a mark is no mark. */
	assert_int_equal(config_parse("\xef\xbb\xbfx: 1\n", 8, "f", &config, &report), -EINVAL);
	assert_int_equal(report.errors[0].mark.column, 1);
	assert_int_equal(config_parse("\xef\xbb\xbf", 3, "f", &config, &report), -EINVAL);
	assert_int_equal(config_parse("\xef\xbb", 2, "f", &config, &report), -EINVAL);
	assert_int_equal(config_parse("a: \xef\xbb\xbf\n", 7, "f", &config, &report), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_the_same_document),
		cmocka_unit_test(forms_of_a_file_that_are_fine),
		cmocka_unit_test(limits_are_still_good),
		cmocka_unit_test(orders_and_times),
		cmocka_unit_test(as_many_guests_as_there_may_be),
		cmocka_unit_test(large_documents_are_refused),
		cmocka_unit_test(aliases_count),
		cmocka_unit_test(bad_bytes_have_a_place),
		cmocka_unit_test(long_names_of_documents_keep_their_end),
		cmocka_unit_test(memory_may_be_used_to_the_last_step),
		cmocka_unit_test(memory_is_counted_of_who_has_it),
		cmocka_unit_test(memory_is_not_counted_of_who_waits_for_something_else),
		cmocka_unit_test(what_a_machine_lacks_is_told_apart),
		cmocka_unit_test(sets_of_cpus_in_words),
		cmocka_unit_test(a_byte_order_mark_is_no_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
