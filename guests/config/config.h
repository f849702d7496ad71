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

enum config_serial { CONFIG_SERIAL_NONE, CONFIG_SERIAL_COM1, CONFIG_SERIAL_COM2 };

enum config_policy { CONFIG_POLICY_STOP, CONFIG_POLICY_RESTART };

enum config_protocol {
	CONFIG_PROTOCOL_AUTO, /* as the kernel's file shows itself to be */
	CONFIG_PROTOCOL_LINUX,
	CONFIG_PROTOCOL_MULTIBOOT,
};

struct config_console {
	enum config_serial serial;
	uint32_t baud;
};

struct host_config {
	char name[CONFIG_HOST_NAME_MAX];
	struct config_console console;
	struct cpumask housekeeping; /* never empty */
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
	char kernel[CONFIG_FILE_MAX];
	char initrd[CONFIG_FILE_MAX]; /* "" is none */
	char cmdline[CONFIG_CMDLINE_MAX];
	enum config_protocol protocol;
	uint32_t module_count;
	struct config_module modules[CONFIG_MODULES_MAX];
	struct config_mark kernel_mark, initrd_mark, modules_mark;
};

/* A guest that restarts more than `count` times within `seconds` is stopped instead. */
struct config_restart_limit {
	uint32_t count; /* 0 is no limit */
	uint32_t seconds;
};

/* May be copied by assignment: it points nowhere. */
struct guest_config {
	char name[CONFIG_GUEST_NAME_MAX];
	struct config_vcpus cpus;
	uint64_t memory_bytes; /* a multiple of 2 MiB */
	struct config_boot boot;
	bool autostart;
	enum config_policy on_crash, on_reboot, on_poweroff;
	struct config_restart_limit restart_limit;
	bool debug_exit; /* a byte written to port 0xf4 ends the guest with a status */
	struct config_mark name_mark, memory_mark;
};

struct config {
	struct host_config host;
	uint32_t guest_count;
	struct guest_config guests[]; /* in the order of the document */
};

/* What config_check may know of the machine. Empty, zero or NULL: not known, not checked. */
struct config_machine {
	uint32_t cpu_count;    /* set bits of `cpus` */
	struct cpumask cpus;   /* present and working */
	uint64_t memory_bytes; /* free for guests */
	/* Size of a file by its path in \bulkhead\ ("samples/vmlinuz"); 0 or -ENOENT. */
	int (*file_size)(void *context, const char *path, uint64_t *bytes);
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
 * Stage two: whether guests fit each other and the machine. `report` is the one that
 * config_parse filled (it knows the file's name). Returns 0, or -EINVAL with all that is
 * wrong in `report`. Changes nothing.
 */
int config_check(const struct config *config, const struct config_machine *machine,
		 struct config_report *report);

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

/* The CPUs that a shared guest may use on a machine that has `present`. */
struct cpumask config_shared(const struct config *config, const struct guest_config *guest,
			     const struct cpumask *present);

#endif
