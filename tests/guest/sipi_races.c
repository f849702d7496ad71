/*
 * INIT, SIPI and NMI in tight random order among four CPUs. They come to a CPU while it is
 * being reset, coming up, or sending some itself; whatever the order, all CPUs must start by
 * one INIT-SIPI-SIPI when it is quiet again.
 *
 * An NMI in the midst of the way to 64-bit mode is a guest's own fault, so there are two kinds
 * of rounds: without NMIs, through the ordinary start-up code, where each CPU that is up shoots
 * too; and with them, to CPUs in real mode, where a small loop takes one at any instruction.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define ROUNDS	  24
#define PER_ROUND 60

#define REAL_LOOP 0x9000 /* the small loop's page */

static unsigned cpus;
static bool with_nmis; /* in this round */

/* To any CPU from `first` on. The boot processor is none: its INIT would reset the machine. */
static void shoot(unsigned first)
{
	uint32_t r = random32();
	unsigned target = first + (r >> 8) % (cpus - first);
	uint32_t page = with_nmis ? REAL_LOOP : SMP_TRAMPOLINE;

	if (with_nmis && r % 8 < 3)
		apic_ipi(target, ICR_ASSERT | ICR_NMI);
	else if (r & 16)
		apic_ipi(target, ICR_ASSERT | ICR_INIT);
	else
		apic_ipi(target, ICR_ASSERT | ICR_SIPI | page >> 12);
}

static volatile bool peace;

static void shoot_on(uint64_t first)
{
	while (!peace)
		shoot(first);
}

/* hlt; jmp back: wherever an NMI interrupts it, any other CPU's saved IP is as good, so one
 * stack at 0:0 serves all. */
static void prepare_real_mode(void)
{
	static const uint8_t loop[] = {0xf4, 0xeb, 0xfd}, iret = 0xcf;
	volatile uint8_t *page = (volatile uint8_t *)REAL_LOOP;
	volatile uint16_t *vector = (volatile uint16_t *)(uintptr_t)(VECTOR_NMI * 4);

	for (unsigned i = 0; i < sizeof(loop); i++)
		page[i] = loop[i];
	page[16] = iret;
	asm volatile("" : "+r"(vector)); /* GCC takes an address so low for a null pointer's */
	vector[0] = 16;
	vector[1] = REAL_LOOP >> 4;
}

/* All others through INIT and SIPI to the idle loop, where `work` waits for them. */
static void init_sipi(void (*work)(uint64_t))
{
	apic_ipi(0, ICR_OTHERS | ICR_ASSERT | ICR_INIT);
	delay_us(10000);
	for (unsigned i = 1; i < cpus; i++) {
		cpu_at(i)->arg = 1;
		cpu_at(i)->work = work;
		cpu_at(i)->starts = 0;
	}
	apic_ipi(0, ICR_OTHERS | ICR_ASSERT | ICR_SIPI | SMP_TRAMPOLINE >> 12);
}

/* Ends a round. A last shot of a CPU that an emulator had put aside may come late and hit one
 * that starts, so there are some tries. */
static void start_again(unsigned round)
{
	unsigned missing = 0;

	peace = true;
	for (unsigned try = 0; try < 5; try++) {
		init_sipi(NULL);
		missing = 0;
		for (unsigned i = 1; i < cpus; i++)
			if (!wait_for(&cpu_at(i)->starts, 1000))
				missing = i;
		if (!missing)
			return;
	}
	give_up("round %u: CPU %u did not start", round, missing);
}

/* The first ones come to CPUs that are in their idle loop still. */
static void on_nmi(struct frame *frame)
{
	(void)frame;
}

static void play(unsigned round)
{
	/* QEMU by itself lets an NMI start a CPU that waits for SIPI. */
	with_nmis = round % 2 && hypervisor_is_ours();
	peace = false;
	if (!with_nmis)
		init_sipi(shoot_on);
	else if (cpus > 2) /* CPU 1 shoots at the others with us */
		cpu_run(1, shoot_on, 2);
	for (unsigned i = 0; i < PER_ROUND; i++)
		shoot(with_nmis && cpus > 2 ? 2 : 1);
	start_again(round);
}

static void answer(uint64_t arg)
{
	*(volatile unsigned *)arg = 1;
}

void test(void)
{
	volatile unsigned answers[CPUS_MAX] = {0};

	cpus = smp_start();
	if (cpus < 2) {
		skip("races", "needs two CPUs");
		reached("start");
		return;
	}
	prepare_real_mode();
	trap_handler(VECTOR_NMI, on_nmi);
	for (unsigned round = 0; round < ROUNDS; round++)
		play(round);
	reached("all CPUs start after every round");
	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, answer, (uintptr_t)&answers[i]);
	for (unsigned i = 1; i < cpus; i++) {
		cpu_join(i, 2000);
		check(answers[i], "CPU works after the races", "CPU %u does not", i);
	}
}
