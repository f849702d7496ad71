/*
 * Pages that come and go under a guest's feet. CPU 0 puts 2 MiB pieces of memory into the
 * balloon, takes them back, and reports them as free, while every CPU goes on using them, which
 * no good driver would: as code of instructions that exit, as what lies behind such code
 * (whoever reads 15 bytes to see what an instruction was reaches into it), as operands of
 * string I/O, of LMSW and of accesses to a device, and as page tables. What the guest itself
 * finds there is its own fault, and not looked at; but the hypervisor must not wait for memory
 * where others wait for it: with interrupts off, or with a lock held. Then CPUs stand still,
 * and other guests with them.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/pci.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/traps.h"
#include "tests/guest/lib/virtio.h"

#define BALLOON	     5
#define MUST_TELL    BIT(0)
#define REPORTING    BIT(5)
#define CHUNK	     0x200000u
#define CHUNK_PAGES  512u
#define FIRST	     4u /* chunks: this and every second one come and go, up to LAST */
#define LAST	     14u
#define ROUNDS	     100
#define ANSWER_MS    4000
#define REGION(slot) ((uint64_t)(slot) << 39)
#define PTE_RW	     3
#define PTE_BIG	     0x83

enum { INFLATE, DEFLATE, REPORT, QUEUES };

static uint8_t rings[QUEUES][16384] __attribute__((aligned(4096)));
static uint32_t pages[CHUNK_PAGES];
/* In a page without code, as emulators look twice at writes to others. */
static uint8_t scratch[CPUS_MAX][256] __attribute__((aligned(4096)));
static struct virtio_device balloon;
static struct virtio_ring queues[QUEUES];
static volatile bool over;
static volatile uint32_t done[CPUS_MAX];

/* ---- what is executed ---- */

/* Where an instruction's memory operand is. */
enum operand { NOWHERE, LOADS, STORES, APIC_LOAD, APIC_STORE, APIC_TO_MEMORY, MAPPED_LOAD };

/* RAX points to memory that may be written, as bytes of zero are an ADD to where it points. */
static const struct insn {
	uint8_t bytes[5], length;
	enum operand operand;
	uint64_t rcx, rdx;
} insns[] = {
	{{0x0f, 0xa2}, .length = 2},		     /* cpuid */
	{{0x0f, 0x32}, .length = 2, .rcx = MSR_TSC}, /* rdmsr */
	{{0x0f, 0x32}, .length = 2, .rcx = 0x12345}, /* that nobody has */
	{{0x0f, 0x30}, .length = 2, .rcx = 0x174},   /* wrmsr: SYSENTER_CS */
	{{0xec}, .length = 1, .rdx = 0x80},	     /* in %dx, %al */
	{{0xee}, .length = 1, .rdx = 0x80},	     /* out %al, %dx */
	{{0xf3, 0x6c}, .length = 2, .operand = STORES, .rcx = 100, .rdx = 0x80}, /* rep insb */
	{{0xf3, 0x6e}, .length = 2, .operand = LOADS, .rcx = 100, .rdx = 0x80},	 /* rep outsb */
	{{0x0f, 0x22, 0xc1}, .length = 3},				  /* mov %rcx, %cr0 */
	{{0x0f, 0x22, 0xe1}, .length = 3},				  /* mov %rcx, %cr4 */
	{{0x44, 0x0f, 0x22, 0xc1}, .length = 4},			  /* mov %rcx, %cr8 */
	{{0x0f, 0x01, 0xf1}, .length = 3, .rcx = 0x33},			  /* lmsw %cx */
	{{0x41, 0x0f, 0x01, 0x30}, .length = 4},			  /* lmsw (%r8) */
	{{0x0f, 0x01, 0xd9}, .length = 3},				  /* vmmcall */
	{{0x0f, 0x01, 0xc1}, .length = 3},				  /* vmcall */
	{{0x0f, 0x08}, .length = 2},					  /* invd */
	{{0x0f, 0x09}, .length = 2},					  /* wbinvd */
	{{0xf3, 0x90}, .length = 2},					  /* pause */
	{{0x0f, 0x33}, .length = 2},					  /* rdpmc */
	{{0x0f, 0x01, 0xd1}, .length = 3},				  /* xsetbv */
	{{0x0f, 0x01, 0xc8}, .length = 3},				  /* monitor */
	{{0x0f, 0x01, 0xc9}, .length = 3},				  /* mwait */
	{{0x0f, 0x01, 0xd8}, .length = 3},				  /* vmrun */
	{{0x0f, 0xaa}, .length = 2},					  /* rsm */
	{{0x8b, 0x0e}, .length = 2, .operand = APIC_LOAD},		  /* mov (%rsi), %ecx */
	{{0x89, 0x0f}, .length = 2, .operand = APIC_STORE},		  /* mov %ecx, (%rdi) */
	{{0x09, 0x0f}, .length = 2, .operand = APIC_STORE},		  /* or %ecx, (%rdi) */
	{{0xf3, 0xa5}, .length = 2, .operand = APIC_TO_MEMORY, .rcx = 1}, /* rep movsl */
	{{0x8b, 0x0e}, .length = 2, .operand = MAPPED_LOAD}, /* through tables that go, too */
};

static uint64_t chunk_at(unsigned chunk)
{
	return (uint64_t)chunk * CHUNK;
}

static unsigned volatile_chunk(void)
{
	return FIRST + random32() % ((LAST - FIRST) / 2 + 1) * 2;
}

/* Behind each chunk that goes: whoever runs through its zeroes ends here, whatever of the first
 * bytes is still part of the instruction before. */
static void write_landings(void)
{
	for (unsigned chunk = FIRST + 1; chunk <= LAST + 1; chunk += 2) {
		volatile uint64_t *at = (uint64_t *)chunk_at(chunk);

		at[0] = 0x9090909090909090;
		at[1] = 0x9090909090e7ff41; /* jmp *%r15 */
	}
}

/* As one store: what is there is all of it, or nothing but zeroes. */
static uint64_t write_stub(uint64_t at, const struct insn *insn)
{
	uint8_t code[8] = {0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90};
	uint64_t word;

	for (unsigned i = 0; i < insn->length; i++)
		code[i] = insn->bytes[i];
	code[insn->length] = 0x41; /* jmp *%r15 */
	code[insn->length + 1] = 0xff;
	code[insn->length + 2] = 0xe7;
	__builtin_memcpy(&word, code, sizeof word);
	*(volatile uint64_t *)at = word;
	return at;
}

/* Page tables of this CPU's own, in memory that goes, which lead to the local APIC. */
static uint64_t map_apic(unsigned self)
{
	uint64_t tables = chunk_at(volatile_chunk()) + 0x100000 + self * 0x2000;
	volatile uint64_t *root = (uint64_t *)(read_cr3() & ~0xfffull);
	unsigned slot = 4 + self;

	*(volatile uint64_t *)tables = (tables + 0x1000) | PTE_RW;
	*(volatile uint64_t *)(tables + 0x1000) = (APIC_PAGE & -(uint64_t)CHUNK) | PTE_BIG;
	root[slot] = tables | PTE_RW;
	write_cr3(read_cr3());
	return REGION(slot) + APIC_PAGE % CHUNK;
}

/* Registers for one run of it. */
static void run(uint64_t stub, const struct insn *insn, unsigned self)
{
	uint64_t memory = chunk_at(volatile_chunk()) + random32() % (CHUNK - 256);
	uint64_t rax = (uintptr_t)scratch[self], rcx = insn->rcx, rdx = insn->rdx;
	uint64_t rsi = memory, rdi = memory, rbx = 0;
	register uint64_t r8 asm("r8") = memory, r15 asm("r15") = 0;

	if (insn->bytes[1] == 0x22)
		rcx = insn->bytes[2] == 0xc1 ? read_cr0() ^ CR0_CD : read_cr4();
	if (insn->bytes[0] == 0x44)
		rcx = 0;
	if (insn->operand == APIC_LOAD || insn->operand == APIC_TO_MEMORY)
		rsi = APIC_PAGE + APIC_ID;
	if (insn->operand == MAPPED_LOAD)
		rsi = map_apic(self) + APIC_ID;
	if (insn->operand == APIC_STORE)
		rdi = APIC_PAGE + APIC_TPR;
	TRY("lea 99f(%%rip), %%r15\n\tjmp *%[stub]",
	    OUT("+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+S"(rsi), "+D"(rdi), "+r"(r15)),
	    IN([stub] "r"(stub), "r"(r8)));
	done[self]++;
}

/* Of half the runs the code itself is in memory that goes; of the others, what is behind it. */
static void run_one(unsigned self)
{
	const struct insn *insn = &insns[random32() % ARRAY_SIZE(insns)];
	uint64_t end;

	if (random32() % 2)
		end = chunk_at(volatile_chunk() + 1) - 8 * self;
	else
		end = chunk_at(FIRST + 2 + self * 2);
	run(write_stub(end - 8, insn), insn, self);
}

static void work(uint64_t self)
{
	while (!over)
		run_one(self);
}

/* ---- the balloon ---- */

static bool find_balloon(void)
{
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		if (virtio_find(slot, &balloon) && balloon.id == BALLOON)
			return true;
	return false;
}

/* One that begins anew has nothing in it: the same pages may be given again. */
static void begin(void)
{
	if (!virtio_negotiate(&balloon, MUST_TELL | REPORTING))
		give_up("the balloon does not start");
	for (unsigned i = 0; i < QUEUES; i++)
		virtio_enable(&balloon, &queues[i], i, 64, rings[i]);
	virtio_start(&balloon);
}

static void ask(unsigned queue, uint64_t addr, uint32_t bytes)
{
	const struct virtio_buffer buffer = {addr, bytes, queue == REPORT};
	uint32_t ignored;

	virtio_add(&queues[queue], &buffer, 1);
	virtio_kick(&balloon, queue);
	if (!virtio_wait(&queues[queue], &ignored, ANSWER_MS))
		give_up("the balloon's queue %u does not answer", queue);
}

static void tell(unsigned queue, unsigned chunk, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		pages[i] = chunk * CHUNK_PAGES + i;
	ask(queue, (uintptr_t)pages, count * sizeof *pages);
}

/* A chunk goes when its last page does: one page out and in again is enough for that. */
static void one_change(unsigned *given, unsigned *reported)
{
	unsigned chunk = volatile_chunk();

	if (random32() % 3 == 0) {
		ask(REPORT, chunk_at(chunk), CHUNK);
		++*reported;
		return;
	}
	tell(DEFLATE, chunk, 1);
	tell(INFLATE, chunk, CHUNK_PAGES);
	++*given;
}

void test(void)
{
	unsigned cpus = smp_start(), rounds = ROUNDS, given = 0, reported = 0;

	if (!find_balloon())
		give_up("a balloon is needed");
	write_landings();
	begin();
	for (unsigned i = 1; i < cpus; i++)
		cpu_run(i, work, i);
	for (unsigned round = 0; round < rounds; round++) {
		if (round % 64 == 63)
			begin();
		one_change(&given, &reported);
		run_one(0);
	}
	over = true;
	for (unsigned i = 1; i < cpus; i++)
		cpu_join(i, ANSWER_MS);
	print("%u chunks given, %u reported; CPU 0 ran %u, CPU 1 %u\n", given, reported,
	      done[0], done[1]);
	check(given + reported == rounds && done[0] == rounds, "all rounds", "%u and %u", given,
	      reported);
	for (unsigned i = 1; i < cpus; i++)
		check(done[i] > 0, "the others go on", "CPU %u ran nothing", i);
}
