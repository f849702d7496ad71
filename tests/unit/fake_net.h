/*
 * What packets and the switch stand on, on the build machine: frames, a thread that never
 * sleeps. With fake_vmm.c, which has heap, clock and timers. And frames to be sent, in a few
 * words.
 */
#ifndef TESTS_UNIT_FAKE_NET_H
#define TESTS_UNIT_FAKE_NET_H

#include "kernel/io/netdev.h"

extern unsigned fake_frames_left; /* pages that frames_alloc() still gives */

#define FAKE_ROOM 60 /* pages have so much more than the frame, at least */

/* A packet of these bytes, from a pool that all share. */
struct packet *fake_packet(const void *bytes, uint32_t count);
unsigned fake_packets_out(void); /* of that pool: made and not put back */
int fake_net_fini(void **state); /* a group's teardown: they are all back */

/* A frame that is being written: big-endian values one after the other. */
struct fake_frame {
	uint8_t bytes[2048];
	uint32_t count;
};
void fake_put(struct fake_frame *f, const void *bytes, uint32_t count);
void fake_put8(struct fake_frame *f, unsigned value);
void fake_put16(struct fake_frame *f, unsigned value);
void fake_put32(struct fake_frame *f, uint32_t value);
void fake_zeros(struct fake_frame *f, uint32_t count);

/* Begin frames; MAC addresses of 6 bytes, IPv6 addresses of 16. Lengths are of what follows. */
void fake_ethernet(struct fake_frame *f, const void *to, const void *from, unsigned type);
void fake_ipv4(struct fake_frame *f, unsigned protocol, uint32_t from, uint32_t to,
	       uint32_t payload_bytes);
void fake_ipv6(struct fake_frame *f, unsigned protocol, const void *from, const void *to,
	       uint32_t payload_bytes);
void fake_udp(struct fake_frame *f, unsigned from, unsigned to, uint32_t payload_bytes);
void fake_tcp(struct fake_frame *f, uint32_t sequence, unsigned flags);
void fake_arp(struct fake_frame *f, unsigned op, const void *mac, uint32_t ip,
	      uint32_t target_ip);

#endif
