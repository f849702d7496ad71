/* Commands of the operator's console about volume groups and logical volumes. */
#ifndef GUESTS_CONSOLE_VOLUMES_H
#define GUESTS_CONSOLE_VOLUMES_H

/* Each takes what was typed behind the command's name, and says what came of it. On the
 * operator's thread. */
void volumes_groups(char *words);
void volumes_create(char *words);
void volumes_resize(char *words);
void volumes_remove(char *words);

#endif
