/*
 * The 8254 and the 8259 pair, as software from before the APICs uses them: counting and
 * latching, the speaker's gate, modes 0, 2 and 3, interrupts through LINT0, priorities, masks,
 * in-service and request registers, specific and automatic EOI, poll, and spurious interrupts.
 */
#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/test.h"
#include "tests/guest/lib/time.h"
#include "tests/guest/lib/traps.h"

#define PIT_HZ	  1193182
#define PIT_0	  0x40
#define PIT_2	  0x42
#define PIT_MODE  0x43
#define PIT_GATE  0x61 /* bit 0: channel 2's gate; bit 5: its output */
#define PIC	  0x20
#define PIC_MASK  0x21
#define PIC2	  0xa0
#define PIC2_MASK 0xa1

#define OCW2_EOI  0x20
#define OCW3_IRR  0x0a
#define OCW3_ISR  0x0b
#define ELCR	  0x4d0
#define RTC_INDEX 0x70
#define RTC_DATA  0x71

static volatile unsigned ticks, rtc_ticks, spurious;
static volatile uint8_t isr_inside, isr2_inside;

static uint8_t pic_register(uint16_t port, uint8_t which)
{
	out8(port, which);
	return in8(port);
}

static void on_pit(struct frame *frame)
{
	(void)frame;
	isr_inside = pic_register(PIC, OCW3_ISR);
	ticks++;
	out8(PIC, OCW2_EOI);
}

static uint8_t rtc_read(uint8_t index)
{
	out8(RTC_INDEX, index);
	return in8(RTC_DATA);
}

static void rtc_write(uint8_t index, uint8_t value)
{
	out8(RTC_INDEX, index);
	out8(RTC_DATA, value);
}

static void on_rtc(struct frame *frame)
{
	(void)frame;
	isr_inside = pic_register(PIC, OCW3_ISR);
	isr2_inside = pic_register(PIC2, OCW3_ISR);
	rtc_ticks++;
	rtc_read(0x0c);
	out8(PIC2, OCW2_EOI);
	out8(PIC, OCW2_EOI);
}

static void on_spurious(struct frame *frame)
{
	(void)frame;
	spurious++;
	isr_inside = pic_register(PIC, OCW3_ISR);
}

static void pit_set(unsigned channel, unsigned mode, uint16_t count)
{
	out8(PIT_MODE, channel << 6 | 0x30 | mode << 1);
	out8(PIT_0 + channel, count);
	out8(PIT_0 + channel, count >> 8);
}

static uint16_t pit_count(unsigned channel)
{
	uint16_t low;

	out8(PIT_MODE, channel << 6); /* latch */
	low = in8(PIT_0 + channel);
	return low | in8(PIT_0 + channel) << 8;
}

static uint64_t pit_elapsed(void)
{
	return 0xffff - pit_count(0);
}

static void test_counting(void)
{
	uint32_t start, us;
	uint64_t khz;
	uint16_t first, second;
	unsigned tries = 0;

	/* 54.9 ms to zero: too short for measure_khz(), and for a CPU that is put aside. */
	do {
		pit_set(0, 0, 0xffff);
		start = pm_now();
		first = pit_elapsed();
		delay_us(20000);
		second = pit_elapsed();
		us = pm_us_since(start);
		khz = (uint64_t)(second - first) * 1000 / us;
	} while (us > 25000 && ++tries < 20);
	check(khz > PIT_HZ / 1000 * 8 / 10 && khz < PIT_HZ / 1000 * 12 / 10,
	      "counts at 1.19 MHz", "%lu kHz", khz);

	pit_set(0, 2, 1000);
	first = 0;
	for (unsigned i = 0; i < 100; i++) {
		second = pit_count(0);
		first = second > first ? second : first;
	}
	check(first <= 1000 && first > 0, "mode 2 stays below its count", "%u", first);

	out8(PIT_MODE, 0xc2); /* read back: count and status of channel 0 */
	check((in8(PIT_0) & 0x3f) == 0x34, "read-back status", "wrong mode or access");
	in8(PIT_0);
	in8(PIT_0);
}

static void test_speaker(void)
{
	uint32_t start;
	unsigned ms = 0;

	out8(PIT_GATE, in8(PIT_GATE) & ~3);
	pit_set(2, 0, 11932); /* 10 ms */
	check(!(in8(PIT_GATE) & 0x20), "output low", "high at the start");
	delay_us(30000);
	if (hypervisor_is_ours()) /* QEMU by itself counts all the same */
		check(!(in8(PIT_GATE) & 0x20), "gate closed: no counting", "output went high");
	out8(PIT_GATE, (in8(PIT_GATE) & ~2) | 1);
	pit_set(2, 0, 11932);
	start = pm_now();
	while (!(in8(PIT_GATE) & 0x20) && ms < 2000)
		ms = pm_us_since(start) / 1000;
	check(ms < 2000 && pm_us_since(start) > 9000, "output high after 10 ms", "%u us",
	      pm_us_since(start));
}

/* The boot processor's LINT0 as firmware leaves it: ExtINT. */
static void test_lint0(void)
{
	apic_write(APIC_LVT_LINT0, LVT_EXTINT);
	ticks = 0;
	trap_handler(VECTOR_PIC, on_pit);
	pit_set(0, 2, 2386); /* 2 ms */
	irq_on();
	delay_us(10000);
	check(!ticks, "masked", "%u came", ticks);
	out8(PIC_MASK, 0xfe);
	for (unsigned ms = 0; ms < 2000 && ticks < 20; ms++)
		delay_us(1000);
	irq_off();
	check(ticks >= 20, "IRQ 0 by LINT0", "%u came", ticks);
	check(isr_inside == 1, "in service", "ISR 0x%x", isr_inside);
	out8(PIC_MASK, 0xff);
	delay_us(10000);
	check(pic_register(PIC, OCW3_IRR) & 1, "requests while masked", "IRR 0x%x",
	      pic_register(PIC, OCW3_IRR));

	apic_write(APIC_LVT_LINT0, LVT_MASKED | LVT_EXTINT);
	out8(PIC_MASK, 0xfe);
	ticks = 0;
	irq_on();
	delay_us(20000);
	irq_off();
	check(!ticks, "LINT0 masked", "%u came", ticks);
	out8(PIC_MASK, 0xff);
	apic_write(APIC_LVT_LINT0, LVT_EXTINT);
}

static void test_slave(void)
{
	trap_handler(VECTOR_PIC + 8, on_rtc);
	rtc_ticks = 0;
	rtc_write(0x0a, 0x2a); /* 64 Hz */
	rtc_write(0x0b, rtc_read(0x0b) | 0x40);
	rtc_read(0x0c);
	out8(PIC_MASK, 0xfb);
	out8(PIC2_MASK, 0xfe);
	irq_on();
	for (unsigned ms = 0; ms < 2000 && rtc_ticks < 5; ms++)
		delay_us(1000);
	irq_off();
	rtc_write(0x0b, rtc_read(0x0b) & ~0x40);
	rtc_read(0x0c);
	out8(PIC2_MASK, 0xff);
	out8(PIC_MASK, 0xff);
	check(rtc_ticks >= 5, "IRQ 8 by the second 8259", "%u came", rtc_ticks);
	check(isr_inside == 4 && isr2_inside == 1, "both in service", "ISR 0x%x, 0x%x",
	      isr_inside, isr2_inside);
}

/* A request that is gone when the CPU asks is IRQ 7, with nothing in service. */
static void test_spurious(void)
{
	trap_handler(VECTOR_PIC + 7, on_spurious);
	pit_set(0, 2, 1193);
	out8(PIC_MASK, 0xfe);
	spurious = 0;
	isr_inside = 0xff;
	for (unsigned i = 0; i < 50; i++) { /* masked between request and acknowledge */
		delay_us(1500);
		out8(PIC_MASK, 0xff);
		irq_on();
		irq_off();
		out8(PIC_MASK, 0xfe);
	}
	out8(PIC_MASK, 0xff);
	check(!spurious || isr_inside == 0, "spurious: nothing in service", "ISR 0x%x",
	      isr_inside);
	print("%u spurious\n", spurious);
}

static void test_mask_register(void)
{
	for (unsigned value = 0; value < 256; value += 51) {
		out8(PIC2_MASK, value);
		if (in8(PIC2_MASK) != value)
			check(false, "mask register", "wrote 0x%x, read 0x%x", value,
			      in8(PIC2_MASK));
	}
	out8(PIC2_MASK, 0xff);
	out8(ELCR, 0xff);
	out8(ELCR + 1, 0xff);
	check(!(in8(ELCR) & 7) && !(in8(ELCR + 1) & 0x21), "ELCR keeps ISA's lines edges",
	      "0x%x 0x%x", in8(ELCR), in8(ELCR + 1));
	out8(ELCR, 0);
	out8(ELCR + 1, 0);
}

void test(void)
{
	test_counting();
	test_speaker();
	test_mask_register();
	test_lint0();
	test_slave();
	test_spurious();
	pit_set(0, 0, 0);
}
