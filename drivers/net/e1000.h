/* The driver for Intel's gigabit controllers 82540EM and 82574L. */
#ifndef DRIVERS_NET_E1000_H
#define DRIVERS_NET_E1000_H

struct pci_driver;
extern const struct pci_driver e1000_driver;

#endif
