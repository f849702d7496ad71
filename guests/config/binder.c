/* Where a walk through a document is, and what it finds wrong there. See binder.h. */
#include "guests/config/binder.h"
#include "guests/config/address.h"
#include <stdio.h>
#include <string.h>

size_t binder_enter(struct binder *binder, const char *key, uint32_t index)
{
	size_t used = strlen(binder->path);
	char *end = binder->path + used;

	if (key)
		snprintf(end, BINDER_PLACE_MAX - used, "%s%s", used ? "." : "", key);
	else
		snprintf(end, BINDER_PLACE_MAX - used, "[%u]", (unsigned)index);
	return used;
}

void binder_leave(struct binder *binder, size_t used)
{
	binder->path[used] = '\0';
}

void binder_complain(struct binder *binder, struct config_mark mark, const char *wrong)
{
	config_report_add(binder->report, mark, "%s%s %s", binder->subject, binder->path,
			  wrong);
}

static size_t field_bytes(const struct config_field *field)
{
	switch (field->type) {
	case CONFIG_BOOL: return sizeof(bool);
	case CONFIG_NUMBER:
	case CONFIG_DURATION:
	case CONFIG_CHOICE: return sizeof(uint32_t);
	case CONFIG_SIZE: return sizeof(uint64_t);
	case CONFIG_DOCUMENT: return sizeof(struct config_document);
	case CONFIG_MAC: return sizeof(struct config_mac);
	case CONFIG_CPU_SET: return sizeof(struct cpumask);
	case CONFIG_CPU_LIST: return field->maximum * sizeof(uint16_t);
	case CONFIG_ADDRESSES: return field->maximum * sizeof(struct config_address);
	case CONFIG_KEYS: return field->table->bytes;
	case CONFIG_STRUCTS: return field->maximum * field->table->bytes;
	default: return field->maximum;
	}
}

void binder_spoil_count(struct binder *binder, const struct config_field *field, char *target)
{
	config_sound_spoil(binder->sound, binder_counter(field, target), sizeof(uint32_t));
}

void binder_spoil(struct binder *binder, const struct config_field *field, char *target)
{
	config_sound_spoil(binder->sound, target + field->offset, field_bytes(field));
	if (binder_is_counted(field))
		binder_spoil_count(binder, field, target);
}
