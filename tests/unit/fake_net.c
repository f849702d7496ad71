/* See fake_net.h. */
#include "tests/unit/fake_net.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/mem/frames.h"
#include "kernel/sched/sync.h"
#include "kernel/sched/thread.h"

#define PACKETS 1024
#define PAGES	4096

unsigned fake_frames_left = 1000000;

__attribute__((weak)) struct cpu *cpus[CPU_MAX]; /* fake_threads.c has it, too */

static struct packet_pool *pool;
static void *frames[16384]; /* what is given, so that the leak checker sees it is not lost */

static void **frame_place(const void *frame)
{
	unsigned i = 0;

	while (frames[i] != frame)
		if (++i == ARRAY_SIZE(frames))
			abort();
	return &frames[i];
}

uint64_t frames_alloc(unsigned order, struct mem_account *account)
{
	void *p;

	(void)account;
	if (!fake_frames_left)
		return 0;
	fake_frames_left--;
	p = aligned_alloc(PAGE_BYTES, PAGE_BYTES << order);
	*frame_place(NULL) = p;
	memset(p, 0xa5, PAGE_BYTES << order);
	return directmap_phys(p);
}

void frames_free(uint64_t phys, unsigned order, struct mem_account *account)
{
	(void)order, (void)account;
	fake_frames_left++;
	*frame_place(directmap(phys)) = NULL;
	free(directmap(phys));
}

/* One thread: what would sleep for ever is a mistake. Weak, for tests with fake_threads.c. */
__attribute__((weak)) void thread_block(void)
{
	abort();
}

__attribute__((weak)) void thread_wake(struct thread *t)
{
	(void)t;
}

__attribute__((weak)) void thread_sleep_ns(uint64_t ns)
{
	(void)ns;
	abort();
}

void mutex_init(struct mutex *m, const char *what)
{
	(void)what;
	*m = (struct mutex){0};
}

void mutex_lock(struct mutex *m)
{
	if (m->owner)
		abort();
	m->owner = (struct thread *)m;
}

void mutex_unlock(struct mutex *m)
{
	m->owner = NULL;
}

struct packet *fake_packet(const void *bytes, uint32_t count)
{
	struct packet *packet;

	if (!pool)
		pool = packet_pool_create(PACKETS, PAGES, NULL);
	packet = packet_alloc(pool, count + FAKE_ROOM);
	if (!packet)
		abort();
	packet->bytes = count;
	packet_write(packet, 0, bytes, count);
	return packet;
}

unsigned fake_packets_out(void)
{
	struct packet *all[PACKETS];
	unsigned count = 0;

	if (!pool)
		return 0;
	while (count < PACKETS && (all[count] = packet_alloc(pool, 1)))
		count++;
	for (unsigned i = 0; i < count; i++)
		packet_put(all[i]);
	return PACKETS - count;
}

int fake_net_fini(void **state)
{
	(void)state;
	packet_pool_destroy(pool);
	pool = NULL;
	return 0;
}

/* ---- frames ---------------------------------------------------------------------------- */

void fake_put(struct fake_frame *f, const void *bytes, uint32_t count)
{
	if (f->count + count > sizeof f->bytes)
		abort();
	memcpy(f->bytes + f->count, bytes, count);
	f->count += count;
}

void fake_put8(struct fake_frame *f, unsigned value)
{
	uint8_t byte = (uint8_t)value;

	fake_put(f, &byte, 1);
}

void fake_put16(struct fake_frame *f, unsigned value)
{
	fake_put8(f, value >> 8);
	fake_put8(f, value);
}

void fake_put32(struct fake_frame *f, uint32_t value)
{
	fake_put16(f, value >> 16);
	fake_put16(f, value);
}

void fake_zeros(struct fake_frame *f, uint32_t count)
{
	while (count--)
		fake_put8(f, 0);
}

void fake_ethernet(struct fake_frame *f, const void *to, const void *from, unsigned type)
{
	f->count = 0;
	fake_put(f, to, NET_MAC_BYTES);
	fake_put(f, from, NET_MAC_BYTES);
	fake_put16(f, type);
}

void fake_ipv4(struct fake_frame *f, unsigned protocol, uint32_t from, uint32_t to,
	       uint32_t payload_bytes)
{
	fake_put16(f, 0x4500);
	fake_put16(f, 20 + payload_bytes);
	fake_put32(f, 0x12340000); /* identification; neither flags nor offset */
	fake_put8(f, 64);
	fake_put8(f, protocol);
	fake_put16(f, 0);
	fake_put32(f, from);
	fake_put32(f, to);
}

void fake_ipv6(struct fake_frame *f, unsigned protocol, const void *from, const void *to,
	       uint32_t payload_bytes)
{
	fake_put32(f, 0x60000000);
	fake_put16(f, payload_bytes);
	fake_put8(f, protocol);
	fake_put8(f, 255);
	fake_put(f, from, 16);
	fake_put(f, to, 16);
}

void fake_udp(struct fake_frame *f, unsigned from, unsigned to, uint32_t payload_bytes)
{
	fake_put16(f, from);
	fake_put16(f, to);
	fake_put16(f, 8 + payload_bytes);
	fake_put16(f, 0);
}

void fake_tcp(struct fake_frame *f, uint32_t sequence, unsigned flags)
{
	fake_put16(f, 1000);
	fake_put16(f, 2000);
	fake_put32(f, sequence);
	fake_put32(f, 7);
	fake_put8(f, 5 << 4);
	fake_put8(f, flags);
	fake_put16(f, 4096);
	fake_put32(f, 0);
}

void fake_arp(struct fake_frame *f, unsigned op, const void *mac, uint32_t ip,
	      uint32_t target_ip)
{
	fake_put16(f, 1);
	fake_put16(f, 0x0800);
	fake_put16(f, 0x0604);
	fake_put16(f, op);
	fake_put(f, mac, NET_MAC_BYTES);
	fake_put32(f, ip);
	fake_zeros(f, NET_MAC_BYTES);
	fake_put32(f, target_ip);
}
