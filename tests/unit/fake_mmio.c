/* See fake_mmio.h. The page cannot be reached, until the processor is to take one step. */
#define _GNU_SOURCE /* REG_EFL */
#include "tests/unit/fake_mmio.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define ERROR_WRITE 2 /* of a page fault: SDM vol. 3A 4.7 */
#define FLAG_TRAP   0x100

static const struct fake_mmio_ops *ops;
static uint8_t *page;
static unsigned offset; /* of the access under way */
static bool writing;

static void protect(int how)
{
	if (mprotect(page, PAGE_BYTES, how))
		abort();
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	uintptr_t at = (uintptr_t)info->si_addr - (uintptr_t)page;

	if (at >= PAGE_BYTES) {
		signal(number, SIG_DFL); /* the access is made again, and is the end */
		return;
	}
	protect(PROT_READ | PROT_WRITE);
	offset = (unsigned)at;
	writing = u->uc_mcontext.gregs[REG_ERR] & ERROR_WRITE;
	if (!writing)
		ops->reading(offset);
	u->uc_mcontext.gregs[REG_EFL] |= FLAG_TRAP;
}

static void on_step(int number, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)number, (void)info;
	u->uc_mcontext.gregs[REG_EFL] &= ~FLAG_TRAP;
	if (writing)
		ops->written(offset);
	protect(PROT_NONE);
}

/* SA_NODEFER: what fails in a handler leaves it by longjmp(). */
static void handle(int number, void (*handler)(int, siginfo_t *, void *))
{
	const struct sigaction action = {.sa_sigaction = handler,
					 .sa_flags = SA_SIGINFO | SA_NODEFER};

	if (sigaction(number, &action, NULL))
		abort();
}

volatile uint8_t *fake_mmio_start(const struct fake_mmio_ops *of)
{
	if (!page)
		page = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		abort();
	ops = of;
	protect(PROT_READ | PROT_WRITE);
	memset(page, 0, PAGE_BYTES);
	protect(PROT_NONE);
	handle(SIGSEGV, on_fault);
	handle(SIGTRAP, on_step);
	return page;
}
