/*
 * Accesses to what is not there, many of each kind: ports, memory, MSRs. Each reads as ones or
 * raises #GP, the last as the first; that the hypervisor's log says so once, and once only, is
 * looked at from outside.
 */
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"

#define ACCESSES 12000
#define PORT	 0x1234
#define MEMORY	 0xfd000000ull /* between PCI's windows and the I/O APIC */
#define MSR	 0x4b560000u

void test(void)
{
	unsigned ports = 0, bytes = 0, faults = 0;
	uint64_t value;

	for (unsigned i = 0; i < ACCESSES; i++)
		ports += in8(PORT) == 0xff;
	check(ports == ACCESSES, "ports read as ones", "%u of %u do", ports, ACCESSES);
	for (unsigned i = 0; i < ACCESSES; i++)
		bytes += *(volatile uint8_t *)MEMORY == 0xff;
	check(bytes == ACCESSES, "memory reads as ones", "%u of %u do", bytes, ACCESSES);
	for (unsigned i = 0; i < ACCESSES; i++)
		faults += try_rdmsr(MSR, &value).vector == VECTOR_GP;
	check(faults == ACCESSES, "MSRs raise #GP", "%u of %u do", faults, ACCESSES);
}
