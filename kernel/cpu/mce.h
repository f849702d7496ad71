/* Machine checks: hardware that reports its own failure. They end the machine, with the report
 * in the log; guests never see them. SDM vol. 3B chapter 16, APM vol. 2 chapter 9. */
#ifndef KERNEL_CPU_MCE_H
#define KERNEL_CPU_MCE_H

/* Lets every bank of this CPU report, and takes reports as exceptions. For
 * traps_init_this_cpu(), once the IDT is loaded. A CPU without machine checks is left as it is.
 */
void mce_init_this_cpu(void);

/* Logs what the banks of this CPU say. Any context. */
void mce_log(void);

#endif
