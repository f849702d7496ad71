/* Who manages volumes. */
#include "kernel/io/volume.h"

static const struct volume_provider *current;

void volume_init(const struct volume_provider *provider)
{
	current = provider;
}

const struct volume_provider *volume_provider(void)
{
	return current;
}
