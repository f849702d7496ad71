/*
 * The switch and what is around it for tests: guests at its ports, a NIC, and what is told of
 * them. With "lan", which is isolated, and "wan" and its VLAN 5, "wan5", on the NIC.
 */
#ifndef TESTS_UNIT_FAKE_SWITCH_H
#define TESTS_UNIT_FAKE_SWITCH_H

#include "kernel/io/network.h"
#include "tests/unit/fake_net.h"
#include "tests/unit/fake_vmm.h"

#define MS    NSEC_PER_MSEC
#define QUEUE 256 /* packets that a port holds */

struct fake_guest {
	struct netdev *dev;
	uint8_t mac[6];
	unsigned arrived, ready;
};

#define GUESTS 4
extern struct fake_guest guests[GUESTS];
extern const uint8_t everybody[6], outside[6];
extern char why[NETWORK_WHY_BYTES];

int fake_switch_start(void **state); /* a group's setup */

/* Guest i's port, unlimited and without filter, until the caller changes it. */
struct network_port_config port_config(unsigned i, const char *network);
void plug(unsigned i, const struct network_port_config *config, uint32_t accepts);
void plug_all(const char *network, unsigned count); /* they accept everything */
void unplug(unsigned i);
int unplug_all(void **state); /* a test's teardown: nothing is left of it */

/* A frame that carries a number; a TCP packet that needs segmenting. */
struct packet *frame(const void *to, const void *from, uint32_t mark);
struct packet *tso(const uint8_t *to, const uint8_t *from, uint32_t payload);

int send(unsigned i, struct packet *packet); /* what is refused is put */
int send_mark(unsigned i, unsigned to, uint32_t mark);
int64_t take(unsigned i); /* the mark of the next frame, or -1 */
void refuse(unsigned i);  /* it looks at the next one, and has no buffers */

/* What network_visit() says of a network or a port. */
extern struct network_port_info port_info;
extern struct network_info network_info;
extern unsigned stations;
void look(const char *name);
uint64_t drops(unsigned i, enum network_drop drop);

/* What the NIC was given to send; it takes `wire_room` packets. */
#define WIRE_MAX 512
extern struct netdev nic;
extern struct packet *wire[WIRE_MAX];
extern unsigned wire_count, wire_room, commits;
extern bool promiscuous;
void sent(void);
void from_wire(struct packet *packet);

#endif
