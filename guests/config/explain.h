/*
 * Who owns what of a machine by its configuration, and what keeps a guest from running, in
 * sentences. What the machine is like at the moment comes from the caller.
 */
#ifndef GUESTS_CONFIG_EXPLAIN_H
#define GUESTS_CONFIG_EXPLAIN_H

#include "guests/config/plan.h"

struct config_facts {
	struct cpumask present;
	uint64_t free_bytes; /* for guests, now */
	config_runs_fn runs;
	void *context;
};

typedef void (*config_line_fn)(void *arg, const char *text);

/* Each CPU, each guest's memory and disks, each network with its NIC and who is plugged in. */
void config_explain(const struct config *config, const struct config_facts *facts,
		    config_line_fn line, void *arg);

/* What one guest has, with whom, and what is in the way of one that does not run: memory, CPUs
 * that this machine lacks, and `reason`: why it last ended or did not start; "". */
void config_explain_guest(const struct config *config, const struct guest_config *guest,
			  const struct config_facts *facts, const char *reason,
			  config_line_fn line, void *arg);

#endif
