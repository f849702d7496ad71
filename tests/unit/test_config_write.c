/*
 * Structs written as documents: what is read from one is what was written, and is written the
 * same again; by chance for every key of the tables, and as fixed text. The text of a document
 * edited in place is test_config_edit.c's.
 */
/* links: guests/config/parse.c */
/* links: guests/config/address.c guests/config/bind.c guests/config/check.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/check_boot.c guests/config/sound.c */
/* links: guests/config/check_disks.c guests/config/check_networks.c */
/* links: guests/config/config.c guests/config/cpus.c guests/config/derive.c */
/* links: guests/config/diff.c guests/config/hint.c guests/config/merge.c */
/* links: guests/config/report.c guests/config/schema.c guests/config/schema_devices.c */
/* links: guests/config/text.c guests/config/tree.c guests/config/value.c */
/* links: kernel/lib/duration.c */
/* links: guests/config/write.c kernel/lib/size.c */
#include "tests/unit/config_parse.h"

#include "guests/config/diff.h"
#include "guests/config/merge.h"
#include "tests/unit/config_random.h"

static const char sample[] = "host:\n"
			     "  name: node-1\n"
			     "  console:\n"
			     "    serial: com2\n"
			     "    baud: 57600\n"
			     "  housekeeping: [0-2, 5]\n"
			     "networks:\n"
			     "  - name: lan\n"
			     "    uplink: nic0\n"
			     "    vlan: 10\n"
			     "  - name: \"yes\"\n"
			     "guests:\n"
			     "  - name: alpha\n"
			     "    cpus:\n"
			     "      pin: [2, 0]\n"
			     "    memory: 512 MiB\n"
			     "    boot:\n"
			     "      kernel: \"esp:/k\"\n"
			     "      cmdline: \"a=\\\"b: c\\\\\\\" # no\"\n"
			     "      modules:\n"
			     "        - file: \"esp:/m\"\n"
			     "          cmdline: one\n"
			     "        - file: \"esp:/n\"\n"
			     "    disks:\n"
			     "      - source: \"ram:64 MiB\"\n"
			     "      - source: \"lvm:v/w\"\n"
			     "        serial: w0\n"
			     "        limits:\n"
			     "          bandwidth: 50 MiB\n"
			     "    nics:\n"
			     "      - network: lan\n"
			     "        addresses: [192.0.2.7, \"2001:db8::7\"]\n"
			     "    autostart: false\n"
			     "    restart_limit:\n"
			     "      count: 0\n";

static const char sample_json[] =
	"{\"host\": {\"name\": \"node-1\", \"console\": {\"serial\": \"com2\", \"baud\": "
	"57600}, "
	"\"housekeeping\": [0, 1, 2, 5]}, \"networks\": [{\"name\": \"lan\", \"uplink\": "
	"\"nic0\", \"vlan\": 10}, {\"name\": \"yes\"}], \"guests\": [{\"name\": \"alpha\", "
	"\"cpus\": {\"pin\": [2, 0]}, \"memory\": \"512 MiB\", \"boot\": {\"kernel\": "
	"\"esp:/k\", \"cmdline\": \"a=\\\"b: c\\\\\\\" # no\", \"modules\": [{\"file\": "
	"\"esp:/m\", \"cmdline\": \"one\"}, {\"file\": \"esp:/n\"}]}, \"disks\": [{\"source\": "
	"\"ram:64 MiB\"}, {\"source\": \"lvm:v/w\", \"serial\": \"w0\", \"limits\": "
	"{\"bandwidth\": \"50 MiB\"}}], \"nics\": [{\"network\": \"lan\", \"addresses\": "
	"[\"192.0.2.7\", \"2001:db8::7\"]}], \"autostart\": false, \"restart_limit\": "
	"{\"count\": 0}}]}\n";

static bool same(const struct config *a, const struct config *b)
{
	bool equal = !config_diff(&config_schema, a, b, NULL, NULL);

	return equal && a->guest_count == b->guest_count;
}

static void the_written_form_is_fixed(void **state)
{
	struct config *config = parse(sample), *again;
	size_t length;
	char *text;

	(void)state;
	assert_int_equal(config_write_document(config, CONFIG_YAML, &text, &length), 0);
	assert_string_equal(text, sample);
	assert_int_equal(length, strlen(sample));
	free(text);
	assert_int_equal(config_write_document(config, CONFIG_JSON, &text, &length), 0);
	assert_string_equal(text, sample_json);
	again = parse(text);
	assert_true(same(config, again));
	free(text);
	config_free(again);
	config_free(config);
}

static void defaults_are_left_out(void **state)
{
	struct config *config = parse("guests: [{name: a, memory: 8 MiB, boot: {kernel: "
				      "'esp:/k'}, disks: [{source: 'ram:1 MiB', serial: disk0, "
				      "queues: 1}], on_crash: stop, cpus: {count: 1}}]");
	size_t length;
	char *text;

	(void)state;
	assert_int_equal(config_write_document(config, CONFIG_YAML_FLOW, &text, &length), 0);
	assert_string_equal(text,
			    "{guests: [{name: a, memory: 8 MiB, boot: {kernel: \"esp:/k\"}, "
			    "disks: [{source: \"ram:1 MiB\"}]}]}\n");
	free(text);
	config_free(config);
	config = parse("guests: []");
	assert_int_equal(config_write_document(config, CONFIG_YAML, &text, &length), 0);
	assert_string_equal(text, "guests: []\n");
	free(text);
	config_free(config);
}

static void what_is_written_is_read_the_same_and_written_the_same(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		struct config *config = random_config();

		for (unsigned format = CONFIG_YAML; format <= CONFIG_JSON; format++) {
			size_t length, again_length;
			char *text, *again;
			struct config *read;

			assert_int_equal(config_write_document(config, format, &text, &length),
					 0);
			assert_int_equal(length, strlen(text));
			read = parse_bytes(text, length);
			assert_true(same(config, read));
			assert_int_equal(
				config_write_document(read, format, &again, &again_length), 0);
			assert_string_equal(text, again);
			free(text);
			free(again);
			config_free(read);
		}
		config_free(config);
	}
}

static void guests_are_documents_of_their_own(void **state)
{
	static struct guest_config read;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct config *config = random_config();

		for (uint32_t i = 0; i < config->guest_count; i++) {
			size_t length;
			char *text;

			assert_int_equal(config_write_guest(&config->guests[i],
							    (enum config_format)chance(3),
							    &text, &length),
					 0);
			assert_int_equal(config_parse_guest(text, length, "g", &config->host,
							    &read, &report),
					 0);
			assert_false(config_diff(&config_guest_schema, &config->guests[i],
						 &read, NULL, NULL));
			free(text);
		}
		config_free(config);
	}
}

static void guest_refused(const char *text, const char *message)
{
	static struct guest_config guest;
	static const struct host_config host = {.name = "h"};
	char line[CONFIG_LINE_MAX];

	assert_int_equal(
		config_parse_guest(text, strlen(text), "g.yaml", &host, &guest, &report),
		-EINVAL);
	assert_int_equal(report.count, 1);
	config_report_line(&report, 0, line);
	assert_string_equal(line, message);
}

static void wrong_guests_are_told_with_their_place(void **state)
{
	(void)state;
	guest_refused("[]", "g.yaml:1:1: a guest's document is not a mapping; begin with "
			    "'name:'");
	guest_refused(
		"name: a\nmemory: 8 MiB\nboot: {kernel: 'esp:/k'}\ncpus: {count: 65}\n",
		"g.yaml:4:15: guest 'a': cpus.count is '65'; write a number from 1 to 64");
	guest_refused("{\"name\": \"a\",\n \"memory\": \"8 MiB\"}",
		      "g.yaml:1:1: guest 'a': boot is missing; add 'boot: {kernel: "
		      "\"esp:/samples/vmlinuz\"}'");
}

static const char three[] =
	"guests:\n"
	"  - {name: a, memory: 8 MiB, boot: {kernel: 'esp:/samples/test.elf'}, "
	"cpus: {pin: [1]}}\n"
	"  - {name: b, memory: 8 MiB, boot: {kernel: 'esp:/samples/test.elf'}}\n";

static void check_with(const char *text, const char *message)
{
	static struct guest_config guest;
	struct config *config = parse(three), *merged;
	char line[CONFIG_LINE_MAX];
	int err;

	assert_int_equal(config_parse_guest(text, strlen(text), "one.yaml", &config->host,
					    &guest, &report),
			 0);
	merged = config_with_guest(config, &guest);
	assert_non_null(merged);
	err = config_check(merged, &test_machine, &report);
	assert_int_equal(err, message && !report.lacking ? -EINVAL : 0);
	if (message) {
		config_report_line(&report, 0, line);
		assert_string_equal(line, message);
	}
	config_free(merged);
	config_free(config);
}

/* Messages know the places of the one, and that those of all others are none of this text. */
static void one_guest_is_checked_beside_the_others(void **state)
{
	(void)state;
	check_with("{name: c, memory: 8 MiB, boot: {kernel: 'esp:/samples/test.elf'}}", NULL);
	check_with("name: c\nmemory: 8 MiB\nboot: {kernel: 'esp:/samples/test.elf'}\n"
		   "cpus:\n  pin: [1]\n",
		   "one.yaml:5:8: guest 'c': cpus.pin names CPU 1, which guest 'a' owns by its "
		   "pin; take it out of one of the two");
	/* a's own pin is no rival of the one that replaces it */
	check_with("{name: a, memory: 8 MiB, boot: {kernel: 'esp:/samples/test.elf'}, "
		   "cpus: {pin: [1]}}",
		   NULL);
	check_with("{name: b, memory: 4 GiB, boot: {kernel: 'esp:/samples/test.elf'}}",
		   "one.yaml:1:19: guest 'b': memory is 4 GiB, but this machine has 2040 MiB "
		   "left after the guests before; write less, here or there");
}

static void one_guest_too_many_is_refused(void **state)
{
	struct config *config = parse("guests: []"), *more;
	struct guest_config guest;
	char line[CONFIG_LINE_MAX];

	(void)state;
	for (unsigned i = 0; i <= CONFIG_GUESTS_MAX; i++) {
		char text[128];

		snprintf(text, sizeof(text),
			 "{name: g%u, memory: 8 MiB, boot: {kernel: 'esp:/samples/test.elf'}}",
			 i);
		assert_int_equal(config_parse_guest(text, strlen(text), "t", &config->host,
						    &guest, &report),
				 0);
		more = config_with_guest(config, &guest);
		config_free(config);
		config = more;
		assert_int_equal(config_check(config, &test_machine, &report),
				 i < CONFIG_GUESTS_MAX ? 0 : -EINVAL);
	}
	config_report_line(&report, 0, line);
	assert_string_equal(line, "t:1:8: guest 'g64': there are 64 guests already; leave one "
				  "out");
	config_free(config);
}

static void guests_are_taken_out_by_name(void **state)
{
	struct config *config = parse(three), *fewer = config_without_guest(config, "a");

	(void)state;
	assert_int_equal(fewer->guest_count, 1);
	assert_string_equal(fewer->guests[0].name, "b");
	assert_null(config_find_guest(fewer, "a"));
	assert_null(config_find_network(fewer, "a"));
	config_free(fewer);
	config_free(config);
}

/* Each change of a value that is not live has a reason that a person is told. */
static char live[512];

static void demand_reasons(const struct config_table *table)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct config_field *field = &table->fields[i];

		if (field->table)
			demand_reasons(field->table);
		if (field->type == CONFIG_KEYS || field->table == &config_guest_schema ||
		    field->table == &config_network_schema)
			continue;
		assert_true((field->change == CONFIG_CHANGE_LIVE) == !field->why);
		if (!field->why)
			strcat(strcat(live, field->key), " ");
	}
}

static void each_field_says_what_its_change_needs(void **state)
{
	(void)state;
	demand_reasons(&config_schema);
	/* what is read of a configuration each time that a guest ends, or is to end */
	assert_string_equal(
		live,
		"shutdown_timeout allowed weight cap autostart on_crash on_reboot on_poweroff "
		"count seconds order delay timeout order ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_written_form_is_fixed),
		cmocka_unit_test(defaults_are_left_out),
		cmocka_unit_test(what_is_written_is_read_the_same_and_written_the_same),
		cmocka_unit_test(guests_are_documents_of_their_own),
		cmocka_unit_test(wrong_guests_are_told_with_their_place),
		cmocka_unit_test(one_guest_is_checked_beside_the_others),
		cmocka_unit_test(one_guest_too_many_is_refused),
		cmocka_unit_test(guests_are_taken_out_by_name),
		cmocka_unit_test(each_field_says_what_its_change_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
