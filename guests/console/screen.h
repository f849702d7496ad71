/*
 * What the one terminal shows of many sources: whole lines with their source's name before
 * them, and the unfinished line of the source that has the keyboard. Pure: bytes in, bytes for
 * the terminal out; who calls it, and where they go, is mux.c.
 */
#ifndef GUESTS_CONSOLE_SCREEN_H
#define GUESTS_CONSOLE_SCREEN_H

#include "guests/console/row.h"

#define SCREEN_SOURCES	  65 /* the host, and as many guests as a configuration may have */
#define SCREEN_HOST	  0  /* the source without a prefix */
#define SCREEN_NAME_BYTES 32
#define SCREEN_OUT_BYTES  32768
#define SCREEN_HELD_BYTES 1024

struct screen_source {
	char name[SCREEN_NAME_BYTES];
	struct row row; /* the unfinished line */
	bool cr;	/* a carriage return came, and nothing since */
};

/* Zeroed is a fresh one. No locking here. */
struct screen {
	struct screen_source sources[SCREEN_SOURCES];
	unsigned focus; /* the source that has the keyboard */
	bool solo;	/* it also has the screen for itself: its bytes pass as they are */
	bool dirty;	/* the terminal's current line is not empty */
	bool drawn;	/* it is the unfinished line of `focus` */
	/* How often that line was drawn as it is: others may interrupt it any number of times,
	 * and one that nobody does anything with is drawn again once. */
	unsigned shows;
	bool styled; /* `focus` sent an escape sequence in this line */
	bool broken; /* one was interrupted: its rest must not appear as text */
	/* What `focus` sent of a line that was not drawn yet, as it came. */
	char held[SCREEN_HELD_BYTES];
	unsigned held_count;
	unsigned log_unseen; /* lines of the log left out */

	char out[SCREEN_OUT_BYTES]; /* what the terminal has not taken yet */
	unsigned out_first, out_count;
};

/* A source comes, or another in its place, which begins with no line. */
void screen_name(struct screen *screen, unsigned source, const char *name);

/* How many bytes of a source's output can be taken now; 0 until the terminal took more. */
size_t screen_room(const struct screen *screen);

/* A source printed this; no more than screen_room(). Control bytes and escape sequences pass
 * only where the source has the keyboard. */
void screen_output(struct screen *screen, unsigned source, const char *bytes, size_t count);

/* A line of the log, without line end. Shown at once, but counted in log_unseen where it finds
 * no room, or one source has the screen. */
void screen_log(struct screen *screen, const char *line, size_t bytes);

/* A line of the screen's own. */
void screen_note(struct screen *screen, const char *text);

/* Gives the keyboard to a source, and says so. */
void screen_set_focus(struct screen *screen, unsigned source);
/* Whether that source has the screen for itself. */
void screen_set_solo(struct screen *screen, bool solo);

/* Something was typed to the source with the keyboard: its line is to be seen again. */
void screen_typed(struct screen *screen);

/* Whether an unfinished line that should be there is not; screen_settle() shows it. It is not
 * done at once, as lines come in groups, and most are finished soon. One that was there as it
 * is (screen_was_shown()) is for when others have been quiet for long: an idle prompt. */
bool screen_unsettled(const struct screen *screen);
bool screen_was_shown(const struct screen *screen);
void screen_settle(struct screen *screen);

/* Bytes for the terminal, in one piece; those that it took are told to screen_sent(). */
size_t screen_pending(const struct screen *screen, const char **bytes);
void screen_sent(struct screen *screen, size_t bytes);

#endif
