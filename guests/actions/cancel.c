/* The action that has a job stop. How it does is the job's. */
#include <stddef.h>

#include "guests/actions/job.h"
#include "guests/actions/list.h"
#include "guests/config/schema.h"

struct cancel_args {
	uint32_t job;
};

static const struct config_field cancel_fields[] = {
	{.key = "job",
	 .type = CONFIG_NUMBER,
	 .required = true,
	 .offset = offsetof(struct cancel_args, job),
	 .minimum = 1,
	 .maximum = UINT32_MAX,
	 .example = "7",
	 .doc = "Number of the job."},
};

static const struct config_table cancel_arguments =
	CONFIG_TABLE(cancel_fields, struct cancel_args, NULL);

static int cancel(struct action_call *call)
{
	const struct cancel_args *args = call->args;
	char why[JOB_WHY_BYTES];
	int err = job_cancel(args->job, call->actor, call->role, why);

	if (err)
		action_say(call, "%s", why);
	else
		action_say(call, "Job %u is asked to stop.", (unsigned)args->job);
	return err;
}

const struct action action_cancel = {
	.name = "cancel",
	.help = "have a job stop, where it can",
	.usage = "Say which: cancel 7. `jobs` lists them.",
	.role = ROLE_OPERATOR,
	.arguments = &cancel_arguments,
	.run = cancel,
};
