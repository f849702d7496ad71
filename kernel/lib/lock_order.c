/* The list. A new class goes behind all that it is taken under, and before all that is taken
 * under it; empty in builds without checks. */
#include "kernel/lib/lock_order.h"

#include "kernel/lib/types.h"

#ifdef CHECKS

/* clang-format off */
const char *const lock_order[] = {
	/* mutexes */
	"guest",
	"volumes",
	"networks",
	"balloon",
	"NVMe admin",

	/* what guests and the network drive */
	"consoles",
	"terminal",
	"console UART",
	"UART",
	"console output",
	"i8042",
	"PM",
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
	"network",
	"port",
	"waiters",
	"uplink",
	"NIC",
	"nics",
	"claims",
	"disks",
	"block hosts",
	"split work",
	"split",
	"RAM disk",
	"block queue",
	"bounce buffers",

	/* memory */
	"guest memory",
	"packet pool",
	"vmap",
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

	/* threads and CPUs */
	"call",
	"CPU owners",
	"join",
	"mutex",
	"semaphore",
	"run queue",
	"timers",
	"random",
	"handlers",
	"I/O APICs",
	"PCI ports",

	/* anyone logs */
	"log",
	"serial output",
	"serial input",
	NULL,
};
/* clang-format on */

#endif
