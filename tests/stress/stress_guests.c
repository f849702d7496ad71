/*
 * Guests, really at once: operators add, start, stop, reset and remove guests of a few names,
 * readers go through the list and look at each, VMs end by themselves, disks take their time.
 * No guest is seen after it was freed, no VM is prepared twice or left over, each generation is
 * one guest's, and in the end nothing is there any more.
 */
/* links: guests/guest/control.c guests/guest/life.c guests/guest/policy.c */
/* links: guests/guest/act.c guests/guest/request.c */
/* links: guests/guest/leave.c guests/guest/leaving.c guests/guest/turn.c */
/* links: guests/guest/registry.c guests/guest/snapshot.c guests/guest/worker.c */
/* links: guests/boot/boot.c guests/guest/usage.c */
/* links: guests/events/actor.c guests/events/event.c kernel/sched/sync.c */
/* links: tests/stress/stress.c guests/views/guest.c guests/views/view.c */
#include "tests/stress/stress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/devices/console.h"
#include "guests/devices/pm.h"
#include "guests/devices/pvpanic.h"
#include "guests/devices/watchdog.h"
#include "guests/guest/snapshot.h"
#include "guests/launch/launch.h"
#include "kernel/cpu/clock.h"
#include "kernel/io/storage.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/vcpu_look.h"

#define NAMES	  4
#define OPERATORS 3
#define READERS	  2
#define ROUNDS	  500

static uint64_t seed = 0x9e3779b97f4a7c15ull;
static _Atomic unsigned vms, consoles, running_operators;
static _Atomic unsigned starts, adds, removals;
static _Atomic uint64_t ends = 88172645463325252ull; /* of VMs by themselves: a sequence */

/* ---- what guests stand on ------------------------------------------------------------------
 */

uint64_t clock_wall_ns(void)
{
	return clock_now_ns();
}

int gmem_write(struct gmem *gm, uint64_t gpa, const void *buf, size_t bytes)
{
	(void)gm, (void)gpa, (void)buf, (void)bytes;
	return 0;
}

unsigned thread_cpu(const struct thread *thread)
{
	(void)thread;
	return 0;
}

uint64_t thread_time_run_ns(const struct thread *thread)
{
	(void)thread;
	return 0;
}

uint64_t thread_time_capped_ns(const struct thread *thread)
{
	(void)thread;
	return 0;
}

uint64_t thread_time_waiting_ns(const struct thread *thread)
{
	(void)thread;
	return 0;
}

struct console *console_create(const char *name)
{
	(void)name;
	consoles++;
	return malloc(1);
}

void console_hide(struct console *console)
{
	demand(console);
}

void console_release(struct console *console)
{
	consoles--;
	free(console);
}

void console_set_uart(struct console *console, struct uart *uart)
{
	demand(console && !uart);
}

void storage_forget(const char *owner)
{
	(void)owner;
}

struct pvpanic *chipset_pvpanic(struct chipset *chipset)
{
	return (struct pvpanic *)chipset;
}

bool pvpanic_crash_kernel(const struct pvpanic *pvpanic)
{
	(void)pvpanic;
	return false;
}

struct watchdog *chipset_watchdog(struct chipset *chipset)
{
	(void)chipset;
	return NULL;
}

void watchdog_get_info(struct watchdog *watchdog, struct watchdog_info *info)
{
	(void)watchdog;
	*info = (struct watchdog_info){0};
}

uint64_t vcpu_look_off_ns(const struct vcpu *vcpu)
{
	(void)vcpu;
	return 0;
}

void storage_owner_removed(const char *owner)
{
	(void)owner;
}

struct pm *chipset_pm(struct chipset *chipset)
{
	return (struct pm *)chipset;
}

void vm_set_share(struct vm *vm, const struct thread_share *share)
{
	(void)vm, (void)share;
}

void pm_power_keep(struct pm *pm, bool keep)
{
	(void)pm, (void)keep;
}

enum pm_listener pm_power_listener(struct pm *pm)
{
	(void)pm;
	return clock_now_ns() % 3;
}

bool pm_power_button(struct pm *pm)
{
	(void)pm;
	return true;
}

int devices_set_memory(const struct devices *devices, uint64_t bytes)
{
	(void)devices, (void)bytes;
	return 0;
}

void devices_get_view(const struct devices *devices, struct guest_view *view)
{
	(void)devices, (void)view;
}

uint64_t devices_throttled(const struct devices *devices)
{
	(void)devices;
	return 0;
}

void console_get_info(struct console *console, struct console_info *info)
{
	(void)console;
	*info = (struct console_info){0};
}

const char *vmexit_name(enum vmexit_reason reason)
{
	(void)reason;
	return "";
}

/* ---- VMs --------------------------------------------------------------------------------- */

static bool chance(unsigned one_in)
{
	uint64_t now = atomic_fetch_add(&ends, 0x9e3779b97f4a7c15ull);

	return (now >> 32) * 0x9e3779b1u % one_in == 0;
}

uint64_t guest_frames_free_bytes(void)
{
	return GIB; /* more than they want */
}

int launch_prepare(const struct launch_params *params, struct launch *out,
		   char why[BOOT_WHY_BYTES])
{
	memset(out, 0, sizeof(*out));
	if (chance(4))
		thread_sleep_ns(NSEC_PER_MSEC); /* a disk */
	if (chance(8))
		return boot_refuse(why, chance(2) ? -EBUSY : -ENOENT, "no");
	if (atomic_load(params->given_up))
		return boot_refuse(why, -ECANCELED, "given up");
	out->vm = calloc(1, sizeof(*out->vm));
	out->vm->params.stopped = params->stopped;
	out->vm->params.arg = params->arg;
	vms++;
	return 0;
}

void launch_release(struct launch *launch)
{
	demand(launch->vm && !launch->vm->running);
	if (chance(4))
		thread_sleep_ns(NSEC_PER_MSEC);
	vms--;
	free(launch->vm);
	memset(launch, 0, sizeof(*launch));
}

void vm_start(struct vm *vm, const struct vcpu_entry *entry)
{
	(void)entry;
	vm->running = 1;
	vm->start_ns = clock_now_ns();
	starts++;
	if (chance(3))
		vm_stop(vm, chance(2) ? VM_STOP_CRASH : VM_STOP_RESET, 0, "by itself");
}

void vm_stop(struct vm *vm, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
{
	(void)status, (void)fmt;
	if (atomic_exchange(&vm->stopping, true))
		return;
	vm->stop.kind = kind;
	vm->running = 0;
	vm->params.stopped(vm, vm->params.arg);
}

const char *vm_stop_name(enum vm_stop_kind kind)
{
	(void)kind;
	return "ended";
}

/* ---- who does all that ---------------------------------------------------------------------
 */

static void add(const char *name, uint64_t *random)
{
	static const struct cpumask shared;
	struct guest_config config = {
		.autostart = stress_chance(random, 2),
		.on_crash = CONFIG_POLICY_RESTART,
		.on_reboot = CONFIG_POLICY_RESTART,
	};
	int err;

	strcpy(config.name, name);
	err = guest_add(&config, &shared, &actor_console);
	demand(!err || err == -EEXIST);
	adds += !err;
}

static void operate(void *arg)
{
	uint64_t random = seed * (2 * (uint64_t)(uintptr_t)arg + 1);
	char name[8];

	for (unsigned n = 0; n < ROUNDS; n++) {
		uint64_t what = stress_random(&random);
		struct guest *g;

		snprintf(name, sizeof(name), "g%u", (unsigned)(what >> 8) % NAMES);
		g = guest_get(name);
		if (!g) {
			add(name, &random);
			continue;
		}
		demand(!strcmp(guest_name(g), name));
		switch (what % 8) {
		case 0: removals += !guest_remove(g, &actor_console); break;
		case 1: guest_stop(g, &actor_console); break;
		case 2: guest_reset(g, &actor_console); break;
		case 3: guest_shutdown(g, &actor_console); break;
		case 4: guest_set_memory(g, MIB); break;
		default: guest_start(g, &actor_console);
		}
		guest_put(g);
		if (what % 64 == 63)
			thread_sleep_ns(200 * NSEC_PER_USEC);
	}
	running_operators--;
}

/* Generations grow along the list; each guest is whole. */
static void look(void *arg)
{
	struct guest_view *info = calloc(1, sizeof(*info));

	(void)arg;
	while (running_operators) {
		uint64_t last = 0;

		for (struct guest *g = guest_next(NULL); g; g = guest_next(g)) {
			demand(guest_generation(g) > last);
			last = guest_generation(g);
			guest_get_info(g, info);
			demand(!strcmp(info->name, guest_name(g)));
			demand(*info->state);
		}
		thread_sleep_ns(NSEC_PER_MSEC);
	}
	free(info);
}

static void guests_come_and_go(void **state)
{
	struct thread *threads[OPERATORS + READERS];

	(void)state;
	demand(!guests_init());
	running_operators = OPERATORS;
	for (uintptr_t i = 0; i < OPERATORS; i++)
		threads[i] = stress_thread("operator", operate, (void *)i);
	for (unsigned i = OPERATORS; i < OPERATORS + READERS; i++)
		threads[i] = stress_thread("reader", look, NULL);
	for (unsigned i = 0; i < OPERATORS + READERS; i++)
		thread_join(threads[i]);
	for (struct guest *g = guest_next(NULL); g; g = guest_next(g))
		removals += !guest_remove(g, &actor_console);
	while (consoles) /* each is its guest's, to the end */
		thread_sleep_ns(NSEC_PER_MSEC);
	demand(vms == 0);
	demand(adds == removals);
	demand(adds > NAMES && starts > NAMES);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(guests_come_and_go)};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0) | 1;
	return cmocka_run_group_tests(tests, stress_start, NULL);
}
