/*
 * The tables themselves: one entry per key, but for those of disks and networks, which are in
 * schema_devices.c. Adding a key is an entry here, a member in
 * config.h, and the regenerated table in docs/configuration.md.
 */
#include "guests/config/schema.h"
#include "guests/config/config.h"
#include "kernel/lib/types.h"

#define TIB	     (1024 * GIB)
#define HOUR_SECONDS 3600
#define DAY_SECONDS  (24 * HOUR_SECONDS)

_Static_assert(sizeof(enum config_serial) == 4, "choices are stored as 4 bytes");
_Static_assert(sizeof(enum config_policy) == 4, "choices are stored as 4 bytes");
_Static_assert(sizeof(enum config_protocol) == 4, "choices are stored as 4 bytes");
_Static_assert(sizeof(enum config_guest_console) == 4, "choices are stored as 4 bytes");

static const struct config_choice serials[] = {
	{"com1", CONFIG_SERIAL_COM1},
	{"com2", CONFIG_SERIAL_COM2},
	{"none", CONFIG_SERIAL_NONE},
	{NULL, 0},
};

static const struct config_choice bauds[] = {
	{"9600", 9600},	  {"19200", 19200},   {"38400", 38400},
	{"57600", 57600}, {"115200", 115200}, {NULL, 0},
};

static const struct config_choice policies[] = {
	{"restart", CONFIG_POLICY_RESTART},
	{"stop", CONFIG_POLICY_STOP},
	{NULL, 0},
};

static const struct config_choice protocols[] = {
	{"auto", CONFIG_PROTOCOL_AUTO},
	{"linux", CONFIG_PROTOCOL_LINUX},
	{"multiboot", CONFIG_PROTOCOL_MULTIBOOT},
	{"multiboot2", CONFIG_PROTOCOL_MULTIBOOT2},
	{NULL, 0},
};

static const struct config_field console_fields[] = {
	{.key = "serial",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct config_console, serial),
	 .choices = serials,
	 .initial = "com1",
	 .change = CONFIG_CHANGE_MACHINE,
	 .why = "the console is opened when the machine starts",
	 .doc = "Serial port of the hypervisor's own console."},
	{.key = "baud",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct config_console, baud),
	 .choices = bauds,
	 .initial = "115200",
	 .change = CONFIG_CHANGE_MACHINE,
	 .why = "the console is opened when the machine starts",
	 .doc = "Its speed, 8 data bits, no parity, 1 stop bit."},
};

static const struct config_table console_table =
	CONFIG_TABLE(console_fields, struct config_console, NULL);

static const struct config_field host_fields[] = {
	{.key = "name",
	 .type = CONFIG_NAME,
	 .offset = offsetof(struct host_config, name),
	 .maximum = CONFIG_HOST_NAME_MAX,
	 .initial = "bulkhead",
	 .example = "node1",
	 .change = CONFIG_CHANGE_MACHINE,
	 .why = "it is read when the machine starts",
	 .doc = "Name of this machine."},
	{.key = "console",
	 .type = CONFIG_KEYS,
	 .offset = offsetof(struct host_config, console),
	 .table = &console_table,
	 .example = "{serial: com1}",
	 .doc = "Where the machine's own log and console appear, besides its screen."},
	{.key = "housekeeping",
	 .type = CONFIG_CPU_SET,
	 .offset = offsetof(struct host_config, housekeeping),
	 .mark = offsetof(struct host_config, housekeeping_mark),
	 .minimum = 1,
	 .initial = "0",
	 .example = "[0]",
	 .change = CONFIG_CHANGE_MACHINE,
	 .why = "the hypervisor's own threads are placed when the machine starts",
	 .doc = "CPUs for devices, network and management. No guest may pin them; shared "
		"guests use them too."},
	{.key = "shutdown_timeout",
	 .type = CONFIG_DURATION,
	 .offset = offsetof(struct host_config, shutdown_timeout_seconds),
	 .maximum = DAY_SECONDS,
	 .initial = "5 min",
	 .example = "5 min",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "How long powering off waits for all guests together; who has not ended by "
		"then is switched off."},
};

const struct config_table config_host_schema =
	CONFIG_TABLE(host_fields, struct host_config, NULL);

static const struct config_field cpus_fields[] = {
	{.key = "count",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct config_vcpus, count),
	 .mark = offsetof(struct config_vcpus, count_mark),
	 .minimum = 1,
	 .maximum = CONFIG_VCPUS_MAX,
	 .why = "vCPUs are made when the guest starts",
	 .doc = "Number of vCPUs. Without it: one for each CPU of `pin`, or 1."},
	{.key = "pin",
	 .type = CONFIG_CPU_LIST,
	 .offset = offsetof(struct config_vcpus, pin),
	 .counter = offsetof(struct config_vcpus, pin_count),
	 .mark = offsetof(struct config_vcpus, pin_mark),
	 .minimum = 1,
	 .maximum = CONFIG_VCPUS_MAX,
	 .example = "[2, 3]",
	 .why = "a vCPU is placed when the guest starts",
	 .doc = "One CPU for each vCPU, in order, owned by this guest alone. Without it the "
		"guest shares CPUs."},
	{.key = "allowed",
	 .type = CONFIG_CPU_SET,
	 .offset = offsetof(struct config_vcpus, allowed),
	 .mark = offsetof(struct config_vcpus, allowed_mark),
	 .minimum = 1,
	 .example = "[0, 1]",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "CPUs that a shared guest may run on. Without it: every CPU that no guest "
		"pins."},
	{.key = "weight",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct config_vcpus, weight),
	 .mark = offsetof(struct config_vcpus, weight_mark),
	 .minimum = 1,
	 .maximum = 10000,
	 .initial = "100",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "Share of CPU time relative to the other shared guests on the same CPUs."},
	{.key = "cap",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct config_vcpus, cap_percent),
	 .mark = offsetof(struct config_vcpus, cap_mark),
	 .maximum = 100,
	 .initial = "0",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "Most CPU time of each vCPU of a shared guest, in percent of a CPU; 0 is no "
		"cap."},
};

static const struct config_table cpus_table =
	CONFIG_TABLE(cpus_fields, struct config_vcpus, NULL);

static const struct config_field module_fields[] = {
	{.key = "file",
	 .type = CONFIG_FILE,
	 .required = true,
	 .offset = offsetof(struct config_module, file),
	 .mark = offsetof(struct config_module, file_mark),
	 .maximum = CONFIG_FILE_MAX,
	 .example = "\"esp:/samples/module.bin\"",
	 .why = "it is loaded when the guest starts",
	 .doc = "The module's file."},
	{.key = "cmdline",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct config_module, cmdline),
	 .maximum = CONFIG_MODULE_ARG_MAX,
	 .example = "\"module.bin verbose\"",
	 .why = "it is loaded when the guest starts",
	 .doc = "The module's string."},
};

static const struct config_table module_table =
	CONFIG_TABLE(module_fields, struct config_module, NULL);

static const struct config_choice disk_numbers[] = {
	{"0", 1},   {"1", 2},	{"2", 3},   {"3", 4},	{"4", 5},   {"5", 6},
	{"6", 7},   {"7", 8},	{"8", 9},   {"9", 10},	{"10", 11}, {"11", 12},
	{"12", 13}, {"13", 14}, {"14", 15}, {"15", 16}, {NULL, 0},
};
_Static_assert(ARRAY_SIZE(disk_numbers) == CONFIG_DISKS_MAX + 1, "each disk can be booted");

static const struct config_field boot_fields[] = {
	{.key = "kernel",
	 .type = CONFIG_FILE,
	 .offset = offsetof(struct config_boot, kernel),
	 .mark = offsetof(struct config_boot, kernel_mark),
	 .maximum = CONFIG_FILE_MAX,
	 .example = "\"esp:/samples/vmlinuz\"",
	 .why = "it is loaded when the guest starts",
	 .doc = "A Linux bzImage, or a Multiboot 1 or 2 kernel; it may be gzip'd."},
	{.key = "disk",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct config_boot, disk),
	 .mark = offsetof(struct config_boot, disk_mark),
	 .choices = disk_numbers,
	 .example = "0",
	 .why = "it is looked at when the guest starts",
	 .doc = "Instead of `kernel`: which of its disks has the Linux kernel that it starts."},
	{.key = "initrd",
	 .type = CONFIG_FILE,
	 .offset = offsetof(struct config_boot, initrd),
	 .mark = offsetof(struct config_boot, initrd_mark),
	 .maximum = CONFIG_FILE_MAX,
	 .example = "\"esp:/samples/initrd.gz\"",
	 .why = "it is loaded when the guest starts",
	 .doc = "Initial RAM disk, for Linux."},
	{.key = "cmdline",
	 .type = CONFIG_TEXT,
	 .offset = offsetof(struct config_boot, cmdline),
	 .maximum = CONFIG_CMDLINE_MAX,
	 .example = "\"console=ttyS0\"",
	 .why = "a kernel reads it when it starts",
	 .doc = "The kernel's command line; with `disk`, what is added to that found there."},
	{.key = "protocol",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct config_boot, protocol),
	 .choices = protocols,
	 .initial = "auto",
	 .why = "a kernel is started by it",
	 .doc = "How the kernel is started; `auto` looks into its file."},
	{.key = "modules",
	 .type = CONFIG_STRUCTS,
	 .offset = offsetof(struct config_boot, modules),
	 .counter = offsetof(struct config_boot, module_count),
	 .mark = offsetof(struct config_boot, modules_mark),
	 .maximum = CONFIG_MODULES_MAX,
	 .table = &module_table,
	 .example = "[{file: \"esp:/samples/module.bin\"}]",
	 .why = "it is loaded when the guest starts",
	 .doc = "Multiboot modules, in order."},
};

static const struct config_table boot_table =
	CONFIG_TABLE(boot_fields, struct config_boot, NULL);

static const struct config_field restart_fields[] = {
	{.key = "count",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct config_restart_limit, count),
	 .maximum = 1000,
	 .initial = "5",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "Restarts within `seconds` that are still allowed; 0 is no limit."},
	{.key = "seconds",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct config_restart_limit, seconds),
	 .minimum = 1,
	 .maximum = 86400,
	 .initial = "60",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "The time over which restarts are counted."},
};

static const struct config_table restart_table =
	CONFIG_TABLE(restart_fields, struct config_restart_limit, NULL);

static const struct config_field start_fields[] = {
	{.key = "order",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct config_start, order),
	 .minimum = 1,
	 .maximum = CONFIG_ORDER_MAX,
	 .initial = "100",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "Guests of a lower order are started before it."},
	{.key = "delay",
	 .type = CONFIG_DURATION,
	 .offset = offsetof(struct config_start, delay_seconds),
	 .maximum = HOUR_SECONDS,
	 .initial = "0 s",
	 .example = "5 s",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "How long after those it is started."},
};

static const struct config_table start_table =
	CONFIG_TABLE(start_fields, struct config_start, NULL);

static const struct config_field shutdown_fields[] = {
	{.key = "timeout",
	 .type = CONFIG_DURATION,
	 .offset = offsetof(struct config_shutdown, timeout_seconds),
	 .maximum = DAY_SECONDS,
	 .initial = "60 s",
	 .example = "60 s",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "How long it has, from when it is asked to shut down until it is switched off. "
		"0 s: it is not asked."},
	{.key = "order",
	 .type = CONFIG_NUMBER,
	 .offset = offsetof(struct config_shutdown, order),
	 .minimum = 1,
	 .maximum = CONFIG_ORDER_MAX,
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "Guests of a higher order are gone before it is asked. Without it: "
		"`start.order`, so that the last to start is the first to go."},
};

static const struct config_table shutdown_table =
	CONFIG_TABLE(shutdown_fields, struct config_shutdown, NULL);

static const struct config_choice guest_consoles[] = {
	{"serial", CONFIG_CONSOLE_SERIAL},
	{"virtio", CONFIG_CONSOLE_VIRTIO},
	{NULL, 0},
};

static const struct config_field guest_fields[] = {
	{.key = "name",
	 .type = CONFIG_NAME,
	 .required = true,
	 .offset = offsetof(struct guest_config, name),
	 .mark = offsetof(struct guest_config, name_mark),
	 .maximum = CONFIG_GUEST_NAME_MAX,
	 .example = "alpha",
	 .why = "a guest of another name is another guest",
	 .doc = "Name of the guest, the only one of that name."},
	{.key = "cpus",
	 .type = CONFIG_KEYS,
	 .offset = offsetof(struct guest_config, cpus),
	 .table = &cpus_table,
	 .example = "{count: 2}",
	 .doc = "Its vCPUs: pinned, or shared with other guests."},
	{.key = "memory",
	 .type = CONFIG_SIZE,
	 .required = true,
	 .offset = offsetof(struct guest_config, memory_bytes),
	 .mark = offsetof(struct guest_config, memory_mark),
	 .minimum = 8 * MIB,
	 .maximum = 4 * TIB,
	 .multiple = 2 * MIB,
	 .example = "512 MiB",
	 .why = "its RAM is set aside when the guest starts",
	 .doc = "Its RAM, set aside when the guest is created and never shared."},
	{.key = "boot",
	 .type = CONFIG_KEYS,
	 .required = true,
	 .offset = offsetof(struct guest_config, boot),
	 .table = &boot_table,
	 .example = "{kernel: \"esp:/samples/vmlinuz\"}",
	 .doc = "What it starts."},
	{.key = "disks",
	 .type = CONFIG_STRUCTS,
	 .offset = offsetof(struct guest_config, disks),
	 .counter = offsetof(struct guest_config, disk_count),
	 .maximum = CONFIG_DISKS_MAX,
	 .table = &config_disk_schema,
	 .example = "[{source: \"lvm:vg0/web\"}]",
	 .why = "devices are made when the guest starts",
	 .doc = "Its disks, in this order: virtio block devices."},
	{.key = "nics",
	 .type = CONFIG_STRUCTS,
	 .offset = offsetof(struct guest_config, nics),
	 .counter = offsetof(struct guest_config, nic_count),
	 .maximum = CONFIG_NICS_MAX,
	 .table = &config_nic_schema,
	 .example = "[{network: lan}]",
	 .why = "devices are made when the guest starts",
	 .doc = "Its network interfaces, in this order: virtio network devices."},
	{.key = "console",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct guest_config, console),
	 .choices = guest_consoles,
	 .initial = "serial",
	 .why = "devices are made when the guest starts",
	 .doc = "What its console is: the serial port, or a virtio console beside it."},
	{.key = "autostart",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct guest_config, autostart),
	 .initial = "true",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "Whether it starts with the machine."},
	{.key = "on_crash",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct guest_config, on_crash),
	 .choices = policies,
	 .initial = "stop",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "After a panic (pvpanic), a watchdog that was not served, a triple fault, or "
		"anything that isn't emulated."},
	{.key = "on_reboot",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct guest_config, on_reboot),
	 .choices = policies,
	 .initial = "restart",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "After a reset that the guest asked for."},
	{.key = "on_poweroff",
	 .type = CONFIG_CHOICE,
	 .offset = offsetof(struct guest_config, on_poweroff),
	 .choices = policies,
	 .initial = "stop",
	 .change = CONFIG_CHANGE_LIVE,
	 .doc = "After the guest switched itself off."},
	{.key = "restart_limit",
	 .type = CONFIG_KEYS,
	 .offset = offsetof(struct guest_config, restart_limit),
	 .table = &restart_table,
	 .example = "{count: 5, seconds: 60}",
	 .doc = "A guest that restarts more often is stopped."},
	{.key = "start",
	 .type = CONFIG_KEYS,
	 .offset = offsetof(struct guest_config, start),
	 .table = &start_table,
	 .example = "{order: 1, delay: 5 s}",
	 .doc = "When it starts, among those that start with it."},
	{.key = "shutdown",
	 .type = CONFIG_KEYS,
	 .offset = offsetof(struct guest_config, shutdown),
	 .table = &shutdown_table,
	 .example = "{timeout: 60 s}",
	 .doc = "How it is shut down when the machine is, or when it is stopped."},
	{.key = "watchdog",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct guest_config, watchdog),
	 .initial = "true",
	 .why = "devices are made when the guest starts",
	 .doc = "Whether it has a watchdog: once the guest uses it, it has crashed when it "
		"serves it no more."},
	{.key = "debug_exit",
	 .type = CONFIG_BOOL,
	 .offset = offsetof(struct guest_config, debug_exit),
	 .initial = "false",
	 .why = "devices are made when the guest starts",
	 .doc = "Whether a byte written to port 0xf4 ends the guest with that status."},
};

const struct config_table config_guest_schema =
	CONFIG_TABLE(guest_fields, struct guest_config, "guest");

static const struct config_field fields[] = {
	{.key = "host",
	 .type = CONFIG_KEYS,
	 .offset = offsetof(struct config, host),
	 .table = &config_host_schema,
	 .example = "{name: node1}",
	 .doc = "The machine itself."},
	{.key = "networks",
	 .type = CONFIG_STRUCTS,
	 .offset = offsetof(struct config, networks),
	 .counter = offsetof(struct config, network_count),
	 .maximum = CONFIG_NETWORKS_MAX,
	 .table = &config_network_schema,
	 .example = "[{name: lan, uplink: nic0}]",
	 .doc = "The networks that guests' interfaces are plugged into."},
	{.key = "guests",
	 .type = CONFIG_STRUCTS,
	 .required = true,
	 .offset = offsetof(struct config, guests),
	 .counter = offsetof(struct config, guest_count),
	 .maximum = CONFIG_GUESTS_MAX,
	 .table = &config_guest_schema,
	 .example = "[{name: alpha, memory: 512 MiB, ...}]",
	 .doc = "The guests, created in this order. May be empty."},
};

const struct config_table config_schema = CONFIG_TABLE(fields, struct config, NULL);
