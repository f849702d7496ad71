/* Wraps one compiled ASL file (FILE) as NAME[] and NAME_bytes. Not code. */
#define GLUE(a, b) a##b
#define BYTES(name) GLUE(name, _bytes)

	.section .rodata, "a"
	.globl NAME, BYTES(NAME)
	.balign 16
NAME:
	.incbin FILE
0:
	.balign 4
BYTES(NAME):
	.long 0b - NAME
	.section .note.GNU-stack, "", @progbits
