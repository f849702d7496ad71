/*
 * The parts of the second stage that config_check puts together. Private to guests/config.
 */
#ifndef GUESTS_CONFIG_CHECK_H
#define GUESTS_CONFIG_CHECK_H

#include "guests/config/config.h"
#include "guests/config/sound.h"

struct checker {
	const struct config *config;
	const struct config_machine *machine;
	const struct config_sound *sound; /* NULL: all of it is */
	struct config_report *report;
	uint64_t left_out; /* bits of guests that lack something else than memory */
};

/* Whether a member of the configuration could be read; what could not is no reason to say
 * anything more. */
#define SOUND(checker, part) config_sound_is((checker)->sound, &(part), sizeof(part))

/* Of a guest in the configuration, as config_report_lack() has it. */
static inline int config_position(const struct checker *checker,
				  const struct guest_config *guest)
{
	return (int)(guest - checker->config->guests);
}

/* config_check() of what is sound. What is wrong is in `report`. */
void config_check_sound(const struct config *config, const struct config_machine *machine,
			const struct config_sound *sound, struct config_report *report);

void config_check_networks(const struct checker *checker); /* and what is plugged into them */
void config_check_boot(const struct checker *checker);	   /* and the files for it */
void config_check_disks(const struct checker *checker);

#endif
