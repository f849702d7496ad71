/* What a completion's status means: words for people, an errno for the guest. Pure. */
#ifndef DRIVERS_BLOCK_NVME_STATUS_H
#define DRIVERS_BLOCK_NVME_STATUS_H

#include "kernel/lib/types.h"

struct nvme_verdict {
	int error;  /* of blk_request.done; 0 for success */
	bool again; /* the controller does not say that trying again is of no use */
	const char *words;
};

/* `status`: the status word of a completion, with its phase bit. */
struct nvme_verdict nvme_status_verdict(uint16_t status);

#endif
