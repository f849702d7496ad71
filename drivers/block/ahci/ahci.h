/* AHCI controllers on PCI: each port with a disk becomes a blkdev. Serial ATA AHCI 1.3.1. */
#ifndef DRIVERS_BLOCK_AHCI_AHCI_H
#define DRIVERS_BLOCK_AHCI_AHCI_H

#include "drivers/bus/pci.h"

extern const struct pci_driver ahci_driver;

#endif
