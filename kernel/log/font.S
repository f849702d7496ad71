/* The console's glyphs, as the recipe console-font (tools/deps/recipes) made them of Debian's
 * "Fixed". Not code. */
	.section .rodata.fbcon_font, "a"
	.globl fbcon_font
fbcon_font:
	.incbin "console-font.bin"

	.section .note.GNU-stack, "", @progbits
