/*
 * The second stage: whether guests fit each other and the machine. Works on structs alone,
 * so a configuration from anywhere can be checked; looks at no file's contents. What is booted,
 * disks and networks are check_boot.c's, check_disks.c's and check_networks.c's.
 */
#include "guests/config/check.h"
#include "guests/config/value.h"
#include "kernel/lib/plural.h"
#include "kernel/lib/size.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void check_names(const struct checker *checker)
{
	const struct guest_config *guests = checker->config->guests;

	for (uint32_t i = 1; i < checker->config->guest_count; i++) {
		char place[CONFIG_ON_LINE_MAX];
		uint32_t j = 0;

		while (j < i && (strcmp(guests[j].name, guests[i].name) != 0 ||
				 !SOUND(checker, guests[j].name)))
			j++;
		if (j < i && SOUND(checker, guests[i].name))
			config_report_add(checker->report, guests[i].name_mark,
					  "guest '%s': the guest%s has this name too; "
					  "give each guest its own",
					  guests[i].name,
					  config_on_line(guests[j].name_mark, place));
	}
}

/* The CPUs that a guest pins, as far as they could be read. */
static struct cpumask pins_of(const struct checker *checker, const struct guest_config *guest)
{
	return SOUND(checker, guest->cpus.pin) ? config_pins(guest) : (struct cpumask){0};
}

/* CPUs that a list names and the machine lacks; "": it lacks none. "cpus.pin names CPU 9, ...".
 */
static const char *absent_cpus(const struct checker *checker, const char *key,
			       struct cpumask named, char text[CONFIG_WHY_MAX])
{
	struct cpumask absent = config_cpus_without(named, checker->machine->cpus);
	char wrong[CONFIG_CPUS_TEXT], right[CONFIG_CPUS_TEXT];

	text[0] = '\0';
	if (config_cpus_empty(&checker->machine->cpus) || config_cpus_empty(&absent))
		return text;
	snprintf(text, CONFIG_WHY_MAX,
		 "%s names %s, which this machine does not have; it has %s", key,
		 config_cpus_text(&absent, wrong),
		 config_cpus_text(&checker->machine->cpus, right));
	return text;
}

static void check_present(const struct checker *checker, const struct guest_config *guest,
			  const char *key, struct cpumask named, struct config_mark mark)
{
	char text[CONFIG_WHY_MAX];

	if (*absent_cpus(checker, key, named, text))
		config_report_lack(checker->report, config_position(checker, guest), mark,
				   "guest '%s': %s", guest->name, text);
}

/* CPUs of `named` that another guest than `guest` pins. */
static void check_foreign_pins(const struct checker *checker, const struct guest_config *guest,
			       const char *key, struct cpumask named, struct config_mark mark,
			       uint32_t others)
{
	char text[CONFIG_CPUS_TEXT], place[CONFIG_ON_LINE_MAX];

	for (uint32_t i = 0; i < others; i++) {
		const struct guest_config *other = &checker->config->guests[i];
		struct cpumask both = config_cpus_and(named, pins_of(checker, other));

		if (other == guest || config_cpus_empty(&both))
			continue;
		config_report_add(
			checker->report, mark,
			"guest '%s': %s names %s, which guest '%s' owns by its pin%s; "
			"take it out of one of the two",
			guest->name, key, config_cpus_text(&both, text), other->name,
			config_on_line(other->cpus.pin_mark, place));
	}
}

static void check_beside_pin(const struct checker *checker, const struct guest_config *guest,
			     const char *key, struct config_mark mark)
{
	if (mark.line)
		config_report_add(
			checker->report, mark,
			"guest '%s': cpus.%s has no meaning beside cpus.pin, whose CPUs "
			"are the guest's alone; remove one of the two",
			guest->name, key);
}

/* Keys that mean something for shared vCPUs only, whatever the pins are. */
static void check_keys_beside_pin(const struct checker *checker,
				  const struct guest_config *guest)
{
	check_beside_pin(checker, guest, "allowed", guest->cpus.allowed_mark);
	check_beside_pin(checker, guest, "weight", guest->cpus.weight_mark);
	check_beside_pin(checker, guest, "cap", guest->cpus.cap_mark);
}

/* None of host.housekeeping is there: another CPU does that work. */
static bool housekeeping_absent(const struct checker *checker)
{
	struct cpumask there =
		config_cpus_and(checker->config->host.housekeeping, checker->machine->cpus);

	return SOUND(checker, checker->config->host.housekeeping) &&
	       !config_cpus_empty(&checker->machine->cpus) && config_cpus_empty(&there);
}

static bool every_cpu_pinned(const struct checker *checker)
{
	struct cpumask rest = checker->machine->cpus;

	if (housekeeping_absent(checker))
		return false; /* who pins the one in its place lacks it */
	for (uint32_t i = 0; i < checker->config->guest_count; i++)
		rest = config_cpus_without(rest, pins_of(checker, &checker->config->guests[i]));
	return !config_cpus_empty(&checker->machine->cpus) && config_cpus_empty(&rest);
}

/* CPUs that are pinned, and have to do what absent ones were to. */
static void check_stand_in(const struct checker *checker, const struct guest_config *guest,
			   struct cpumask pins)
{
	struct cpumask taken = config_cpus_and(
		pins, config_housekeeping(checker->config, &checker->machine->cpus));
	char text[CONFIG_CPUS_TEXT];

	if (housekeeping_absent(checker) && !config_cpus_empty(&taken))
		config_report_lack(
			checker->report, config_position(checker, guest), guest->cpus.pin_mark,
			"guest '%s': cpus.pin names %s, where devices and management "
			"run as this machine has no CPU of host.housekeeping; pin "
			"another, or change host.housekeeping",
			guest->name, config_cpus_text(&taken, text));
}

static void check_pinned(const struct checker *checker, const struct guest_config *guest)
{
	const struct config_vcpus *cpus = &guest->cpus;
	struct cpumask pins = config_pins(guest);
	struct cpumask taken = config_cpus_and(pins, checker->config->host.housekeeping);
	char owner[CONFIG_GUEST_NAME_MAX + 16], text[CONFIG_CPUS_TEXT];

	snprintf(owner, sizeof(owner), "guest '%s': ", guest->name);
	if (cpus->count != cpus->pin_count && SOUND(checker, cpus->count))
		config_report_add(
			checker->report, cpus->pin_mark,
			"%scpus.pin names %u CPU%s for %u vCPU%s; name one for each, or "
			"write 'count: %u'",
			owner, (unsigned)cpus->pin_count, plural(cpus->pin_count),
			(unsigned)cpus->count, plural(cpus->count), (unsigned)cpus->pin_count);
	check_present(checker, guest, "cpus.pin", pins, cpus->pin_mark);
	check_foreign_pins(checker, guest, "cpus.pin", pins, cpus->pin_mark,
			   (uint32_t)(guest - checker->config->guests));
	check_stand_in(checker, guest, pins);
	if (every_cpu_pinned(checker))
		return;
	if (!config_cpus_empty(&taken) && SOUND(checker, checker->config->host.housekeeping))
		config_report_add(checker->report, cpus->pin_mark,
				  "%scpus.pin names %s of host.housekeeping, where devices and "
				  "management run; pin another, or change host.housekeeping",
				  owner, config_cpus_text(&taken, text));
}

static void check_shared(const struct checker *checker, const struct guest_config *guest)
{
	const struct config_vcpus *cpus = &guest->cpus;

	if (!SOUND(checker, cpus->allowed))
		return;
	check_present(checker, guest, "cpus.allowed", cpus->allowed, cpus->allowed_mark);
	check_foreign_pins(checker, guest, "cpus.allowed", cpus->allowed, cpus->allowed_mark,
			   checker->config->guest_count);
}

/* The machine goes on with those that are there. */
static void check_housekeeping(const struct checker *checker)
{
	const struct host_config *host = &checker->config->host;
	struct cpumask used = config_housekeeping(checker->config, &checker->machine->cpus);
	char text[CONFIG_WHY_MAX], cpus[CONFIG_CPUS_TEXT];

	if (SOUND(checker, host->housekeeping) &&
	    *absent_cpus(checker, "host.housekeeping", host->housekeeping, text))
		config_report_lack(checker->report, -1, host->housekeeping_mark,
				   "%s; devices and management run on %s", text,
				   config_cpus_text(&used, cpus));
}

static void check_cpus(const struct checker *checker)
{
	const struct config *config = checker->config;
	struct config_mark mark = config->host.housekeeping_mark;

	check_housekeeping(checker);
	for (uint32_t i = 0; i < config->guest_count; i++) {
		const struct guest_config *guest = &config->guests[i];
		bool sound = SOUND(checker, guest->cpus.pin);

		if (guest->cpus.pin_count || !sound)
			check_keys_beside_pin(checker, guest);
		if (guest->cpus.pin_count && sound) {
			check_pinned(checker, guest);
			mark = guest->cpus.pin_mark;
		} else if (sound) {
			check_shared(checker, guest);
		}
	}
	if (every_cpu_pinned(checker))
		config_report_add(
			checker->report, mark,
			"with this, every CPU of the machine is pinned; leave at least "
			"one out as a housekeeping CPU, for devices and management");
}

/* Takes a guest's RAM disks from what is left; says so when one does not fit. */
static void take_ram_disks(const struct checker *checker, const struct guest_config *guest,
			   uint64_t *left)
{
	char rest[SIZE_TEXT_BYTES];
	uint64_t bytes;

	for (uint32_t i = 0; i < guest->disk_count; i++) {
		const struct config_disk *disk = &guest->disks[i];

		if (!SOUND(checker, disk->source) || strncmp(disk->source, "ram:", 4) != 0 ||
		    !size_parse(disk->source + 4, &bytes))
			continue;
		if (bytes <= *left) {
			*left -= MIN(*left, ALIGN_UP(bytes, PAGE_2M));
			continue;
		}
		config_report_lack(
			checker->report, config_position(checker, guest), disk->source_mark,
			"guest '%s': disks[%u].source is '%s', but this machine has "
			"%s left after the guests' memory before; write less, here or "
			"there",
			guest->name, (unsigned)i, disk->source,
			size_exact_text(ALIGN_DOWN(*left, PAGE_2M), rest));
	}
}

/* Takes a guest's memory off *left; what does not fit takes nothing from those behind it. */
static void take_memory(const struct checker *checker, const struct guest_config *guest,
			uint64_t *left)
{
	char wanted[SIZE_TEXT_BYTES], rest[SIZE_TEXT_BYTES];
	bool alone = *left == checker->machine->memory_bytes;

	if (!SOUND(checker, guest->memory_bytes))
		return;
	if (guest->memory_bytes <= *left) {
		*left -= guest->memory_bytes;
		take_ram_disks(checker, guest, left);
		return;
	}
	config_report_lack(checker->report, config_position(checker, guest), guest->memory_mark,
			   "guest '%s': memory is %s, but this machine has %s %s", guest->name,
			   size_exact_text(guest->memory_bytes, wanted),
			   size_exact_text(ALIGN_DOWN(*left, PAGE_2M), rest),
			   alone ? "for guests; write less"
				 : "left after the guests before; write less, here or there");
}

/* How a guest takes part where memory is given out. */
static enum config_presence presence(const struct checker *checker,
				     const struct guest_config *guest)
{
	const struct config_machine *machine = checker->machine;
	int position = config_position(checker, guest);
	enum config_presence is = machine->presence
					  ? machine->presence(machine->context, guest->name)
					  : CONFIG_IS_NEW;

	if (is == CONFIG_RUNS || is == CONFIG_IS_OFF)
		return is;
	if (position < CONFIG_GUESTS_MAX && checker->left_out >> position & 1)
		return CONFIG_IS_OFF;
	if (is == CONFIG_WAITS)
		return is;
	return guest->autostart && SOUND(checker, guest->autostart) ? CONFIG_WAITS
								    : CONFIG_IS_OFF;
}

/* The lowest start.order above `above` of guests that are to start; UINT32_MAX: there is none.
 */
static uint32_t next_order(const struct checker *checker, uint32_t above)
{
	uint32_t lowest = UINT32_MAX;

	for (uint32_t i = 0; i < checker->config->guest_count; i++) {
		const struct guest_config *guest = &checker->config->guests[i];

		if (presence(checker, guest) == CONFIG_WAITS && guest->start.order > above)
			lowest = MIN(lowest, guest->start.order);
	}
	return lowest;
}

/* Of each guest that is there like that; of those to start, those of one order. */
static void take_memory_of(const struct checker *checker, enum config_presence like,
			   uint32_t order, uint64_t *left)
{
	for (uint32_t i = 0; i < checker->config->guest_count; i++) {
		const struct guest_config *guest = &checker->config->guests[i];

		if (presence(checker, guest) == like &&
		    (like != CONFIG_WAITS || guest->start.order == order))
			take_memory(checker, guest, left);
	}
}

/* Who runs has it; who starts must fit beside them and who starts before; who is started by
 * hand, on the machine. */
static void check_memory(const struct checker *checker)
{
	uint64_t all = checker->machine->memory_bytes, left = all;

	if (!all)
		return;
	take_memory_of(checker, CONFIG_RUNS, 0, &left);
	for (uint32_t order = next_order(checker, 0); order != UINT32_MAX;
	     order = next_order(checker, order))
		take_memory_of(checker, CONFIG_WAITS, order, &left);
	for (uint32_t i = 0; i < checker->config->guest_count; i++) {
		const struct guest_config *guest = &checker->config->guests[i];
		uint64_t whole = all;

		if (presence(checker, guest) == CONFIG_IS_OFF)
			take_memory(checker, guest, &whole);
	}
}

void config_check_sound(const struct config *config, const struct config_machine *machine,
			const struct config_sound *sound, struct config_report *report)
{
	struct checker checker = {
		.config = config, .machine = machine, .sound = sound, .report = report};

	if (config->guest_count > CONFIG_GUESTS_MAX)
		config_report_add(report, config->guests[CONFIG_GUESTS_MAX].name_mark,
				  "guest '%s': there are %u guests already; leave one out",
				  config->guests[CONFIG_GUESTS_MAX].name, CONFIG_GUESTS_MAX);
	check_names(&checker);
	check_cpus(&checker);
	config_check_boot(&checker);
	config_check_networks(&checker);
	config_check_disks(&checker);
	if (machine->presence) /* else all is told that a machine would have to have */
		checker.left_out = report->lacking;
	check_memory(&checker);
}

int config_check(const struct config *config, const struct config_machine *machine,
		 struct config_report *report)
{
	uint32_t before = report->wrong;

	config_check_sound(config, machine, NULL, report);
	return report->wrong == before ? 0 : -EINVAL;
}
