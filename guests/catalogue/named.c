/* Who has a source in its configuration, whether it runs or not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guests/catalogue/internal.h"

/* "disks[0] of guest 'web' (bulkhead.yaml:7:16)" */
static void tell(char text[CATALOGUE_NAMED_BYTES], const char *file,
		 const struct guest_config *guest, uint32_t index)
{
	const struct config_mark *mark = &guest->disks[index].source_mark;
	size_t used = strlen(text), room = CATALOGUE_NAMED_BYTES - used;
	int n = snprintf(text + used, room, "%sdisks[%u] of guest '%s'", used ? " and " : "",
			 (unsigned)index, guest->name);

	if (n < 0 || (size_t)n >= room || !file[0] || !mark->line)
		return;
	used += (size_t)n;
	snprintf(text + used, CATALOGUE_NAMED_BYTES - used, " (%s:%u:%u)", file,
		 (unsigned)mark->line, (unsigned)mark->column);
}

int catalogue_named(const char *source, char text[CATALOGUE_NAMED_BYTES])
{
	char file[CONFIG_NAME_MAX];
	struct config *config = catalogue_get_with_name(file);
	int count = 0;

	text[0] = '\0';
	if (!config)
		return -ENOMEM;
	for (uint32_t i = 0; i < config->guest_count; i++) {
		const struct guest_config *guest = &config->guests[i];

		for (uint32_t j = 0; j < guest->disk_count; j++) {
			if (strcmp(guest->disks[j].source, source) != 0 ||
			    catalogue_runs(NULL, guest->name))
				continue;
			tell(text, file, guest, j);
			count++;
		}
	}
	config_free(config);
	return count;
}
