/* Choosing the backend that this machine has, and making its CPUs ready for guests. */
#ifndef KERNEL_VMM_VMM_H
#define KERNEL_VMM_VMM_H

#include "kernel/lib/cpumask.h"

struct vmm_backend;

/* Picks the backend that this machine has. Once, on CPU 0. 0 or -ENODEV, with the reason
 * logged. */
int vmm_init(const struct vmm_backend *const *candidates, unsigned count);
/* Then, on each CPU, before it runs threads. 0, -ENOMEM, -EPERM, -ENODEV without a backend. */
int vmm_init_this_cpu(void);
/* Those that came up and run guests: of all, once they are up. Any thread. */
struct cpumask vmm_cpus(void);

#endif
