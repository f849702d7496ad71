/*
 * What the drivers of network interfaces have in common: the thread that serves one, the lock
 * of its sending side, link state, and the watchdog that resets one that hangs. Registers and
 * rings are each driver's own.
 */
#ifndef DRIVERS_NET_NIC_H
#define DRIVERS_NET_NIC_H

#include "kernel/io/netdev.h"
#include "kernel/lib/lock.h"
#include "kernel/sched/timer.h"

struct nic;
struct thread;

#define NIC_BATCH 64 /* frames taken before others may have the CPU */

/* What the driver does. On the NIC's thread, save start() at probe; `locked`: with nic->lock
 * held, by any thread. None but start() and connect() may sleep. */
struct nic_ops {
	/* Brings the device from any state to work: rings empty, interrupts masked. 0, -ENODEV
	 * when it is gone, -EIO. May sleep. */
	int (*start)(struct nic *nic);
	/* Connects the interrupts. Once, after start(); the last that can fail. */
	int (*connect)(struct nic *nic);
	/* Looks after what the device reports, and takes at most NIC_BATCH frames into
	 * `received`. True: there may be more. */
	bool (*poll)(struct nic *nic, struct list *received);
	/* Lets it interrupt. True: something came meanwhile that will not. */
	bool (*unmask)(struct nic *nic);
	/* Locked. Puts the packet into the ring, whose reference it is then: 0, or as
	 * netdev_ops.transmit says. Counts it in nic->pending. */
	int (*send)(struct nic *nic, struct packet *packet);
	void (*kick)(struct nic *nic); /* locked: rings the doorbell, if it must be */
	/* Locked. Puts the packets that were sent, or with `all` every one, and takes them from
	 * nic->pending. */
	void (*reclaim)(struct nic *nic, bool all);
	/* Locked. Which frames come up, by nic->promiscuous; after start(), and when it
	 * changes. NULL: it can't be chosen. */
	void (*set_filter)(struct nic *nic);
};

/* Embedded in the driver's own. The driver fills `dev` (but ops and name), `ops` and `pool`. */
struct nic {
	struct netdev dev;
	const struct nic_ops *ops;
	struct packet_pool *pool; /* of received frames */
	struct thread *thread;
	struct timer watchdog;	       /* armed while packets are under way */
	_Atomic(const char *) trouble; /* see nic_fail() */
	/* The thread's: resets since it last did anything, and lines in the log that were not
	 * written since the last. */
	unsigned resets_in_vain, unlogged;
	uint64_t quiet_until_ns;

	struct spinlock lock; /* guards the driver's sending side, and: */
	bool promiscuous;
	bool up;	      /* false while it is reset, and once it is gone */
	bool ring_full;	      /* transmit() said -EAGAIN since */
	bool doorbell;	      /* sent since the last kick */
	unsigned pending;     /* packets in the ring */
	uint64_t progress_ns; /* when it last got shorter, or was empty */
};

/* Starts the device, creates its thread, and registers it, as "nic" and its number. 0 or a
 * negative errno: then no interrupt is connected, and nobody knows it. Thread context. */
int nic_create(struct nic *nic);

/* There is something for the thread. Any context: the end of an interrupt handler. */
void nic_wake(struct nic *nic);

/* The device is to be reset, for this reason (a phrase for the log, constant). Any context. */
void nic_fail(struct nic *nic, const char *why);

/* Counts. Any context. */
static inline void nic_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
