/* The C library's memory, of which a call can be made to fail: for tests that go through all
 * places where memory may be short. The program must be built with AddressSanitizer. */
#ifndef TESTS_UNIT_FAIL_MALLOC_H
#define TESTS_UNIT_FAIL_MALLOC_H

/* From now on calls are counted, and the one of this number fails; 0: none, and none is
 * counted. */
void fail_malloc_at(unsigned long call);
unsigned long fail_malloc_calls(void); /* since then */

#endif
