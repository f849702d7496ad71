/*
 * What is told of guests that are not well: vCPUs of those that run are asked once a second,
 * and each trouble is told once in a start; of guests that do not run nothing is seen.
 */
/* links: guests/guest/control.c guests/guest/life.c guests/guest/policy.c */
/* links: guests/guest/act.c guests/guest/request.c */
/* links: guests/views/guest.c guests/views/view.c guests/guest/trouble.c */
/* links: guests/guest/leave.c guests/guest/leaving.c guests/guest/turn.c */
/* links: guests/guest/usage.c guests/guest/watch.c */
/* links: guests/guest/registry.c guests/guest/snapshot.c guests/guest/worker.c */
/* links: guests/boot/boot.c */
/* links: guests/events/actor.c guests/events/event.c */
/* links: tests/unit/fake_guest.c tests/unit/fake_threads.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "guests/events/event.h"
#include "guests/guest/watch.h"
#include "kernel/vmm/vcpu_look.h"
#include "tests/unit/fake_guest.h"
#include "tests/unit/fake_threads.h"

static struct vm *vm;
static struct vcpu vcpus[2];
static unsigned asked[2];

int launch_prepare(const struct launch_params *params, struct launch *out,
		   char why[BOOT_WHY_BYTES])
{
	(void)why;
	memset(out, 0, sizeof(*out));
	out->vm = vm = fake_guest_vm(params->config->name, params->stopped, params->arg);
	return 0;
}

void launch_release(struct launch *launch)
{
	fake_guest_vm_free(launch->vm);
}

void vcpu_look_ask(struct vcpu *vcpu)
{
	asked[vcpu->id]++;
}

static void run_for(unsigned seconds)
{
	fake_guest_run_until(fake_guest_now_ns + seconds * NSEC_PER_SEC);
}

static void put_vcpus(void)
{
	vm->vcpu_count = 2;
	vm->vcpus[0] = &vcpus[0];
	vm->vcpus[1] = &vcpus[1];
}

/* Texts of troubles, since `from`. */
static unsigned troubles(uint64_t from, struct event seen[8])
{
	static struct event all[EVENT_RING];
	unsigned count = event_read(from, all, EVENT_RING), found = 0;

	for (unsigned i = 0; i < count; i++)
		if (all[i].kind == EVENT_GUEST_TROUBLE && found < 8)
			seen[found++] = all[i];
	return found;
}

static void each_trouble_is_told_once(void **state)
{
	static const struct guest_config config = {.autostart = true};
	struct guest *g = fake_guest_add("ill", &config);
	uint64_t from = event_range().next;
	static struct event seen[8];

	(void)state;
	vcpus[1].id = 1;
	put_vcpus();
	run_for(5);
	assert_in_range(asked[0], 4, 6);
	assert_int_equal(asked[0], asked[1]);
	vcpus[1].look.off_ns = 10 * NSEC_PER_SEC - 1;
	run_for(2);
	assert_int_equal(troubles(from, seen), 0);
	vcpus[1].look.off_ns = 12 * NSEC_PER_SEC;
	run_for(5);
	assert_int_equal(fake_guest_info(g)->vcpus[1].interrupts_off_ns, 12 * NSEC_PER_SEC);
	assert_int_equal(troubles(from, seen), 1);
	assert_string_equal(
		seen[0].text,
		"vCPU 1 has been running with interrupts off for 12 s: if it should "
		"not, `reset` or `stop` the guest");
	assert_string_equal(seen[0].subject, "ill");
	vcpus[1].look.off_ns = 0;
	run_for(2);
	vcpus[1].look.off_ns = vcpus[0].look.off_ns = 11 * NSEC_PER_SEC;
	vcpus[0].look.halted = true;
	run_for(5);
	assert_int_equal(troubles(from, seen), 2); /* the other one's, alone */
	assert_non_null(strstr(seen[1].text, "vCPU 0 is halted with interrupts off for 11 s"));
	assert_string_equal(fake_guest_log, seen[1].text);
	fake_guest_crash_kernel = true;
	run_for(5);
	assert_int_equal(troubles(from, seen), 3);
	assert_non_null(strstr(seen[2].text, "its own crash kernel took over"));

	asked[0] = 0;
	assert_int_equal(guest_stop(g, &actor_console), 0);
	run_for(5);
	assert_int_equal(fake_guest_state(g), GUEST_STOPPED);
	assert_in_range(asked[0], 0, 1);
	assert_int_equal(troubles(from, seen), 3);
	assert_int_equal(guest_start(g, &actor_console), 0); /* another start, told again */
	fake_guest_run();
	put_vcpus();
	run_for(5);
	assert_int_equal(troubles(from, seen), 6);
	guest_put(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_trouble_is_told_once)};

	if (guests_init())
		return 1;
	fake_threads_refused = true;
	if (watch_start() != -ENOMEM)
		return 1;
	fake_threads_refused = false;
	return watch_start() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
