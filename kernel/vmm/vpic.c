/*
 * A guest's two 8259A interrupt controllers, master and slave, as a PC has them (Intel 8259A
 * data sheet), and the chipset's edge/level registers. INTR goes to vm->pic_intr.
 */
#include "kernel/vmm/vpic.h"

#include "kernel/mem/heap.h"
#include "kernel/vmm/vlapic.h"
#include "kernel/vmm/vm.h"

#define PORT_MASTER	  0x20
#define PORT_SLAVE	  0xa0
#define PORT_ELCR	  0x4d0
#define CASCADE		  2 /* the master's input that the slave drives */
#define SPURIOUS	  7
#define IRQ_SCI		  9

#define ICW1		  BIT(4)
#define ICW1_NEED_ICW4	  BIT(0)
#define ICW1_SINGLE	  BIT(1)
#define ICW4_AUTO_EOI	  BIT(1)
#define ICW4_FULLY_NESTED BIT(4) /* "special fully nested" */
#define OCW3		  BIT(3)
#define OCW3_READ_ISR	  BIT(0)
#define OCW3_READ	  BIT(1)
#define OCW3_POLL	  BIT(2)
#define OCW3_SPECIAL	  BIT(5)
#define OCW3_SET_SPECIAL  BIT(6)
#define OCW2_EOI	  BIT(0) /* of its three command bits */
#define OCW2_SPECIFIC	  BIT(1)
#define OCW2_ROTATE	  BIT(2)

/* Which word the next write to the odd port is. */
enum awaited { AWAIT_OCW1, AWAIT_ICW2, AWAIT_ICW3, AWAIT_ICW4 };

struct chip {
	uint8_t lines; /* inputs, as driven */
	uint8_t irr, isr, imr;
	uint8_t level, level_writable; /* ELCR, and its bits that exist */
	uint8_t vector_base;
	uint8_t lowest; /* input of lowest priority: 7 after initialisation */
	enum awaited awaited;
	bool single, need_icw4;
	bool auto_eoi, rotate_on_auto_eoi, fully_nested, special_mask;
	bool read_isr, poll;
};

struct vpic {
	struct vm *vm;
	uint32_t asserted;    /* a bit per source */
	struct chip chips[2]; /* master, slave */
};

/* The input among `inputs` whose priority is the highest, or -1. */
static int highest(const struct chip *chip, uint8_t inputs)
{
	for (unsigned i = 1; i <= 8; i++) {
		unsigned input = (chip->lowest + i) & 7;

		if (inputs & BIT(input))
			return input;
	}
	return -1;
}

/* Rank of an input: 0 highest, 7 lowest; 8 for none. */
static unsigned rank(const struct chip *chip, int input)
{
	return input < 0 ? 8 : (input - chip->lowest - 1) & 7;
}

/* The input that makes this chip raise INT, or -1. In special mask mode what is masked does
 * not hold others back; in special fully nested mode the slave may interrupt itself. */
static int requesting(const struct chip *chip)
{
	uint8_t in_service = chip->isr;
	int input = highest(chip, chip->irr & ~chip->imr);

	if (chip->special_mask)
		in_service &= ~chip->imr;
	if (chip->fully_nested && input == CASCADE)
		in_service &= ~BIT(CASCADE);
	return rank(chip, input) < rank(chip, highest(chip, in_service)) ? input : -1;
}

static void set_input(struct chip *chip, unsigned input, bool level)
{
	uint8_t bit = BIT(input);

	if (level && (chip->level & bit || !(chip->lines & bit)))
		chip->irr |= bit;
	else if (!level && chip->level & bit)
		chip->irr &= ~bit;
	chip->lines = level ? chip->lines | bit : chip->lines & ~bit;
}

/* INTR reaches every CPU's LINT0; which of them take it as ExtINT, the guest says. The first to
 * acknowledge it gets the vector. */
static void kick_takers(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		if (vlapic_accepts_extint(vm->vcpus[i]->lapic))
			vcpu_kick(vm->vcpus[i]);
}

/* After any change: the slave's INT to the master, as a level so that no request outlives its
 * cause; the master's to the CPU. */
static void update(struct vpic *pic)
{
	struct chip *master = &pic->chips[0];
	bool intr, was;

	if (requesting(&pic->chips[1]) >= 0)
		master->irr |= BIT(CASCADE);
	else
		master->irr &= ~BIT(CASCADE);
	intr = requesting(master) >= 0;
	was = atomic_exchange(&pic->vm->pic_intr, intr);
	if (intr && !was)
		kick_takers(pic->vm);
}

static unsigned irq_of(unsigned source)
{
	return source < VPIC_ISA_LINES ? source : vpic_pci_irq(source);
}

/* Whether any source of an IRQ asserts it. */
static bool irq_asserted(const struct vpic *pic, unsigned irq)
{
	for (unsigned source = 0; source < VPIC_SOURCES; source++)
		if (pic->asserted & BIT(source) && irq_of(source) == irq)
			return true;
	return false;
}

void vpic_set_line(struct vpic *pic, unsigned source, bool level)
{
	uint64_t flags;
	unsigned irq;

	if (source >= VPIC_SOURCES || source == CASCADE)
		return;
	irq = irq_of(source);
	flags = spin_lock_irqsave(&pic->vm->irq_lock);
	pic->asserted = level ? pic->asserted | BIT(source) : pic->asserted & ~BIT(source);
	set_input(&pic->chips[irq / 8], irq % 8, irq_asserted(pic, irq));
	update(pic);
	spin_unlock_irqrestore(&pic->vm->irq_lock, flags);
}

/* One chip's part of the INTA cycle; returns the input, SPURIOUS where there is none. */
static unsigned acknowledge(struct chip *chip)
{
	int input = requesting(chip);
	uint8_t bit;

	if (input < 0)
		return SPURIOUS;
	bit = BIT(input);
	if (!(chip->level & bit))
		chip->irr &= ~bit;
	if (!chip->auto_eoi)
		chip->isr |= bit;
	else if (chip->rotate_on_auto_eoi)
		chip->lowest = input;
	return input;
}

uint8_t vpic_acknowledge(struct vpic *pic)
{
	struct chip *master = &pic->chips[0], *slave = &pic->chips[1];
	uint64_t flags = spin_lock_irqsave(&pic->vm->irq_lock);
	bool cascaded = requesting(master) == CASCADE;
	uint8_t vector = master->vector_base + acknowledge(master);

	if (cascaded)
		vector = slave->vector_base + acknowledge(slave);
	update(pic);
	spin_unlock_irqrestore(&pic->vm->irq_lock, flags);
	return vector;
}

/* ICW1. What is latched is forgotten; an edge input must fall before it can request again. */
static void initialise(struct chip *chip, uint8_t icw1)
{
	*chip = (struct chip){
		.lines = chip->lines,
		.irr = chip->lines & chip->level,
		.level = chip->level,
		.level_writable = chip->level_writable,
		.vector_base = chip->vector_base,
		.lowest = 7,
		.awaited = AWAIT_ICW2,
		.single = icw1 & ICW1_SINGLE,
		.need_icw4 = icw1 & ICW1_NEED_ICW4,
	};
}

static void write_ocw2(struct chip *chip, uint8_t value)
{
	unsigned command = value >> 5, input = value & 7;
	/* In special mask mode a non-specific EOI does not see what is masked. */
	int served = highest(chip, chip->isr & ~(chip->special_mask ? chip->imr : 0));

	if (!(command & OCW2_EOI)) {
		if (command == OCW2_ROTATE || command == 0)
			chip->rotate_on_auto_eoi = command & OCW2_ROTATE;
		else if (command == (OCW2_ROTATE | OCW2_SPECIFIC))
			chip->lowest = input;
		return;
	}
	if (!(command & OCW2_SPECIFIC)) {
		if (served < 0)
			return;
		input = served;
	}
	chip->isr &= ~BIT(input);
	if (command & OCW2_ROTATE)
		chip->lowest = input;
}

static void write_ocw3(struct chip *chip, uint8_t value)
{
	if (value & OCW3_POLL)
		chip->poll = true;
	if (value & OCW3_READ)
		chip->read_isr = value & OCW3_READ_ISR;
	if (value & OCW3_SET_SPECIAL)
		chip->special_mask = value & OCW3_SPECIAL;
}

static void write_odd(struct chip *chip, uint8_t value)
{
	switch (chip->awaited) {
	case AWAIT_OCW1: chip->imr = value; break;
	case AWAIT_ICW2:
		chip->vector_base = value & 0xf8;
		chip->awaited = !chip->single	  ? AWAIT_ICW3
				: chip->need_icw4 ? AWAIT_ICW4
						  : AWAIT_OCW1;
		break;
	case AWAIT_ICW3: /* the cascade's wiring, which is fixed */
		chip->awaited = chip->need_icw4 ? AWAIT_ICW4 : AWAIT_OCW1;
		break;
	case AWAIT_ICW4:
		chip->auto_eoi = value & ICW4_AUTO_EOI;
		chip->fully_nested = value & ICW4_FULLY_NESTED;
		chip->awaited = AWAIT_OCW1;
		break;
	}
}

/* After a poll command the next read is the acknowledgement: bit 7 and the input. */
static uint8_t read_poll(struct chip *chip)
{
	chip->poll = false;
	if (requesting(chip) < 0)
		return 0;
	return 0x80 | acknowledge(chip);
}

static void chip_io(struct vpic *pic, struct chip *chip, struct bus_access *access)
{
	uint8_t value = access->value;
	bool odd = access->offset & 1;
	uint64_t flags = spin_lock_irqsave(&pic->vm->irq_lock);

	if (access->write && odd)
		write_odd(chip, value);
	else if (access->write && value & ICW1)
		initialise(chip, value);
	else if (access->write && value & OCW3)
		write_ocw3(chip, value);
	else if (access->write)
		write_ocw2(chip, value);
	else if (chip->poll)
		access->value = read_poll(chip);
	else if (odd)
		access->value = chip->imr;
	else
		access->value = chip->read_isr ? chip->isr : chip->irr;
	update(pic);
	spin_unlock_irqrestore(&pic->vm->irq_lock, flags);
}

static void master_io(void *device, struct bus_access *access)
{
	struct vpic *pic = device;

	if (access->bytes != 1)
		bus_bytewise(master_io, device, access);
	else
		chip_io(pic, &pic->chips[0], access);
}

static void slave_io(void *device, struct bus_access *access)
{
	struct vpic *pic = device;

	if (access->bytes != 1)
		bus_bytewise(slave_io, device, access);
	else
		chip_io(pic, &pic->chips[1], access);
}

static void elcr_io(void *device, struct bus_access *access)
{
	struct vpic *pic = device;
	struct chip *chip = &pic->chips[access->offset & 1];
	uint64_t flags;

	if (access->bytes != 1) {
		bus_bytewise(elcr_io, device, access);
		return;
	}
	flags = spin_lock_irqsave(&pic->vm->irq_lock);
	if (access->write) {
		chip->level = access->value & chip->level_writable;
		chip->irr = (chip->irr & ~chip->level) | (chip->lines & chip->level);
		update(pic);
	} else {
		access->value = chip->level;
	}
	spin_unlock_irqrestore(&pic->vm->irq_lock, flags);
}

struct vpic *vpic_create(struct vm *vm)
{
	struct vpic *pic = heap_zalloc(sizeof(*pic), &vm->account);

	if (!pic)
		return NULL;
	pic->vm = vm;
	/* Vectors as PC firmware leaves them; all is masked, and PCI's inputs are levels. */
	pic->chips[0] = (struct chip){
		.lowest = 7, .imr = 0xff, .level_writable = 0xf8, .vector_base = 0x08};
	pic->chips[1] = (struct chip){
		.lowest = 7, .imr = 0xff, .level_writable = 0xde, .vector_base = 0x70};
	pic->chips[IRQ_SCI / 8].level |= BIT(IRQ_SCI % 8);
	for (unsigned wire = VPIC_ISA_LINES; wire < VPIC_SOURCES; wire++)
		pic->chips[irq_of(wire) / 8].level |= BIT(irq_of(wire) % 8);
	if (bus_add(&vm->pio, PORT_MASTER, 2, master_io, pic, "pic") ||
	    bus_add(&vm->pio, PORT_SLAVE, 2, slave_io, pic, "pic slave") ||
	    bus_add(&vm->pio, PORT_ELCR, 2, elcr_io, pic, "elcr")) {
		heap_free(pic);
		return NULL;
	}
	return pic;
}

void vpic_destroy(struct vpic *pic)
{
	heap_free(pic);
}
