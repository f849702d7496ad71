/*
 * Machines with SVM that guests of tests run on: with NRIPS and without, and as QEMU has it.
 * The VMCB is checked at every entry as a CPU checks it.
 */
#ifndef TESTS_UNIT_SVM_MACHINES_H
#define TESTS_UNIT_SVM_MACHINES_H

#include "tests/unit/vcpu_script.h"

#include <errno.h>

#include "kernel/cpu/msr.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/features.h"
#include "kernel/vmm/svm/backend.h"
#include "kernel/vmm/svm/svm.h"
#include "kernel/vmm/vcpu_raise.h"
#include "kernel/vmm/vmm.h"
#include "tests/unit/fake_vmcb.h"

static const struct svm_machine {
	const char *name;
	uint32_t features;
	bool tcg;
} machines[] = {
	{"with NRIPS", SVM_NPT | SVM_NRIPS | SVM_PAUSE_FILTER | SVM_DECODE_ASSIST, false},
	{"without NRIPS", SVM_NPT, false},
	{"as QEMU", SVM_NPT, true},
};
static const struct svm_machine *machine = &machines[0]; /* that tests run on */
static bool has_umip;

static int restart(void **state)
{
	(void)state;
	fake_cpu_reset(CPU_VENDOR_AMD);
	fake_machine_reset();
	cpu_features.umip = fake_cpuid_umip = has_umip;
	fake_svm_start(machine->features, machine->tcg);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	fake_svm_stop();
	assert_int_equal(fake_frames_alive, 0);
	return 0;
}

static inline void again(void)
{
	finish(NULL);
	restart(NULL);
}

#endif
