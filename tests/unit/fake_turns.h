/* How often whoever works for others' sake gave way (kernel/sched/turns.h). */
#ifndef TESTS_UNIT_FAKE_TURNS_H
#define TESTS_UNIT_FAKE_TURNS_H

extern unsigned long fake_turns;

#endif
