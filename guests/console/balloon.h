/* The operator's command for guests' memory. */
#ifndef GUESTS_CONSOLE_BALLOON_H
#define GUESTS_CONSOLE_BALLOON_H

/* `GUEST SIZE` asks a guest to make do with less memory, or gives it back; `GUEST` says how its
 * memory is. On the operator's thread; `line` is changed. */
void balloon_command(char *line);

#endif
