/* The MP configuration table as guests read it. Names are the specification's (Intel
 * MultiProcessor Specification 1.4, chapter 4). */
#ifndef GUESTS_MPTABLE_TABLES_H
#define GUESTS_MPTABLE_TABLES_H

#include "kernel/lib/types.h"

#define packed_table __attribute__((packed))

#define MP_SPEC_REV  4 /* 1.4 */

struct mp_floating_pointer { /* 4.1 */
	char signature[4];
	uint32_t table;
	uint8_t length; /* in paragraphs */
	uint8_t spec_rev, checksum;
	uint8_t feature[5]; /* the first 0: there is a table; bit 7 of the second: IMCR */
} packed_table;
_Static_assert(sizeof(struct mp_floating_pointer) == 16, "MP 1.4, 4.1");

struct mp_header { /* 4.2; entries follow */
	char signature[4];
	uint16_t length; /* of the base table, with this header */
	uint8_t spec_rev, checksum;
	char oem_id[8], product_id[12];
	uint32_t oem_table;
	uint16_t oem_table_size, entry_count;
	uint32_t local_apic_address;
	uint16_t extended_length;
	uint8_t extended_checksum, reserved;
} packed_table;
_Static_assert(sizeof(struct mp_header) == 0x2c, "MP 1.4, 4.2");

enum mp_entry_type { MP_PROCESSOR, MP_BUS, MP_IO_APIC, MP_IO_INTERRUPT, MP_LOCAL_INTERRUPT };

struct mp_processor { /* 4.3.1 */
	uint8_t type, local_apic_id, local_apic_version, flags;
	uint32_t signature, features, reserved[2];
} packed_table;
#define MP_PROCESSOR_ENABLED   0x1
#define MP_PROCESSOR_BOOTSTRAP 0x2

struct mp_bus { /* 4.3.2 */
	uint8_t type, id;
	char name[6];
} packed_table;

struct mp_io_apic { /* 4.3.3 */
	uint8_t type, id, version, flags;
	uint32_t address;
} packed_table;
#define MP_IO_APIC_ENABLED 0x1

struct mp_interrupt { /* 4.3.4 and 4.3.5: at an I/O APIC, or at local APICs */
	uint8_t type, interrupt_type;
	uint16_t flags;
	uint8_t source_bus, source_irq; /* PCI: INTA# of slot n is n << 2 (D.3) */
	uint8_t apic_id, pin;
} packed_table;
enum mp_interrupt_type { MP_INT, MP_NMI, MP_SMI, MP_EXTINT };
#define MP_CONFORMS    0x0 /* as is usual on the source bus */
#define MP_ACTIVE_HIGH 0x1
#define MP_LEVEL       0xc
#define MP_ALL_APICS   0xff

_Static_assert(sizeof(struct mp_processor) == 20, "MP 1.4, table 4-3");
_Static_assert(sizeof(struct mp_bus) == 8, "MP 1.4, table 4-3");
_Static_assert(sizeof(struct mp_io_apic) == 8, "MP 1.4, table 4-3");
_Static_assert(sizeof(struct mp_interrupt) == 8, "MP 1.4, table 4-3");

#undef packed_table
#endif
