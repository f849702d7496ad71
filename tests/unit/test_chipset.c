/*
 * The ports of a whole chipset: ACPI hardware in time that the test moves, every way to reset
 * or to switch off, the keyboard controller, the test ports; and that all comes and goes whole.
 */
/* links: guests/launch/chipset.c guests/devices/uart.c guests/devices/rtc.c */
/* links: guests/devices/rtc_time.c guests/devices/pm.c guests/devices/i8042.c */
/* links: guests/devices/reset.c guests/devices/testdev.c guests/devices/pvpanic.c */
/* links: guests/devices/watchdog.c kernel/vmm/bus.c */
/* links: guests/pci/pci.c guests/pci/access.c guests/pci/function.c guests/pci/bars.c */
/* links: guests/pci/msix.c guests/pci/pins.c */
/* links: tests/unit/fake_vmm.c tests/unit/fake_devices.c kernel/lib/date.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guests/devices/pm.h"
#include "guests/devices/pvpanic.h"
#include "guests/devices/watchdog.h"
#include "guests/launch/chipset.h"
#include "tests/unit/fake_devices.h"

#define PM_STS 0x600
#define PM_EN  0x602
#define PM_CNT 0x604
#define PM_TMR 0x608
#define PWRBTN 0x100

static struct vm *vm;
static struct chipset *chipset;

static int setup(void **state)
{
	const struct chipset_params params = {.debug_exit = true, .watchdog = true};

	(void)state;
	vm = fake_machine_create();
	chipset = chipset_create(&vm->board, &params);
	return chipset ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	chipset_destroy(chipset);
	fake_vm_destroy(vm);
	return 0;
}

static uint64_t in(uint16_t port, unsigned bytes)
{
	return fake_read(vm, &vm->pio, port, bytes);
}

static void out(uint16_t port, unsigned bytes, uint64_t value)
{
	fake_write(vm, &vm->pio, port, bytes, value);
}

static void test_pm_timer(void **state)
{
	(void)state;
	assert_int_equal(in(PM_TMR, 4), 0);
	fake_run_until(NSEC_PER_SEC);
	assert_int_equal(in(PM_TMR, 4), 3579545);
	assert_int_equal(in(PM_TMR, 2), 3579545 & 0xffff);
	assert_int_equal(in(PM_TMR + 1, 1), 3579545 >> 8 & 0xff);
	fake_run_until(2000 * NSEC_PER_SEC); /* it wraps at 32 bits */
	assert_int_equal(in(PM_TMR, 4), (uint32_t)(2000 * 3579545ull));
	out(PM_TMR, 4, 0); /* read-only */
	assert_int_equal(in(PM_TMR, 4), (uint32_t)(2000 * 3579545ull));
}

static void test_pm_timer_carry(void **state)
{
	uint64_t half_ns = (BIT(31) * NSEC_PER_SEC + 3579544) / 3579545;

	(void)state;
	fake_run_until(half_ns - 1000);
	assert_int_equal(in(PM_STS, 2), 0);
	out(PM_EN, 2, 1);
	assert_false(fake_irq_level[PM_SCI_GSI]);
	fake_run_until(half_ns);
	assert_true(fake_irq_level[PM_SCI_GSI]);
	assert_int_equal(in(PM_STS, 2), 1);
	out(PM_STS, 2, 1);
	assert_int_equal(in(PM_STS, 2), 0);
	assert_false(fake_irq_level[PM_SCI_GSI]);
	fake_run_until(2 * half_ns); /* once more each time bit 31 changes */
	assert_true(fake_irq_level[PM_SCI_GSI]);
	assert_in_range(fake_timer_runs, 1, 3);
}

static void test_power_button(void **state)
{
	(void)state;
	out(PM_EN, 2, 0xffff);
	assert_int_equal(in(PM_EN, 2), 0x521); /* timer, global lock, button, clock */
	out(PM_EN, 2, 0);
	assert_false(pm_power_button(chipset_pm(chipset))); /* nobody listens */
	assert_int_equal(in(PM_STS, 2), PWRBTN);
	assert_false(fake_irq_level[PM_SCI_GSI]); /* not enabled yet */
	out(PM_EN, 2, PWRBTN);
	assert_true(fake_irq_level[PM_SCI_GSI]);
	assert_int_equal(in(PM_STS, 4), PWRBTN << 16 | PWRBTN);
	out(PM_STS, 2, 0x20); /* clearing another leaves it */
	assert_true(fake_irq_level[PM_SCI_GSI]);
	out(PM_STS + 1, 1, PWRBTN >> 8);
	assert_int_equal(in(PM_STS, 2), 0);
	assert_false(fake_irq_level[PM_SCI_GSI]);
	assert_true(pm_power_button(chipset_pm(chipset)));
	assert_true(fake_irq_level[PM_SCI_GSI]);
	assert_int_equal(fake_stop_kind, VM_STOP_NONE); /* the guest decides */
}

/* A driver clears the event and then enables it (as ACPICA's acpi_install_fixed_event_handler()
 * does): what was pressed before is heard all the same, once for each time that it is enabled.
 */
static void test_power_button_is_kept(void **state)
{
	struct pm *pm = chipset_pm(chipset);

	(void)state;
	assert_int_equal(pm_power_listener(pm), PM_DEAF);
	pm_power_keep(pm, true);
	assert_int_equal(pm_power_listener(pm), PM_DEAF);
	out(PM_STS, 2, PWRBTN);
	out(PM_EN, 2, 1); /* the timer's */
	assert_int_equal(in(PM_STS, 2), 0);
	assert_int_equal(pm_power_listener(pm), PM_DEAF);
	out(PM_EN, 2, PWRBTN);
	assert_true(fake_irq_level[PM_SCI_GSI]);
	assert_int_equal(pm_power_listener(pm), PM_UNREAD);
	out(PM_STS, 2, PWRBTN);
	assert_int_equal(pm_power_listener(pm), PM_LISTENS);
	assert_false(fake_irq_level[PM_SCI_GSI]);
	out(PM_EN, 2, PWRBTN | 1); /* it is enabled already */
	assert_int_equal(in(PM_STS, 2), 0);
	out(PM_EN, 2, 0);
	assert_int_equal(pm_power_listener(pm), PM_LISTENS);
	out(PM_EN, 2, PWRBTN);
	assert_int_equal(in(PM_STS, 2), PWRBTN);
	out(PM_STS, 2, PWRBTN);

	/* Taken back, it is not pressed again. */
	pm_power_keep(pm, false);
	out(PM_EN, 2, 0);
	out(PM_EN, 2, PWRBTN);
	assert_int_equal(in(PM_STS, 2), 0);
	pm_power_keep(pm, true); /* who listens hears it at once */
	assert_true(fake_irq_level[PM_SCI_GSI]);
	assert_int_equal(pm_power_listener(pm), PM_UNREAD);
}

static void test_acpi_mode_and_soft_off(void **state)
{
	(void)state;
	assert_int_equal(in(PM_CNT, 2), 1);
	out(PM_CNT, 2, 0);
	assert_int_equal(in(PM_CNT, 2), 1); /* SCI_EN stays */
	out(PM_CNT, 2, 1 << 13 | 3 << 10);  /* S3: there is none */
	assert_int_equal(fake_stop_kind, VM_STOP_NONE);
	out(PM_CNT, 2, 5 << 10); /* the type alone */
	assert_int_equal(fake_stop_kind, VM_STOP_NONE);
	assert_int_equal(in(PM_CNT, 2), 5 << 10 | 1);
	out(PM_CNT, 2, 1 << 13 | 5 << 10);
	assert_int_equal(fake_stop_kind, VM_STOP_POWEROFF);
	assert_int_equal(in(PM_CNT, 2), 5 << 10 | 1); /* SLP_EN reads as zero */
}

static const struct {
	uint16_t port, value, then_port, then_value;
	enum vm_stop_kind stop;
} resets[] = {
	{0xcf9, 0x06, 0, 0, VM_STOP_RESET},
	{0xcf9, 0x0e, 0, 0, VM_STOP_RESET},
	{0xcf9, 0x02, 0xcf9, 0x06, VM_STOP_RESET}, /* as Linux does it */
	{0xcf9, 0x02, 0, 0, VM_STOP_NONE},
	{0xcf8, 0x06, 0, 0, VM_STOP_NONE},
	{0x92, 0x01, 0, 0, VM_STOP_RESET},
	{0x92, 0x02, 0, 0, VM_STOP_NONE},
	{0x64, 0xfe, 0, 0, VM_STOP_RESET},
	{0x64, 0xf0, 0, 0, VM_STOP_RESET}, /* pulses every line, the reset's too */
	{0x64, 0xff, 0, 0, VM_STOP_NONE},
	{0x64, 0xd1, 0x60, 0xfe, VM_STOP_RESET},
	{0x64, 0xd1, 0x60, 0xdf, VM_STOP_NONE}, /* A20 */
	{0x80, 0xfe, 0xed, 0x06, VM_STOP_NONE},
};

static void test_resets(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(resets); i++) {
		teardown(state);
		setup(state);
		out(resets[i].port, 1, resets[i].value);
		if (resets[i].then_port)
			out(resets[i].then_port, 1, resets[i].then_value);
		if (fake_stop_kind != resets[i].stop)
			fail_msg("reset %u: %d", i, fake_stop_kind);
	}
}

/* Amid PCI's configuration ports: bytes alone reach the reset register. */
static void test_reset_register_among_pci_ports(void **state)
{
	(void)state;
	out(0xcf8, 4, 0x80000606);
	assert_int_equal(in(0xcf8, 4), 0x80000604);
	out(0xcf9, 2, 0x0606);
	assert_int_equal(fake_stop_kind, VM_STOP_NONE); /* a wide write is no reset */
	out(0xcf9, 1, 0x02);
	assert_int_equal(in(0xcf9, 1), 0x02);
}

static void test_keyboard_controller(void **state)
{
	(void)state;
	assert_int_equal(in(0x64, 1), 0x14);
	out(0x64, 1, 0xaa);
	assert_int_equal(in(0x64, 1) & 0x01, 0x01);
	assert_int_equal(in(0x60, 1), 0x55);
	assert_int_equal(in(0x64, 1) & 0x01, 0);
	out(0x64, 1, 0xab);
	assert_int_equal(in(0x60, 1), 0x00);

	out(0x64, 1, 0x60); /* write the command byte, with interrupts */
	out(0x60, 1, 0x65);
	out(0x64, 1, 0x20);
	assert_true(fake_irq_level[1]);
	assert_int_equal(in(0x60, 1), 0x65);
	assert_false(fake_irq_level[1]);
	out(0x64, 1, 0xad);
	out(0x64, 1, 0x20);
	assert_int_equal(in(0x60, 1), 0x75);

	out(0x60, 1, 0xff); /* reset a keyboard: nobody answers */
	assert_int_equal(in(0x64, 1) & 0x01, 0);
	out(0x64, 1, 0xd2); /* as if it had spoken */
	out(0x60, 1, 0x1c);
	assert_int_equal(in(0x60, 1), 0x1c);
}

static void test_debug_exit(void **state)
{
	(void)state;
	out(0xf4, 1, 0x21);
	assert_int_equal(fake_stop_kind, VM_STOP_EXIT);
	assert_int_equal(fake_stop_status, 0x21);
	out(0xf4, 4, 0x80000001);
	assert_int_equal(fake_stop_status, 0x80000001);
}

static const struct {
	uint8_t value;
	enum vm_stop_kind stop;
	bool crash_kernel;
} panics[] = {
	{0x00, VM_STOP_NONE, false},	 {0x01, VM_STOP_PANIC, false},
	{0x02, VM_STOP_NONE, true},	 {0x03, VM_STOP_PANIC, true},
	{0x04, VM_STOP_POWEROFF, false}, {0x05, VM_STOP_PANIC, false},
	{0x08, VM_STOP_NONE, false},	 {0xf8, VM_STOP_NONE, false}, /* no such events */
};

static void test_pvpanic(void **state)
{
	(void)state;
	assert_int_equal(in(0x505, 1), 0x07);
	assert_int_equal(in(0x504, 2), 0x07ff); /* its neighbours are nobody's */
	for (unsigned i = 0; i < ARRAY_SIZE(panics); i++) {
		teardown(state);
		setup(state);
		out(0x505, 1, panics[i].value);
		assert_int_equal(fake_stop_kind, panics[i].stop);
		assert_int_equal(pvpanic_crash_kernel(chipset_pvpanic(chipset)),
				 panics[i].crash_kernel);
	}
	teardown(state);
	setup(state);
	out(0x504, 2, 0x0100); /* a wide write is bytes */
	assert_int_equal(fake_stop_kind, VM_STOP_PANIC);
	assert_string_equal(fake_stop_reason, "the guest's kernel panicked (pvpanic)");
}

static uint64_t fw_cfg(uint16_t item, unsigned bytes)
{
	uint64_t value = 0;

	out(0x510, 2, item);
	for (unsigned i = 0; i < bytes; i++)
		value |= in(0x511, 1) << 8 * i;
	return value;
}

static void test_fw_cfg(void **state)
{
	(void)state;
	assert_int_equal(fw_cfg(0, 4), 0x554d4551); /* "QEMU" */
	assert_int_equal(fw_cfg(3, 8), 512 * MIB);
	assert_int_equal(fw_cfg(5, 2), 1);
	assert_int_equal(in(0x511, 1), 0);
	for (unsigned i = 0; i < 20; i++) /* beyond the item's end */
		assert_int_equal(in(0x511, 1), 0);
	assert_int_equal(fw_cfg(0x1234, 4), 0);
}

static void test_others_are_off_unless_asked_for(void **state)
{
	const struct chipset_params params = {0};

	(void)state;
	chipset_destroy(chipset);
	fake_vm_destroy(vm);
	vm = fake_machine_create();
	chipset = chipset_create(&vm->board, &params);
	assert_non_null(chipset);
	out(0xf4, 1, 1);
	assert_int_equal(fake_stop_kind, VM_STOP_NONE);
	assert_int_equal(fw_cfg(0, 4), 0xffffffff);
	assert_null(chipset_watchdog(chipset));
	assert_int_equal(in(WATCHDOG_COUNT_PORT, 4), 0xffffffff);
}

static void test_second_port_has_nothing_attached(void **state)
{
	(void)state;
	out(0x2f8, 1, 'x'); /* goes nowhere, and never fills */
	assert_int_equal(in(0x2fd, 1), 0x60);
	assert_int_equal(in(0x80, 1), 0xff);
	assert_int_equal(in(0xed, 1), 0xff);
}

/* A port that is taken: nothing of a half-made chipset stays (the leak checker watches). */
static void test_failure_leaves_nothing(void **state)
{
	static const uint16_t ports[] = {0x3f8, 0x2f8, 0x70,  0x60, 0x64,  0x600, 0x505,
					 0x620, 0x92,  0xcf8, 0xf4, 0x510, 0x80,  0xed};
	const struct chipset_params params = {.debug_exit = true, .watchdog = true};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
		struct vm *other = fake_machine_create();

		assert_int_equal(bus_add(&other->pio, ports[i], 1, NULL, NULL, "taken"), 0);
		assert_null(chipset_create(&other->board, &params));
		fake_vm_destroy(other);
	}
}

/* Memory that runs out at each allocation in turn: the same. */
static void test_every_allocation_may_fail(void **state)
{
	const struct chipset_params params = {.debug_exit = true, .watchdog = true};
	struct chipset *made = NULL;

	(void)state;
	for (unsigned n = 0; !made; n++) {
		struct vm *other = fake_machine_create();

		fake_heap_left = n;
		made = chipset_create(&other->board, &params);
		assert_true(!made == (n < 11)); /* itself, nine devices, PCI's root */
		fake_heap_left = FAKE_HEAP_ALL;
		chipset_destroy(made);
		fake_vm_destroy(other);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pm_timer),
		TEST(test_pm_timer_carry),
		TEST(test_power_button),
		TEST(test_power_button_is_kept),
		TEST(test_acpi_mode_and_soft_off),
		TEST(test_resets),
		TEST(test_reset_register_among_pci_ports),
		TEST(test_keyboard_controller),
		TEST(test_debug_exit),
		TEST(test_fw_cfg),
		TEST(test_pvpanic),
		TEST(test_others_are_off_unless_asked_for),
		TEST(test_second_port_has_nothing_attached),
		TEST(test_failure_leaves_nothing),
		TEST(test_every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
