/* Lists of plain values, element by element: CPUs, with ranges of them, and IP addresses. */
#include "guests/config/address.h"
#include "guests/config/binder.h"
#include "guests/config/value.h"
#include <stdio.h>
#include <string.h>

/* Puts CPUs into the set or list that `field` is; a list takes what it has room for. */
static void add_cpus(const struct config_field *field, const struct cpumask *cpus, char *target)
{
	void *place = target + field->offset;
	struct cpumask *set = place;
	uint16_t *list = place;

	for (unsigned cpu = 0; cpu < CPU_MAX; cpu++) {
		if (!cpumask_test(cpus, cpu))
			continue;
		if (field->type == CONFIG_CPU_SET)
			cpumask_set(set, cpu);
		else if (*binder_counter(field, target) < field->maximum)
			list[(*binder_counter(field, target))++] = (uint16_t)cpu;
	}
}

/* One element of a list of CPUs. `seen` are those of the elements before it. */
static void bind_cpu_range(struct binder *binder, const struct config_field *field,
			   const struct config_node *node, struct cpumask *seen, char *target)
{
	char wrong[CONFIG_PHRASE_MAX], text[CONFIG_CPUS_TEXT];
	struct cpumask range, twice;

	if (node->kind != CONFIG_SCALAR) {
		binder_complain(binder, node->mark,
				"is not a number; write one, or a range such as 4-7");
		return;
	}
	if (config_cpu_range(node->text, node->length, &range, wrong)) {
		binder_complain(binder, node->mark, wrong);
		return;
	}
	twice = config_cpus_and(range, *seen);
	if (!config_cpus_empty(&twice)) {
		snprintf(wrong, sizeof(wrong), "names %s a second time; name each once",
			 config_cpus_text(&twice, text));
		binder_complain(binder, node->mark, wrong);
	}
	*seen = config_cpus_or(*seen, range);
	add_cpus(field, &range, target);
}

void config_bind_cpus(struct binder *binder, const struct config_field *field,
		      const struct config_node *node, char *target)
{
	struct cpumask seen = {0};
	char wrong[CONFIG_PHRASE_MAX];
	uint32_t index = 0;

	for (const struct config_node *each = node->child; each; each = each->next) {
		size_t used = binder_enter(binder, NULL, index++);

		if (each->refused)
			binder_spoil(binder, field, target);
		else
			bind_cpu_range(binder, field, each, &seen, target);
		binder_leave(binder, used);
	}
	if (!node->child)
		binder_complain(
			binder, node->mark,
			"is an empty list; name at least one CPU, or leave the key out");
	if (field->type == CONFIG_CPU_LIST && cpumask_count(&seen) > field->maximum) {
		snprintf(wrong, sizeof(wrong), "names %u CPUs; name at most %u",
			 cpumask_count(&seen), (unsigned)field->maximum);
		binder_complain(binder, node->mark, wrong);
	}
}

/* One element of a list of addresses, behind those of `before`. */
static bool bind_address(struct binder *binder, const struct config_node *node,
			 const struct config_address *before, uint32_t count,
			 struct config_address *place)
{
	char wrong[CONFIG_PHRASE_MAX], text[CONFIG_ADDRESS_TEXT];

	if (node->refused)
		return false;
	if (node->kind != CONFIG_SCALAR) {
		binder_complain(binder, node->mark,
				"is not an address; write one, such as 192.0.2.7");
		return false;
	}
	if (config_address(node->text, node->length, place, wrong)) {
		binder_complain(binder, node->mark, wrong);
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!config_same_address(&before[i], place))
			continue;
		snprintf(wrong, sizeof(wrong), "is %s a second time; name each once",
			 config_address_text(place, text));
		binder_complain(binder, node->mark, wrong);
		return false;
	}
	return true;
}

void config_bind_addresses(struct binder *binder, const struct config_field *field,
			   const struct config_node *node, char *target)
{
	struct config_address *place = (void *)(target + field->offset);
	uint32_t *count = binder_counter(field, target);
	char wrong[CONFIG_PHRASE_MAX];

	for (const struct config_node *each = node->child; each; each = each->next) {
		size_t used;

		if (*count == field->maximum) {
			snprintf(wrong, sizeof(wrong),
				 "has more than %u addresses; leave some out",
				 (unsigned)field->maximum);
			binder_complain(binder, each->mark, wrong);
			binder_spoil_count(binder, field, target);
			return;
		}
		used = binder_enter(binder, NULL, *count);
		if (!bind_address(binder, each, place, *count, &place[*count]))
			config_sound_spoil(binder->sound, &place[*count], sizeof(*place));
		(*count)++;
		binder_leave(binder, used);
	}
}
