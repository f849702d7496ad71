/*
 * A configuration document as plain structs: the same for the boot document and for documents
 * that come over the API (JSON is YAML). docs/configuration.md describes every key.
 * This is the only header that users of a configuration need; it knows nothing of YAML, of
 * the machine's real memory and CPUs (the caller says what there is), or of running guests.
 */
#ifndef GUESTS_CONFIG_CONFIG_H
#define GUESTS_CONFIG_CONFIG_H

#include "guests/config/cpus.h"
#include "guests/config/report.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPU_MAX		      256 /* CPUs of a machine */
#define CONFIG_VCPUS_MAX      64  /* vCPUs of a guest */
#define CONFIG_GUESTS_MAX     64
#define CONFIG_MODULES_MAX    8
#define CONFIG_HOST_NAME_MAX  64 /* bytes, the terminating NUL included, as below */
#define CONFIG_GUEST_NAME_MAX 32
#define CONFIG_FILE_MAX	      256
#define CONFIG_CMDLINE_MAX    2048 /* COMMAND_LINE_SIZE of x86 Linux */
#define CONFIG_MODULE_ARG_MAX 256
#define CONFIG_DISKS_MAX      16
#define CONFIG_NICS_MAX	      8
#define CONFIG_NETWORKS_MAX   32
#define CONFIG_SOURCE_MAX     256
#define CONFIG_SERIAL_MAX     21 /* virtio 1.2, 5.2.6: 20 bytes */
#define CONFIG_UPLINK_MAX     64
#define CONFIG_ADDRESSES_MAX  8
#define CONFIG_QUEUES_MAX     8	   /* of a disk; pairs of a network interface */
#define CONFIG_ORDER_MAX      1000 /* of starting and shutting down */
#define CONFIG_WHY_MAX	      320

/* What a guest begins with that boots from a disk of its own: the kernel and initramfs of
 * guests/samples/loader. */
#define CONFIG_LOADER_KERNEL "esp:/loader/vmlinuz"
#define CONFIG_LOADER_INITRD "esp:/loader/initrd.gz"

/* Bytes of boot.cmdline, the NUL included, beside boot.disk: what the loader is told itself
 * stands before it. */
#define CONFIG_DISK_CMDLINE_MAX 1921

enum config_serial { CONFIG_SERIAL_NONE, CONFIG_SERIAL_COM1, CONFIG_SERIAL_COM2 };

enum config_policy { CONFIG_POLICY_STOP, CONFIG_POLICY_RESTART };

enum config_protocol {
	CONFIG_PROTOCOL_AUTO, /* as the kernel's file shows itself to be */
	CONFIG_PROTOCOL_LINUX,
	CONFIG_PROTOCOL_MULTIBOOT, /* version 1 */
	CONFIG_PROTOCOL_MULTIBOOT2,
};

struct config_console {
	enum config_serial serial;
	uint32_t baud;
};

struct host_config {
	char name[CONFIG_HOST_NAME_MAX];
	struct config_console console;
	struct cpumask housekeeping;	   /* never empty */
	uint32_t shutdown_timeout_seconds; /* of all guests together */
	struct config_mark housekeeping_mark;
};

/* vCPUs are either pinned (pin_count == count) or shared (pin_count == 0). */
struct config_vcpus {
	uint32_t count;
	uint32_t pin_count;
	uint16_t pin[CONFIG_VCPUS_MAX]; /* CPU of each vCPU */
	struct cpumask allowed;		/* shared: empty means every CPU that nobody pins */
	uint32_t weight;		/* shared: 1..10000, 100 is ordinary */
	uint32_t cap_percent;		/* shared: of one CPU, for each vCPU; 0 is no cap */
	struct config_mark count_mark, pin_mark, allowed_mark, weight_mark, cap_mark;
};

/* A file: "esp:/samples/vmlinuz", as written. See config_esp_path. */
struct config_module {
	char file[CONFIG_FILE_MAX];
	char cmdline[CONFIG_MODULE_ARG_MAX];
	struct config_mark file_mark;
};

struct config_boot {
	char kernel[CONFIG_FILE_MAX]; /* "": that of a disk */
	uint32_t disk;		      /* one more than the number of that disk; 0: none */
	char initrd[CONFIG_FILE_MAX]; /* "" is none */
	char cmdline[CONFIG_CMDLINE_MAX];
	enum config_protocol protocol;
	uint32_t module_count;
	struct config_module modules[CONFIG_MODULES_MAX];
	struct config_mark kernel_mark, disk_mark, initrd_mark, modules_mark;
};

/* The files that it begins with: those of the loader where it boots a disk. */
static inline const char *config_boot_kernel(const struct config_boot *boot)
{
	return boot->disk ? CONFIG_LOADER_KERNEL : boot->kernel;
}

static inline const char *config_boot_initrd(const struct config_boot *boot)
{
	return boot->disk ? CONFIG_LOADER_INITRD : boot->initrd;
}

/* When a write counts as done, where the guest did not ask for a flush. */
enum config_cache {
	CONFIG_CACHE_WRITE_THROUGH, /* once it is on the medium */
	CONFIG_CACHE_WRITE_BACK,    /* once the device has it; a flush puts it on the medium */
};

/* 0 is no limit. Bursts are what may be used at once after a pause; 0 is a tenth of a second's.
 */
struct config_disk_limits {
	uint32_t iops, iops_burst;
	uint64_t bytes_per_second, bytes_burst;
	struct config_mark iops_burst_mark, bytes_burst_mark;
};

/* A disk of a guest: a virtio block device. */
struct config_disk {
	char source[CONFIG_SOURCE_MAX]; /* "lvm:vg0/web": kernel/io/storage.h */
	bool read_only;
	bool physical_volume; /* of LVM2's: the guest is to have it nevertheless */
	enum config_cache cache;
	char serial[CONFIG_SERIAL_MAX]; /* as the guest sees it */
	uint32_t queues;		/* 1 to CONFIG_QUEUES_MAX */
	struct config_disk_limits limits;
	struct config_mark source_mark, serial_mark;
};

/* An address that a guest may use; `bytes`: 4, or 16 with v6. */
struct config_address {
	bool v6;
	uint8_t bytes[16];
};

struct config_mac {
	bool given; /* else it was made of the names of machine and guest, and the position */
	uint8_t bytes[6];
};

/* As struct config_disk_limits. */
struct config_nic_limits {
	uint64_t send_bytes_per_second, receive_bytes_per_second, burst_bytes;
	struct config_mark burst_mark;
};

/* A network interface of a guest. */
struct config_nic {
	char network[CONFIG_GUEST_NAME_MAX];
	struct config_mac mac;
	bool filter; /* only this MAC, and only these addresses where there are any, leave it */
	uint32_t address_count;
	struct config_address addresses[CONFIG_ADDRESSES_MAX];
	struct config_nic_limits limits;
	uint32_t queues; /* pairs, 1 to CONFIG_QUEUES_MAX */
	struct config_mark network_mark, mac_mark, addresses_mark;
};

/* A named network. */
struct config_network {
	char name[CONFIG_GUEST_NAME_MAX];
	char uplink[CONFIG_UPLINK_MAX]; /* "": guests among themselves; "nic0", "mac:...",
					   "pci:..." */
	uint32_t vlan;			/* 1 to 4094; 0: untagged */
	struct config_mark name_mark, uplink_mark, vlan_mark;
};

/* A guest that restarts more than `count` times within `seconds` is stopped instead. */
struct config_restart_limit {
	uint32_t count; /* 0 is no limit */
	uint32_t seconds;
};

/* When it starts with others. Guests of a lower order start first. */
struct config_start {
	uint32_t order; /* 1 to CONFIG_ORDER_MAX */
	uint32_t delay_seconds;
};

/* How it is shut down with others. Guests of a higher order go first. */
struct config_shutdown {
	uint32_t order;		  /* 1 to CONFIG_ORDER_MAX */
	uint32_t timeout_seconds; /* until it is switched off */
};

/* What a guest's console is joined to. */
enum config_guest_console {
	CONFIG_CONSOLE_SERIAL, /* COM1 */
	CONFIG_CONSOLE_VIRTIO, /* COM1 and a virtio console, which is typed to once it runs */
};

/* May be copied by assignment: it points nowhere. */
struct guest_config {
	char name[CONFIG_GUEST_NAME_MAX];
	struct config_vcpus cpus;
	uint64_t memory_bytes; /* a multiple of 2 MiB */
	struct config_boot boot;
	uint32_t disk_count, nic_count;
	struct config_disk disks[CONFIG_DISKS_MAX];
	struct config_nic nics[CONFIG_NICS_MAX];
	enum config_guest_console console;
	bool autostart;
	enum config_policy on_crash, on_reboot, on_poweroff;
	struct config_restart_limit restart_limit;
	struct config_start start;
	struct config_shutdown shutdown;
	bool watchdog;	 /* it has one, which it may use */
	bool debug_exit; /* a byte written to port 0xf4 ends the guest with a status */
	struct config_mark name_mark, memory_mark;
};

struct config {
	struct host_config host;
	uint32_t network_count;
	struct config_network networks[CONFIG_NETWORKS_MAX];
	uint32_t guest_count;
	struct guest_config guests[]; /* in the order of the document */
};

/* How a guest of some name is, on a machine that runs. */
enum config_presence {
	CONFIG_IS_NEW, /* there is none */
	CONFIG_IS_OFF, /* it is, and needs no memory before it is started by hand */
	CONFIG_WAITS,  /* for what it lacks: it starts once that is there */
	CONFIG_RUNS,
};

/* What config_check may know of the machine. Empty, zero or NULL: not known, not checked. */
struct config_machine {
	uint32_t cpu_count;    /* set bits of `cpus` */
	struct cpumask cpus;   /* present and working */
	uint64_t memory_bytes; /* free for guests */
	/* Size of a file by its path in \bulkhead\ ("samples/vmlinuz"); 0 or -ENOENT. */
	int (*file_size)(void *context, const char *path, uint64_t *bytes);
	/* Whether a disk's source is well-formed: 0, or -EINVAL with the rest of a sentence. */
	int (*check_source)(void *context, const char *source, char why[CONFIG_WHY_MAX]);
	/* Whether a guest whose files are all there can start with them: 0, or a negative errno
	 * with a sentence. On the machine it is NULL: such a guest fails alone, when it starts.
	 */
	int (*check_boot)(void *context, const struct guest_config *guest,
			  char why[CONFIG_WHY_MAX]);
	/* Who has memory, or is to have it first. NULL: no guest is there yet. */
	enum config_presence (*presence)(void *context, const char *name);
	void *context;
};

/*
 * Stage one: what can be told from the document alone. Syntax, keys, types, ranges.
 * On success *config is the caller's, to be freed with config_free. On failure *config is
 * NULL, `report` says everything that is wrong, and -EINVAL or -ENOMEM is returned.
 * `file` is the name that messages show. Uses malloc; may be called from any thread.
 */
int config_parse(const char *bytes, size_t length, const char *file, struct config **config,
		 struct config_report *report);

/*
 * Both stages at once: config_parse, and config_check with all parts that could be read. So
 * `report` has every fault of the document, and none that only follows from another. As
 * config_parse otherwise.
 */
int config_read(const char *bytes, size_t length, const char *file,
		const struct config_machine *machine, struct config **config,
		struct config_report *report);

/*
 * The first stage of one guest's document: its keys are those of an element of `guests`. `host`
 * is the machine's, of whose name MAC addresses are made. *guest is of use only after 0.
 */
int config_parse_guest(const char *bytes, size_t length, const char *file,
		       const struct host_config *host, struct guest_config *guest,
		       struct config_report *report);

/*
 * Both stages of one guest's document: *next is `now` with that guest, to be freed with
 * config_free; NULL after an error.
 */
int config_read_guest(const char *bytes, size_t length, const char *file,
		      const struct config *now, const struct config_machine *machine,
		      struct guest_config *guest, struct config **next,
		      struct config_report *report);

/* Whether a document is a whole configuration, by its keys, and not one guest's. What is no
 * document counts as one, and is refused as such. 0 or -ENOMEM. */
int config_is_whole(const char *bytes, size_t length, bool *whole);

/*
 * Stage two: whether guests fit each other and the machine. `report` is the one that
 * config_parse filled (it knows the file's name). Returns 0, or -EINVAL with all that is
 * wrong in `report`. What this machine lacks of what is named (CPUs, memory, files) is in the
 * report too, also with 0: see its `lacking`. Changes nothing.
 */
int config_check(const struct config *config, const struct config_machine *machine,
		 struct config_report *report);

/* How structs are written as a document. */
enum config_format {
	CONFIG_YAML,	  /* in lines, as people write it */
	CONFIG_YAML_FLOW, /* on one line */
	CONFIG_JSON,	  /* on one line */
};

/*
 * A configuration, or one guest of it, as the text that config_parse and config_parse_guest
 * read the same from. Equal structs give equal bytes; keys with default values are left out.
 * *bytes is of malloc() and ends in a line break and a NUL. 0 or -ENOMEM. Any thread.
 */
int config_write_document(const struct config *config, enum config_format format, char **bytes,
			  size_t *length);
int config_write_guest(const struct guest_config *guest, enum config_format format,
		       char **bytes, size_t *length);

/* The guest or network of that name, or NULL. */
const struct guest_config *config_find_guest(const struct config *config, const char *name);
const struct config_network *config_find_network(const struct config *config, const char *name);

/*
 * A new configuration with one guest put in the place of that of its name or at the end; or,
 * with `guest` NULL, without the one called `name`, who must be there. Places in documents are
 * those of `guest` alone: all others would be in another document. NULL: out of memory.
 */
struct config *config_with_guest(const struct config *config, const struct guest_config *guest);
struct config *config_without_guest(const struct config *config, const char *name);

/* The parts of a document that are put, replaced and removed in its text. */
enum config_part { CONFIG_PART_HOST, CONFIG_PART_NETWORK, CONFIG_PART_GUEST };

/*
 * The text of a document with one part of it another: the guest or network called `name` is
 * replaced by, or comes last as, that of `config`, or is removed where `config` has none;
 * `name` is not used of CONFIG_PART_HOST, which is replaced. All else stays byte for byte,
 * comments too, but for those inside what is replaced. `text` is a document that config_parse
 * takes. 0; -ENOENT: nothing of that name to remove; -EOPNOTSUPP: it is written in a way that
 * can't be edited, and has to be written anew; -ENOMEM. *edited is of malloc(). Any thread.
 */
int config_edit(const char *text, size_t length, enum config_part part, const char *name,
		const struct config *config, char **edited, size_t *edited_length);

/* NULL is fine. */
void config_free(struct config *config);

/*
 * The path inside \bulkhead\ of "esp:/samples/vmlinuz": "samples/vmlinuz", in place.
 * NULL for "" and other kinds of files.
 */
const char *config_esp_path(const char *file);

/* The CPUs that a guest pins, and those that any guest does. */
struct cpumask config_pins(const struct guest_config *guest);
struct cpumask config_pinned(const struct config *config);

/* The CPUs for the hypervisor's own work on a machine that has `present`: those of
 * host.housekeeping that are there, or the first, where none is. As written, with none present.
 */
struct cpumask config_housekeeping(const struct config *config, const struct cpumask *present);

/* The CPUs that a shared guest may use on a machine that has `present`. */
struct cpumask config_shared(const struct config *config, const struct guest_config *guest,
			     const struct cpumask *present);

#endif
