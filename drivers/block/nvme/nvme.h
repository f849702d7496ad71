/* NVMe controllers on PCI: each namespace becomes a blkdev. NVM Express Base 1.4. */
#ifndef DRIVERS_BLOCK_NVME_NVME_H
#define DRIVERS_BLOCK_NVME_NVME_H

#include "drivers/bus/pci.h"

extern const struct pci_driver nvme_driver;

#endif
