/* The marks that tools/qemu/count.c prints its totals at: NOPs everywhere else. */
#ifndef TESTS_BENCH_GUEST_MARK_H
#define TESTS_BENCH_GUEST_MARK_H

/* `number`: a constant, 0 to 65535. 0f 1f 84 00 disp32 is NOPL disp32(%rax,%rax,1). */
#define MARK(number)                                                      \
	asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 'M', 'K'; .short %c0" \
		     :                                                    \
		     : "i"(number)                                        \
		     : "memory")

#endif
