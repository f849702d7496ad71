/* Entered in flat 32-bit protected mode, paging off, by Multiboot or by disk.S: a stack, and
 * main(). Ends QEMU by its isa-debug-exit, Bochs by its port 0x8900. */
	.section .multiboot, "a"
	.long 0x1badb002, 0, -0x1badb002
	.text
	.globl _start
_start:
	cli
	mov $stack_top, %esp
	call main
	xor %eax, %eax
	mov $0xf4, %dx
	out %al, %dx
	mov $0x8900, %dx
	mov $word, %esi
	mov $8, %ecx
	rep outsb
1:	hlt
	jmp 1b
word:	.ascii "Shutdown"
	.bss
	.balign 16
	.skip 16384
stack_top:
