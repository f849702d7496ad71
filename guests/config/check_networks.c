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

static void check_network(const struct checker *checker, const struct config_network *network)
{
	const struct config_network *first = find_network(checker->config, network->name);
	const struct config_network *other = checker->config->networks;
	char place[CONFIG_ON_LINE_MAX];

	if (first != network)
		config_report_add(checker->report, network->name_mark,
				  "network '%s': the network%s has this name too; "
				  "give each network its own",
				  network->name, config_on_line(first->name_mark, place));
	if (network->vlan && !network->uplink[0])
		config_report_add(checker->report, network->vlan_mark,
				  "network '%s': vlan has no meaning without uplink; remove "
				  "it, or add 'uplink: nic0'",
				  network->name);
	if (!network->uplink[0])
		return;
	while (strcasecmp(other->uplink, network->uplink) != 0 || other->vlan != network->vlan)
		other++;
	if (other != network)
		config_report_add(checker->report, network->uplink_mark,
				  "network '%s': network '%s'%s has this uplink and "
				  "VLAN already; use that one, or write another vlan",
				  network->name, other->name,
				  config_on_line(other->name_mark, place));
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
	const char *meant = nearest(checker->config, nic->network);

	if (find_network(checker->config, nic->network))
		return;
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

/* Another interface of the same network with the same MAC address, before this one. */
static const struct config_nic *find_twin(const struct checker *checker,
					  const struct config_nic *nic,
					  const struct guest_config **owner)
{
	for (*owner = checker->config->guests;; (*owner)++) {
		for (uint32_t i = 0; i < (*owner)->nic_count; i++) {
			const struct config_nic *other = &(*owner)->nics[i];

			if (other == nic)
				return NULL;
			if (strcmp(other->network, nic->network) == 0 &&
			    memcmp(other->mac.bytes, nic->mac.bytes, sizeof(nic->mac.bytes)) ==
				    0)
				return other;
		}
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
	twin = find_twin(checker, nic, &owner);
	if (twin)
		config_report_add(
			checker->report, nic->mac_mark.line ? nic->mac_mark : nic->network_mark,
			"guest '%s': nics[%u].mac: %s is nics[%u] of guest '%s' in "
			"network '%s' too; give each its own",
			guest->name, (unsigned)index, config_mac_text(nic->mac.bytes, text),
			(unsigned)(twin - owner->nics), owner->name, nic->network);
	if (nic->address_count && !nic->filter)
		config_report_add(checker->report, nic->addresses_mark,
				  "guest '%s': nics[%u].addresses have no meaning with "
				  "'filter: false'; remove one of the two",
				  guest->name, (unsigned)index);
	if (limits->burst_bytes && !limits->send_bytes_per_second &&
	    !limits->receive_bytes_per_second)
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
