/*
 * The second stage for networks and the guests' interfaces: names, MAC addresses, uplinks that
 * exclude each other. Whether a machine has the NIC of an uplink is net/switch's to say.
 */
#include "guests/config/address.h"
#include "guests/config/check.h"
#include <string.h>

static const struct config_network *find_network(const struct config *config, const char *name)
{
	for (uint32_t i = 0; i < config->network_count; i++)
		if (strcmp(config->networks[i].name, name) == 0)
			return &config->networks[i];
	return NULL;
}

/* A network before this one that has its name. */
static const struct config_network *find_namesake(const struct checker *checker,
						  const struct config_network *network)
{
	const struct config_network *other = checker->config->networks;

	if (!SOUND(checker, network->name))
		return NULL;
	while (other != network &&
	       (strcmp(other->name, network->name) != 0 || !SOUND(checker, other->name)))
		other++;
	return other == network ? NULL : other;
}

/* One that has its uplink and VLAN. */
static const struct config_network *find_rival(const struct checker *checker,
					       const struct config_network *network)
{
	const struct config_network *other = checker->config->networks;

	if (!network->uplink[0] || !SOUND(checker, network->uplink) ||
	    !SOUND(checker, network->vlan))
		return NULL;
	while (other != network &&
	       (strcasecmp(other->uplink, network->uplink) != 0 ||
		other->vlan != network->vlan || !SOUND(checker, other->vlan)))
		other++;
	return other == network ? NULL : other;
}

static void check_network(const struct checker *checker, const struct config_network *network)
{
	const struct config_network *other = find_namesake(checker, network);
	char place[CONFIG_ON_LINE_MAX];

	if (other)
		config_report_add(checker->report, network->name_mark,
				  "network '%s': the network%s has this name too; "
				  "give each network its own",
				  network->name, config_on_line(other->name_mark, place));
	if (network->vlan && !network->uplink[0] && SOUND(checker, network->uplink))
		config_report_add(checker->report, network->vlan_mark,
				  "network '%s': vlan has no meaning without uplink; remove "
				  "it, or add 'uplink: nic0'",
				  network->name);
	other = find_rival(checker, network);
	if (other)
		config_report_add(checker->report, network->uplink_mark,
				  "network '%s': network '%s'%s has this uplink and "
				  "VLAN already; use that one, or write another vlan",
				  network->name, other->name,
				  config_on_line(other->name_mark, place));
}

/* Whether a name that is none of these is no network's. */
static bool all_names_known(const struct checker *checker)
{
	const struct config *config = checker->config;
	bool known = SOUND(checker, config->network_count);

	for (uint32_t i = 0; i < config->network_count; i++)
		known &= SOUND(checker, config->networks[i].name);
	return known;
}

/* A name that `typed` is a slip of, or NULL. */
static const char *nearest(const struct config *config, const char *typed)
{
	unsigned fewest = CONFIG_UNLIKE;
	const char *best = NULL;

	for (uint32_t i = 0; i < config->network_count; i++) {
		unsigned slips = config_slips(typed, config->networks[i].name);

		if (slips < fewest) {
			best = config->networks[i].name;
			fewest = slips;
		}
	}
	return best;
}

static void check_network_is_there(const struct checker *checker,
				   const struct guest_config *guest, uint32_t index)
{
	const struct config_nic *nic = &guest->nics[index];
	const char *meant;

	if (!SOUND(checker, nic->network) || find_network(checker->config, nic->network) ||
	    !all_names_known(checker))
		return;
	meant = nearest(checker->config, nic->network);
	if (meant)
		config_report_add(checker->report, nic->network_mark,
				  "guest '%s': nics[%u].network: there is no network '%s'; did "
				  "you mean '%s'?",
				  guest->name, (unsigned)index, nic->network, meant);
	else
		config_report_add(checker->report, nic->network_mark,
				  "guest '%s': nics[%u].network: there is no network '%s'; add "
				  "'{name: %s}' to networks",
				  guest->name, (unsigned)index, nic->network, nic->network);
}

/* Whether its MAC address is the one that it will have: `auto` is made of names. */
static bool mac_known(const struct checker *checker, const struct guest_config *guest,
		      const struct config_nic *nic)
{
	return SOUND(checker, nic->network) && SOUND(checker, nic->mac) &&
	       (nic->mac.given ||
		(SOUND(checker, guest->name) && SOUND(checker, checker->config->host.name)));
}

/* Two of one name have the same addresses for that, and one name is what is said. */
static bool made_alike(const struct guest_config *a, const struct config_nic *nic_a,
		       const struct guest_config *b, const struct config_nic *nic_b)
{
	return !nic_a->mac.given && !nic_b->mac.given && strcmp(a->name, b->name) == 0;
}

/* Another interface of the same network with the same MAC address, before this one. */
static const struct config_nic *find_twin(const struct checker *checker,
					  const struct guest_config *guest,
					  const struct config_nic *nic,
					  const struct guest_config **owner)
{
	for (*owner = checker->config->guests;; (*owner)++) {
		for (uint32_t i = 0; i < (*owner)->nic_count; i++) {
			const struct config_nic *other = &(*owner)->nics[i];

			if (other == nic)
				return NULL;
			if (strcmp(other->network, nic->network) == 0 &&
			    mac_known(checker, *owner, other) &&
			    !made_alike(*owner, other, guest, nic) &&
			    memcmp(other->mac.bytes, nic->mac.bytes, sizeof(nic->mac.bytes)) ==
				    0)
				return other;
		}
	}
}

static bool has_address(const struct checker *checker, const struct config_nic *nic,
			const struct config_address *address)
{
	for (uint32_t i = 0; i < nic->address_count; i++)
		if (SOUND(checker, nic->addresses[i]) &&
		    config_same_address(&nic->addresses[i], address))
			return true;
	return false;
}

/* A guest before this one that may send as `address` in the same network. Its own other
 * interfaces may. */
static const struct guest_config *find_holder(const struct checker *checker,
					      const struct guest_config *guest,
					      const struct config_nic *nic,
					      const struct config_address *address)
{
	for (const struct guest_config *other = checker->config->guests; other < guest; other++)
		for (uint32_t i = 0; i < other->nic_count; i++)
			if (SOUND(checker, other->nics[i].network) &&
			    strcmp(other->nics[i].network, nic->network) == 0 &&
			    has_address(checker, &other->nics[i], address))
				return other;
	return NULL;
}

static void check_addresses(const struct checker *checker, const struct guest_config *guest,
			    uint32_t index)
{
	const struct config_nic *nic = &guest->nics[index];
	char text[CONFIG_ADDRESS_TEXT];

	for (uint32_t i = 0; i < nic->address_count && SOUND(checker, nic->network); i++) {
		const struct guest_config *holder =
			SOUND(checker, nic->addresses[i])
				? find_holder(checker, guest, nic, &nic->addresses[i])
				: NULL;

		if (holder)
			config_report_add(checker->report, nic->addresses_mark,
					  "guest '%s': nics[%u].addresses[%u]: %s is one of "
					  "guest '%s' in "
					  "network '%s' too; give each its own",
					  guest->name, (unsigned)index, (unsigned)i,
					  config_address_text(&nic->addresses[i], text),
					  holder->name, nic->network);
	}
}

static void check_nic(const struct checker *checker, const struct guest_config *guest,
		      uint32_t index)
{
	const struct config_nic *nic = &guest->nics[index], *twin;
	const struct config_nic_limits *limits = &nic->limits;
	const struct guest_config *owner;
	char text[CONFIG_MAC_TEXT];

	check_network_is_there(checker, guest, index);
	twin = mac_known(checker, guest, nic) ? find_twin(checker, guest, nic, &owner) : NULL;
	if (twin)
		config_report_add(
			checker->report, nic->mac_mark.line ? nic->mac_mark : nic->network_mark,
			"guest '%s': nics[%u].mac: %s is nics[%u] of guest '%s' in "
			"network '%s' too; give each its own",
			guest->name, (unsigned)index, config_mac_text(nic->mac.bytes, text),
			(unsigned)(twin - owner->nics), owner->name, nic->network);
	check_addresses(checker, guest, index);
	if (nic->address_count && !nic->filter && SOUND(checker, nic->filter))
		config_report_add(checker->report, nic->addresses_mark,
				  "guest '%s': nics[%u].addresses have no meaning with "
				  "'filter: false'; remove one of the two",
				  guest->name, (unsigned)index);
	if (limits->burst_bytes && !limits->send_bytes_per_second &&
	    !limits->receive_bytes_per_second &&
	    SOUND(checker, limits->send_bytes_per_second) &&
	    SOUND(checker, limits->receive_bytes_per_second))
		config_report_add(checker->report, limits->burst_mark,
				  "guest '%s': nics[%u].limits.burst has no meaning without "
				  "send or receive; add one, or remove it",
				  guest->name, (unsigned)index);
}

void config_check_networks(const struct checker *checker)
{
	const struct config *config = checker->config;

	for (uint32_t i = 0; i < config->network_count; i++)
		check_network(checker, &config->networks[i]);
	for (uint32_t i = 0; i < config->guest_count; i++)
		for (uint32_t j = 0; j < config->guests[i].nic_count; j++)
			check_nic(checker, &config->guests[i], j);
}
