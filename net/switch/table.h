/*
 * Where stations are: the MAC addresses of one network's ports, which the configuration gives
 * and nobody can take, and those that were learned. The latter are bounded, as a whole and for
 * each owner, so that nobody can fill the table; what is not known is flooded. The lock is the
 * caller's.
 */
#ifndef NET_SWITCH_TABLE_H
#define NET_SWITCH_TABLE_H

#include "kernel/io/netdev.h"

#define TABLE_WAYS    4
#define TABLE_SETS    256
#define TABLE_AGE_NS  (300 * NSEC_PER_SEC) /* 802.1Q-2018, 8.8.3 */
#define TABLE_NOWHERE 0xffff
#define TABLE_OWNERS  129 /* an uplink, and ports */
#define TABLE_FIXED   256

struct table_entry {
	uint8_t mac[NET_MAC_BYTES];
	uint16_t owner; /* port, TABLE_NOWHERE: free */
	uint64_t seen_ns;
};

struct table {
	uint64_t expired_ns;		       /* when the old ones were last looked for */
	struct table_entry fixed[TABLE_FIXED]; /* open addressing */
	uint64_t seed; /* so that nobody outside knows which addresses share a set */
	uint16_t counts[TABLE_OWNERS];
	struct table_entry sets[TABLE_SETS][TABLE_WAYS];
};

void table_init(struct table *table, uint64_t seed);

/* `owner` has sent from `mac`. A station that was elsewhere has moved. Where there is no room
 * for one more of this owner's, nothing is learned. `max`: of this owner. */
void table_learn(struct table *table, const uint8_t *mac, uint16_t owner, unsigned max,
		 uint64_t now_ns);

/* The owner that `mac` is at, given or learned, or TABLE_NOWHERE. */
uint16_t table_find(const struct table *table, const uint8_t *mac, uint64_t now_ns);

/* Gives `mac` to an owner for good; forgets where it was learned to be. At most one for each
 * owner but the uplink. */
void table_fix(struct table *table, const uint8_t *mac, uint16_t owner);
/* Whom it was given to, or TABLE_NOWHERE. */
uint16_t table_fixed(const struct table *table, const uint8_t *mac);

/* Forgets all of an owner's, given or learned. */
void table_forget(struct table *table, uint16_t owner);

#endif
