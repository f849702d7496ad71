/*
 * From Multiboot's 32-bit protected mode, or an application processor's real mode, to 64-bit C.
 * All memory below 4 GiB is mapped one to one, writable and executable.
 */
#define CR0_GO	 0x80010033 /* PG WP NE ET MP PE */
#define CR4_GO	 0x620	    /* OSXMMEXCPT OSFXSR PAE */
#define EFER	 0xc0000080
#define EFER_GO	 0x900 /* NXE LME */
#define PAGE_RW	 0x3
#define PAGE_BIG 0x83

#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 3 /* modules on page boundaries, memory sizes */

	.section .multiboot, "a"
	.balign 4
	.long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

	.code32
	.text
	.globl start
start:
	cli
	cld
	mov %ebx, multiboot_info
	movl $(page_directory_pointers + PAGE_RW), page_map
	mov $page_directory_pointers, %edi
	mov $(page_directories + PAGE_RW), %eax
1:	mov %eax, (%edi)
	add $8, %edi
	add $4096, %eax
	cmp $(page_directories + 4 * 4096 + PAGE_RW), %eax
	jne 1b
	mov $page_directories, %edi
	mov $PAGE_BIG, %eax
1:	mov %eax, (%edi)
	add $8, %edi
	add $0x200000, %eax
	jnc 1b

	mov $CR4_GO, %eax
	mov %eax, %cr4
	mov $page_map, %eax
	mov %eax, %cr3
	mov $EFER, %ecx
	xor %edx, %edx
	mov $EFER_GO, %eax
	wrmsr
	mov $CR0_GO, %eax
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $8, $1f

	.code64
1:	lea cpu_blocks + CPU_BLOCK_BYTES(%rip), %rsp
	call load_segments
	xor %ebp, %ebp
	call lib_start
	ud2

load_segments:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	ret

/* Copied to a page below 1 MiB, where SIPI starts the others. They go to long mode in one step. */
	.code16
	.globl trampoline, trampoline_end
trampoline:
	cli
	xor %ax, %ax
	mov %ax, %ds
	mov $CR4_GO, %eax
	mov %eax, %cr4
	mov $page_map, %eax
	mov %eax, %cr3
	mov $EFER, %ecx
	xor %edx, %edx
	mov $EFER_GO, %eax
	wrmsr
	mov %cs, %bx
	mov %bx, %ds
	lgdtl trampoline_gdt_pointer - trampoline
	mov $CR0_GO, %eax
	mov %eax, %cr0
	ljmpl $8, $ap_start
	.balign 8
trampoline_gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
trampoline_end:

/* Each one's stack is that of its APIC ID: a second SIPI finds the same again. */
	.code64
ap_start:
	mov $1, %eax
	cpuid
	shr $24, %ebx
	inc %ebx
	imul $CPU_BLOCK_BYTES, %ebx, %ebx
	lea cpu_blocks(%rbx), %rsp
	call load_segments
	xor %ebp, %ebp
	call lib_start_ap
	ud2

	.section .rodata
	.balign 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 0x08: 64-bit code */
	.quad 0x00cf93000000ffff /* 0x10: data */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.quad gdt

	.data
	.globl multiboot_info
multiboot_info:
	.quad 0

	.set CPU_BLOCK_BYTES, 16384
	.set CPUS_MAX, 16
	.bss
	.balign 16384
	.globl cpu_blocks
cpu_blocks:
	.skip CPUS_MAX * CPU_BLOCK_BYTES
	.balign 4096
	.globl page_map, page_directories
page_map:
	.skip 4096
page_directory_pointers:
	.skip 4096
page_directories:
	.skip 4 * 4096

	.section .note.GNU-stack, "", @progbits
