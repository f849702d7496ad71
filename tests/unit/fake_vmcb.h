/*
 * SVM on the build machine: VMRUN checks the VMCB as a CPU does (APM vol. 2 15.5.1), and what
 * it is told to inject, and runs a model guest until something that the VMCB intercepts. It
 * also fails a test that has an ASID's translations used for another vCPU or after they
 * changed.
 */
#ifndef TESTS_UNIT_FAKE_VMCB_H
#define TESTS_UNIT_FAKE_VMCB_H

#include "tests/unit/model_guest.h"

/* After fake_cpu_reset(): CPUID and MSRs of SVM, and the core on that backend. Enabled on every
 * CPU. `features`: CPUID 0x8000000A EDX. */
void fake_svm_start(uint32_t features, bool tcg);
void fake_svm_stop(void);
/* The VM's nested tables have changed: what CPUs have of them is old. */
void fake_svm_tables_changed(const struct vm *vm);

extern uint32_t fake_svm_asids;
extern unsigned fake_svm_flushes; /* of the whole TLB */
/* VMRUN is to refuse the next state, with this exit code; 0: none. */
extern uint64_t fake_svm_refuse, fake_svm_refuse_next; /* that of the next start */
/* So many host interrupts come within the next shadows. */
extern unsigned fake_svm_shadow_interrupts;
/* A host interrupt exits in an interrupt shadow, too. */
extern bool fake_svm_exits_in_shadow;
/* QEMU 7.2: XSETBV does not exit. */
extern bool fake_svm_no_xsetbv_exit;
/* QEMU 7.2: the next V_IRQ is not seen until the guest has exited, and stays set. */
extern bool fake_svm_virq_undone;

#endif
