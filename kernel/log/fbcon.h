/*
 * The log on the firmware's framebuffer: a sink that draws text. No keyboard, no cursor, no
 * guests' output.
 */
#ifndef KERNEL_LOG_FBCON_H
#define KERNEL_LOG_FBCON_H

#include "boot/handoff.h"
#include "kernel/log/log.h"

#define FBCON_GLYPHS	   128 /* ASCII */
#define FBCON_GLYPH_WIDTH  8
#define FBCON_GLYPH_HEIGHT 16

/* One byte for each line of a glyph, the leftmost pixel in the highest bit (font.S). */
extern const uint8_t fbcon_font[FBCON_GLYPHS][FBCON_GLYPH_HEIGHT];

extern struct log_sink fbcon_sink;

/*
 * Clears the screen and makes the sink usable; `pixels` is fb->base mapped writable, all
 * fb->bytes of it, for good. Once. -ENODEV where there is no framebuffer, or none that makes
 * sense; then the sink must not be attached.
 */
int fbcon_init(const struct handoff_framebuffer *fb, void *pixels);

#endif
