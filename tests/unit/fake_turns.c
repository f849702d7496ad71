/* Others' turns, counted: for tests of what is done in pieces. */
#include "tests/unit/fake_turns.h"

#include "kernel/sched/turns.h"

unsigned long fake_turns;

void thread_yield(void)
{
	fake_turns++;
}
