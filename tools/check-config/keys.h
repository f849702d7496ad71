/*
 * The schema as the table of docs/configuration.md.
 */
#ifndef TOOLS_CHECK_CONFIG_KEYS_H
#define TOOLS_CHECK_CONFIG_KEYS_H

#include <stdio.h>

/* Writes one Markdown table row per key, in the order of the schema. */
void print_keys(FILE *out);

#endif
