/* How devices are: those of a guest, and the machine's disks. Part of report.h's. */
#ifndef GUESTS_CONSOLE_REPORT_DEVICES_H
#define GUESTS_CONSOLE_REPORT_DEVICES_H

struct devices_info;

/* All print with operator_say(). On the operator's thread. */
void report_devices(const struct devices_info *info);
/* "counters NAME disk=0 KEY=VALUE ...". */
void report_device_counters(const char *name, const struct devices_info *info);
/* The disks with their counters, and the sources that there are, with who has them. */
void report_disks(void);

#endif
