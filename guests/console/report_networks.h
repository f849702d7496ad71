/* NICs, networks and their ports in words and figures for the operator. Changes nothing. */
#ifndef GUESTS_CONSOLE_REPORT_NETWORKS_H
#define GUESTS_CONSOLE_REPORT_NETWORKS_H

struct device_nic_info;

/* Both print with operator_say(). On the operator's thread. */
void report_networks(void);
void report_stations(void); /* learned addresses */

/* An interface of a guest, for report_devices.c; the second for programs. */
void report_nic(const struct device_nic_info *nic, unsigned index);
void report_nic_counters(const char *name, const struct device_nic_info *nic, unsigned index);

#endif
