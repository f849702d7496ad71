/*
 * A learning layer-2 switch between guests' interfaces and NICs: kernel/io/network.h says what
 * it promises, docs/architecture.md how it works.
 */
#ifndef NET_SWITCH_SWITCH_H
#define NET_SWITCH_SWITCH_H

#include "kernel/io/network.h"

/* From now on network_create() and network_attach() can be called. Once. Thread context. */
void switch_init(void);

#endif
