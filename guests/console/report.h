/* How guests and the machine are, in words and figures for the operator. Changes nothing. */
#ifndef GUESTS_CONSOLE_REPORT_H
#define GUESTS_CONSOLE_REPORT_H

struct guest;

/* All print with operator_say(). On the operator's thread. */
void report_list(void);
void report_guest(struct guest *guest);
/* The same for programs: a line for the guest and one for each vCPU and device, "counters NAME"
 * and then words KEY=VALUE; what counts exits and events only where it is not 0. */
void report_counters(struct guest *guest);
void report_cpus(void);
void report_memory(void);
void report_log(unsigned lines);
void report_machine(void);

#endif
