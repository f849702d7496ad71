/* What a VM entry insists on (SDM vol. 3C 26.2 and 26.3), of the current VMCS. */
#ifndef TESTS_UNIT_FAKE_VMCS_RULES_H
#define TESTS_UNIT_FAKE_VMCS_RULES_H

#include "tests/unit/model_guest.h"

/* Ends the program with the rule that is broken. */
void fake_vmcs_check(void);

static inline void rule(bool kept, const char *what)
{
	if (!kept)
		model_fail("VMX: %s", what);
}

#endif
