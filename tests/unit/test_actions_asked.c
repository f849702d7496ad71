/*
 * Actions that ask guests and volumes: what they are asked, by whom, and what is said of it.
 */
/* links: guests/actions/action.c guests/actions/actions.c guests/actions/bind.c */
/* links: guests/actions/args.c */
/* links: guests/actions/cancel.c */
/* links: guests/actions/guests.c guests/actions/volumes.c guests/actions/balloon.c */
/* links: guests/config/address.c guests/config/bind.c guests/config/cpus.c */
/* links: guests/config/bind_lists.c guests/config/binder.c */
/* links: guests/config/sound.c */
/* links: guests/config/hint.c */
/* links: guests/config/report.c guests/config/schema.c guests/config/schema_devices.c */
/* links: guests/config/tree.c guests/config/value.c guests/config/config.c */
/* links: kernel/lib/duration.c */
/* links: guests/config/derive.c kernel/lib/size.c */
/* links: guests/events/event.c guests/events/actor.c tests/unit/fake_guests.c */
/* links: tests/unit/fail_malloc.c */
#include "tests/unit/actions_house.h"

static void guests_are_asked_by_whoever_asks(void **state)
{
	static const struct {
		const char *line, *asked;
	} all[] = {{"start beta", "start"},
		   {"shutdown beta", "shutdown"},
		   {"stop beta now", "stop"},
		   {"reset beta", "reset"}};
	static const struct {
		int err;
		const char *text;
	} refusals[] = {
		{-EALREADY, "beta: nothing to do, it is so already."},
		{-EOPNOTSUPP, "beta: nobody there listens to the power button; `stop beta "
			      "now` switches it off."},
		{-ENOENT, "beta: it was removed meanwhile."},
		{-EINVAL, "beta: that does not go now; `show beta` says how it is."},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		fake_guests[1].refusal = 0;
		assert_string_equal(ask(all[i].line), "");
		assert_int_equal(result.error, 0);
		assert_string_equal(fake_guests[1].asked, all[i].asked);
		assert_string_equal(fake_guests[1].by.name, "ci");
		for (unsigned j = 0; j < ARRAY_SIZE(refusals); j++) {
			fake_guests[1].refusal = refusals[j].err;
			assert_string_equal(ask(all[i].line), refusals[j].text);
			assert_int_equal(result.error, refusals[j].err);
		}
	}
	assert_string_equal(ask("start nobody"),
			    "There is no guest \"nobody\". The guests are: alpha beta.");
	fake_guests_reset(0);
	assert_string_equal(ask("stop beta"),
			    "There is no guest \"beta\". The guests are: none.");
	assert_int_equal(result.error, -ENOENT);
}

/* Stopping one is as powering off: it is asked, and has its time. */
static void stopping_has_its_time(void **state)
{
	(void)state;
	assert_string_equal(ask("stop beta"),
			    "beta is asked to shut down (shutting down), and is switched off "
			    "in 60 s if it has not; `stop beta now` does that at once, `wait "
			    "60 s beta` gives it longer.");
	assert_string_equal(fake_guests[1].asked, "leave");
	assert_string_equal(fake_guests[1].by.name, "ci");
	assert_true(fake_guests[1].leaving.asked);
	fake_guests[1].leaving.stage = GUEST_LEAVE_BOOTING;
	assert_string_equal(ask("stop beta"),
			    "beta was asked before to shut down (booting), and is switched "
			    "off in 60 s if it has not; `stop beta now` does that at once, "
			    "`wait 60 s beta` gives it longer.");
	assert_int_equal(result.error, -EALREADY);

	/* Who starts it now wants it to stay. */
	fake_guests[1].refusal = -EALREADY;
	assert_string_equal(ask("start beta"), "");
	assert_false(fake_guests[1].leaving.asked);
	assert_string_equal(ask("start beta"), "beta: nothing to do, it is so already.");

	fake_guests[1].refusal = 0;
	fake_guests[1].leaving.stage = GUEST_LEAVE_DEAF;
	assert_string_equal(ask("stop beta"),
			    "beta never listened to its power button: it is switched off.");
	assert_int_equal(result.error, 0);
	fake_guests[0].leaving.stage = GUEST_LEAVE_ENDING; /* its start was given up */
	assert_string_equal(ask("stop alpha"), "");
	fake_guests[0].leaving.asked = false;
	fake_guests[0].refusal = -EINVAL;
	assert_string_equal(ask("stop alpha"),
			    "alpha: that does not go now; `show alpha` says how it is.");
	assert_string_equal(ask("stop nobody"),
			    "There is no guest \"nobody\". The guests are: alpha beta.");
}

/* Until it is written; from then on it says why not. */
static void changes_of_volumes_can_be_stopped(void **state)
{
	static const char *const all[] = {"lvcreate vg0/x 1 GiB", "lvresize vg0/x 1 GiB",
					  "lvremove vg0/x destroy"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		stop_asked = true;
		committed = NULL;
		assert_string_equal(ask(all[i]), "vg0/x is as it was.");
		assert_int_equal(result.error, -ECANCELED);
		assert_string_equal(job_note, "halfway");
		assert_null(committed);
		stop_asked = false;
		ask(all[i]);
		assert_int_equal(result.error, 0);
		assert_string_equal(job_note, "writing the group's metadata");
		assert_string_equal(committed, "what it writes on the disks counts as a whole");
	}
}

static void volumes_are_changed(void **state)
{
	struct event event;

	(void)state;
	assert_string_equal(ask("lvcreate vg0/web 9 MiB 2"), "vg0/web is new, with 12 MiB.");
	assert_string_equal(volumes.call, "create");
	assert_string_equal(volumes.path, "vg0/web");
	assert_int_equal(volumes.bytes, 9 * MIB);
	assert_int_equal(volumes.stripes, 2);
	assert_int_equal(result.value_count, 1);
	assert_string_equal(result.values[0].name, "bytes");
	assert_int_equal(result.values[0].number, 12 * MIB);
	assert_int_equal(event_read(event_range().next - 1, &event, 1), 1);
	assert_int_equal(event.kind, EVENT_VOLUME_CREATED);
	assert_string_equal(event.text, "vg0/web is new, with 12 MiB, by 'ci' over the API");

	ask("lvcreate vg0/web 9MiB");
	assert_int_equal(volumes.stripes, 1);
	assert_string_equal(ask("lvresize vg0/web 20 MiB"), "vg0/web has now 20 MiB.");
	assert_false(volumes.shrink);
	ask("lvresize vg0/web 8MiB shrink");
	assert_true(volumes.shrink);
	assert_string_equal(ask("lvremove vg0/web destroy"), "vg0/web is removed.");
	assert_string_equal(volumes.call, "remove");
}

static void what_loses_a_volume_takes_a_word(void **state)
{
	(void)state;
	assert_string_equal(ask("lvremove vg0/old"),
			    "All that is in vg0/old would be lost. If that is meant, type: "
			    "lvremove vg0/old destroy");
	assert_int_equal(result.error, -EINVAL);
	assert_string_equal(volumes.call, "");
}

/* A guest that does not run has nothing open, and its document names it all the same. */
static void a_volume_that_a_guest_will_want_takes_a_word(void **state)
{
	(void)state;
	named = 1;
	for (unsigned i = 0; i < 2; i++) {
		assert_string_equal(
			ask(i ? "lvremove vg0/web destroy" : "lvremove vg0/web"),
			"All that is in vg0/web would be lost, and it is disks[0] of guest "
			"'web' "
			"(bulkhead.yaml:7:16), which could not start without it. If that is "
			"meant, type: lvremove vg0/web destroy anyway");
		assert_int_equal(result.error, i ? -EBUSY : -EINVAL);
	}
	ask("lvremove vg0/web anyway");
	assert_int_equal(result.error, -EINVAL);
	assert_string_equal(
		ask("lvresize vg0/web 8 MiB shrink"),
		"vg0/web is disks[0] of guest 'web' (bulkhead.yaml:7:16), whose data "
		"behind the new end would be lost. If that is meant, type: lvresize "
		"vg0/web 8 MiB shrink anyway");
	assert_int_equal(result.error, -EBUSY);
	assert_string_equal(volumes.call, "");
	assert_string_equal(ask("lvresize vg0/web 20 MiB"),
			    "vg0/web has now 20 MiB. It is disks[0] of guest 'web' "
			    "(bulkhead.yaml:7:16).");
	ask("lvresize vg0/web 8 MiB shrink anyway");
	assert_int_equal(result.error, 0);
	assert_true(volumes.shrink);
	assert_string_equal(ask("lvremove vg0/web destroy anyway"), "vg0/web is removed.");
	assert_string_equal(ask("lvremove vg0/old destroy"), "vg0/old is removed.");
	named = -ENOMEM; /* who does not know does not remove */
	volumes.call[0] = '\0';
	ask("lvremove vg0/old destroy anyway");
	assert_int_equal(result.error, -ENOMEM);
	ask("lvresize vg0/old 8 MiB shrink anyway");
	assert_int_equal(result.error, -ENOMEM);
	assert_string_equal(volumes.call, "");
	named = 0;
}

static void volumes_that_refuse_say_why(void **state)
{
	static const char *const all[] = {"lvcreate vg0/x 1 GiB", "lvresize vg0/x 1 GiB",
					  "lvremove vg0/x destroy"};
	uint64_t next = event_range().next;

	(void)state;
	volumes.error = -EBUSY;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		assert_string_equal(ask(all[i]), "vg0/x is in use by 'web'.");
		assert_int_equal(result.error, -EBUSY);
	}
	volumes.missing = true;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		assert_string_equal(ask(all[i]), "This machine has no volume groups.");
		assert_int_equal(result.error, -ENODEV);
	}
	assert_int_equal(event_range().next, next);
	assert_string_equal(ask("groups"), "This machine has no volume groups.");
}

static void groups_are_lines(void **state)
{
	(void)state;
	assert_string_equal(ask("groups"),
			    "No disk of this machine has a volume group of LVM2's.");
	volumes.strays = 1;
	assert_string_equal(
		ask("groups"),
		"nvme5            a physical volume of 1 GiB, of no group that is known\n"
		"  nvme5 has no metadata.\n"
		"No disk of this machine has a volume group of LVM2's that can be used.");
	volumes.strays = 0;
	volumes.groups = 2;
	assert_string_equal(ask("groups"),
			    "vg0              8 GiB on 1 disk, 1 GiB free, 2 volumes\n"
			    "  vg0 is damaged.\n"
			    "vg0              8 GiB on 1 disk, 1 GiB free, 2 volumes\n"
			    "  vg0 is damaged.");
	volumes.groups = 500; /* more than there is room for */
	ask("groups");
	assert_int_equal(strlen(result.text), ACTION_TEXT_BYTES - 1);
	assert_string_equal(result.text + strlen(result.text) - 3, "...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(guests_are_asked_by_whoever_asks, fresh),
		cmocka_unit_test_setup(stopping_has_its_time, fresh),
		cmocka_unit_test_setup(changes_of_volumes_can_be_stopped, fresh),
		cmocka_unit_test_setup(volumes_are_changed, fresh),
		cmocka_unit_test_setup(what_loses_a_volume_takes_a_word, fresh),
		cmocka_unit_test_setup(a_volume_that_a_guest_will_want_takes_a_word, fresh),
		cmocka_unit_test_setup(volumes_that_refuse_say_why, fresh),
		cmocka_unit_test_setup(groups_are_lines, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
