/* The keyboard controller (IBM PS/2 Hardware Interface Technical Reference, "Keyboard and
 * Auxiliary Device Controller"). What is sent to a device is lost: there is none to answer. */
#include "guests/devices/i8042.h"

#include "guests/devices/isa.h"
#include "kernel/lib/lock.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/board.h"

#define DATA_PORT   0x60
#define STATUS_PORT 0x64
#define KBC_GSI	    1

enum i8042_bits {
	STATUS_OUTPUT_FULL = 0x01,
	STATUS_SYSTEM = 0x04,
	STATUS_COMMAND = 0x08,	/* the last write went to 0x64 */
	STATUS_UNLOCKED = 0x10, /* keyboard lock switch */

	MODE_KBD_INTERRUPT = 0x01,
	MODE_SYSTEM = 0x04,
	MODE_KBD_DISABLED = 0x10,
	MODE_AUX_DISABLED = 0x20,

	OUTPUT_NO_RESET = 0x01,
	OUTPUT_A20 = 0x02,
};

enum i8042_command {
	CMD_READ_MODE = 0x20,
	CMD_WRITE_MODE = 0x60,
	CMD_AUX_DISABLE = 0xa7,
	CMD_AUX_ENABLE = 0xa8,
	CMD_AUX_TEST = 0xa9,
	CMD_SELF_TEST = 0xaa,
	CMD_KBD_TEST = 0xab,
	CMD_KBD_DISABLE = 0xad,
	CMD_KBD_ENABLE = 0xae,
	CMD_READ_INPUT = 0xc0,
	CMD_READ_OUTPUT = 0xd0,
	CMD_WRITE_OUTPUT = 0xd1,
	CMD_WRITE_KBD_BUFFER = 0xd2,
	CMD_PULSE = 0xf0, /* 0xf0-0xff: a zero in bit n pulls line n of the output port low */
};

#define SELF_TEST_PASSED 0x55
#define PORT_TEST_PASSED 0x00

struct i8042 {
	const struct board *board;
	struct spinlock lock; /* guards all below */
	uint8_t mode, output_port, status, data;
	uint8_t command; /* whose parameter port 0x60 takes next; 0: none */
};

static void update_line(struct i8042 *kbc)
{
	irqchip_set(&kbc->board->irqs, KBC_GSI,
		    kbc->mode & MODE_KBD_INTERRUPT && kbc->status & STATUS_OUTPUT_FULL);
}

static void reply(struct i8042 *kbc, uint8_t byte)
{
	kbc->data = byte;
	kbc->status |= STATUS_OUTPUT_FULL;
	update_line(kbc);
}

static void reset_machine(struct i8042 *kbc)
{
	vm_stop(kbc->board->vm, VM_STOP_RESET, 0,
		"the guest reset itself (keyboard controller)");
}

static void command(struct i8042 *kbc, uint8_t value)
{
	kbc->command = 0;
	kbc->status |= STATUS_COMMAND;
	if (value >= CMD_PULSE) {
		if (!(value & OUTPUT_NO_RESET))
			reset_machine(kbc);
		return;
	}
	switch (value) {
	case CMD_READ_MODE: reply(kbc, kbc->mode); break;
	case CMD_AUX_DISABLE: kbc->mode |= MODE_AUX_DISABLED; break;
	case CMD_AUX_ENABLE: kbc->mode &= ~MODE_AUX_DISABLED; break;
	case CMD_AUX_TEST: reply(kbc, PORT_TEST_PASSED); break;
	case CMD_SELF_TEST:
		kbc->status |= STATUS_SYSTEM;
		reply(kbc, SELF_TEST_PASSED);
		break;
	case CMD_KBD_TEST: reply(kbc, PORT_TEST_PASSED); break;
	case CMD_KBD_DISABLE: kbc->mode |= MODE_KBD_DISABLED; break;
	case CMD_KBD_ENABLE: kbc->mode &= ~MODE_KBD_DISABLED; break;
	case CMD_READ_INPUT: reply(kbc, 0); break;
	case CMD_READ_OUTPUT: reply(kbc, kbc->output_port); break;
	default: kbc->command = value; break; /* a parameter follows, or nothing does */
	}
}

static void parameter(struct i8042 *kbc, uint8_t value)
{
	uint8_t which = kbc->command;

	kbc->command = 0;
	kbc->status &= ~STATUS_COMMAND;
	switch (which) {
	case CMD_WRITE_MODE:
		kbc->mode = value;
		kbc->status &= ~STATUS_SYSTEM;
		kbc->status |= value & MODE_SYSTEM ? STATUS_SYSTEM : 0;
		update_line(kbc);
		break;
	case CMD_WRITE_OUTPUT:
		kbc->output_port = value;
		if (!(value & OUTPUT_NO_RESET))
			reset_machine(kbc);
		break;
	case CMD_WRITE_KBD_BUFFER: reply(kbc, value); break;
	default: break;
	}
}

static uint8_t data_read(void *device, unsigned offset)
{
	struct i8042 *kbc = device;

	(void)offset;
	kbc->status &= ~STATUS_OUTPUT_FULL;
	update_line(kbc);
	return kbc->data;
}

static void data_write(void *device, unsigned offset, uint8_t value)
{
	(void)offset;
	parameter(device, value);
}

static uint8_t status_read(void *device, unsigned offset)
{
	struct i8042 *kbc = device;

	(void)offset;
	return kbc->status;
}

static void status_write(void *device, unsigned offset, uint8_t value)
{
	(void)offset;
	command(device, value);
}

static void data_access(void *device, struct bus_access *access)
{
	struct i8042 *kbc = device;
	uint64_t flags = spin_lock_irqsave(&kbc->lock);

	isa_access(kbc, access, data_read, data_write);
	spin_unlock_irqrestore(&kbc->lock, flags);
}

static void status_access(void *device, struct bus_access *access)
{
	struct i8042 *kbc = device;
	uint64_t flags = spin_lock_irqsave(&kbc->lock);

	isa_access(kbc, access, status_read, status_write);
	spin_unlock_irqrestore(&kbc->lock, flags);
}

struct i8042 *i8042_create(const struct board *board)
{
	struct i8042 *kbc = heap_zalloc(sizeof(*kbc), board->account);

	if (!kbc)
		return NULL;
	kbc->board = board;
	spin_lock_init(&kbc->lock, "i8042");
	kbc->mode = MODE_SYSTEM | MODE_KBD_DISABLED | MODE_AUX_DISABLED;
	kbc->output_port = OUTPUT_NO_RESET | OUTPUT_A20;
	kbc->status = STATUS_SYSTEM | STATUS_UNLOCKED;
	if (bus_add(board->pio, DATA_PORT, 1, data_access, kbc, "i8042") ||
	    bus_add(board->pio, STATUS_PORT, 1, status_access, kbc, "i8042")) {
		heap_free(kbc);
		return NULL;
	}
	return kbc;
}

void i8042_destroy(struct i8042 *kbc)
{
	heap_free(kbc);
}
