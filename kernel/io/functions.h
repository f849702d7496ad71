/*
 * The functions of the machine's buses, for reports alone: which there are, and which driver
 * has each. drivers/bus keeps this promise; nobody drives a device by it.
 */
#ifndef KERNEL_IO_FUNCTIONS_H
#define KERNEL_IO_FUNCTIONS_H

#include "kernel/lib/types.h"

struct machine_function {
	char name[24]; /* "pci:00:03.0": where disks' and NICs' locations begin with it */
	uint16_t vendor_id, device_id;
	uint32_t class_code; /* class, subclass, programming interface: 24 bits */
	const char *driver;  /* NULL: nobody's */
};

/* `at` fills in the function of that index; false: there are no more. At start-up. */
void functions_init(bool (*at)(unsigned index, struct machine_function *function));
/* The same for readers. Any thread. */
bool functions_at(unsigned index, struct machine_function *function);

#endif
