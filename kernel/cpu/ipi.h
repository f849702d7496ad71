/* CPUs interrupting each other: to be noticed, to run a function, to stop for good. */
#ifndef KERNEL_CPU_IPI_H
#define KERNEL_CPU_IPI_H

#include "kernel/lib/types.h"

void smp_ipi_init(void); /* takes the vectors of the calls below; smp_start() does it */

/* Makes `cpu_index` leave guest mode or HLT and look at its need_resched and requests. */
void smp_kick(unsigned cpu_index);

/* Runs fn(arg) on every other online CPU in interrupt context and waits for all. Caller must
 * have interrupts on and hold no spinlock. */
void smp_call_others(void (*fn)(void *), void *arg);

/* Stops all other CPUs for good by NMI: for panic and power-off. */
void smp_stop_others(void);

/* An NMI came to this CPU: halts it if smp_stop_others() sent it, else returns. For traps. */
void smp_nmi(void);

#endif
