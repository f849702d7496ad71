/*
 * One scalar at a time: numbers, sizes with units, words, names, files, CPUs, addresses.
 * Where a value stands in the document is bind.c's; whether it makes sense beside the
 * others is check.c's.
 */
#include "guests/config/value.h"
#include "guests/config/address.h"
#include "kernel/lib/duration.h"
#include "kernel/lib/size.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned shift;
} units[] = {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(const char *text, size_t length, const char *word)
{
	return length == strlen(word) && memcmp(text, word, length) == 0;
}

/* Decimal digits at the start of text, without leading zeros: how many; 0 is none or too big.
 */
static size_t take_number(const char *text, size_t length, uint64_t *number)
{
	size_t used = 0;

	*number = 0;
	while (used < length && is_digit(text[used])) {
		unsigned digit = (unsigned)(text[used] - '0');

		if (*number > (UINT64_MAX - digit) / 10)
			return 0;
		*number = *number * 10 + digit;
		used++;
	}
	return used > 1 && text[0] == '0' ? 0 : used;
}

/* "com1, com2 or none" */
static void list_choices(const struct config_choice *choices, char phrase[CONFIG_PHRASE_MAX])
{
	size_t used = 0;

	for (size_t i = 0; choices[i].word && used < CONFIG_PHRASE_MAX; i++) {
		const char *joint = i == 0 ? "" : choices[i + 1].word ? ", " : " or ";

		used += (size_t)snprintf(phrase + used, CONFIG_PHRASE_MAX - used, "%s%s", joint,
					 choices[i].word);
	}
}

const char *config_expected(const struct config_field *field, char phrase[CONFIG_PHRASE_MAX])
{
	char low[SIZE_TEXT_BYTES], high[SIZE_TEXT_BYTES];

	switch (field->type) {
	case CONFIG_BOOL: snprintf(phrase, CONFIG_PHRASE_MAX, "true or false"); break;
	case CONFIG_NUMBER:
		snprintf(phrase, CONFIG_PHRASE_MAX, "a number from %" PRIu64 " to %" PRIu64,
			 field->minimum, field->maximum);
		break;
	case CONFIG_SIZE:
		snprintf(phrase, CONFIG_PHRASE_MAX, "a size from %s to %s, such as %s",
			 size_exact_text(field->minimum, low),
			 size_exact_text(field->maximum, high), field->example);
		break;
	case CONFIG_DURATION:
		snprintf(phrase, CONFIG_PHRASE_MAX,
			 "a time from %s to %s, with s, min or h after it, such as %s",
			 duration_text((uint32_t)field->minimum, low),
			 duration_text((uint32_t)field->maximum, high), field->example);
		break;
	case CONFIG_CHOICE: list_choices(field->choices, phrase); break;
	case CONFIG_NAME:
		snprintf(phrase, CONFIG_PHRASE_MAX,
			 "a name of a-z, 0-9 and '-' that begins with a letter and has at most "
			 "%" PRIu64 " characters",
			 field->maximum - 1);
		break;
	case CONFIG_TEXT:
		snprintf(phrase, CONFIG_PHRASE_MAX, "text of at most %" PRIu64 " characters",
			 field->maximum - 1);
		break;
	case CONFIG_DOCUMENT:
		snprintf(phrase, CONFIG_PHRASE_MAX,
			 "a document of at most %" PRIu64 " KiB, or a file such as %s",
			 field->maximum / 1024, field->example);
		break;
	case CONFIG_FILE:
		snprintf(phrase, CONFIG_PHRASE_MAX, "a file such as %s", field->example);
		break;
	case CONFIG_SOURCE:
		snprintf(phrase, CONFIG_PHRASE_MAX,
			 "a kind of source and which one, such as %s", field->example);
		break;
	case CONFIG_UPLINK:
		snprintf(phrase, CONFIG_PHRASE_MAX,
			 "nic0, \"mac:52:54:00:12:34:56\" or \"pci:00:04.0\"");
		break;
	case CONFIG_MAC:
		snprintf(phrase, CONFIG_PHRASE_MAX,
			 "auto, or an address such as 52:54:00:12:34:56");
		break;
	case CONFIG_ADDRESSES:
		snprintf(phrase, CONFIG_PHRASE_MAX, "a list of IP addresses such as %s",
			 field->example);
		break;
	case CONFIG_CPU_SET:
	case CONFIG_CPU_LIST:
		snprintf(phrase, CONFIG_PHRASE_MAX, "a list of CPU numbers such as %s",
			 field->example);
		break;
	case CONFIG_KEYS:
		snprintf(phrase, CONFIG_PHRASE_MAX, "keys with values, such as %s",
			 field->example);
		break;
	case CONFIG_STRUCTS:
		snprintf(phrase, CONFIG_PHRASE_MAX, "a list such as %s", field->example);
		break;
	}
	return phrase;
}

/* The usual refusal: what was found and what belongs there. */
static int refuse(const struct config_field *field, const char *text, size_t length,
		  char wrong[CONFIG_PHRASE_MAX])
{
	char shown[CONFIG_SHOWN_MAX], expected[CONFIG_PHRASE_MAX];

	snprintf(wrong, CONFIG_PHRASE_MAX, "is '%s'; write %s",
		 config_shown(shown, text, length), config_expected(field, expected));
	return -EINVAL;
}

/* The number and unit of a size; not its range: what is too large becomes UINT64_MAX. */
static int take_size(const struct config_field *field, const char *text, size_t length,
		     uint64_t *bytes, char wrong[CONFIG_PHRASE_MAX])
{
	char shown[CONFIG_SHOWN_MAX];
	uint64_t number;
	size_t used = take_number(text, length, &number);
	size_t left = length - used;
	const char *unit = text + used;

	if (used == 0)
		return refuse(field, text, length, wrong);
	config_shown(shown, text, length);
	if (left == 0) {
		snprintf(
			wrong, CONFIG_PHRASE_MAX,
			"is '%s', without a unit; write KiB, MiB, GiB or TiB after it, such as "
			"%s",
			shown, field->example);
		return -EINVAL;
	}
	if (*unit == '.' || *unit == ',') {
		snprintf(wrong, CONFIG_PHRASE_MAX,
			 "is '%s'; write a whole number of a smaller unit, such as 1536 MiB",
			 shown);
		return -EINVAL;
	}
	if (*unit == ' ')
		unit++, left--;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (is_word(unit, left, units[i].name)) {
			*bytes = number > UINT64_MAX >> units[i].shift
					 ? UINT64_MAX
					 : number << units[i].shift;
			return 0;
		}
		if (left && left < 3 && (*unit & ~0x20) == units[i].name[0]) {
			snprintf(wrong, CONFIG_PHRASE_MAX, "is '%s'; write %" PRIu64 " %s",
				 shown, number, units[i].name);
			return -EINVAL;
		}
	}
	snprintf(wrong, CONFIG_PHRASE_MAX,
		 "is '%s'; write a number and KiB, MiB, GiB or TiB, such as %s", shown,
		 field->example);
	return -EINVAL;
}

static int store_size(const struct config_field *field, const char *text, size_t length,
		      void *place, char wrong[CONFIG_PHRASE_MAX])
{
	char even[SIZE_TEXT_BYTES], better[SIZE_TEXT_BYTES], shown[CONFIG_SHOWN_MAX];
	uint64_t bytes;
	int error = take_size(field, text, length, &bytes, wrong);

	if (error)
		return error;
	if (bytes < field->minimum || bytes > field->maximum)
		return refuse(field, text, length, wrong);
	if (bytes % field->multiple) {
		snprintf(wrong, CONFIG_PHRASE_MAX,
			 "is '%s'; write a multiple of %s, such as %s",
			 config_shown(shown, text, length),
			 size_exact_text(field->multiple, even),
			 size_exact_text(bytes + field->multiple - bytes % field->multiple,
					 better));
		return -EINVAL;
	}
	memcpy(place, &bytes, sizeof(bytes));
	return 0;
}

static int store_number(const struct config_field *field, const char *text, size_t length,
			void *place, char wrong[CONFIG_PHRASE_MAX])
{
	uint64_t number;
	uint32_t stored;

	if (length == 0 || take_number(text, length, &number) != length ||
	    number < field->minimum || number > field->maximum)
		return refuse(field, text, length, wrong);
	stored = (uint32_t)number;
	memcpy(place, &stored, sizeof(stored));
	return 0;
}

static int store_duration(const struct config_field *field, const char *text, size_t length,
			  void *place, char wrong[CONFIG_PHRASE_MAX])
{
	char word[DURATION_TEXT_BYTES];
	uint32_t seconds;
	bool good = length < sizeof(word) && !memchr(text, '\0', length);

	if (good) {
		memcpy(word, text, length);
		word[length] = '\0';
		good = duration_parse(word, &seconds) && seconds >= field->minimum &&
		       seconds <= field->maximum;
	}
	if (!good)
		return refuse(field, text, length, wrong);
	memcpy(place, &seconds, sizeof(seconds));
	return 0;
}

static int store_bool(const struct config_field *field, const char *text, size_t length,
		      void *place, char wrong[CONFIG_PHRASE_MAX])
{
	bool yes = is_word(text, length, "true");

	if (!yes && !is_word(text, length, "false"))
		return refuse(field, text, length, wrong);
	memcpy(place, &yes, sizeof(yes));
	return 0;
}

static int store_choice(const struct config_field *field, const char *text, size_t length,
			void *place, char wrong[CONFIG_PHRASE_MAX])
{
	for (const struct config_choice *choice = field->choices; choice->word; choice++) {
		if (is_word(text, length, choice->word)) {
			memcpy(place, &choice->value, sizeof(choice->value));
			return 0;
		}
	}
	return refuse(field, text, length, wrong);
}

/* The part that all char[] have in common: room, and nothing that a terminal would obey. */
static int store_text(const struct config_field *field, const char *text, size_t length,
		      void *place, char wrong[CONFIG_PHRASE_MAX])
{
	if (length >= field->maximum) {
		snprintf(wrong, CONFIG_PHRASE_MAX,
			 "is %zu bytes long; write at most %" PRIu64 " characters", length,
			 field->maximum - 1);
		return -EINVAL;
	}
	for (size_t i = 0; i < length; i++) {
		if (text[i] < ' ' || text[i] > '~') {
			snprintf(wrong, CONFIG_PHRASE_MAX,
				 "has byte 0x%02x as its character %zu; write only printable "
				 "ASCII",
				 (unsigned)(unsigned char)text[i], i + 1);
			return -EINVAL;
		}
	}
	memcpy(place, text, length);
	((char *)place)[length] = '\0';
	return 0;
}

/* Looked into by who is given it. */
static int store_document(const struct config_field *field, const char *text, size_t length,
			  void *place, char wrong[CONFIG_PHRASE_MAX])
{
	struct config_document document = {text, length};

	if (length > field->maximum) {
		snprintf(wrong, CONFIG_PHRASE_MAX,
			 "is %zu bytes long; make it smaller, %" PRIu64 " KiB at most", length,
			 field->maximum / 1024);
		return -EINVAL;
	}
	memcpy(place, &document, sizeof(document));
	return 0;
}

static int store_name(const struct config_field *field, const char *text, size_t length,
		      void *place, char wrong[CONFIG_PHRASE_MAX])
{
	bool good = length > 0 && length < field->maximum && text[0] >= 'a' && text[0] <= 'z';

	for (size_t i = 0; good && i < length; i++)
		good = (text[i] >= 'a' && text[i] <= 'z') || is_digit(text[i]) ||
		       (text[i] == '-' && i + 1 < length);
	if (!good)
		return refuse(field, text, length, wrong);
	return store_text(field, text, length, place, wrong);
}

/* Whether every part between slashes is a name: not empty, not "." or "..". */
static bool plain_path(const char *path)
{
	while (true) {
		size_t part = strcspn(path, "/");

		if (part == 0 || is_word(path, part, ".") || is_word(path, part, ".."))
			return false;
		if (path[part] == '\0')
			return true;
		path += part + 1;
	}
}

static int store_file(const struct config_field *field, const char *text, size_t length,
		      void *place, char wrong[CONFIG_PHRASE_MAX])
{
	char shown[CONFIG_SHOWN_MAX];
	const char *remedy = NULL;
	char *file = place;

	if (store_text(field, text, length, place, wrong))
		return -EINVAL;
	if (strncmp(file, "esp:/", 5) != 0)
		remedy = "begin with esp:/, the folder \\bulkhead\\ of the boot partition";
	else if (strchr(file, '\\'))
		remedy = "use / between folders";
	else if (!plain_path(file + 5))
		remedy = "name the file without '.', '..' and empty parts";
	if (!remedy)
		return 0;
	snprintf(wrong, CONFIG_PHRASE_MAX, "is '%s'; %s", config_shown(shown, text, length),
		 remedy);
	return -EINVAL;
}

static int store_source(const struct config_field *field, const char *text, size_t length,
			void *place, char wrong[CONFIG_PHRASE_MAX])
{
	if (store_text(field, text, length, place, wrong))
		return -EINVAL;
	return config_is_source(place) ? 0 : refuse(field, text, length, wrong);
}

static int store_uplink(const struct config_field *field, const char *text, size_t length,
			void *place, char wrong[CONFIG_PHRASE_MAX])
{
	if (store_text(field, text, length, place, wrong))
		return -EINVAL;
	return config_is_uplink(place) ? 0 : refuse(field, text, length, wrong);
}

static int store_mac(const struct config_field *field, const char *text, size_t length,
		     void *place, char wrong[CONFIG_PHRASE_MAX])
{
	static const uint8_t zero[6];
	struct config_mac mac = {.given = !is_word(text, length, "auto")};
	char shown[CONFIG_SHOWN_MAX];

	if (mac.given && !config_parse_mac(text, length, mac.bytes))
		return refuse(field, text, length, wrong);
	if (mac.given && (mac.bytes[0] & 1 || memcmp(mac.bytes, zero, sizeof(zero)) == 0)) {
		snprintf(wrong, CONFIG_PHRASE_MAX,
			 "is '%s', which no single interface can have; write one whose first "
			 "pair is even, such as 52:54:00:12:34:56",
			 config_shown(shown, text, length));
		return -EINVAL;
	}
	memcpy(place, &mac, sizeof(mac));
	return 0;
}

int config_value(const struct config_field *field, const char *text, size_t length,
		 void *target, char wrong[CONFIG_PHRASE_MAX])
{
	static int (*const store[])(const struct config_field *, const char *, size_t, void *,
				    char *) = {
		[CONFIG_BOOL] = store_bool,	    [CONFIG_NUMBER] = store_number,
		[CONFIG_SIZE] = store_size,	    [CONFIG_CHOICE] = store_choice,
		[CONFIG_DOCUMENT] = store_document, [CONFIG_NAME] = store_name,
		[CONFIG_TEXT] = store_text,	    [CONFIG_FILE] = store_file,
		[CONFIG_SOURCE] = store_source,	    [CONFIG_UPLINK] = store_uplink,
		[CONFIG_MAC] = store_mac,	    [CONFIG_DURATION] = store_duration,
	};

	return store[field->type](field, text, length, (char *)target + field->offset, wrong);
}

static const char *choice_word(const struct config_field *field, uint32_t value)
{
	const struct config_choice *choice = field->choices;

	while (choice->word && choice->value != value)
		choice++;
	return choice->word ? choice->word : "";
}

static const char *mac_word(const struct config_mac *mac, char room[CONFIG_VALUE_TEXT])
{
	return mac->given ? config_mac_text(mac->bytes, room) : "auto";
}

const char *config_value_text(const struct config_field *field, const void *target,
			      char room[CONFIG_VALUE_TEXT])
{
	const void *place = (const char *)target + field->offset;
	uint32_t number = 0;
	uint64_t bytes = 0;

	room[0] = '\0';
	switch (field->type) {
	case CONFIG_BOOL: return *(const bool *)place ? "true" : "false";
	case CONFIG_NUMBER:
		memcpy(&number, place, sizeof(number));
		if (number >= field->minimum)
			snprintf(room, CONFIG_VALUE_TEXT, "%" PRIu32, number);
		return room;
	case CONFIG_SIZE:
		memcpy(&bytes, place, sizeof(bytes));
		return bytes ? size_exact_text(bytes, room) : room;
	case CONFIG_DURATION:
		memcpy(&number, place, sizeof(number));
		return duration_text(number, room);
	case CONFIG_CHOICE:
		memcpy(&number, place, sizeof(number));
		return choice_word(field, number);
	case CONFIG_MAC: return mac_word(place, room);
	default: return place;
	}
}

int config_cpu_range(const char *text, size_t length, struct cpumask *range,
		     char wrong[CONFIG_PHRASE_MAX])
{
	char shown[CONFIG_SHOWN_MAX];
	uint64_t low, high;
	size_t used = take_number(text, length, &low);

	high = low;
	if (used && used < length && text[used] == '-') {
		size_t more = take_number(text + used + 1, length - used - 1, &high);

		used = more ? used + 1 + more : 0;
	}
	config_shown(shown, text, length);
	if (used == 0 || used != length || low >= CPU_MAX || high >= CPU_MAX) {
		snprintf(wrong, CONFIG_PHRASE_MAX,
			 "is '%s'; write a CPU number from 0 to %d, or a range such as 4-7",
			 shown, CPU_MAX - 1);
		return -EINVAL;
	}
	if (low > high) {
		snprintf(wrong, CONFIG_PHRASE_MAX,
			 "is '%s'; write the smaller number first: %" PRIu64 "-%" PRIu64, shown,
			 high, low);
		return -EINVAL;
	}
	*range = (struct cpumask){0};
	for (uint64_t cpu = low; cpu <= high; cpu++)
		cpumask_set(range, (unsigned)cpu);
	return 0;
}

int config_address(const char *text, size_t length, struct config_address *address,
		   char wrong[CONFIG_PHRASE_MAX])
{
	char shown[CONFIG_SHOWN_MAX];

	config_shown(shown, text, length);
	if (!config_parse_address(text, length, address))
		snprintf(wrong, CONFIG_PHRASE_MAX,
			 "is '%s'; write an IPv4 or IPv6 address without a prefix, such as "
			 "192.0.2.7 or \"2001:db8::7\"",
			 shown);
	else if (!config_is_unicast(address))
		snprintf(wrong, CONFIG_PHRASE_MAX,
			 "is '%s', which no single machine can have; write the guest's own "
			 "address",
			 shown);
	else
		return 0;
	return -EINVAL;
}
