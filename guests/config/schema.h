/*
 * The form of a configuration: which keys there are, what each may hold, and where in the
 * structs of config.h it goes. Parser, suggestions, defaults and the table of keys in
 * docs/configuration.md are all made from these tables, and arguments of actions are described
 * by such. Private to guests/config, guests/actions and tools.
 */
#ifndef GUESTS_CONFIG_SCHEMA_H
#define GUESTS_CONFIG_SCHEMA_H

#include "kernel/lib/types.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
	CONFIG_BOOL,	 /* bool */
	CONFIG_NUMBER,	 /* uint32_t, from minimum to maximum */
	CONFIG_SIZE,	 /* uint64_t bytes, from minimum to maximum, a multiple of `multiple` */
	CONFIG_DURATION, /* uint32_t seconds, from minimum to maximum */
	CONFIG_CHOICE,	 /* a 4-byte enum or uint32_t, one of `choices` */
	CONFIG_NAME,	 /* char[], a-z 0-9 and '-' */
	CONFIG_TEXT,	 /* char[], printable ASCII */
	CONFIG_DOCUMENT, /* struct config_document, at most `maximum` bytes; of actions alone */
	CONFIG_FILE,	 /* char[], "esp:/..." */
	CONFIG_SOURCE,	 /* char[], "lvm:vg0/web" */
	CONFIG_UPLINK,	 /* char[], "nic0", "mac:...", "pci:..." */
	CONFIG_MAC,	 /* struct config_mac, or the word `auto` */
	CONFIG_CPU_SET,	 /* struct cpumask */
	CONFIG_CPU_LIST, /* uint16_t[], its length a uint32_t at `counter` */
	CONFIG_ADDRESSES, /* struct config_address[], its length a uint32_t at `counter` */
	CONFIG_KEYS,	  /* a struct: `table` */
	CONFIG_STRUCTS,	  /* an array of structs: `table`, its length a uint32_t at `counter` */
};

/* What a change of a value needs, to have its effect. */
enum config_change {
	CONFIG_CHANGE_RESTART, /* a restart of the guest, if it runs */
	CONFIG_CHANGE_LIVE,    /* nothing more */
	CONFIG_CHANGE_ANEW,    /* that the network is removed and created again */
	CONFIG_CHANGE_MACHINE, /* a restart of the machine */
};

/* A text of any bytes, by reference: of the node that it was written in, until somebody gives
 * it a place of its own. NUL-terminated, and may hold NULs before. */
struct config_document {
	const char *text;
	size_t length;
};

struct config_choice {
	const char *word; /* NULL ends the array */
	uint32_t value;
};

struct config_field {
	const char *key;
	enum config_type type;
	bool required;
	uint32_t offset;  /* in the struct of its table */
	uint32_t counter; /* offset of the number of elements */
	uint32_t mark;	  /* offset of a struct config_mark; 0 is none */
	uint64_t minimum; /* NUMBER, SIZE */
	uint64_t maximum; /* also: bytes of a char[], elements of an array */
	uint64_t multiple;
	const struct config_choice *choices;
	const struct config_table *table;
	enum config_change change; /* of single values and lists of them */
	const char *why;	   /* it is not live: "its vCPUs are made when it starts" */
	const char *initial;	   /* as if written when the key is absent; NULL is all zero */
	const char *example;	   /* as one would write it, for messages */
	const char *doc;	   /* one sentence for docs/configuration.md */
};

#define CONFIG_FIELDS_MAX 24 /* of one table */

struct config_table {
	const struct config_field *fields;
	uint32_t count;
	uint32_t bytes;	  /* of the struct */
	const char *noun; /* messages call elements by this and their name; NULL: by position */
};

#define CONFIG_TABLE(array, type, word)                                               \
	{                                                                             \
		.fields = (array), .count = ARRAY_SIZE(array), .bytes = sizeof(type), \
		.noun = (word)                                                        \
	}

extern const struct config_table config_host_schema;	/* struct host_config */
extern const struct config_table config_disk_schema;	/* struct config_disk */
extern const struct config_table config_nic_schema;	/* struct config_nic */
extern const struct config_table config_network_schema; /* struct config_network */
extern const struct config_table config_schema;		/* struct config */
extern const struct config_table config_guest_schema;	/* struct guest_config */

#endif
