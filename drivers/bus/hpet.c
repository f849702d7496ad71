/* The HPET's main counter, nothing else of it: IA-PC HPET Specification 1.0a, 2.3. */
#include "drivers/bus/hpet.h"

#include <errno.h>

#include "kernel/mem/hostmap.h"

#define HPET_BYTES	  0x400
#define HPET_PERIOD	  0x004 /* upper half of the capabilities: femtoseconds per tick */
#define HPET_CONFIG	  0x010
#define HPET_COUNTER	  0x0f0
#define CONFIG_ENABLE	  BIT(0)
#define PERIOD_MAX_FS	  100000000u
#define FEMTOS_PER_SECOND 1000000000000000ull

static volatile uint32_t *at(uintptr_t registers, unsigned offset)
{
	return (volatile uint32_t *)(registers + offset);
}

static uint32_t read_counter(const struct clock_reference *ref)
{
	return *at(ref->address, HPET_COUNTER);
}

int hpet_reference(uint64_t phys, struct clock_reference *ref)
{
	uintptr_t registers =
		phys ? (uintptr_t)vmap(phys, HPET_BYTES, PT_READ | PT_WRITE | PT_UNCACHED) : 0;
	uint32_t period;

	if (!registers)
		return -ENODEV;
	period = *at(registers, HPET_PERIOD);
	if (period == 0 || period > PERIOD_MAX_FS) {
		vmap_free((void *)registers);
		return -ENODEV;
	}
	*at(registers, HPET_CONFIG) |= CONFIG_ENABLE;
	*ref = (struct clock_reference){
		.name = "HPET",
		.hz = FEMTOS_PER_SECOND / period,
		.mask = UINT32_MAX,
		.read = read_counter,
		.address = registers,
	};
	return 0;
}
