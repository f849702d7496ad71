/* Who looks at guests that run, for their usage (usage.h) and for signs of trouble (trouble.h).
 */
#ifndef GUESTS_GUEST_WATCH_H
#define GUESTS_GUEST_WATCH_H

/* Starts the thread. After guests_init(). 0 or -ENOMEM. */
int watch_start(void);

#endif
