/* The host's own local APIC, xAPIC or x2APIC. The guests' is kernel/vmm/vlapic. */
#ifndef KERNEL_CPU_APIC_H
#define KERNEL_CPU_APIC_H

#include "kernel/lib/types.h"

uint64_t apic_registers_phys(void); /* physical address of the xAPIC's page of registers */

/* Once, on CPU 0: picks x2APIC where the CPU has it, else `registers`, that page mapped
 * uncached. */
void apic_init(void *registers);
void apic_init_this_cpu(void); /* enable, LVTs masked, spurious vector */
uint32_t apic_id(void);
void apic_eoi(void);
/* Has it look once more whether an interrupt is pending, by writing TPR what it is. No hardware
 * needs that. */
void apic_look_again(void);
void apic_send_ipi(uint32_t dest_apic_id, unsigned vector); /* fixed, edge */
void apic_send_nmi(uint32_t dest_apic_id);
void apic_send_init(uint32_t dest_apic_id);
void apic_send_sipi(uint32_t dest_apic_id, unsigned page);

/* One-shot timer on this CPU: interrupt VECTOR_TIMER at or after `deadline_ns` (clock_now_ns
 * scale), by TSC deadline where the CPU has it, else by the calibrated count; what is more than
 * 10 s ahead may interrupt early. 0 disarms. */
void apic_timer_arm(uint64_t deadline_ns);
/* After clock_calibrate(), once; takes 2 ms, or nothing with TSC deadline. */
void apic_timer_calibrate(void);

#endif
