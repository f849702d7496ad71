/*
 * The walk through a document that bind.c and bind_lists.c make together: where it is, what is
 * wrong there, and what is thereby unsound. Private to these and guests/config/binder.c.
 */
#ifndef GUESTS_CONFIG_BINDER_H
#define GUESTS_CONFIG_BINDER_H

#include "guests/config/schema.h"
#include "guests/config/sound.h"
#include "guests/config/tree.h"

#define BINDER_SUBJECT_MAX 64
#define BINDER_PLACE_MAX   96

struct binder {
	struct config_report *report;
	struct config_sound *sound;	  /* or NULL */
	char subject[BINDER_SUBJECT_MAX]; /* "guest 'alpha': ", or "" */
	char path[BINDER_PLACE_MAX];	  /* within the subject: "boot.modules[0].file" */
};

/* Lengthens the path by a key, or where that is NULL by an index; gives the length to go back
 * to with binder_leave(). */
size_t binder_enter(struct binder *binder, const char *key, uint32_t index);
void binder_leave(struct binder *binder, size_t used);

/* "guest 'alpha': cpus.count is '65'; write a number from 1 to 64": `wrong` is from "is" on. */
void binder_complain(struct binder *binder, struct config_mark mark, const char *wrong);

/* Nothing of the field's value in `target` is sound. */
void binder_spoil(struct binder *binder, const struct config_field *field, char *target);
/* A list is not what the document means, while its elements may be. */
void binder_spoil_count(struct binder *binder, const struct config_field *field, char *target);

/* Whether the field is a list, whose elements are counted; and their number in `target`. */
static inline bool binder_is_counted(const struct config_field *field)
{
	return field->type == CONFIG_CPU_LIST || field->type == CONFIG_ADDRESSES ||
	       field->type == CONFIG_STRUCTS;
}

static inline uint32_t *binder_counter(const struct config_field *field, char *target)
{
	return (uint32_t *)(void *)(target + field->counter);
}

/* Lists of CPUs and of addresses, which are lists in the document, too (bind_lists.c). What is
 * wrong with one CPU is the whole list's fault, and left to the caller to note as such. */
void config_bind_cpus(struct binder *binder, const struct config_field *field,
		      const struct config_node *node, char *target);
void config_bind_addresses(struct binder *binder, const struct config_field *field,
			   const struct config_node *node, char *target);

#endif
