/* See trouble.h. Each sign is told once in a VM's life, so that no guest fills the log. */
#include "guests/guest/trouble.h"

#include <stdio.h>

#include "guests/devices/pvpanic.h"
#include "guests/events/event.h"
#include "guests/guest/internal.h"
#include "kernel/log/log.h"
#include "kernel/vmm/vcpu_look.h"

static void tell(const struct guest *g, const char *text)
{
	log_warn(g->config.name, "%s", text);
	event_post(EVENT_GUEST_TROUBLE, g->config.name, "%s", text);
}

static void look_at_vcpu(struct guest *g, struct vcpu *vcpu)
{
	uint64_t off_ns = vcpu_look_off_ns(vcpu);
	char text[VIEW_REASON_BYTES];

	vcpu_look_ask(vcpu);
	if (!off_ns || g->told_vcpus & BIT(vcpu->id))
		return;
	g->told_vcpus |= BIT(vcpu->id);
	snprintf(text, sizeof text,
		 "vCPU %u %s with interrupts off for %llu s: if it should not, `reset` or "
		 "`stop` the guest",
		 vcpu->id, atomic_load(&vcpu->look.halted) ? "is halted" : "has been running",
		 off_ns / NSEC_PER_SEC);
	tell(g, text);
}

void trouble_look(struct guest *g)
{
	const struct vm *vm = g->launch.vm;

	_Static_assert(VCPU_MAX <= 64, "a bit for each");
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		look_at_vcpu(g, vm->vcpus[i]);
	if (g->told_crash_kernel || !pvpanic_crash_kernel(chipset_pvpanic(g->launch.chipset)))
		return;
	g->told_crash_kernel = true;
	tell(g, "the guest's kernel panicked, and its own crash kernel took over (pvpanic)");
}
