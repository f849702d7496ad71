/*
 * Random bytes for everyone: a ChaCha20 generator that forgets its past, seeded and refreshed
 * from RDSEED, RDRAND (SDM vol. 1 7.3.17, APM vol. 3) and timing. Where a CPU has neither
 * instruction, timing is all there is, and the log says so.
 */
#ifndef KERNEL_CPU_RANDOM_H
#define KERNEL_CPU_RANDOM_H

#include "kernel/lib/types.h"

/* Seeds the generator. Once, on CPU 0, when the clock runs; takes about a millisecond. */
void random_init(void);

/* 0, or -EAGAIN before random_init(). About 20 instructions per byte. Any context. */
int random_bytes(void *buf, size_t bytes);

#endif
