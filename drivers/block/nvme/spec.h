/* NVM Express as its specifications have it: registers (NVM Express Base 1.4, 3.1), commands,
 * completions and what Identify tells. Only what the driver uses; little-endian, as the CPU. */
#ifndef DRIVERS_BLOCK_NVME_SPEC_H
#define DRIVERS_BLOCK_NVME_SPEC_H

#include "kernel/lib/types.h"

enum nvme_register {
	NVME_CAP = 0x00, /* 64 bits */
	NVME_VS = 0x08,
	NVME_INTMS = 0x0c,
	NVME_INTMC = 0x10,
	NVME_CC = 0x14,
	NVME_CSTS = 0x1c,
	NVME_AQA = 0x24,
	NVME_ASQ = 0x28, /* 64 bits */
	NVME_ACQ = 0x30, /* 64 bits */
	NVME_DOORBELLS = 0x1000,
};

/* CAP, 3.1.1. */
#define NVME_CAP_MQES(cap)   ((uint32_t)(cap)&0xffff)	      /* entries of a queue, less one */
#define NVME_CAP_TO(cap)     ((uint32_t)((cap) >> 24) & 0xff) /* of reset, in 500 ms */
#define NVME_CAP_DSTRD(cap)  ((uint32_t)((cap) >> 32) & 0xf)
#define NVME_CAP_CSS_NVM     BIT(37)
#define NVME_CAP_MPSMIN(cap) ((uint32_t)((cap) >> 48) & 0xf) /* as 2^(12 + n) bytes */

/* CC, 3.1.5: the page size stays 4 KiB (0), the command set NVM (0), round robin (0). */
#define NVME_CC_ENABLE	    0x1u
#define NVME_CC_SHN_MASK    0xc000u
#define NVME_CC_SHN_NORMAL  0x4000u
#define NVME_CC_ENTRY_SIZES 0x460000u /* 2^6 and 2^4 bytes */

/* CSTS, 3.1.6. */
#define NVME_CSTS_READY	    0x1u
#define NVME_CSTS_FATAL	    0x2u
#define NVME_CSTS_SHST_MASK 0xcu
#define NVME_CSTS_SHST_DONE 0x8u

enum nvme_admin_opcode {
	NVME_ADMIN_CREATE_SQ = 0x01,
	NVME_ADMIN_CREATE_CQ = 0x05,
	NVME_ADMIN_IDENTIFY = 0x06,
	NVME_ADMIN_ABORT = 0x08,
	NVME_ADMIN_SET_FEATURES = 0x09,
};

enum nvme_opcode {
	NVME_FLUSH = 0x00,
	NVME_WRITE = 0x01,
	NVME_READ = 0x02,
	NVME_WRITE_ZEROES = 0x08,
	NVME_DATASET_MANAGEMENT = 0x09,
};

#define NVME_FEATURE_QUEUES    0x07u
#define NVME_QUEUE_CONTIGUOUS  0x1u /* dword 11 of both Create commands */
#define NVME_CQ_INTERRUPTS     0x2u
#define NVME_RW_FUA	       0x40000000u /* dword 12 */
#define NVME_ZEROES_DEALLOCATE 0x02000000u /* dword 12 */
#define NVME_DSM_DEALLOCATE    0x4u	   /* dword 11 */

/* Figure 105. */
struct nvme_command {
	uint8_t opcode, flags; /* 0: no fusing, PRPs */
	uint16_t id;
	uint32_t namespace_id;
	uint64_t reserved, metadata;
	uint64_t prp1, prp2;
	uint32_t dword10, dword11, dword12, dword13, dword14, dword15;
};
_Static_assert(sizeof(struct nvme_command) == 64, "4.2");

/* Figure 122. */
struct nvme_completion {
	uint32_t result, reserved;
	uint16_t sq_head, sq_id;
	uint16_t id, status;
};
_Static_assert(sizeof(struct nvme_completion) == 16, "4.6");

/* The status word, 4.6.1. */
#define NVME_STATUS_PHASE	 0x1u
#define NVME_STATUS_CODE(status) ((status) >> 1 & 0xff)
#define NVME_STATUS_TYPE(status) ((status) >> 9 & 0x7)
#define NVME_STATUS_FINAL	 0x8000u /* do not retry */

/* Dataset Management, figure 361. */
struct nvme_dsm_range {
	uint32_t attributes, blocks;
	uint64_t lba;
};
_Static_assert(sizeof(struct nvme_dsm_range) == 16, "6.7");

enum nvme_identify {
	NVME_IDENTIFY_NAMESPACE = 0,
	NVME_IDENTIFY_CONTROLLER,
	NVME_IDENTIFY_LIST
};

/* Figure 247. */
struct nvme_identify_controller {
	uint8_t reserved0[4];
	char serial[20], model[40], firmware[8];
	uint8_t reserved1[5];
	uint8_t mdts; /* data of a command, as 2^n pages of CAP.MPSMIN; 0: no limit */
	uint8_t reserved2[438];
	uint32_t namespace_count; /* highest number, rather */
	uint16_t oncs;
	uint8_t reserved3[3];
	uint8_t vwc;
	uint8_t reserved4[3570];
};
_Static_assert(offsetof(struct nvme_identify_controller, mdts) == 77, "figure 247");
_Static_assert(offsetof(struct nvme_identify_controller, namespace_count) == 516, "figure 247");
_Static_assert(offsetof(struct nvme_identify_controller, vwc) == 525, "figure 247");
_Static_assert(sizeof(struct nvme_identify_controller) == 4096, "figure 247");

#define NVME_ONCS_DSM	 0x4u
#define NVME_ONCS_ZEROES 0x8u
#define NVME_VWC_PRESENT 0x1u

struct nvme_lba_format {
	uint16_t metadata_bytes;
	uint8_t data_shift, performance;
};

/* Figure 245. */
struct nvme_identify_namespace {
	uint64_t blocks, capacity, used;
	uint8_t features, format_count, format;
	uint8_t reserved0[37];
	uint16_t preferred_write, preferred_write_align; /* blocks, less one, if in features */
	uint16_t preferred_discard, preferred_discard_align;
	uint8_t reserved1[27];
	uint8_t attributes;
	uint8_t reserved2[28];
	struct nvme_lba_format formats[64];
	uint8_t reserved3[3712];
};
_Static_assert(offsetof(struct nvme_identify_namespace, preferred_write) == 64, "figure 245");
_Static_assert(offsetof(struct nvme_identify_namespace, attributes) == 99, "figure 245");
_Static_assert(offsetof(struct nvme_identify_namespace, formats) == 128, "figure 245");
_Static_assert(sizeof(struct nvme_identify_namespace) == 4096, "figure 245");

/* The format's number: bits 6:5 count since 2.0, above 3:0. */
#define NVME_FORMAT(format)	   (((format)&0xfu) | ((format) >> 1 & 0x30u))
#define NVME_FEATURE_OPTIMAL	   0x10u /* the preferred_ fields are given */
#define NVME_ATTRIBUTE_PROTECTED   0x1u
#define NVME_NAMESPACE_LIST_LENGTH 1024u

#endif
