/* A VM's life from start to destruction: who parks when, and in which order things go. */
/* links: kernel/vmm/vm_create.c kernel/vmm/vcpu_run.c kernel/vmm/vcpu_look.c */
/* links: kernel/vmm/vm.c kernel/vmm/vcpu.c kernel/vmm/vtsc.c */
#include "tests/unit/vm_house.h"

/* vCPU 0 dies in its first instruction, while the others' threads have not run yet. */
static void stopped_before_all_have_started(void **state)
{
	static const struct vcpu_entry entry;
	struct vm *vm = create();

	(void)state;
	vm_start(vm, &entry);
	vm_stop(vm, VM_STOP_CRASH, 0, "at once");
	run_all();
	assert_int_equal(stopped_calls, 1);
	vm_destroy(vm);
}

/* While its disks take their time its vCPUs' CPUs are free; what devices send them goes
 * nowhere.
 */
static void retired_before_it_is_destroyed(void **state)
{
	static const struct vcpu_entry entry;
	struct vm *vm = create();

	(void)state;
	vm_start(vm, &entry);
	vm_stop(vm, VM_STOP_REQUEST, 0, "enough");
	run_all();
	left_cpus = 0;
	vm_retire(vm);
	assert_int_equal(left_cpus, VCPUS);
	for (unsigned i = 0; i < VCPUS; i++)
		assert_false(vm->vcpus[i]->thread->freed);
	vcpu_post(vm->vcpus[1], VCPU_REQ_INIT);
	vm_destroy(vm);
	vm = create(); /* one that never started */
	vm_retire(vm);
	vm_destroy(vm);
}

/* The same, and they look at the request to stop before that to start is there. */
static void told_to_stop_before_told_to_start(void **state)
{
	static const struct vcpu_entry entry;
	struct vm *vm = create();

	(void)state;
	vm_stop(vm, VM_STOP_CRASH, 0, "at once");
	run_all();
	assert_int_equal(stopped_calls, 0);
	vm_start(vm, &entry);
	run_all();
	assert_int_equal(stopped_calls, 1);
	vm_destroy(vm);
}

/* It may send the others INIT and SIPI at once, and these get lost where START is not there. */
static void first_vcpu_starts_last(void **state)
{
	static const struct vcpu_entry entry;
	struct vm *vm = create();

	(void)state;
	vm_start(vm, &entry);
	assert_ptr_equal(last_woken, vm->vcpus[0]->thread);
	vcpu_post(vm->vcpus[1], VCPU_REQ_INIT);
	vcpu_post_sipi(vm->vcpus[1], 0x10);
	assert_int_equal(vm->vcpus[1]->requests,
			 VCPU_REQ_START | VCPU_REQ_INIT | VCPU_REQ_SIPI);
	vm_stop(vm, VM_STOP_REQUEST, 0, "enough");
	run_all();
	assert_int_equal(stopped_calls, 1);
	vm_destroy(vm);
}

/* Timers still fire while a VM is destroyed: the fakes above do so at the last moment, and find
 * a freed thread if it went before them. */
static void timers_go_before_threads(void **state)
{
	struct vm *vm = create();

	(void)state;
	vm_destroy(vm);
	for (unsigned i = 0; i < VCPUS; i++)
		assert_true(threads[i].freed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stopped_before_all_have_started),
		cmocka_unit_test(told_to_stop_before_told_to_start),
		cmocka_unit_test(first_vcpu_starts_last),
		cmocka_unit_test(retired_before_it_is_destroyed),
		cmocka_unit_test(timers_go_before_threads),
	};

	return cmocka_run_group_tests(tests, on_this_cpu, NULL);
}
