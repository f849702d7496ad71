/*
 * The generator: a key, of which each piece of output uses one block for the next key, so that
 * who reads our memory later learns nothing of what was given out before.
 */
#include "kernel/cpu/random.h"

#include <errno.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/lib/chacha20.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"

#define RDRAND_TRIES  10 /* SDM vol. 1 7.3.17.1 */
#define RDSEED_TRIES  100
#define SEED_WORDS    4 /* of 64 bits, from each source: a key's worth */
#define TIMINGS	      512
#define PIECE_BLOCKS  4 /* given out between two keys, with the lock held */
#define REFRESH_BYTES (1 * MIB)
#define REFRESH_NS    (60 * NSEC_PER_SEC)

static struct {
	struct spinlock lock; /* guards the rest */
	bool seeded;
	uint32_t key[8];
	uint64_t given; /* bytes since the last refresh, */
	uint64_t refreshed_ns;
} generator = {.lock = SPINLOCK("random")};

static bool rdrand(uint64_t *value)
{
	bool good = false;

	for (unsigned i = 0; i < RDRAND_TRIES && !good; i++)
		__asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(good) : : "cc");
	return good;
}

static bool rdseed(uint64_t *value)
{
	bool good = false;

	for (unsigned i = 0; i < RDSEED_TRIES && !good; i++) {
		__asm__ volatile("rdseed %0" : "=r"(*value), "=@ccc"(good) : : "cc");
		if (!good)
			cpu_relax(); /* other CPUs drained it: SDM vol. 1 7.3.17.2 */
	}
	return good;
}

/* Even where nothing reads it any more. */
static void wipe(void *bytes, size_t count)
{
	memset(bytes, 0, count);
	__asm__ volatile("" : : "r"(bytes) : "memory");
}

static void next_block(uint32_t counter, uint32_t block[16])
{
	static const uint32_t nonce[3];

	chacha20_block(generator.key, counter, nonce, block);
}

/* The next key, of which the old one cannot be told. Under the lock, as all below. */
static void turn_key(void)
{
	uint32_t block[16];

	next_block(0, block);
	memcpy(generator.key, block, sizeof(generator.key));
	wipe(block, sizeof(block));
}

/* Whatever `value` is, and whoever knows it, the key is no easier to guess than before. */
static void mix(uint64_t value)
{
	generator.key[0] ^= (uint32_t)value;
	generator.key[1] ^= (uint32_t)(value >> 32);
	turn_key();
}

/* Returns how many words the instruction gave. */
static unsigned mix_words(bool there, bool (*get)(uint64_t *value))
{
	unsigned got = 0;
	uint64_t value;

	for (unsigned i = 0; there && i < SEED_WORDS; i++)
		if (get(&value)) {
			mix(value);
			got++;
		}
	return got;
}

/* How long each turn takes varies with caches, DRAM refresh and firmware's interrupts; under
 * an emulator perhaps not at all. */
static void mix_timings(void)
{
	for (unsigned i = 0; i < TIMINGS; i++)
		mix(rdtsc());
}

static bool refresh(void)
{
	unsigned words = mix_words(cpu_features.rdseed, rdseed);

	words += mix_words(cpu_features.rdrand, rdrand);
	mix(rdtsc());
	generator.given = 0;
	generator.refreshed_ns = clock_now_ns();
	return words >= SEED_WORDS;
}

void random_init(void)
{
	uint64_t flags = spin_lock_irqsave(&generator.lock);
	bool hardware;

	mix(clock_wall_ns());
	mix_timings();
	hardware = refresh();
	generator.seeded = true;
	spin_unlock_irqrestore(&generator.lock, flags);
	if (hardware)
		log_info("random", "seeded from %s and timing",
			 cpu_features.rdseed ? "RDSEED" : "RDRAND");
	else
		log_warn("random",
			 "this CPU has no RDSEED or RDRAND: random bytes come from timing "
			 "alone and may be guessed; guests should not rely on virtio-rng");
}

/* At most PIECE_BLOCKS blocks. */
static void give(uint8_t *to, size_t bytes)
{
	uint32_t block[16];

	for (uint32_t counter = 1; bytes; counter++) {
		size_t now = MIN(bytes, sizeof(block));

		next_block(counter, block);
		memcpy(to, block, now);
		to += now;
		bytes -= now;
	}
	wipe(block, sizeof(block));
	turn_key();
}

int random_bytes(void *buf, size_t bytes)
{
	for (uint8_t *at = buf; bytes;) {
		size_t now = MIN(bytes, (size_t)PIECE_BLOCKS * CHACHA20_BLOCK_BYTES);
		uint64_t flags = spin_lock_irqsave(&generator.lock);
		bool seeded = generator.seeded;

		if (seeded) {
			if (generator.given >= REFRESH_BYTES ||
			    clock_now_ns() - generator.refreshed_ns >= REFRESH_NS)
				refresh();
			give(at, now);
			generator.given += now;
		}
		spin_unlock_irqrestore(&generator.lock, flags);
		if (!seeded)
			return -EAGAIN;
		at += now;
		bytes -= now;
	}
	return 0;
}
