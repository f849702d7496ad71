/* Sentences about who owns what. Decides nothing. */
#include "guests/config/explain.h"
#include "guests/config/text.h"
#include "guests/config/value.h"
#include "kernel/lib/plural.h"
#include "kernel/lib/size.h"
#include <string.h>

#define LINE_MAX 512

struct teller {
	const struct config *config;
	const struct config_facts *facts;
	config_line_fn line;
	void *arg;
	char words[LINE_MAX];
	struct config_text text; /* in `words` */
};

static void begin(struct teller *teller)
{
	teller->words[0] = '\0';
	teller->text = (struct config_text){
		.bytes = teller->words, .room = sizeof(teller->words), .fixed = true};
}

static void end(struct teller *teller)
{
	teller->line(teller->arg, teller->words);
}

static bool runs(const struct teller *teller, const struct guest_config *guest)
{
	return teller->facts->runs(teller->facts->context, guest->name);
}

/* ---- CPUs ------------------------------------------------------------------------------- */

static bool may_use(const struct teller *teller, const struct guest_config *guest, unsigned cpu)
{
	struct cpumask set = guest->cpus.pin_count ? config_pins(guest)
						   : config_shared(teller->config, guest,
								   &teller->facts->present);

	return cpumask_test(&set, cpu);
}

/* ": housekeeping; shared by a, b", ": guest 'c' alone". */
static void tell_users(struct teller *teller, unsigned cpu)
{
	const struct config *config = teller->config;
	const char *joint = ": shared by ";

	if (cpumask_test(&config->host.housekeeping, cpu)) {
		config_text_say(&teller->text, ": housekeeping");
		joint = "; shared by ";
	}
	for (uint32_t i = 0; i < config->guest_count; i++) {
		const struct guest_config *guest = &config->guests[i];

		if (!may_use(teller, guest, cpu))
			continue;
		if (guest->cpus.pin_count)
			config_text_say(&teller->text, ": guest '%s' alone", guest->name);
		else
			config_text_say(&teller->text, "%s%s", joint, guest->name);
		joint = ", ";
	}
}

/* Neighbours with the same users are one line. */
static void tell_cpus(struct teller *teller)
{
	const struct cpumask *present = &teller->facts->present;
	char first_users[LINE_MAX];

	for (unsigned first = 0, last; first < CPU_MAX; first = last + 1) {
		last = first;
		if (!cpumask_test(present, first))
			continue;
		begin(teller);
		tell_users(teller, first);
		memcpy(first_users, teller->words, sizeof(first_users));
		while (last + 1 < CPU_MAX && cpumask_test(present, last + 1)) {
			begin(teller);
			tell_users(teller, last + 1);
			if (strcmp(teller->words, first_users) != 0)
				break;
			last++;
		}
		begin(teller);
		config_text_say(&teller->text, last > first ? "CPUs %u" : "CPU %u", first);
		if (last > first)
			config_text_say(&teller->text, "-%u", last);
		config_text_say(&teller->text, "%s", first_users[0] ? first_users : ": nobody");
		end(teller);
	}
}

/* ---- memory, disks, networks ------------------------------------------------------------- */

static void tell_memory(struct teller *teller)
{
	char size[SIZE_TEXT_BYTES];

	for (uint32_t i = 0; i < teller->config->guest_count; i++) {
		const struct guest_config *guest = &teller->config->guests[i];

		begin(teller);
		config_text_say(&teller->text, "memory: guest '%s' has %s%s", guest->name,
				size_exact_text(guest->memory_bytes, size),
				runs(teller, guest) ? "" : " when it runs");
		end(teller);
	}
	begin(teller);
	config_text_say(&teller->text, "memory: %s are free",
			size_exact_text(ALIGN_DOWN(teller->facts->free_bytes, PAGE_2M), size));
	end(teller);
}

static void tell_disks(struct teller *teller, const struct guest_config *guest)
{
	for (uint32_t i = 0; i < guest->disk_count; i++) {
		begin(teller);
		config_text_say(&teller->text, "disk: %.64s is disks[%u] of guest '%s'%s",
				guest->disks[i].source, (unsigned)i, guest->name,
				guest->disks[i].read_only ? ", to read" : "");
		end(teller);
	}
}

static void tell_network(struct teller *teller, const struct config_network *network)
{
	const struct config *config = teller->config;
	const char *joint = ": ";

	begin(teller);
	config_text_say(&teller->text, "network '%s'", network->name);
	if (network->uplink[0])
		config_text_say(&teller->text, " on %s", network->uplink);
	if (network->vlan)
		config_text_say(&teller->text, ", VLAN %u", (unsigned)network->vlan);
	for (uint32_t i = 0; i < config->guest_count; i++) {
		const struct guest_config *guest = &config->guests[i];

		for (uint32_t j = 0; j < guest->nic_count; j++) {
			if (strcmp(guest->nics[j].network, network->name) != 0)
				continue;
			config_text_say(&teller->text, "%snics[%u] of guest '%s'", joint,
					(unsigned)j, guest->name);
			joint = ", ";
		}
	}
	if (joint[0] == ':')
		config_text_say(&teller->text, ": nobody is plugged in");
	end(teller);
}

void config_explain(const struct config *config, const struct config_facts *facts,
		    config_line_fn line, void *arg)
{
	struct teller teller = {.config = config, .facts = facts, .line = line, .arg = arg};

	tell_cpus(&teller);
	tell_memory(&teller);
	for (uint32_t i = 0; i < config->guest_count; i++)
		tell_disks(&teller, &config->guests[i]);
	for (uint32_t i = 0; i < config->network_count; i++)
		tell_network(&teller, &config->networks[i]);
}

/* ---- one guest --------------------------------------------------------------------------- */

static void tell_its_cpus(struct teller *teller, const struct guest_config *guest)
{
	struct cpumask set = guest->cpus.pin_count ? config_pins(guest)
						   : config_shared(teller->config, guest,
								   &teller->facts->present);
	char text[CONFIG_CPUS_TEXT];

	begin(teller);
	config_text_say(&teller->text, "%u vCPU%s on %s, %s", (unsigned)guest->cpus.count,
			plural(guest->cpus.count), config_cpus_text(&set, text),
			!guest->cpus.pin_count	 ? "shared"
			: guest->cpus.count == 1 ? "which is its own"
						 : "which are its own");
	end(teller);
}

/* Too little memory is free: who has it, and what would help. */
static void tell_lack(struct teller *teller, const struct guest_config *guest)
{
	char wanted[SIZE_TEXT_BYTES], rest[SIZE_TEXT_BYTES];
	const char *joint = ": ";

	begin(teller);
	config_text_say(&teller->text, "it can't start: it needs %s, and %s are free",
			size_exact_text(guest->memory_bytes, wanted),
			size_exact_text(ALIGN_DOWN(teller->facts->free_bytes, PAGE_2M), rest));
	for (uint32_t i = 0; i < teller->config->guest_count; i++) {
		const struct guest_config *other = &teller->config->guests[i];

		if (other == guest || !runs(teller, other))
			continue;
		config_text_say(&teller->text, "%sguest '%s' has %s", joint, other->name,
				size_exact_text(other->memory_bytes, rest));
		joint = ", ";
	}
	config_text_say(&teller->text, "; %swrite less at its memory",
			joint[0] == ',' ? "stop one of them, or " : "");
	end(teller);
}

/* Whether it names CPUs that are not there: which, and what would help. */
static bool tell_absent_cpus(struct teller *teller, const struct guest_config *guest)
{
	struct cpumask named = config_cpus_or(config_pins(guest), guest->cpus.allowed);
	struct cpumask absent = config_cpus_without(named, teller->facts->present);
	char wrong[CONFIG_CPUS_TEXT], right[CONFIG_CPUS_TEXT];

	if (config_cpus_empty(&absent))
		return false;
	begin(teller);
	config_text_say(&teller->text,
			"it can't start: this machine does not have %s; name others of %s at "
			"its cpus.%s",
			config_cpus_text(&absent, wrong),
			config_cpus_text(&teller->facts->present, right),
			guest->cpus.pin_count ? "pin" : "allowed");
	end(teller);
	return true;
}

void config_explain_guest(const struct config *config, const struct guest_config *guest,
			  const struct config_facts *facts, const char *reason,
			  config_line_fn line, void *arg)
{
	struct teller teller = {.config = config, .facts = facts, .line = line, .arg = arg};
	char size[SIZE_TEXT_BYTES];

	tell_its_cpus(&teller, guest);
	begin(&teller);
	config_text_say(&teller.text, "%s of memory",
			size_exact_text(guest->memory_bytes, size));
	end(&teller);
	tell_disks(&teller, guest);
	for (uint32_t i = 0; i < guest->nic_count; i++)
		tell_network(&teller, config_find_network(config, guest->nics[i].network));
	if (runs(&teller, guest)) {
		line(arg, "it runs");
		return;
	}
	begin(&teller);
	config_text_say(&teller.text, "it does not run%s%s",
			reason[0]	   ? ": "
			: guest->autostart ? ""
					   : ": it starts when it is told to",
			reason);
	end(&teller);
	if (guest->memory_bytes > facts->free_bytes)
		tell_lack(&teller, guest);
	else if (!tell_absent_cpus(&teller, guest))
		line(arg, "no memory and no CPU is in the way of its start");
}
