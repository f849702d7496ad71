/* The driver for bus-master IDE controllers: PIIX3, PIIX4, and others with the same programming
 * interface. */
#ifndef DRIVERS_BLOCK_IDE_H
#define DRIVERS_BLOCK_IDE_H

struct pci_driver;
extern const struct pci_driver ide_driver;

#endif
