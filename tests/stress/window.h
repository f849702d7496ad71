/* Where the guest's window is in programs under ThreadSanitizer, whose shadow lies at its usual
 * place. Included before all else; there is no page table behind it. */
#ifndef TESTS_STRESS_WINDOW_H
#define TESTS_STRESS_WINDOW_H

#define STRESS_WINDOW_BYTES 0x1000000 /* 16 MiB */
extern unsigned char stress_window[STRESS_WINDOW_BYTES];
#define GUEST_WINDOW_BASE ((unsigned long)stress_window)

#endif
