/* The bytes that a PC BIOS leaves below 1 MiB, and two pieces of 16-bit code that stand for it.
 * Places are those of the IBM PC AT (BIOS Interface Technical Reference, 1987) that software
 * relies on; what only a BIOS's own code uses is left zero. */
#include "guests/bios/bios.h"

#include "guests/boot/e820.h"
#include "guests/devices/reset.h"
#include "guests/devices/uart.h"
#include "kernel/vmm/gmem.h"

#define VECTORS	     256
#define CODE_SEGMENT (BIOS_AREA / 16)
#define STUB	     0xff53 /* offset in it: where the AT had an IRET for unused vectors */
#define RESET	     0xffe0
#define POWER_ON     0xfff0 /* FFFF:0000 */

#define MACHINE_AT   0xfc /* model byte at FFFF:000E */

/* Equipment word, as INT 11h would return it: a coprocessor, no diskettes, no display that it
 * knows, two serial ports. */
#define EQUIPMENT_FPU	    BIT(1)
#define EQUIPMENT_SERIAL(n) ((n) << 9)

struct bios_data {
	uint16_t serial[4], parallel[3];
	uint16_t ebda_segment;
	uint16_t equipment;
	uint8_t unused0;
	uint16_t base_memory_kib;
	uint8_t unused1[0x100 - 0x15];
} __attribute__((packed));
_Static_assert(offsetof(struct bios_data, ebda_segment) == 0x0e, "40:0e");
_Static_assert(offsetof(struct bios_data, equipment) == 0x10, "40:10");
_Static_assert(offsetof(struct bios_data, base_memory_kib) == 0x13, "40:13");
_Static_assert(BIOS_DATA + sizeof(struct bios_data) == BIOS_DATA_END, "the data area");
_Static_assert(BIOS_EBDA == E820_LOW_END && BIOS_END == E820_HIGH_RAM, "E820 agrees");

/* A service that is not there: it returns to its caller with CF set, as services do that fail,
 * and all registers as they were. */
static const uint8_t stub[] = {
	0x55,			/* push bp */
	0x89, 0xe5,		/* mov bp, sp */
	0x80, 0x4e, 0x06, 0x01, /* or byte [bp + 6], 1: the saved flags' CF */
	0x5d,			/* pop bp */
	0xcf,			/* iret */
};

/* Resets by the FADT's reset register, as a BIOS that was left for good does. */
static const uint8_t reset[] = {
	0xba,
	RESET_PORT & 0xff,
	RESET_PORT >> 8, /* mov dx, RESET_PORT */
	0xb0,
	0x00, /* mov al, 0: RST_CPU must rise */
	0xee, /* out dx, al */
	0xb0,
	RESET_VALUE, /* mov al, RESET_VALUE */
	0xee,	     /* out dx, al */
	0xf4,	     /* hlt */
	0xeb,
	0xfd, /* jmp to the hlt */
};

static const uint8_t power_on[] = {
	/* jmp CODE_SEGMENT:RESET */
	0xea, RESET & 0xff, RESET >> 8, CODE_SEGMENT & 0xff, CODE_SEGMENT >> 8,
	/* the BIOS's date */
	'0', '1', '/', '0', '1', '/', '9', '9', 0, MACHINE_AT, 0};
_Static_assert(RESET + sizeof(reset) <= POWER_ON && sizeof(power_on) == 16, "the last bytes");

static int write_vectors(struct gmem *gm)
{
	uint32_t vectors[VECTORS];

	for (unsigned i = 0; i < VECTORS; i++)
		vectors[i] = CODE_SEGMENT << 16 | STUB;
	_Static_assert(sizeof(vectors) == BIOS_IVT_BYTES, "four bytes each");
	return gmem_write(gm, 0, vectors, sizeof(vectors));
}

static int write_data(struct gmem *gm)
{
	static const struct bios_data data = {
		.serial = {UART_COM1_PORT, UART_COM2_PORT},
		.ebda_segment = BIOS_EBDA / 16,
		.equipment = EQUIPMENT_FPU | EQUIPMENT_SERIAL(2),
		.base_memory_kib = BIOS_EBDA / KIB,
	};
	static const uint8_t ebda_kib = BIOS_EBDA_BYTES / KIB;
	int error = gmem_write(gm, BIOS_DATA, &data, sizeof(data));

	return error ? error : gmem_write(gm, BIOS_EBDA, &ebda_kib, sizeof(ebda_kib));
}

int bios_install(struct gmem *gm)
{
	int error = write_vectors(gm);

	if (!error)
		error = write_data(gm);
	if (!error)
		error = gmem_write(gm, BIOS_AREA + STUB, stub, sizeof(stub));
	if (!error)
		error = gmem_write(gm, BIOS_AREA + RESET, reset, sizeof(reset));
	if (!error)
		error = gmem_write(gm, BIOS_AREA + POWER_ON, power_on, sizeof(power_on));
	return error;
}
