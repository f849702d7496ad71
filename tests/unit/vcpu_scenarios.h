/*
 * What a guest must see whatever it runs on: in which order events come, which instruction they
 * come before, and whose registers are in the CPU.
 */
#ifndef TESTS_UNIT_VCPU_SCENARIOS_H
#define TESTS_UNIT_VCPU_SCENARIOS_H

#include "tests/unit/vcpu_events.h"
#include "tests/unit/vcpu_exits.h"
#include "tests/unit/vcpu_life.h"

#define SCENARIOS                                                                              \
	SCENARIO(interrupts_wait_for_if), SCENARIO(interrupts_come_at_once),                   \
		SCENARIO(interrupts_wait_for_mov_ss), SCENARIO(interrupts_by_priority),        \
		SCENARIO(cr8_holds_back), SCENARIO(delivery_that_faults),                      \
		SCENARIO(nmi_delivery_that_faults), SCENARIO(exception_delivery_that_faults),  \
		SCENARIO(nmi_whatever_if_says), SCENARIO(nmi_while_one_is_handled),            \
		SCENARIO(nmis_that_merge), SCENARIO(nmi_before_an_interrupt),                  \
		SCENARIO(nmi_waits_for_the_shadow),                                            \
		SCENARIO(nmi_behind_an_interrupted_delivery), SCENARIO(events_of_the_host),    \
		SCENARIO(exceptions_that_exit), SCENARIO(exit_in_a_stepped_shadow),            \
		SCENARIO(page_fault_with_cr2), SCENARIO(events_in_an_interrupted_shadow),      \
		SCENARIO(entry_that_ends_at_once), SCENARIO(halt_ends_by_two),                 \
		SCENARIO(lapic_off_and_on), SCENARIO(halt_ends_by_interrupt),                  \
		SCENARIO(halt_behind_sti), SCENARIO(halt_with_if_clear),                       \
		SCENARIO(halt_that_is_stepped), SCENARIO(steps),                               \
		SCENARIO(extint_from_the_pic), SCENARIO(instructions_are_finished),            \
		SCENARIO(port_reads_by_width), SCENARIO(instructions_that_fault),              \
		SCENARIO(xsetbv_from_user_code), SCENARIO(control_registers_by_exit),          \
		SCENARIO(string_io_is_emulated), SCENARIO(memory_that_is_not_there_yet),       \
		SCENARIO(devices_are_emulated), SCENARIO(what_ends_a_guest),                   \
		SCENARIO(memory_that_ends_a_guest), SCENARIO(registers_are_switched),          \
		SCENARIO(vcpu_moves_between_cpus), SCENARIO(ap_starts_by_init_and_sipi),       \
		SCENARIO(sipi_before_init_is_void), SCENARIO(init_to_the_boot_processor),      \
		SCENARIO(request_at_the_last_moment), SCENARIO(slice_over_at_the_last_moment), \
		SCENARIO(request_after_the_exit), SCENARIO(interrupts_that_stay_off_are_seen), \
		SCENARIO(pause_gives_way), SCENARIO(pinned_vcpus_spin_as_they_like),           \
		SCENARIO(double_faults), SCENARIO(double_fault_is_delivered),                  \
		SCENARIO(registers_without_xsave), SCENARIO(nested_flush),                     \
		SCENARIO(interrupt_lines), SCENARIO(creation_that_fails)

#endif
