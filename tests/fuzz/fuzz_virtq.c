/*
 * Virtqueues over guest memory that changes between calls as the input says: raw bytes
 * anywhere, or descriptors that are nearly right. Beside memory errors this finds: a segment
 * that is not RAM, sums that are wrong, an ID taken twice, a broken queue that goes on, bytes
 * written where only the driver writes, pins that stay.
 */
/* links: guests/devices/virtio/queue.c guests/devices/virtio/split.c */
/* links: guests/devices/virtio/packed.c tests/unit/fake_gmem.c */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu/cpu.h"
#include "tests/unit/virtq_driver.h"

#define RAM	(64 * KIB)
#define LARGEST 64
#define DESC	0x0000
#define DRIVER	0x1000
#define DEVICE	0x2000

enum choice { CHOICE_PACKED = 1, CHOICE_EVENT_IDX = 2, CHOICE_NO_INDIRECT = 4 };

enum op {
	OP_BYTES, /* offset (2), count (1), bytes */
	OP_DESC,  /* where (1), page and offset (2), bytes (1), a (2), b (2) */
	OP_AVAIL, /* head (1): split, the next entry and index */
	OP_POP,
	OP_PUSH, /* which (1), bytes (1) */
	OP_UNPOP,
	OP_NOTIFY_ON,
	OP_NOTIFY_OFF,
	OP_INTERRUPT,
	OP_COPY,     /* at (1), bytes (1) */
	OP_PUSH_ALL, /* how many (1), bytes of each (1) */
	OPS
};

struct cpu_features cpu_features;

static struct fake_gmem fake;
static struct virtq q;
static struct virtq_driver driver;
static struct virtq_chain chain;
static struct {
	uint16_t id, descriptors;
} flights[LARGEST];
static unsigned flying;
static bool chain_fresh;

static const uint8_t *input;
static size_t left;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static uint8_t next8(void)
{
	if (!left)
		return 0;
	left--;
	return *input++;
}

static uint16_t next16(void)
{
	uint8_t low = next8();

	return (uint16_t)(low | next8() << 8);
}

static void put_bytes(void)
{
	uint16_t at = next16();

	for (unsigned count = next8() % 33; count; count--)
		*fake_gmem_put(&fake, at++, uint8_t) = next8();
}

static void put_desc(void)
{
	uint64_t at = DESC + next8() * sizeof(struct driver_desc);
	struct driver_desc desc = {.addr = next16(), .bytes = next8()};

	desc.a = next16();
	desc.b = next16();
	memcpy(fake_gmem_put(&fake, at, uint8_t), &desc, sizeof(desc));
}

static void put_avail(void)
{
	uint8_t head = next8();

	if (q.packed)
		return;
	*driver_avail(&driver, 2u + driver.next % q.size) = head;
	*driver_avail(&driver, 1) = ++driver.next;
}

static void check_chain(void)
{
	uint64_t sums[2] = {0};

	require(chain.count && chain.count <= VIRTQ_SEGMENTS_MAX);
	require(chain.readable <= chain.count);
	for (unsigned i = 0; i < chain.count; i++) {
		const struct virtq_segment *s = &chain.segments[i];

		require(s->bytes && gmem_is_ram(&fake.gm, s->gpa, s->bytes));
		sums[i >= chain.readable] += s->bytes;
	}
	require(sums[0] == chain.readable_bytes && sums[1] == chain.writable_bytes);
	require(chain.id < q.size && chain.descriptors && chain.descriptors <= q.size);
	for (unsigned i = 0; i < flying; i++)
		require(flights[i].id != chain.id);
}

static void pop(void)
{
	bool was_broken = q.broken;
	int got = virtq_pop(&q, &chain);

	require(got == 1 || got == 0 || got == -EINVAL);
	require((got == -EINVAL) == q.broken && (!was_broken || q.broken));
	require(!q.broken || q.why);
	chain_fresh = got == 1;
	if (got != 1)
		return;
	check_chain();
	require(flying < q.size);
	flights[flying].id = chain.id;
	flights[flying++].descriptors = chain.descriptors;
}

static void push(void)
{
	unsigned which = next8(), bytes = next8();

	if (!flying)
		return virtq_push(&q, (uint16_t)which, 1,
				  bytes); /* not ours: nothing happens */
	which %= flying;
	virtq_push(&q, flights[which].id, flights[which].descriptors, bytes);
	flights[which] = flights[--flying];
	chain_fresh = false;
}

static void push_all(void)
{
	struct virtq_used used[LARGEST];
	unsigned count = next8() % (flying + 1);

	for (unsigned i = 0; i < count; i++) {
		flying--;
		used[i] = (struct virtq_used){flights[flying].id, flights[flying].descriptors,
					      next8()};
	}
	virtq_push_all(&q, used, count);
	chain_fresh = chain_fresh && !count;
}

static void unpop(void)
{
	if (!chain_fresh)
		return;
	virtq_unpop(&q, &chain);
	flying--;
	chain_fresh = false;
}

static void copy(void)
{
	uint8_t buf[256], at = next8(), bytes = next8();

	if (!chain_fresh)
		return;
	require(virtq_read(&q, &chain, at, buf, bytes) ==
		(at < chain.readable_bytes ? MIN(bytes, chain.readable_bytes - at) : 0));
	memset(buf, 0xa5, sizeof(buf));
	require(virtq_write(&q, &chain, at, buf, bytes) ==
		(at < chain.writable_bytes ? MIN(bytes, chain.writable_bytes - at) : 0));
}

/* An operation of the device, which leaves alone what is the driver's. */
static void device_op(enum op op)
{
	static uint8_t before[DEVICE];
	uint64_t mine = q.packed ? DRIVER : DESC; /* the packed ring is both sides' */

	memcpy(before, fake.ram + mine, DEVICE - mine);
	switch (op) {
	case OP_POP: pop(); break;
	case OP_PUSH: push(); break;
	case OP_PUSH_ALL: push_all(); break;
	case OP_UNPOP: unpop(); break;
	case OP_NOTIFY_ON: virtq_notify_on(&q); break;
	case OP_NOTIFY_OFF: virtq_notify_off(&q); break;
	default: virtq_should_interrupt(&q); break;
	}
	require(!memcmp(before, fake.ram + mine, DEVICE - mine));
	require(q.in_flight <= q.size);
}

static void run(void)
{
	while (left) {
		enum op op = next8() % OPS;

		switch (op) {
		case OP_BYTES: put_bytes(); break;
		case OP_DESC: put_desc(); break;
		case OP_AVAIL: put_avail(); break;
		case OP_COPY: copy(); break;
		default: device_op(op); break;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t choice;

	input = data;
	left = bytes;
	flying = 0;
	chain_fresh = false;
	choice = next8();
	fake_gmem_init(&fake, RAM);
	q = (struct virtq){.gm = &fake.gm,
			   .size = next8() % (LARGEST + 1),
			   .desc_gpa = DESC,
			   .driver_gpa = DRIVER,
			   .device_gpa = DEVICE,
			   .packed = choice & CHOICE_PACKED,
			   .event_idx = choice & CHOICE_EVENT_IDX,
			   .indirect = !(choice & CHOICE_NO_INDIRECT)};
	driver_init(&driver, &fake, &q, 0);
	if (!virtq_start(&q))
		run();
	virtq_stop(&q);
	require(!fake.pinned);
	fake_gmem_fini(&fake);
	return 0;
}
