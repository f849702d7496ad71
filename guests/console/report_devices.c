/* Disks in words and figures: a guest's own, and the machine's. */
#include "guests/console/report_devices.h"

#include "guests/console/operator.h"
#include "guests/console/report.h"
#include "guests/console/report_networks.h"
#include "guests/devices.h"
#include "kernel/io/storage.h"

typedef unsigned long long ull;

static void say_disk(const struct device_disk_info *disk, unsigned index)
{
	const struct virtio_blk_info *r = &disk->requests;

	operator_say("  disk %u: %s on %s, %s\n", index, disk->serial, disk->backing,
		     report_size(disk->bytes).bytes);
	operator_say("    reads %llu (%s), writes %llu (%s), flushes %llu, discards %llu, "
		     "zeroed %llu, errors %llu\n",
		     (ull)r->reads, report_size(r->bytes_read).bytes, (ull)r->writes,
		     report_size(r->bytes_written).bytes, (ull)r->flushes, (ull)r->discards,
		     (ull)r->zeroes, (ull)r->errors);
	operator_say("    kicks %llu, interrupts %llu, waits for a limit %llu, copied %s\n",
		     (ull)r->kicks, (ull)r->interrupts, (ull)r->throttled,
		     report_size(disk->bytes_copied).bytes);
}

void report_devices(const struct devices_info *info)
{
	for (unsigned i = 0; i < info->disk_count; i++)
		say_disk(&info->disks[i], i);
	for (unsigned i = 0; i < info->nic_count; i++)
		report_nic(&info->nics[i], i);
}

static void count_disk(const char *name, const struct device_disk_info *disk, unsigned index)
{
	const struct virtio_blk_info *r = &disk->requests;

	operator_say("counters %s disk=%u bytes=%llu reads=%llu "
		     "writes=%llu flushes=%llu discards=%llu zeroes=%llu errors=%llu "
		     "bytes_read=%llu bytes_written=%llu bytes_copied=%llu kicks=%llu "
		     "interrupts=%llu throttled=%llu\n",
		     name, index, (ull)disk->bytes, (ull)r->reads, (ull)r->writes,
		     (ull)r->flushes, (ull)r->discards, (ull)r->zeroes, (ull)r->errors,
		     (ull)r->bytes_read, (ull)r->bytes_written, (ull)disk->bytes_copied,
		     (ull)r->kicks, (ull)r->interrupts, (ull)r->throttled);
}

void report_device_counters(const char *name, const struct devices_info *info)
{
	for (unsigned i = 0; i < info->disk_count; i++)
		count_disk(name, &info->disks[i], i);
	for (unsigned i = 0; i < info->nic_count; i++)
		report_nic_counters(name, &info->nics[i], i);
}

/* ---- the machine's ---------------------------------------------------------------------- */

static ull value(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void say_machine_disk(struct blkdev *dev)
{
	const struct blk_counters *c = &dev->counters;

	operator_say("%s: %s, blocks of %u, %s, serial %s, %s%s%s%s\n", dev->name,
		     report_size(dev->bytes).bytes, dev->block_bytes, dev->model,
		     dev->serial[0] ? dev->serial : "none", dev->location,
		     dev->read_only ? ", read-only" : "",
		     dev->write_cache ? ", write cache" : "",
		     atomic_load(&dev->gone) ? ", GONE" : "");
	operator_say("  reads %llu (%s), writes %llu (%s), flushes %llu, discards %llu, "
		     "zeroed %llu, errors %llu\n",
		     value(&c->requests[BLK_READ]), report_size(value(&c->bytes_read)).bytes,
		     value(&c->requests[BLK_WRITE]),
		     report_size(value(&c->bytes_written)).bytes,
		     value(&c->requests[BLK_FLUSH]), value(&c->requests[BLK_DISCARD]),
		     value(&c->requests[BLK_WRITE_ZEROES]), value(&c->errors));
	operator_say("  doorbells %llu, interrupts %llu, tried again %llu, timeouts %llu, "
		     "resets %llu, copied %s\n",
		     value(&c->doorbells), value(&c->interrupts), value(&c->retries),
		     value(&c->timeouts), value(&c->resets),
		     report_size(value(&c->bytes_copied)).bytes);
}

static void say_volume(void *arg, const struct storage_volume *volume)
{
	(void)arg;
	operator_say("  %-46s %9s  %s%s%s\n", volume->source, report_size(volume->bytes).bytes,
		     volume->about, volume->owner[0] ? ", has: " : "", volume->owner);
	if (volume->holds[0])
		operator_say("    It %s.\n", volume->holds);
}

void report_disks(void)
{
	struct blkdev *dev;

	for (unsigned i = 0; (dev = blkdev_at(i)); i++)
		say_machine_disk(dev);
	operator_say("Sources for guests' disks:\n");
	storage_list(say_volume, NULL);
}
