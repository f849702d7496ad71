/* The random number generator, which every guest has: for programs that need some PCI function
 * that does something, and interrupts once it has. */
#ifndef TESTS_GUEST_LIB_RNG_H
#define TESTS_GUEST_LIB_RNG_H

#include "tests/guest/lib/virtio.h"

extern struct virtio_device rng;

/* Whether there is one; then `rng` is it. */
bool rng_find(void);
/* From a reset to where it serves. */
void rng_set_up(void);
/* Asks for random bytes; whether they came. It then asserts its pin, or has sent its message.
 */
bool rng_works(void);

#endif
