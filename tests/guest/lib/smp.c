/* Starting the application processors and handing them work. An idle one sleeps in HLT and is
 * woken by an IPI. */
#include "tests/guest/lib/smp.h"

#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define FW_CFG_SELECT	0x510
#define FW_CFG_DATA	0x511
#define FW_CFG_NB_CPUS	5
#define START_LIMIT_MS	2000
#define INIT_TO_SIPI_US 10000

extern const char trampoline[], trampoline_end[];

unsigned cpu_count(void)
{
	unsigned count;

	out16(FW_CFG_SELECT, FW_CFG_NB_CPUS);
	count = in8(FW_CFG_DATA);
	count |= in8(FW_CFG_DATA) << 8;
	if (!count || count > CPUS_MAX)
		give_up("fw_cfg says that there are %u CPUs", count);
	return count;
}

static void wake(struct frame *frame)
{
	(void)frame;
	apic_eoi();
}

static void idle(struct cpu *cpu)
{
	for (;;) {
		while (!cpu->work)
			irq_wait();
		cpu->work(cpu->arg);
		cpu->work = NULL;
	}
}

/* Called by boot.S on every other processor. */
_Noreturn void lib_start_ap(void);
void lib_start_ap(void)
{
	struct cpu *cpu = cpu_self();

	traps_load();
	apic_enable();
	cpu->resume = 0;
	line_let_go();
	cpu->starts++;
	idle(cpu);
	__builtin_unreachable();
}

unsigned smp_start(void)
{
	unsigned count = cpu_count();

	trap_handler(VECTOR_WAKE, wake);
	for (const char *from = trampoline; from < trampoline_end; from++)
		*(volatile char *)(SMP_TRAMPOLINE + (from - trampoline)) = *from;
	apic_ipi(0, ICR_OTHERS | ICR_ASSERT | ICR_INIT);
	delay_us(INIT_TO_SIPI_US);
	apic_ipi(0, ICR_OTHERS | ICR_ASSERT | ICR_SIPI | SMP_TRAMPOLINE >> 12);
	for (unsigned i = 1; i < count; i++)
		if (!wait_for(&cpu_at(i)->starts, START_LIMIT_MS))
			give_up("CPU %u did not start", i);
	return count;
}

void cpu_run(unsigned index, void (*work)(uint64_t arg), uint64_t arg)
{
	struct cpu *cpu = cpu_at(index);

	if (cpu->work)
		give_up("CPU %u has work already", index);
	cpu->arg = arg;
	cpu->work = work;
	apic_ipi(index, ICR_ASSERT | VECTOR_WAKE);
}

void cpu_join(unsigned index, unsigned limit_ms)
{
	for (unsigned waited = 0; cpu_at(index)->work; waited++) {
		if (waited == limit_ms)
			give_up("CPU %u is not done after %u ms", index, limit_ms);
		delay_us(1000);
	}
}

void barrier_wait(struct barrier *barrier, unsigned count)
{
	unsigned round = barrier->round;

	if (__atomic_add_fetch(&barrier->arrived, 1, __ATOMIC_SEQ_CST) == count) {
		barrier->arrived = 0;
		__atomic_store_n(&barrier->round, round + 1, __ATOMIC_SEQ_CST);
	}
	while (barrier->round == round)
		pause();
}
