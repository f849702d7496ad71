/*
 * What is behind a guest's disks: opened before there is anything else of its VM, so that one
 * that does not answer holds up no memory and no CPU; closed behind its devices.
 */
#ifndef GUESTS_LAUNCH_SOURCES_H
#define GUESTS_LAUNCH_SOURCES_H

#include "guests/boot/boot.h"
#include "guests/config/config.h"

struct blkdev;

/* Zeroed: nothing is open. */
struct sources {
	char owner[CONFIG_GUEST_NAME_MAX];
	struct blkdev *devs[CONFIG_DISKS_MAX]; /* in the order of the document */
};

/*
 * 0; or a negative errno with a sentence in `why`, and nothing stays open: -EBUSY (somebody
 * else has it), -ENOMEM, -ENODEV (anything else: it is not there, or not as it has to be),
 * -ECANCELED (`given_up` became true, which is looked at after each). Thread context; takes as
 * long as the disks do.
 */
int sources_open(const struct guest_config *config, const _Atomic bool *given_up,
		 struct sources *sources, char why[BOOT_WHY_BYTES]);
/* No request may be under way. */
void sources_close(struct sources *sources);

#endif
