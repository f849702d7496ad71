/* The table of addresses. Learned ones are in sets of a few entries, found by a seeded hash. */
#include "net/switch/table.h"

#include <string.h>

/* splitmix64's finaliser over seed and address. */
static uint64_t hash(const struct table *table, const uint8_t *mac)
{
	uint64_t x = table->seed;

	for (unsigned i = 0; i < NET_MAC_BYTES; i++)
		x ^= (uint64_t)mac[i] << 8 * i;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

void table_init(struct table *table, uint64_t seed)
{
	*table = (struct table){.seed = seed};
	for (unsigned i = 0; i < TABLE_SETS; i++)
		for (unsigned way = 0; way < TABLE_WAYS; way++)
			table->sets[i][way].owner = TABLE_NOWHERE;
	for (unsigned i = 0; i < TABLE_FIXED; i++)
		table->fixed[i].owner = TABLE_NOWHERE;
}

static void release(struct table *table, struct table_entry *entry)
{
	if (entry->owner != TABLE_NOWHERE)
		table->counts[entry->owner]--;
	entry->owner = TABLE_NOWHERE;
}

static bool is_old(const struct table_entry *entry, uint64_t now_ns)
{
	return now_ns - entry->seen_ns > TABLE_AGE_NS;
}

/* Frees what was not used lately; looks seldom, as a hostile port could ask for it each time.
 */
static void expire(struct table *table, uint64_t now_ns)
{
	if (now_ns - table->expired_ns < NSEC_PER_SEC)
		return;
	table->expired_ns = now_ns;
	for (unsigned i = 0; i < TABLE_SETS; i++)
		for (unsigned way = 0; way < TABLE_WAYS; way++)
			if (is_old(&table->sets[i][way], now_ns))
				release(table, &table->sets[i][way]);
}

/* The entry of `mac`, or else one that can become it, or NULL. */
static struct table_entry *find_place(struct table *table, const uint8_t *mac, uint64_t now_ns)
{
	struct table_entry *set = table->sets[hash(table, mac) % TABLE_SETS], *place = NULL;

	for (unsigned way = 0; way < TABLE_WAYS; way++) {
		if (set[way].owner == TABLE_NOWHERE || is_old(&set[way], now_ns))
			place = &set[way];
		if (set[way].owner != TABLE_NOWHERE &&
		    !memcmp(set[way].mac, mac, NET_MAC_BYTES))
			return &set[way];
	}
	return place;
}

/* Where `mac` is among the given ones, or the free place where it would be. */
static unsigned fixed_place(const struct table *table, const uint8_t *mac)
{
	unsigned i = hash(table, mac) % TABLE_FIXED;

	while (table->fixed[i].owner != TABLE_NOWHERE &&
	       memcmp(table->fixed[i].mac, mac, NET_MAC_BYTES) != 0)
		i = (i + 1) % TABLE_FIXED;
	return i;
}

uint16_t table_fixed(const struct table *table, const uint8_t *mac)
{
	return table->fixed[fixed_place(table, mac)].owner;
}

void table_fix(struct table *table, const uint8_t *mac, uint16_t owner)
{
	struct table_entry *set = table->sets[hash(table, mac) % TABLE_SETS];
	struct table_entry *fixed = &table->fixed[fixed_place(table, mac)];

	memcpy(fixed->mac, mac, NET_MAC_BYTES);
	fixed->owner = owner;
	for (unsigned way = 0; way < TABLE_WAYS; way++)
		if (!memcmp(set[way].mac, mac, NET_MAC_BYTES))
			release(table, &set[way]);
}

/* Those that stood behind a removed one move to where they are found. */
static void unfix(struct table *table, uint16_t owner)
{
	unsigned hole = 0;

	while (hole < TABLE_FIXED && table->fixed[hole].owner != owner)
		hole++;
	if (hole == TABLE_FIXED)
		return;
	table->fixed[hole].owner = TABLE_NOWHERE;
	for (unsigned i = (hole + 1) % TABLE_FIXED; table->fixed[i].owner != TABLE_NOWHERE;
	     i = (i + 1) % TABLE_FIXED) {
		struct table_entry moved = table->fixed[i];

		table->fixed[i].owner = TABLE_NOWHERE;
		table->fixed[fixed_place(table, moved.mac)] = moved;
	}
}

void table_learn(struct table *table, const uint8_t *mac, uint16_t owner, unsigned max,
		 uint64_t now_ns)
{
	struct table_entry *entry = find_place(table, mac, now_ns);

	if (!entry)
		return;
	if (entry->owner == owner && !memcmp(entry->mac, mac, NET_MAC_BYTES)) {
		entry->seen_ns = now_ns;
		return;
	}
	if (table->counts[owner] >= max)
		expire(table, now_ns);
	if (table->counts[owner] >= max)
		return;
	release(table, entry);
	memcpy(entry->mac, mac, NET_MAC_BYTES);
	entry->owner = owner;
	entry->seen_ns = now_ns;
	table->counts[owner]++;
}

uint16_t table_find(const struct table *table, const uint8_t *mac, uint64_t now_ns)
{
	const struct table_entry *set = table->sets[hash(table, mac) % TABLE_SETS];
	uint16_t owner = table_fixed(table, mac);

	if (owner != TABLE_NOWHERE)
		return owner;
	for (unsigned way = 0; way < TABLE_WAYS; way++)
		if (set[way].owner != TABLE_NOWHERE && !is_old(&set[way], now_ns) &&
		    !memcmp(set[way].mac, mac, NET_MAC_BYTES))
			return set[way].owner;
	return TABLE_NOWHERE;
}

void table_forget(struct table *table, uint16_t owner)
{
	unfix(table, owner);
	for (unsigned i = 0; i < TABLE_SETS; i++)
		for (unsigned way = 0; way < TABLE_WAYS; way++)
			if (table->sets[i][way].owner == owner)
				release(table, &table->sets[i][way]);
}
