/* What a VM's vCPUs have of the machine's CPUs: which they may run on, weight and cap, as it is
 * created and while it runs. */
/* links: kernel/vmm/vm_create.c kernel/vmm/vcpu_run.c kernel/vmm/vcpu_look.c */
/* links: kernel/vmm/vm.c kernel/vmm/vcpu.c kernel/vmm/vtsc.c */
#include "tests/unit/vm_house.h"

/* vCPUs keep off a CPU that the backend shuns, but for those that have no other. */
static void keeps_off_shunned_cpus(void **state)
{
	static const uint16_t pin[VCPUS] = {2, 0, 3};
	static const struct cpumask allowed[] = {
		{.bits = {0xf}}, {.bits = {1}}, {.bits = {0x6}}};
	static const uint64_t expected[] = {0xe, 1, 0x6};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(allowed); i++) {
		struct vm *vm = create_on(NULL, allowed[i]);

		for (unsigned n = 0; n < VCPUS; n++)
			assert_int_equal(threads[n].allowed.bits[0], expected[i]);
		vm_destroy(vm);
	}
	struct vm *vm = create_on(pin, (struct cpumask){0});

	for (unsigned n = 0; n < VCPUS; n++)
		assert_int_equal(threads[n].allowed.bits[0], BIT(pin[n]));
	vm_destroy(vm);
}

/* Other CPUs, weight and cap while it runs: for each vCPU, and off what the backend shuns. */
static void another_share(void **state)
{
	const struct thread_share share = {
		.allowed = {.bits = {0x7}}, .weight = 40, .cap_percent = 30};
	struct vm *vm = create();

	(void)state;
	vm_set_share(vm, &share);
	for (unsigned n = 0; n < VCPUS; n++) {
		assert_int_equal(threads[n].allowed.bits[0], 0x6);
		assert_int_equal(threads[n].weight, 40);
		assert_int_equal(threads[n].cap_percent, 30);
	}
	vm_destroy(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_off_shunned_cpus),
		cmocka_unit_test(another_share),
	};

	return cmocka_run_group_tests(tests, on_this_cpu, NULL);
}
