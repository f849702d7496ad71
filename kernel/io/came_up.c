/* See came_up.h. The file is boot's: one block, whose first word is for us to change. Nothing
 * of the file system around it changes, so it is not claimed: the boot partition may be a
 * guest's disk. */
#include "kernel/io/came_up.h"

#include <string.h>

#include "boot/handoff.h"
#include "kernel/io/storage_internal.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"

#define TRIAL	    "esp:/disks/kernel.try" /* VOLUME_TRIAL of boot/volume.h */
#define STATE_BYTES 4096
#define WORD_BYTES  5

static void note(struct blkdev *trial, char *state)
{
	int err = blk_read(trial, 0, state, STATE_BYTES);

	if (!err && memcmp(state, "tried", WORD_BYTES))
		return;
	if (!err) {
		memcpy(state, "good ", WORD_BYTES);
		err = blk_write(trial, 0, state, STATE_BYTES);
	}
	if (!err)
		err = blk_flush(trial);
	if (err)
		log_error("boot",
			  "that this new kernel came up can't be noted on the boot "
			  "partition (%s): the next start is the kernel's before",
			  strerror(-err));
	else
		log_info("boot", "this new kernel came up: the next start keeps it");
}

void came_up(void)
{
	char why[STORAGE_WHY_BYTES], *state;
	struct extents extents = {0};
	struct blkdev *trial;

	if (!mem_handoff()->trial)
		return; /* "tried" would be of another kernel */
	if (storage_open_source(TRIAL, false, &trial, &extents, why))
		return;
	state = trial->bytes == STATE_BYTES ? heap_zalloc(STATE_BYTES, NULL) : NULL;
	if (state)
		note(trial, state);
	heap_free(state);
	storage_close_device(trial);
	extents_free(&extents);
}
