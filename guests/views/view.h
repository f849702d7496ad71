/*
 * Views: what is shown of guests and the machine, as plain structs, and the tables that
 * describe their fields for every writer. It includes nothing of what the values come from; who
 * fills views is guests/views/collect.
 */
#ifndef GUESTS_VIEWS_VIEW_H
#define GUESTS_VIEWS_VIEW_H

#include "kernel/lib/types.h"

/*
 * A view has members of uint32_t, uint64_t, char[N] (ended by a NUL within N), struct
 * view_count[N], and other views, one or an array of them; no gaps. Each member is in the table
 * once.
 */
enum view_type { VIEW_U32, VIEW_U64, VIEW_TEXT, VIEW_COUNTS, VIEW_ROWS };

enum view_kind {
	VIEW_LABEL,   /* tells the row from the others of its table */
	VIEW_INFO,    /* a property that seldom changes */
	VIEW_NOTE,    /* text for people, which programs should not rely on: no metric */
	VIEW_STATE,   /* a text that is one of `words` */
	VIEW_GAUGE,   /* a number that goes up and down */
	VIEW_COUNTER, /* one that only goes up, until what it counts for starts anew */
	VIEW_PART,    /* rows of another table that belong to this one */
	VIEW_SIZE,    /* how many elements of an array are there; shown as their number only */
};

/* The unit is a word of the field's name, but for those of VIEW_NONE and VIEW_FLAG. */
enum view_unit { VIEW_NONE, VIEW_FLAG /* 0 or 1 */, VIEW_BYTES, VIEW_RATE, VIEW_NS };

/* A counter that is one of several, by name. */
struct view_count {
	char name[24];
	uint64_t count;
};

struct view_table;

struct view_field {
	const char *name; /* as the member's; a key of JSON and of words */
	const char *help; /* one sentence */
	uint32_t offset, bytes;
	uint8_t type, kind, unit;
	const char *label;	  /* VIEW_LABEL: what it is called beside other rows' labels;
				     VIEW_COUNTS:        what `name` of its elements is called so */
	const char *const *words; /* VIEW_STATE: all that it may be; ends with NULL */
	const struct view_table *table; /* VIEW_ROWS */
	uint32_t size_offset; /* VIEW_COUNTS, VIEW_ROWS: of the VIEW_SIZE, an uint32_t; or.. */
};
#define VIEW_ALONE UINT32_MAX /* ..there is one element, always */

struct view_table {
	const char *name; /* of the rows: "guests" */
	const char
		*metric;  /* what metrics of a row begin with, after "bulkhead_"; NULL: none */
	const char *help; /* what a row is: one sentence */
	uint32_t bytes;	  /* of the struct */
	uint32_t field_count;
	const struct view_field *fields; /* in the order that they are shown in */
};

/* How many elements of an array of `row` are there: never more than it has room for. */
uint32_t view_elements(const struct view_field *field, const void *row);
/* Bytes of `row` that hold anything: what its last member does not use is left out. */
uint32_t view_used_bytes(const struct view_table *table, const void *row);
/* The value of a VIEW_U32 or VIEW_U64, and of a VIEW_TEXT with its length. */
uint64_t view_number(const struct view_field *field, const void *row);
const char *view_text(const struct view_field *field, const void *row, size_t *bytes);

/* For who fills views. */
#define VIEW_MAC_BYTES 24
void view_set_mac(char text[VIEW_MAC_BYTES], const uint8_t mac[6]);
void view_set_count(struct view_count *at, const char *name, uint64_t count);

/* All tables that are not parts of others; ends with NULL. */
extern const struct view_table *const view_tables[];

/* ---- for tables ------------------------------------------------------------------------- */

/* A member of any other type is a compile-time error. */
#define VIEW_TYPE(view, member) \
	_Generic(((struct view *)0)->member, \
		uint32_t: VIEW_U32,     \
		uint64_t: VIEW_U64,     \
		char *: VIEW_TEXT,      \
		struct view_count *: VIEW_COUNTS)
#define VIEW_PLACE(view, member)                                            \
	.name = #member, .offset = (uint32_t)offsetof(struct view, member), \
	.bytes = (uint32_t)sizeof(((struct view *)0)->member)

#define VIEW_FIELD(view, member, kind_, unit_, help_)                                     \
	{                                                                                 \
		VIEW_PLACE(view, member), .type = VIEW_TYPE(view, member), .kind = kind_, \
					  .unit = unit_, .help = help_                    \
	}
#define VIEW_NAMED(view, member, label_, help_)                                                \
	{                                                                                      \
		VIEW_PLACE(view, member), .type = VIEW_TYPE(view, member), .kind = VIEW_LABEL, \
					  .label = label_, .help = help_                       \
	}
#define VIEW_ONE_OF(view, member, words_, help_)                                               \
	{                                                                                      \
		VIEW_PLACE(view, member), .type = VIEW_TYPE(view, member), .kind = VIEW_STATE, \
					  .words = words_, .help = help_                       \
	}
#define VIEW_COUNT_BY(view, member, size, label_, help_)                              \
	{                                                                             \
		VIEW_PLACE(view, member), .type = VIEW_TYPE(view, member),            \
					  .kind = VIEW_COUNTER, .label = label_,      \
					  .size_offset = offsetof(struct view, size), \
					  .help = help_                               \
	}
#define VIEW_ARRAY(view, member, size, table_, help_)                             \
	{                                                                         \
		VIEW_PLACE(view, member),                                         \
			.type = VIEW_ROWS, .kind = VIEW_PART, .table = &(table_), \
			.size_offset = offsetof(struct view, size), .help = help_ \
	}
#define VIEW_SINGLE(view, member, table_, help_)                                         \
	{                                                                                \
		VIEW_PLACE(view, member), .type = VIEW_ROWS, .kind = VIEW_PART,          \
					  .table = &(table_), .size_offset = VIEW_ALONE, \
					  .help = help_                                  \
	}
#define VIEW_SIZE_OF(view, member) VIEW_FIELD(view, member, VIEW_SIZE, VIEW_NONE, "")
#define VIEW_TABLE(view, name_, metric_, fields_, help_)                             \
	{                                                                            \
		.name = name_, .metric = metric_, .bytes = sizeof(struct view),      \
		.fields = fields_, .field_count = ARRAY_SIZE(fields_), .help = help_ \
	}

#endif
