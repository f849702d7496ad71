/* No interrupt of theirs is wanted, but spurious ones must not look like exceptions. 8259A data
 * sheet. */
#include "kernel/io/pic.h"

#include "kernel/cpu/port.h"

#define PIC_COMMAND 0x20
#define PIC_DATA    0x21
#define PIC2_OFFSET 0x80

void pic_mask_all(void)
{
	for (uint16_t pic = 0; pic <= PIC2_OFFSET; pic += PIC2_OFFSET) {
		outb(PIC_COMMAND + pic, 0x11);		 /* ICW1: initialise, ICW4 follows */
		outb(PIC_DATA + pic, pic ? 0x28 : 0x20); /* ICW2: vectors below the devices' */
		outb(PIC_DATA + pic, pic ? 2 : 4);	 /* ICW3: cascaded at pin 2 */
		outb(PIC_DATA + pic, 0x01);		 /* ICW4: 8086 mode */
		outb(PIC_DATA + pic, 0xff);
	}
}
