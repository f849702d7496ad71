/*
 * The parts of the second stage that config_check puts together. Private to guests/config.
 */
#ifndef GUESTS_CONFIG_CHECK_H
#define GUESTS_CONFIG_CHECK_H

#include "guests/config/config.h"

struct checker {
	const struct config *config;
	const struct config_machine *machine;
	struct config_report *report;
};

void config_check_networks(const struct checker *checker); /* and what is plugged into them */
void config_check_disks(const struct checker *checker);

#endif
