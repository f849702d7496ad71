/*
 * LVM2's metadata text as a tree: sections, fields, lists. The tree keeps whatever was written,
 * known or not, and gives it back byte for byte. What the words mean is vg.c's.
 */
#ifndef DRIVERS_VOLUME_LVM_TEXT_H
#define DRIVERS_VOLUME_LVM_TEXT_H

#include "kernel/lib/types.h"
#include "kernel/sched/turns.h"

#define LVM_WHY_BYTES 256 /* the rest of a sentence, as in kernel/io/storage.h */

/* Bounds, as disks are hostile: LVM2's own default area has room for texts of 512 KiB. */
#define LVM_TEXT_BYTES_MAX (2 * MIB)
#define LVM_TEXT_NODES_MAX (1u << 18)
#define LVM_DEPTH_MAX	   12 /* of sections; LVM2 uses up to 5 */

enum lvm_kind { LVM_SECTION, LVM_FIELD, LVM_NUMBER, LVM_STRING };

struct lvm_node {
	struct lvm_node *next;
	struct lvm_node *first, *last; /* of a section: what is in it; of a field: its values */
	const char *text; /* name; a number's digits; what is between quotes, escapes kept */
	uint32_t count;	  /* of what is in it, or of its values */
	uint8_t kind;	  /* enum lvm_kind */
	bool list;	  /* field: in brackets */
	bool gap;	  /* an empty line before it */
	bool end_gap;	  /* section: an empty line before its end */
	bool newline;	  /* value: on a line of its own */
};

/* Memory of a tree, and of what is made of it; given back as one. */
struct lvm_text {
	struct lvm_node root; /* a section without a name */
	struct lvm_chunk *chunks;
	unsigned nodes;
	struct turns turns; /* of all the work that is done on it; lvm_text_free() keeps none */
};

/* Zeroed memory that lasts as long as `text`, or NULL. */
void *lvm_text_alloc(struct lvm_text *text, size_t bytes);
void lvm_text_free(struct lvm_text *text);

/* The new last node in `parent`, whose text is a copy of `count` bytes; NULL: no memory. */
struct lvm_node *lvm_text_add(struct lvm_text *text, struct lvm_node *parent,
			      enum lvm_kind kind, const char *from, size_t count);

/* `text` is zeroed. 0; -EINVAL with the rest of a sentence in `why`, or -ENOMEM. In any case
 * lvm_text_free() follows. `bytes` are copied. */
int lvm_text_parse(struct lvm_text *text, const char *bytes, size_t count,
		   char why[LVM_WHY_BYTES]);

/* What `section` has of that kind and name, or NULL. */
struct lvm_node *lvm_text_find(const struct lvm_node *section, enum lvm_kind kind,
			       const char *name);
unsigned lvm_text_sections(const struct lvm_node *section); /* how many are in it */
/* A field's only value, as a number: 0, -ENOENT without that field, -EINVAL when it is not a
 * number in [0, max]. */
int lvm_text_number(const struct lvm_node *section, const char *name, uint64_t max,
		    uint64_t *value);
/* The same as a string, or NULL. */
const char *lvm_text_string(const struct lvm_node *section, const char *name);
/* Whether a list of strings has `word`. */
bool lvm_text_lists(const struct lvm_node *section, const char *name, const char *word);
/* How many of the `count` bytes from `from` on are the name of a section or field. */
size_t lvm_text_name(const char *from, size_t count);
bool lvm_text_to_number(const char *digits, uint64_t max, uint64_t *value);

/* Building: NULL when out of memory. Texts are copied. */
struct lvm_node *lvm_text_section(struct lvm_text *text, struct lvm_node *parent,
				  const char *name);
struct lvm_node *lvm_text_field(struct lvm_text *text, struct lvm_node *section,
				const char *name);
struct lvm_node *lvm_text_value(struct lvm_text *text, struct lvm_node *field,
				enum lvm_kind kind, const char *value);
void lvm_text_remove(struct lvm_node *parent, const struct lvm_node *child);
/* Removes all that `keep` does not want, in one pass. */
void lvm_text_keep(struct lvm_node *parent,
		   bool (*keep)(const struct lvm_node *child, const void *arg),
		   const void *arg);

/* Prints what is in `section`, as LVM2 writes it to disks. Returns the bytes of all, whether or
 * not they fit into `room`. */
size_t lvm_text_print(const struct lvm_node *section, char *buf, size_t room);

/* Sets a reason, if there is none yet. */
void lvm_text_refuse(char reason[LVM_WHY_BYTES], const char *fmt, ...) printf_like(2, 3);

#endif
