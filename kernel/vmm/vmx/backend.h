/* The one name of the VMX backend that main.c sees. */
#ifndef KERNEL_VMM_VMX_BACKEND_H
#define KERNEL_VMM_VMX_BACKEND_H

#include "kernel/vmm/backend.h"

extern const struct vmm_backend vmx_backend;

#endif
