/* Between guests' interfaces and the switch, which keeps the promise of network.h. */
#include "kernel/io/network.h"

#include <errno.h>
#include <stdio.h>

static const struct network_provider *provider;

void network_init(const struct network_provider *given)
{
	provider = given;
}

const char *network_drop_name(enum network_drop drop)
{
	static const char *const names[NETWORK_DROPS] = {
		[NETWORK_DROP_MALFORMED] = "malformed",
		[NETWORK_DROP_OVERSIZE] = "oversize",
		[NETWORK_DROP_TAGGED] = "tagged",
		[NETWORK_DROP_RESERVED] = "reserved",
		[NETWORK_DROP_SPOOFED_MAC] = "spoofed-mac",
		[NETWORK_DROP_SPOOFED_ADDRESS] = "spoofed-address",
		[NETWORK_DROP_FORBIDDEN] = "forbidden",
		[NETWORK_DROP_ELSEWHERE] = "elsewhere",
		[NETWORK_DROP_FLOOD] = "flood",
		[NETWORK_DROP_NOT_LISTENING] = "not-listening",
		[NETWORK_DROP_FULL] = "full",
		[NETWORK_DROP_STALLED] = "stalled",
		[NETWORK_DROP_NO_LINK] = "no-link",
		[NETWORK_DROP_NO_MEMORY] = "no-memory",
	};

	return names[drop];
}

static int nobody(char why[NETWORK_WHY_BYTES])
{
	snprintf(why, NETWORK_WHY_BYTES, "can't be: this hypervisor has no switch");
	return -ENODEV;
}

int network_create(const struct network_config *config, char why[NETWORK_WHY_BYTES])
{
	why[0] = '\0';
	return provider ? provider->create(config, why) : nobody(why);
}

int network_remove(const char *name, char why[NETWORK_WHY_BYTES])
{
	return provider ? provider->remove(name, why) : nobody(why);
}

int network_attach(const struct network_port_config *config, struct netdev **dev,
		   char why[NETWORK_WHY_BYTES])
{
	return provider ? provider->attach(config, dev, why) : nobody(why);
}

void network_visit(const struct network_visitor *visitor)
{
	if (provider)
		provider->visit(visitor);
}
