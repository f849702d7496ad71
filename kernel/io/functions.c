/* See functions.h. */
#include "kernel/io/functions.h"

static bool (*provider)(unsigned index, struct machine_function *function);

void functions_init(bool (*at)(unsigned index, struct machine_function *function))
{
	provider = at;
}

bool functions_at(unsigned index, struct machine_function *function)
{
	return provider && provider(index, function);
}
