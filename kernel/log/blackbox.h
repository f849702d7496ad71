/*
 * The log in memory that outlives a warm reset: what this run says, for the next one, and what
 * the last one said. The memory itself is boot's to find (boot/handoff.h); machines that clear
 * it at a reset keep nothing. Not the log's own ring (log.h).
 */
#ifndef KERNEL_LOG_BLACKBOX_H
#define KERNEL_LOG_BLACKBOX_H

#include "kernel/lib/types.h"

#define BLACKBOX_BYTES	    (64 * KIB) /* of the memory */
#define BLACKBOX_TEXT_BYTES (60 * KIB) /* of a log that is read from it, at the most */

/*
 * What the last run left, as lines with '\n'. Memory that another system, a power cut or bad
 * hardware left anything in: every length is checked, each line by a checksum of its own.
 * Returns the bytes in `text`; 0: there is none. *damaged: of what there was, some was lost.
 * Changes nothing. Any context.
 */
size_t blackbox_read(const void *memory, char text[BLACKBOX_TEXT_BYTES], bool *damaged);

/*
 * Reads it once, for blackbox_previous(), then begins this run's log there: all that the log
 * holds, and all that it is told from now on, by a sink of its own. `memory`, of
 * BLACKBOX_BYTES, is not cached: a reset loses what is in caches. Once, at start-up.
 */
void blackbox_start(void *memory);

/* The last run's lines; 0 bytes: none were found. Any context, after blackbox_start(). */
size_t blackbox_previous(const char **text, bool *damaged);

#endif
