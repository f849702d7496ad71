/* Disks and NICs of guests, and the machine's disks, for people. */
#include "guests/console/report_devices.h"

#include "guests/console/text.h"
#include "guests/views/disks.h"
#include "guests/views/guest.h"

typedef unsigned long long ull;

/* Two kinds of views have these members by the same names. */
#define SAY_REQUESTS(to, indent, view)                                                       \
	sink_print(to,                                                                       \
		   indent "reads %llu (%s), writes %llu (%s), flushes %llu, discards %llu, " \
			  "zeroed %llu, errors %llu\n",                                      \
		   (ull)(view)->reads, text_size((view)->bytes_read).bytes,                  \
		   (ull)(view)->writes, text_size((view)->bytes_written).bytes,              \
		   (ull)(view)->flushes, (ull)(view)->discards, (ull)(view)->zeroes,         \
		   (ull)(view)->errors)

/* ---- a guest's --------------------------------------------------------------------------- */

static void say_guest_disk(struct sink *to, const struct guest_disk_view *disk)
{
	sink_print(to, "  disk %u: %s on %s, %s\n", (unsigned)disk->id, disk->serial,
		   disk->backing, text_size(disk->bytes).bytes);
	SAY_REQUESTS(to, "    ", disk);
	sink_print(to, "    kicks %llu, interrupts %llu, waits for a limit %llu, copied %s\n",
		   (ull)disk->kicks, (ull)disk->interrupts, (ull)disk->throttled,
		   text_size(disk->bytes_copied).bytes);
}

static void say_guest_nic(struct sink *to, const struct guest_nic_view *nic)
{
	sink_print(to, "  nic %u: %s on %s\n", (unsigned)nic->id, nic->mac, nic->network);
	sink_print(to,
		   "    received %llu (%s), sent %llu (%s), not wanted %llu, too large %llu, "
		   "not sendable %llu\n",
		   (ull)nic->rx_packets, text_size(nic->rx_bytes).bytes, (ull)nic->tx_packets,
		   text_size(nic->tx_bytes).bytes, (ull)nic->rx_unwanted, (ull)nic->rx_dropped,
		   (ull)nic->tx_errors);
	sink_print(to, "    kicks %llu, interrupts %llu, waits for a limit %llu, copied %s\n",
		   (ull)nic->kicks, (ull)nic->interrupts, (ull)nic->throttled,
		   text_size(nic->bytes_copied).bytes);
}

void report_guest_devices(struct sink *to, const struct guest_view *guest)
{
	for (uint32_t i = 0; i < guest->disk_count; i++)
		say_guest_disk(to, &guest->disks[i]);
	for (uint32_t i = 0; i < guest->nic_count; i++)
		say_guest_nic(to, &guest->nics[i]);
}

/* ---- the machine's ----------------------------------------------------------------------- */

static void say_disk(struct sink *to, const struct disk_view *disk)
{
	sink_print(to, "%s: %s, blocks of %llu, %s, serial %s, %s%s%s%s\n", disk->name,
		   text_size(disk->bytes).bytes, (ull)disk->block_bytes, disk->model,
		   disk->serial[0] ? disk->serial : "none", disk->location,
		   disk->read_only ? ", read-only" : "",
		   disk->write_cache ? ", write cache" : "", disk->gone ? ", GONE" : "");
	SAY_REQUESTS(to, "  ", disk);
	sink_print(to,
		   "  doorbells %llu, interrupts %llu, tried again %llu, timeouts %llu, "
		   "resets %llu, copied %s\n",
		   (ull)disk->doorbells, (ull)disk->interrupts, (ull)disk->retries,
		   (ull)disk->timeouts, (ull)disk->resets, text_size(disk->bytes_copied).bytes);
}

static void say_source(struct sink *to, const struct source_view *source)
{
	sink_print(to, "  %-46s %9s  %s%s%s\n", source->source, text_size(source->bytes).bytes,
		   source->about, source->owner[0] ? ", has: " : "", source->owner);
	if (source->holds[0])
		sink_print(to, "    It %s.\n", source->holds);
}

void report_disks(struct sink *to, const struct view_rows *disks,
		  const struct view_rows *sources)
{
	for (uint32_t i = 0; i < disks->count; i++)
		say_disk(to, disks->rows[i]);
	sink_text(to, "Sources for guests' disks:\n");
	for (uint32_t i = 0; i < sources->count; i++)
		say_source(to, sources->rows[i]);
}
