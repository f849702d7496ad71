/* Port 0x92 and the reset control register (Intel ICH9 data sheet, 13.7.3 and 13.7.5). A20 is a
 * bit without effect: no address line is ever masked. */
#include "guests/devices/reset.h"

#include "guests/devices/isa.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/board.h"

#define FAST_PORT     0x92
#define FAST_INIT_NOW 0x01
#define FAST_ALT_A20  0x02

#define RST_CNT_SYS   0x02
#define RST_CNT_CPU   0x04
#define RST_CNT_FULL  0x08

struct reset {
	const struct board *board;
	_Atomic uint8_t fast, rst_cnt; /* the registers as last written */
};

static uint8_t fast_read(void *device, unsigned offset)
{
	struct reset *reset = device;

	(void)offset;
	return reset->fast;
}

static void fast_write(void *device, unsigned offset, uint8_t value)
{
	struct reset *reset = device;

	(void)offset;
	reset->fast = value & (FAST_INIT_NOW | FAST_ALT_A20);
	if (value & FAST_INIT_NOW)
		vm_stop(reset->board->vm, VM_STOP_RESET, 0,
			"the guest reset itself (port 0x92)");
}

static void fast_access(void *device, struct bus_access *access)
{
	isa_access(device, access, fast_read, fast_write);
}

/* RST_CPU resets as it goes from 0 to 1. */
static void rst_cnt_write(struct reset *reset, uint8_t value)
{
	uint8_t old = reset->rst_cnt;

	reset->rst_cnt = value & (RST_CNT_SYS | RST_CNT_CPU | RST_CNT_FULL);
	if (value & ~old & RST_CNT_CPU)
		vm_stop(reset->board->vm, VM_STOP_RESET, 0,
			"the guest reset itself (port 0xcf9)");
}

void reset_control_access(void *device, struct bus_access *access)
{
	struct reset *reset = device;

	if (access->write)
		rst_cnt_write(reset, access->value);
	else
		access->value = reset->rst_cnt;
}

struct reset *reset_create(const struct board *board)
{
	struct reset *reset = heap_zalloc(sizeof(*reset), board->account);

	if (!reset)
		return NULL;
	reset->board = board;
	reset->fast = FAST_ALT_A20;
	if (bus_add(board->pio, FAST_PORT, 1, fast_access, reset, "port 0x92")) {
		heap_free(reset);
		return NULL;
	}
	return reset;
}

void reset_destroy(struct reset *reset)
{
	heap_free(reset);
}
