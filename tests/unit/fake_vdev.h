/*
 * A virtio device over PCI, for tests of drivers: registers that answer as they should, rings
 * that are followed in memory, and nothing done unless the test does it. It is strict: what a
 * driver must not do (virtio 1.2, 2.1, 2.7, 3.1, 4.1) ends the test. The kernel around the
 * driver is fake_vdev_around.c's, or the test's.
 */
#ifndef TESTS_UNIT_FAKE_VDEV_H
#define TESTS_UNIT_FAKE_VDEV_H

#include "drivers/bus/pci.h"

#define FAKE_VQUEUES	  3
#define FAKE_CHAIN_MAX	  130
#define FAKE_NEEDS_RESET  64
#define FAKE_CONFIG_BYTES 64
#define FAKE_VDEV_VECTORS 2
#define FAKE_VDEV_PAGES	  2048

struct fake_vqueue {
	uint16_t size, notify_off; /* offered */
	uint16_t taken_size, vector;
	bool enabled;
	uint64_t desc, avail, used; /* physical */
	uint16_t seen, used_index;  /* how far the device is */
	unsigned doorbells;
};

extern struct fake_vdev {
	/* What there is. */
	uint64_t features;
	struct fake_vqueue queues[FAKE_VQUEUES];
	uint8_t config[FAKE_CONFIG_BYTES];
	uint32_t notify_multiplier;
	bool legacy_only;    /* no capabilities */
	bool circular;	     /* the last leads to the first again */
	unsigned vectors;    /* 0: the pin */
	int connect_error;   /* of pci_irq_connect() */
	unsigned pages_left; /* that frames_alloc() gives */

	/* What it does wrong. */
	bool gone, stuck;	  /* reads as ones; does not reset */
	bool refuses, no_vectors; /* features; vectors of queues */
	unsigned slow;		  /* looks at its status until a reset is seen to be over */
	bool restless;		  /* its configuration changes whenever it is looked at */
	uint8_t status_added; /* to what it should be: FAKE_NEEDS_RESET, from DRIVER_OK on */
	void (*while_asleep)(void); /* whenever the driver sleeps; may be NULL */

	/* What it was told. */
	uint64_t accepted;
	uint8_t status, isr;
	uint16_t config_vector;
	unsigned starts, resets; /* DRIVER_OK; status 0 */
	bool master;
	unsigned pages_out; /* frames_alloc() without frames_free() */
} fake_vdev;

extern struct pci_device fake_pci;

/* What the device needs of who plays the kernel: a start, memory that the driver has told of
 * (all of it was allocated), whether it may reach memory at all, and an interrupt, which says
 * whether anybody felt meant. */
void fake_vdev_around_start(volatile uint8_t *registers);
void *fake_vdev_reach(uint64_t phys, uint64_t bytes);
bool fake_vdev_is_master(void);
bool fake_vdev_vector(unsigned vector);

/* The device as after power-on: `features` on offer, queues of 256, MSI-X; the memory of the
 * last test is gone. From the test's own body. */
void fake_vdev_start(uint16_t device_id, uint64_t features);

/* A chain that the driver has published, its parts as the device reaches them. */
struct fake_chain {
	uint16_t id;
	unsigned count, out; /* parts; those that the device reads come first */
	bool indirect;
	struct {
		void *data;
		uint32_t bytes;
	} parts[FAKE_CHAIN_MAX];
};

/* Takes the next chain; false: none. */
bool fake_vdev_take(unsigned queue, struct fake_chain *chain);
/* How many chains it could take. */
unsigned fake_vdev_available(unsigned queue);
/* Gives a chain, or something that never was one, back; and interrupts, where the driver has
 * asked for that: whether it had. */
bool fake_vdev_finish(unsigned queue, uint32_t id, uint32_t bytes);
/* As fake_vdev_finish(), and the driver learns of it with the next: several at once. */
void fake_vdev_finish_quietly(unsigned queue, uint32_t id, uint32_t bytes);
/* The driver can see them all; whether and when to interrupt is the test's. */
void fake_vdev_publish(unsigned queue);
/* The configuration has changed, or the device is in trouble. */
void fake_vdev_config_interrupt(void);
/* The pin's interrupt, which another device may have asked for; whether it was this one's. */
bool fake_vdev_pin(void);

#endif
