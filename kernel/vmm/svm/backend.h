/* The one name of the SVM backend that main.c sees. */
#ifndef KERNEL_VMM_SVM_BACKEND_H
#define KERNEL_VMM_SVM_BACKEND_H

#include "kernel/vmm/backend.h"

extern const struct vmm_backend svm_backend;

#endif
