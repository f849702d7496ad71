/* A plan in words. */
#include "guests/config/plan.h"
#include "kernel/lib/duration.h"
#include <stdio.h>

#define FATE_BYTES 80

static bool waits_for_machine(const struct config_plan *plan, const struct config_item *item)
{
	for (uint32_t i = 0; i < item->reasons; i++)
		if (plan->differences[item->first + i].change == CONFIG_CHANGE_MACHINE)
			return true;
	return false;
}

/* "is shut down within 60 s and deleted" */
static const char *stop_words(const struct config_item *item, const char *then,
			      char words[FATE_BYTES])
{
	char text[DURATION_TEXT_BYTES];

	if (item->shutdown_seconds)
		snprintf(words, FATE_BYTES, "is shut down within %s and %s",
			 duration_text(item->shutdown_seconds, text), then);
	else
		snprintf(words, FATE_BYTES, "is switched off and %s", then);
	return words;
}

/* What becomes of an item, in the present: a plan is read before it is carried out. */
static const char *fate_words(const struct config_plan *plan, const struct config_item *item,
			      char words[FATE_BYTES])
{
	switch (item->fate) {
	case CONFIG_FATE_CREATED:
		if (item->part == CONFIG_PART_NETWORK)
			return "is created";
		return item->starts ? "is created and started"
				    : "is created; it starts when it is told to";
	case CONFIG_FATE_CHANGED:
		if (item->part == CONFIG_PART_HOST)
			return waits_for_machine(plan, item)
				       ? "is changed, with effect from the machine's next start"
				       : "is changed";
		return item->runs ? "is changed while it runs" : "is changed; it does not run";
	case CONFIG_FATE_RESTARTED:
		return item->part == CONFIG_PART_NETWORK
			       ? "is removed and created anew"
			       : stop_words(item, "started again", words);
	default: return item->runs ? stop_words(item, "deleted", words) : "is deleted";
	}
}

static const char *or_nothing(const char *value)
{
	return value[0] ? value : "nothing";
}

/* "  memory: 512 MiB, then 1 GiB; its RAM is set aside when the guest starts" */
static void say_difference(const struct config_difference *difference,
			   char line[CONFIG_PLAN_LINE_MAX])
{
	snprintf(line, CONFIG_PLAN_LINE_MAX, "  %s: %s, then %s%s%s", difference->path,
		 or_nothing(difference->from), or_nothing(difference->to),
		 difference->why ? "; " : "", difference->why ? difference->why : "");
}

static void say_item(const struct config_plan *plan, const struct config_item *item,
		     char line[CONFIG_PLAN_LINE_MAX])
{
	const char *end = item->reasons ? ":" : "";
	char words[FATE_BYTES];

	if (item->part == CONFIG_PART_HOST)
		snprintf(line, CONFIG_PLAN_LINE_MAX, "the host %s%s",
			 fate_words(plan, item, words), end);
	else
		snprintf(line, CONFIG_PLAN_LINE_MAX, "%s '%s' %s%s",
			 item->part == CONFIG_PART_GUEST ? "guest" : "network", item->name,
			 fate_words(plan, item, words), end);
}

void config_plan_say(const struct config_plan *plan, void (*line)(void *arg, const char *text),
		     void *arg)
{
	char text[CONFIG_PLAN_LINE_MAX];

	if (!plan->item_count)
		line(arg, "nothing changes");
	for (uint32_t i = 0; i < plan->item_count; i++) {
		const struct config_item *item = &plan->items[i];

		say_item(plan, item, text);
		line(arg, text);
		for (uint32_t j = 0; j < item->reasons; j++) {
			say_difference(&plan->differences[item->first + j], text);
			line(arg, text);
		}
	}
}
