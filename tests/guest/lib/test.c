/* The program's words on COM1, and its end. */
#include "tests/guest/lib/test.h"

#include <stdarg.h>

#include "tests/guest/lib/apic.h"
#include "tests/guest/lib/smp.h"
#include "tests/guest/lib/traps.h"

#define COM1	   0x3f8
#define COM1_LCR   (COM1 + 3)
#define COM1_LSR   (COM1 + 5)
#define LCR_8N1	   0x03
#define LSR_EMPTY  0x20
#define EXIT_PORT  0xf4
#define PIC_MASTER 0x20
#define PIC_SLAVE  0xa0

static unsigned passed, failed;
static volatile unsigned lock; /* who says a line: cpu_index() + 1 */

/* Interrupts stay off while a line is said: a handler may want to say one too. An exception's,
 * or an NMI's, says it amid the line of its own CPU. */
static uint64_t lock_line(void)
{
	uint64_t flags;

	asm volatile("pushf; pop %0; cli" : "=r"(flags) : : "memory");
	for (unsigned none = 0, self = cpu_index() + 1; lock != self; none = 0)
		if (!__atomic_compare_exchange_n(&lock, &none, self, false, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			pause();
	return flags;
}

void line_let_go(void)
{
	if (lock == cpu_index() + 1)
		__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static void unlock_line(uint64_t flags)
{
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
	asm volatile("push %0; popf" : : "r"(flags) : "memory", "cc");
}

static void say(char c)
{
	while (!(in8(COM1_LSR) & LSR_EMPTY))
		pause();
	out8(COM1, c);
}

static void say_string(const char *text)
{
	while (*text)
		say(*text++);
}

static void say_number(uint64_t value, unsigned base, unsigned width, char fill)
{
	char digits[24];
	unsigned n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	for (; width > n; width--)
		say(fill);
	while (n)
		say(digits[--n]);
}

static void say_format(const char *fmt, va_list args)
{
	for (; *fmt; fmt++) {
		char fill = ' ';
		unsigned width = 0;
		bool is_long = false;
		int64_t value;

		if (*fmt != '%') {
			say(*fmt);
			continue;
		}
		if (*++fmt == '0')
			fill = *fmt++;
		while (*fmt >= '0' && *fmt <= '9')
			width = width * 10 + (*fmt++ - '0');
		if (*fmt == 'l')
			is_long = fmt++;
		switch (*fmt) {
		case 'd':
			value = is_long ? va_arg(args, long) : va_arg(args, int);
			if (value < 0)
				say('-');
			say_number(value < 0 ? -value : value, 10, width, fill);
			break;
		case 'u':
		case 'x':
			say_number(is_long ? va_arg(args, unsigned long)
					   : va_arg(args, unsigned),
				   *fmt == 'x' ? 16 : 10, width, fill);
			break;
		case 's': say_string(va_arg(args, const char *)); break;
		case 'c': say(va_arg(args, int)); break;
		default: say(*fmt); break;
		}
	}
}

void print(const char *fmt, ...)
{
	uint64_t flags = lock_line();
	va_list args;

	va_start(args, fmt);
	say_format(fmt, args);
	va_end(args);
	unlock_line(flags);
}

bool check(bool ok, const char *name, const char *why, ...)
{
	uint64_t flags = lock_line();
	va_list args;

	*(ok ? &passed : &failed) += 1;
	say_string(ok ? "PASS " : "FAIL ");
	say_string(name);
	if (!ok) {
		say_string(": ");
		va_start(args, why);
		say_format(why, args);
		va_end(args);
	}
	say('\n');
	unlock_line(flags);
	return ok;
}

void reached(const char *name)
{
	check(true, name, "-");
}

void skip(const char *name, const char *why)
{
	print("SKIP %s: %s\n", name, why);
}

void finish(void)
{
	print("DONE %u passed, %u failed\n", passed, failed);
	out8(EXIT_PORT, failed || !passed);
	for (;;) /* there is no such port: stay where we are */
		asm volatile("cli; hlt");
}

void give_up(const char *why, ...)
{
	uint64_t flags = lock_line();
	va_list args;

	failed++;
	say_string("FAIL program: ");
	va_start(args, why);
	say_format(why, args);
	va_end(args);
	say('\n');
	unlock_line(flags);
	finish();
}

bool hypervisor_is_ours(void)
{
	struct cpuid id = cpuid(0x40000000, 0);

	return id.ebx == 0x4b4d564b && id.ecx == 0x564b4d56 && id.edx == 0x4d; /* KVMKVMKVM */
}

unsigned race_rounds(unsigned rounds)
{
	bool intel = cpuid(0, 0).ebx == 0x756e6547; /* Genu... */

	return intel ? rounds / 100 : rounds;
}

/* xorshift32 (Marsaglia 2003) */
uint32_t random32(void)
{
	uint32_t x = cpu_self()->seed;

	if (!x)
		x = 0x9e3779b9 * (cpu_index() + 1);
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return cpu_self()->seed = x;
}

static void pic_start(uint8_t port, uint8_t vector, uint8_t cascade)
{
	out8(port, 0x11); /* ICW1: edge, cascade, ICW4 follows */
	out8(port + 1, vector);
	out8(port + 1, cascade);
	out8(port + 1, 0x01); /* ICW4: 8086 */
	out8(port + 1, 0xff); /* all masked */
}

/* Called by boot.S on the boot processor. */
_Noreturn void lib_start(void);
void lib_start(void)
{
	traps_load();
	out8(COM1_LCR, LCR_8N1);
	pic_start(PIC_MASTER, VECTOR_PIC, 4);
	pic_start(PIC_SLAVE, VECTOR_PIC + 8, 2);
	apic_enable();
	test();
	finish();
}
