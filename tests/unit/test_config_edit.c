/*
 * A document's text with one part of it another: what the outcome reads as, and that all around
 * the part stays byte for byte. By hand for the ways in which people write lists, by chance for
 * many changes after each other.
 */
/* links: guests/config/parse.c */
/* links: guests/config/address.c guests/config/bind.c guests/config/config.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/sound.c */
/* links: guests/config/derive.c guests/config/diff.c guests/config/edit.c */
/* links: guests/config/hint.c guests/config/merge.c guests/config/report.c */
/* links: guests/config/schema.c guests/config/schema_devices.c guests/config/text.c */
/* links: guests/config/tree.c guests/config/value.c guests/config/write.c */
/* links: kernel/lib/duration.c */
/* links: guests/config/cpus.c kernel/lib/size.c */
#include "tests/unit/config_parse.h"

#include "guests/config/diff.h"
#include "guests/config/merge.h"
#include "tests/unit/config_random.h"

/* A guest of that name in the place of its own, or a new one. */
static struct config *with(const char *text, const char *name, uint64_t mib)
{
	struct config *config = parse(text), *made;
	static struct guest_config guest;
	char one[128];

	snprintf(one, sizeof(one), "{name: %s, memory: %u MiB, boot: {kernel: 'esp:/k'}}", name,
		 (unsigned)mib);
	assert_int_equal(
		config_parse_guest(one, strlen(one), "one", &config->host, &guest, &report), 0);
	made = config_with_guest(config, &guest);
	config_free(config);
	return made;
}

static void demand_same(const char *text, const struct config *config)
{
	struct config *read = parse(text);

	assert_int_equal(read->guest_count, config->guest_count);
	assert_false(config_diff(&config_schema, config, read, NULL, NULL));
	config_free(read);
}

/* Puts guest `name`, of `mib` MiB. */
static void put(const char *text, const char *name, uint64_t mib, const char *expected)
{
	struct config *config = with(text, name, mib);
	char *edited;
	size_t length;

	assert_int_equal(config_edit(text, strlen(text), CONFIG_PART_GUEST, name, config,
				     &edited, &length),
			 0);
	assert_string_equal(edited, expected);
	assert_int_equal(length, strlen(expected));
	demand_same(edited, config);
	free(edited);
	config_free(config);
}

static void take(const char *text, const char *name, const char *expected)
{
	struct config *config = parse(text), *fewer = config_without_guest(config, name);
	char *edited;
	size_t length;

	assert_int_equal(config_edit(text, strlen(text), CONFIG_PART_GUEST, name, fewer,
				     &edited, &length),
			 0);
	assert_string_equal(edited, expected);
	demand_same(edited, fewer);
	free(edited);
	config_free(fewer);
	config_free(config);
}

#define BOOT	"    boot: {kernel: 'esp:/k'}\n"
#define WRITTEN "    boot:\n      kernel: \"esp:/k\""

static const char block[] = "# the machine\n"
			    "guests: # all\n"
			    "  # the first\n"
			    "  - name: a   # Größe\n"
			    "    memory: 8 MiB\n" BOOT "\n"
			    "  # the second\n"
			    "  - name: b\n"
			    "    memory: 8 MiB # little\n" BOOT "  # the end of the list\n"
			    "# of the document\n"
			    "host: {name: h} # last\n";

static void a_guest_of_a_block_is_replaced(void **state)
{
	(void)state;
	put(block, "a", 16,
	    "# the machine\n"
	    "guests: # all\n"
	    "  # the first\n"
	    "  - name: a\n"
	    "    memory: 16 MiB\n" WRITTEN "\n\n"
	    "  # the second\n"
	    "  - name: b\n"
	    "    memory: 8 MiB # little\n" BOOT "  # the end of the list\n"
	    "# of the document\n"
	    "host: {name: h} # last\n");
}

static void a_guest_is_added_behind_the_last(void **state)
{
	(void)state;
	put(block, "c", 16,
	    "# the machine\n"
	    "guests: # all\n"
	    "  # the first\n"
	    "  - name: a   # Größe\n"
	    "    memory: 8 MiB\n" BOOT "\n"
	    "  # the second\n"
	    "  - name: b\n"
	    "    memory: 8 MiB # little\n" BOOT "  - name: c\n"
	    "    memory: 16 MiB\n" WRITTEN "\n"
	    "  # the end of the list\n"
	    "# of the document\n"
	    "host: {name: h} # last\n");
}

static void a_guest_of_a_block_is_removed(void **state)
{
	(void)state;
	take(block, "a",
	     "# the machine\n"
	     "guests: # all\n"
	     "  # the first\n"
	     "\n"
	     "  # the second\n"
	     "  - name: b\n"
	     "    memory: 8 MiB # little\n" BOOT "  # the end of the list\n"
	     "# of the document\n"
	     "host: {name: h} # last\n");
	take(block, "b",
	     "# the machine\n"
	     "guests: # all\n"
	     "  # the first\n"
	     "  - name: a   # Größe\n"
	     "    memory: 8 MiB\n" BOOT "\n"
	     "  # the second\n"
	     "  # the end of the list\n"
	     "# of the document\n"
	     "host: {name: h} # last\n");
}

static void lists_may_be_written_in_many_ways(void **state)
{
	(void)state;
	/* the list as deep as its key, the last line without an end */
	put("guests:\n- name: a\n  memory: 8 MiB\n  boot: {kernel: 'esp:/k'}", "b", 8,
	    "guests:\n- name: a\n  memory: 8 MiB\n  boot: {kernel: 'esp:/k'}\n"
	    "- name: b\n  memory: 8 MiB\n  boot:\n    kernel: \"esp:/k\"\n");
	take("guests:\n- name: a\n  memory: 8 MiB\n  boot: {kernel: 'esp:/k'}\n", "a",
	     "guests:\n  []\n");
	take("guests:\n  # none\n  - name: a\n    memory: 8 MiB\n" BOOT, "a",
	     "guests:\n  # none\n  []\n");
	/* in lines of their own behind the '-' */
	take("guests:\n  -\n    name: a\n    memory: 8 MiB\n" BOOT
	     "  - # two\n    name: b\n    memory: 8 MiB\n" BOOT,
	     "b", "guests:\n  -\n    name: a\n    memory: 8 MiB\n" BOOT);
	/* elements in brackets */
	put("guests:\n  - {name: a, memory: 8 MiB, boot: {kernel: 'esp:/k'}} # x\n", "a", 16,
	    "guests:\n  - {name: a, memory: 16 MiB, boot: {kernel: \"esp:/k\"}} # x\n");
	put("guests: [] # none yet\n", "a", 8,
	    "guests:  # none yet\n  - name: a\n    memory: 8 MiB\n" WRITTEN "\n");
	put("guests: []", "a", 8, "guests: \n  - name: a\n    memory: 8 MiB\n" WRITTEN "\n");
	put("guests: [{name: a, memory: 8 MiB, boot: {kernel: 'esp:/k'}}]\n", "b", 8,
	    "guests: [{name: a, memory: 8 MiB, boot: {kernel: 'esp:/k'}}, {name: b, memory: 8 "
	    "MiB, boot: {kernel: \"esp:/k\"}}]\n");
	take("guests: [{name: a, memory: 8 MiB, boot: {kernel: 'esp:/k'}},\n"
	     "  {name: b, memory: 8 MiB, boot: {kernel: 'esp:/k'}}, # two\n]\n",
	     "a", "guests: [{name: b, memory: 8 MiB, boot: {kernel: 'esp:/k'}}, # two\n]\n");
	take("guests: [{name: a, memory: 8 MiB, boot: {kernel: 'esp:/k'}},\n"
	     "  {name: b, memory: 8 MiB, boot: {kernel: 'esp:/k'}}]\n",
	     "b", "guests: [{name: a, memory: 8 MiB, boot: {kernel: 'esp:/k'}}]\n");
	/* a text of lines at the end, and line ends of other systems */
	put("guests:\r\n  - memory: 8 MiB\r\n    boot: {kernel: 'esp:/k'}\r\n    name: >-\r\n"
	    "      a\r\n\r\n",
	    "a", 16, "guests:\r\n  - name: a\n    memory: 16 MiB\n" WRITTEN "\r\n\r\n");
	/* a byte-order mark */
	put("\xef\xbb\xbfguests: []\n", "a", 8,
	    "\xef\xbb\xbfguests: \n  - name: a\n    memory: 8 MiB\n" WRITTEN "\n");
}

static void json_stays_json(void **state)
{
	static const char json[] = "{\"guests\": [{\"name\": \"a\", \"memory\": \"8 MiB\", "
				   "\"boot\": {\"kernel\": \"esp:/k\"}}]}\n";

	(void)state;
	put(json, "b", 16,
	    "{\"guests\": [{\"name\": \"a\", \"memory\": \"8 MiB\", \"boot\": {\"kernel\": "
	    "\"esp:/k\"}}, {\"name\": \"b\", \"memory\": \"16 MiB\", \"boot\": {\"kernel\": "
	    "\"esp:/k\"}}]}\n");
	take(json, "a", "{\"guests\": []}\n");
	put("{\"guests\": []}", "b", 16,
	    "{\"guests\": [{\"name\": \"b\", \"memory\": \"16 MiB\", \"boot\": {\"kernel\": "
	    "\"esp:/k\"}}]}");
}

/* Edits a network, or the host. */
static void edit(const char *text, enum config_part part, const char *name,
		 const struct config *config, const char *expected)
{
	char *edited;
	size_t length;

	assert_int_equal(config_edit(text, strlen(text), part, name, config, &edited, &length),
			 0);
	assert_string_equal(edited, expected);
	demand_same(edited, config);
	free(edited);
}

static void networks_and_the_host_are_parts_too(void **state)
{
	struct config *lan = parse("networks: [{name: lan, uplink: nic0}]\nguests: []\n");
	struct config *named = parse("host: {name: h}\nguests: []\n");
	struct config *none = parse("guests: []\n");

	(void)state;
	edit("guests: [] # x\n", CONFIG_PART_NETWORK, "lan", lan,
	     "guests: [] # x\nnetworks:\n  - name: lan\n    uplink: nic0\n");
	edit("{\"guests\": []}", CONFIG_PART_NETWORK, "lan", lan,
	     "{\"guests\": [], \"networks\": [{\"name\": \"lan\", \"uplink\": \"nic0\"}]}");
	edit("networks:\n  - name: lan # l\nguests: []\n", CONFIG_PART_NETWORK, "lan", lan,
	     "networks:\n  - name: lan\n    uplink: nic0 # l\nguests: []\n");
	edit("networks:\n  - name: lan # l\nguests: []\n", CONFIG_PART_NETWORK, "lan", none,
	     "networks:\n  [] # l\nguests: []\n");
	edit("guests: []", CONFIG_PART_HOST, NULL, named, "guests: []\nhost:\n  name: h\n");
	edit("{guests: []}", CONFIG_PART_HOST, NULL, named,
	     "{guests: [], \"host\": {\"name\": \"h\"}}");
	edit("host:\n  name: x # it\nguests: []\n", CONFIG_PART_HOST, NULL, named,
	     "host:\n  name: h # it\nguests: []\n");
	edit("host:\n  name: x # it\nguests: []\n", CONFIG_PART_HOST, NULL, none,
	     "host:\n  {} # it\nguests: []\n");
	edit("host: {name: x} # it\nguests: []\n", CONFIG_PART_HOST, NULL, named,
	     "host: {name: h} # it\nguests: []\n");
	config_free(lan);
	config_free(named);
	config_free(none);
}

static void what_is_not_there_is_not_removed(void **state)
{
	struct config *none = parse("guests: []\n");
	char *edited = (char *)1;
	size_t length;

	(void)state;
	assert_int_equal(config_edit(block, strlen(block), CONFIG_PART_GUEST, "c", none,
				     &edited, &length),
			 -ENOENT);
	assert_null(edited);
	assert_int_equal(config_edit(block, strlen(block), CONFIG_PART_NETWORK, "lan", none,
				     &edited, &length),
			 -ENOENT);
	/* a key in a way that people do not write: no line of the '-' is found */
	assert_int_equal(config_edit("? guests\n: - {name: a}\n  - {name: b}\n", 36,
				     CONFIG_PART_GUEST, "a", none, &edited, &length),
			 -EOPNOTSUPP);
	assert_null(edited);
	config_free(none);
}

/* The guests come and go, each text read back, and what is around the list stays. */
static void many_changes_leave_all_comments(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		char *text =
			strdup("# top ä\nhost:\n  name: hh # h\n# between\nguests:\n  # list\n"
			       "  []\n# bottom\nnetworks: # n\n  - name: zz # z\n");
		struct config *config = parse(text), *random = random_config(), *next;

		for (unsigned change = 0; change < 12; change++) {
			struct guest_config *guest = &random->guests[chance(
				random->guest_count ? random->guest_count : 1)];
			char *edited;
			size_t length;
			bool there;

			if (!random->guest_count)
				break;
			config_derive_guest(&config->host, guest);
			there = config_find_guest(config, guest->name) != NULL;
			next = there && chance(2) ? config_without_guest(config, guest->name)
						  : config_with_guest(config, guest);
			assert_int_equal(config_edit(text, strlen(text), CONFIG_PART_GUEST,
						     guest->name, next, &edited, &length),
					 0);
			demand_same(edited, next);
			assert_non_null(strstr(edited, "# top ä\nhost:\n  name: hh # h\n"
						       "# between\nguests:\n  # list\n"));
			assert_non_null(
				strstr(edited, "# bottom\nnetworks: # n\n  - name: zz # z\n"));
			config_free(config);
			free(text);
			config = next;
			text = edited;
		}
		free(text);
		config_free(config);
		config_free(random);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_of_a_block_is_replaced),
		cmocka_unit_test(a_guest_is_added_behind_the_last),
		cmocka_unit_test(a_guest_of_a_block_is_removed),
		cmocka_unit_test(lists_may_be_written_in_many_ways),
		cmocka_unit_test(json_stays_json),
		cmocka_unit_test(networks_and_the_host_are_parts_too),
		cmocka_unit_test(what_is_not_there_is_not_removed),
		cmocka_unit_test(many_changes_leave_all_comments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
