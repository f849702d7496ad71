/* The code of the tasks MAIN, NEW and FAULT, and the way from 64-bit mode to 32 bits and back.
 */
#include "tests/guest/task_switch/tasks.h"

volatile struct task_seen seen;
volatile struct fault_seen fault;
volatile uint32_t back_by_jump, has_error, skip_bytes, main_kept, paging, fault_has_error;
uint64_t task_gdt[GDT_ENTRIES], task_idt[256], task_ldt[2];
struct tss32 main_tss, new_tss, fault_tss;
uint8_t stack_main[4096], stack_new[4096], stack_fault[4096];
struct table_pointer task_gdtr, task_idtr, saved_gdtr, saved_idtr;
uint64_t saved_rsp;
uint64_t pdpt[2][4] __attribute__((aligned(32)));
uint32_t marker_address;

#define STRING(x) #x
#define S(x)	  STRING(x)

/* The selectors, as the assembler knows them. */
asm(".set SEL_CODE, " S(CODE));
asm(".set SEL_CODE64, " S(CODE64));
asm(".set SEL_DATA, " S(DATA));
asm(".set SEL_INT_GATE, " S(INT_GATE));
asm(".set SEL_MAIN, " S(MAIN));
asm(".set SEL_NEW, " S(NEW));
asm(".set SEL_WINDOW, " S(WINDOW));

asm(".text\n"
    ".globl in_legacy_mode, call_new, jump_new, interrupt_new, raise_gp, gp_insn, after_gp\n\t"
    ".globl call_insn, task_new, task_new_end, task_fault\n"
    "in_legacy_mode:\n\t"
    "push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
    "sgdt saved_gdtr\n\t"
    "sidt saved_idtr\n\t"
    "mov %rsp, saved_rsp\n\t"
    "mov %edi, %ebx\n\t"
    "lgdt task_gdtr\n\t"
    "lidt task_idtr\n\t"
    "ljmp *1f\n"
    "1:\t.long 2f\n\t.word SEL_CODE\n\t"
    ".code32\n"
    "2:\tmov $SEL_DATA, %eax\n\t"
    "mov %eax, %ds\n\tmov %eax, %es\n\tmov %eax, %ss\n\tmov %eax, "
    "%fs\n\tmov %eax, %gs\n\t"
    "mov %cr0, %eax\n\tand $0x7ffffff7, %eax\n\tmov %eax, %cr0\n\t" /* PG, TS */
    "mov $0xc0000080, %ecx\n\trdmsr\n\tand $~0x100, "
    "%eax\n\twrmsr\n\t" /* LME */
    "cmpl $0, paging\n\t"
    "je 3f\n\t"
    "mov $pdpt, %eax\n\tmov %eax, %cr3\n\t"
    "mov %cr0, %eax\n\tor $0x80000000, %eax\n\tmov %eax, %cr0\n"
    "3:\tmov $stack_main + 4096, %esp\n\t"
    "xor %eax, %eax\n\tlldt %ax\n\t"
    "mov $SEL_MAIN, %eax\n\tltr %ax\n\t"
    "mov $0x1234567, %esi\n\t"
    "mov $0x89abcde, %edi\n\t"
    "mov $0xfedcba9, %ebp\n\t"
    "pushl $2\n\tpopfl\n\t"
    "call *%ebx\n\t"
    "xor %eax, %eax\n\t"
    "cmp $0x1234567, %esi\n\tjne 4f\n\t"
    "cmp $0x89abcde, %edi\n\tjne 4f\n\t"
    "cmp $0xfedcba9, %ebp\n\tjne 4f\n\t"
    "cmp $stack_main + 4096, %esp\n\tjne 4f\n\t"
    "str %ax\n"
    "4:\tmov %eax, main_kept\n\t"
    "mov %cr0, %eax\n\tand $0x7fffffff, %eax\n\tmov "
    "%eax, %cr0\n\t"
    "mov $page_map, %eax\n\tmov %eax, %cr3\n\t"
    "mov $0xc0000080, %ecx\n\trdmsr\n\tor $0x100, "
    "%eax\n\twrmsr\n\t"
    "mov %cr0, %eax\n\tor $0x80000000, %eax\n\tmov "
    "%eax, %cr0\n\t"
    "ljmp $SEL_CODE64, $5f\n\t"
    ".code64\n"
    "5:\tmov saved_rsp, %rsp\n\t"
    "lgdt saved_gdtr\n\t"
    "lidt saved_idtr\n\t"
    "mov $SEL_DATA, %eax\n\tmov "
    "%eax, %ds\n\tmov "
    "%eax, %es\n\tmov "
    "%eax, %ss\n\t"
    "xor %eax, "
    "%eax\n\tmov %eax, "
    "%fs\n\tmov %eax, "
    "%gs\n\t"
    "pop %r15\n\tpop "
    "%r14\n\tpop "
    "%r13\n\tpop "
    "%r12\n\tpop "
    "%rbp\n\tpop "
    "%rbx\n\t"
    "ret\n\t"

    /* What MAIN does.
     */
    ".code32\n"
    "call_new:\n"
    "call_insn:\n\t"
    "lcall $SEL_NEW, "
    "$0\n"
    "\t"
    "ret\n"
    "jump_"
    "new:"
    "\n\t"
    "ljmp "
    "$SEL_NEW, $0\n\t"
    "ret\n"
    "interrupt_new:\n\t"
    "int $SEL_INT_GATE\n\t"
    "ret\n"
    "raise_gp:\n\t"
    "mov $0xfff8, %eax\n"
    "gp_insn:\n\t"
    "mov %eax, %gs\n"
    "after_gp:\n\t"
    "ret\n"

    /* NEW: writes down what it finds, and goes back. Its addresses are relative to CS. */
    "task_new:\n\t"
    "mov %eax, seen + 4\n\tmov %ecx, seen + 8\n\tmov %edx, seen + 12\n\tmov %ebx, seen + 16\n\t"
    "mov %esp, seen + 20\n\tmov %ebp, seen + 24\n\tmov %esi, seen + 28\n\tmov %edi, seen + "
    "32\n\t"
    "pushfl\n\tpopl seen + 36\n\t"
    "xor %eax, %eax\n\t"
    "str %ax\n\tmov %eax, seen + 40\n\t"
    "sldt %ax\n\tmovzwl %ax, %eax\n\tmov %eax, seen + 44\n\t"
    "mov %cr0, %eax\n\tmov %eax, seen + 48\n\t"
    "clts\n\t"
    "movzbl task_gdt + SEL_MAIN + 5, %eax\n\tmov %eax, seen + 52\n\t"
    "movzbl task_gdt + SEL_NEW + 5, %eax\n\tmov %eax, seen + 56\n\t"
    "mov marker_address, %eax\n\tmov SEL_WINDOW(%eax), %eax\n\tmov %eax, seen + 60\n\t"
    "incl seen\n\t"
    "cmpl $0, back_by_jump\n\t"
    "jne 1f\n\t"
    "iret\n\t"
    "jmp task_new\n"
    "1:\tljmp $SEL_MAIN, $0\n"
    "task_new_end:\n"

    /* FAULT: the exceptions' task. One that came from MAIN goes on behind its instruction. */
    "task_fault:\n\t"
    "cmpl $0, fault_has_error\n\t"
    "je 1f\n\t"
    "popl fault + 4\n"
    "1:\tmovzwl fault_tss, %eax\n\tmov %eax, fault + 8\n\t"
    "pushfl\n\tpopl fault + 12\n\t"
    "clts\n\t"
    "incl fault\n\t"
    "cmp $SEL_MAIN, %eax\n\t"
    "jne 2f\n\t"
    "mov skip_bytes, %eax\n\tadd %eax, main_tss + 32\n\t"
    "iret\n"
    "2:\tandb $~2, task_gdt + SEL_MAIN + 5\n\t"
    "ljmp $SEL_MAIN, $0\n\t"
    ".code64\n");
