/* The two pages of the KVM clock, as the guest asks for them. */
#include "kernel/vmm/pvclock.h"

#include <errno.h>

#include "kernel/cpu/clock.h"
#include "kernel/vmm/vm.h"

struct pvclock_time { /* struct pvclock_vcpu_time_info */
	uint32_t version, pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;
	uint8_t pad[2];
} __attribute__((packed));
_Static_assert(sizeof(struct pvclock_time) == 32, "msr.rst, MSR_KVM_SYSTEM_TIME_NEW");

struct pvclock_wall { /* struct pvclock_wall_clock */
	uint32_t version, seconds, nanoseconds;
};

#define PVCLOCK_TSC_STABLE BIT(0)
#define PVCLOCK_ENABLE	   BIT(0)
#define PVCLOCK_MUL_SHIFT  32

/* ns = (ticks << shift) * mul >> 32, with mul using all its 32 bits. */
static void scale(uint64_t tsc_khz, struct pvclock_time *time)
{
	uint64_t hz = tsc_khz * 1000;
	int n = 0;

	while (hz > 2 * NSEC_PER_SEC) {
		hz >>= 1;
		n--;
	}
	while (hz <= NSEC_PER_SEC) {
		hz <<= 1;
		n++;
	}
	/* From the exact rate: halving it above may have lost bits. */
	time->tsc_to_system_mul =
		(uint32_t)(((unsigned __int128)NSEC_PER_SEC << (PVCLOCK_MUL_SHIFT - n)) /
			   (tsc_khz * 1000));
	time->tsc_shift = (int8_t)n;
}

int pvclock_write_wall(struct vcpu *vcpu, uint64_t gpa)
{
	uint64_t boot = clock_wall_ns() - (clock_now_ns() - vcpu->vm->start_ns);
	struct pvclock_wall wall = {
		.version = 2,
		.seconds = (uint32_t)(boot / NSEC_PER_SEC),
		.nanoseconds = (uint32_t)(boot % NSEC_PER_SEC),
	};

	return gmem_write(&vcpu->vm->gmem, gpa, &wall, sizeof wall) ? -EPERM : 0;
}

/* Whether all vCPUs read the same, as far as the guest has not moved one. */
static bool tscs_agree(const struct vm *vm)
{
	for (unsigned i = 1; i < vm->vcpu_count; i++)
		if (atomic_load(&vm->vcpus[i]->tsc_adjust) !=
		    atomic_load(&vm->vcpus[0]->tsc_adjust))
			return false;
	return true;
}

/*
 * An odd version tells readers on other vCPUs to wait. Guests' TSCs that the guest has set
 * apart still make clocks that agree, but not if one vCPU's page is used with another's TSC, as
 * Linux does while they are stable.
 */
static int write_page(struct vcpu *vcpu)
{
	struct gmem *gm = &vcpu->vm->gmem;
	uint64_t gpa = vcpu->pvclock & ~PVCLOCK_ENABLE;
	struct pvclock_time time = {
		.version = vcpu->pvclock_version + 1,
		.tsc_timestamp = atomic_load(&vcpu->tsc_adjust),
		.flags = tscs_agree(vcpu->vm) ? PVCLOCK_TSC_STABLE : 0,
	};
	int err;

	scale(clock_tsc_khz(), &time);
	err = gmem_write(gm, gpa, &time, sizeof time);
	vcpu->pvclock_version += 2;
	if (!err)
		err = gmem_write(gm, gpa, &vcpu->pvclock_version, sizeof time.version);
	return err;
}

int pvclock_write_system(struct vcpu *vcpu, uint64_t value)
{
	vcpu->pvclock = value;
	return value & PVCLOCK_ENABLE && write_page(vcpu) ? -EPERM : 0;
}

void pvclock_refresh(struct vcpu *vcpu)
{
	if (vcpu->pvclock & PVCLOCK_ENABLE)
		write_page(vcpu);
}
