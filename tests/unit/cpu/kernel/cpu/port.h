/* In place of kernel/cpu/port.h on the build machine: functions that a test with ports defines.
 * They are weak, so that a test which never comes to one need not. */
#ifndef TESTS_UNIT_CPU_PORT_H
#define TESTS_UNIT_CPU_PORT_H

#include <stdint.h>

#define WEAK __attribute__((weak))
uint8_t inb(uint16_t port) WEAK;
uint16_t inw(uint16_t port) WEAK;
uint32_t inl(uint16_t port) WEAK;
void outb(uint16_t port, uint8_t value) WEAK;
void outw(uint16_t port, uint16_t value) WEAK;
void outl(uint16_t port, uint32_t value) WEAK;
#undef WEAK

#endif
