/* See fake_devices.h. */
#include "tests/unit/fake_devices.h"

#include <stdarg.h>
#include <stdio.h>

#include "kernel/cpu/clock.h"

int64_t fake_wall_shift_ns;
enum vm_stop_kind fake_stop_kind;
uint32_t fake_stop_status;
char fake_stop_reason[VM_REASON_BYTES];

uint64_t clock_wall_ns(void)
{
	return FAKE_WALL_SECONDS * NSEC_PER_SEC + fake_now_ns + fake_wall_shift_ns;
}

void vm_stop(struct vm *vm, enum vm_stop_kind kind, uint32_t status, const char *fmt, ...)
{
	va_list args;

	(void)vm;
	va_start(args, fmt);
	vsnprintf(fake_stop_reason, sizeof(fake_stop_reason), fmt, args);
	va_end(args);
	fake_stop_kind = kind;
	fake_stop_status = status;
}

struct vm *fake_machine_create(void)
{
	struct vm *vm = fake_vm_create(1, 0);

	vm->gmem.bytes = 512 * MIB;
	fake_wall_shift_ns = 0;
	fake_stop_kind = VM_STOP_NONE;
	fake_stop_status = 0;
	fake_stop_reason[0] = 0;
	return vm;
}
