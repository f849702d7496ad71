/* The IDT and what follows a trap. */
#include "tests/guest/lib/traps.h"

#include "tests/guest/lib/test.h"

#define GATE_INTERRUPT 0x8e00 /* present, DPL 0, interrupt gate */
#define CODE	       0x08

struct gate {
	uint16_t offset_low, selector, flags, offset_mid;
	uint32_t offset_high, zero;
};

struct idt_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

extern const uint8_t trap_entries[];
#define ENTRY_BYTES 16

static struct gate idt[256];
static void (*volatile handlers[256])(struct frame *frame);

void trap_handler(unsigned vector, void (*handler)(struct frame *frame))
{
	handlers[vector] = handler;
}

void traps_load(void)
{
	struct idt_pointer pointer = {sizeof(idt) - 1, (uintptr_t)idt};

	for (unsigned i = 0; i < ARRAY_SIZE(idt); i++) {
		uint64_t entry = (uintptr_t)&trap_entries[i * ENTRY_BYTES];

		idt[i] = (struct gate){.offset_low = entry,
				       .selector = CODE,
				       .flags = GATE_INTERRUPT,
				       .offset_mid = entry >> 16,
				       .offset_high = entry >> 32};
	}
	asm volatile("lidt %0" : : "m"(pointer));
}

/* Called by traps.S. */
void trap_handle(struct frame *frame);
void trap_handle(struct frame *frame)
{
	void (*handler)(struct frame *) = handlers[frame->vector];
	struct cpu *cpu = cpu_self();

	if (handler) {
		handler(frame);
	} else if (frame->vector < 32 && cpu->resume) {
		cpu->trap = (struct trap){frame->vector, frame->error, read_cr2(), frame->rip};
		frame->rip = cpu->resume;
		cpu->resume = 0;
	} else if (frame->vector != VECTOR_SPURIOUS) {
		give_up("vector 0x%lx error 0x%lx at RIP 0x%lx on CPU %u, CR2 0x%lx",
			frame->vector, frame->error, frame->rip, cpu_index(), read_cr2());
	}
}
