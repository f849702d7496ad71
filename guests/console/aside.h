/*
 * Reports that may wait for a disk, made on a thread of their own while the operator's thread
 * shows what comes: so that he can leave one that is stuck. One at a time; what changes
 * something is a job instead (guests/actions/job.h).
 */
#ifndef GUESTS_CONSOLE_ASIDE_H
#define GUESTS_CONSOLE_ASIDE_H

#include "guests/console/follow.h"

#define ASIDE_WORD_BYTES 32

/*
 * Has report(to, word) written to `to`, piece by piece: until its end, Ctrl-C, or a minute in
 * which nothing came, after which all else that it writes is dropped. Says there
 * where that goes wrong. `word` may be NULL, and is cut. The operator's thread alone calls it.
 */
void aside_show(struct follow *follow, struct sink *to,
		void (*report)(struct sink *to, const char *word), const char *word);

#endif
