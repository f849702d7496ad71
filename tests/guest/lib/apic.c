/* The local APIC in both of its modes, and the I/O APIC. */
#include "tests/guest/lib/apic.h"

#include "tests/guest/lib/traps.h"

#define X2APIC_MSR(reg) (0x800 + (reg) / 16)
#define IOAPIC_SELECT	(*(volatile uint32_t *)IOAPIC_PAGE)
#define IOAPIC_WINDOW	(*(volatile uint32_t *)(IOAPIC_PAGE + 0x10))
#define IOAPIC_ENTRY(n) (0x10 + 2 * (n))

static volatile uint32_t *page_register(unsigned reg)
{
	return (volatile uint32_t *)(APIC_PAGE + reg);
}

bool apic_is_x2(void)
{
	return rdmsr(MSR_APIC_BASE) & BASE_X2;
}

/* Asking the MSR each time costs an exit; a CPU that has no x2APIC need not be asked. */
static bool x2_used;

uint32_t apic_read(unsigned reg)
{
	return x2_used && apic_is_x2() ? rdmsr(X2APIC_MSR(reg)) : *page_register(reg);
}

void apic_write(unsigned reg, uint32_t value)
{
	if (x2_used && apic_is_x2())
		wrmsr(X2APIC_MSR(reg), value);
	else
		*page_register(reg) = value;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

void apic_enable(void)
{
	apic_write(APIC_SVR, SVR_ENABLED | VECTOR_SPURIOUS);
}

bool apic_has_x2(void)
{
	return cpuid(1, 0).ecx & BIT(21);
}

void apic_enable_x2(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BASE_X2 | BASE_ENABLED);
	x2_used = true;
	apic_enable();
}

unsigned apic_id(void)
{
	return apic_is_x2() ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void apic_ipi(unsigned id, uint32_t command)
{
	if (x2_used && apic_is_x2()) {
		wrmsr(X2APIC_MSR(APIC_ICR), (uint64_t)id << 32 | command);
		return;
	}
	*page_register(APIC_ICR2) = id << 24;
	*page_register(APIC_ICR) = command;
	while (*page_register(APIC_ICR) & ICR_PENDING)
		pause();
}

bool apic_bit(unsigned bank, unsigned vector)
{
	return apic_read(bank + vector / 32 * 16) >> vector % 32 & 1;
}

uint32_t ioapic_read(unsigned index)
{
	IOAPIC_SELECT = index;
	return IOAPIC_WINDOW;
}

void ioapic_write(unsigned index, uint32_t value)
{
	IOAPIC_SELECT = index;
	IOAPIC_WINDOW = value;
}

void ioapic_route(unsigned pin, unsigned vector, uint32_t flags)
{
	ioapic_write(IOAPIC_ENTRY(pin), IOAPIC_MASKED);
	ioapic_write(IOAPIC_ENTRY(pin) + 1, 0);
	ioapic_write(IOAPIC_ENTRY(pin), vector | flags);
}
