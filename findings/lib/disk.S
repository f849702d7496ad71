/* A boot sector for BIOS disks: reads 100 sectors behind itself to 0x10000, and jumps to ENTRY in
 * flat 32-bit protected mode, with selectors 8 and 16 for code and data. */
	.code16
	.globl _start
_start:
	cli
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov $0x7c00, %sp
	mov $packet, %si
	mov $0x42, %ah
	int $0x13
	lgdtl gdtr
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmpl $8, $flat
	.code32
flat:
	mov $16, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	ljmp $8, $ENTRY
	.balign 8
packet:
	.word 16, 100, 0, 0x1000
	.quad 1
gdt:
	.quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:
	.word . - gdt - 1
	.long gdt
	.org 510
	.word 0xaa55
