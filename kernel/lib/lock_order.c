/* The list. A new class goes behind all that it is taken under, and before all that is taken
 * under it; empty in builds without checks. */
#include "kernel/lib/lock_order.h"

#include "kernel/lib/types.h"

#ifdef CHECKS

/* clang-format off */
const char *const lock_order[] = {
	/* mutexes */
	"catalogue",
	"guest",
	"document check",
	"volumes",
	"networks",
	"balloon",
	"NVMe admin",
	"guest memory's reservation",

	/* taken with interrupts on: all that handlers take is taken under them */
	"call",
	"guests",
	"jobs",
	"report aside",
	"consoles",
	"claims",
	"given away",
	"disks",
	"block hosts",
	"uplink",
	"NIC",
	"RAM disk",
	"guest memory",
	"vmap",

	/* what guests drive */
	"console UART",
	"UART",
	"console output",
	"i8042",
	"PM",
	"watchdog",
	"RTC",
	"testdev",
	"PIT",
	"virtio disk done",
	"virtio net wake",
	"virtio",
	"PCI function",
	"PCI pins",
	"why a VM stops",
	"interrupt controllers",

	/* networks and disks */
	"uplink networks",
	"network",
	"port",
	"waiters",
	"nics",
	"packet pool",
	"split",
	"split work",
	"block queue",
	"bounce buffers",
	"looks",

	/* memory */
	"libc sfp_recursive_mutex",
	"libc sinit_recursive_mutex",
	"libc atexit_recursive_mutex",
	"libc at_quick_exit_mutex",
	"libc env_recursive_mutex",
	"libc tz_mutex",
	"libc dd_hash_mutex",
	"libc arc4random_mutex",
	"libc file",
	"libc malloc_recursive_mutex",
	"heap",
	"host pool",
	"guest pool",

	/* what happened, for whoever waits for it */
	"power requests",
	"events",

	/* threads and CPUs */
	"CPU owners",
	"join",
	"mutex",
	"semaphore",
	"run queue",
	"timers",
	"random",
	"I/O APICs",
	"handlers",
	"PCI ports",

	/* anyone logs */
	"log",
	"terminal",
	"serial input",
	"serial output",
	NULL,
};
/* clang-format on */

#endif
