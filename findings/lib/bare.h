/* What a bare program needs to tell what it saw: 32-bit, flat, output on QEMU's debug port. */
#ifndef BARE_H
#define BARE_H
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

static inline void outb(u16 port, u8 value)
{
	asm volatile("out %0, %1" : : "a"(value), "Nd"(port));
}
static inline void wrmsr(u32 msr, u64 value)
{
	asm volatile("wrmsr" : : "c"(msr), "A"(value) : "memory");
}
static inline u64 rdmsr(u32 msr)
{
	u64 v;
	asm volatile("rdmsr" : "=A"(v) : "c"(msr));
	return v;
}
static inline u64 rdtsc(void)
{
	u64 v;
	asm volatile("rdtsc" : "=A"(v));
	return v;
}

static inline void text(const char *s)
{
	while (*s)
		outb(0xe9, (u8)*s++);
}
static inline void number(u32 value)
{
	char digits[11];
	int at = 10;

	digits[10] = 0;
	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	text(digits + at);
}
static inline void hex(u64 value, int digits)
{
	text("0x");
	while (digits--)
		outb(0xe9, (u8) "0123456789abcdef"[value >> 4 * digits & 15]);
}

/* An IDT of 32-bit interrupt gates, none of them set. */
struct gate {
	u16 low, selector, type, high;
};
static struct gate idt[256] __attribute__((aligned(8)));
static inline void set_gate(int vector, void (*handler)(void))
{
	u16 cs;

	asm("mov %%cs, %0" : "=r"(cs));
	idt[vector] = (struct gate){(u16)(u32)handler, cs, 0x8e00, (u16)((u32)handler >> 16)};
}
static inline void load_idt(void)
{
	struct {
		u16 limit;
		u32 base;
	} __attribute__((packed)) r = {sizeof idt - 1, (u32)idt};

	asm volatile("lidt %0" : : "m"(r));
}
#endif
