/* Status codes: NVM Express Base 1.4, figures 126 to 133. */
#include "drivers/block/nvme/status.h"

#include <errno.h>

#include "drivers/block/nvme/spec.h"

enum { GENERIC, COMMAND_SPECIFIC, MEDIA, PATH };

static const struct meaning {
	uint8_t type, code;
	int16_t error;
	const char *words;
} meanings[] = {
	{GENERIC, 0x01, -EOPNOTSUPP, "invalid opcode"},
	{GENERIC, 0x02, -EIO, "invalid field in the command"},
	{GENERIC, 0x04, -EIO, "data transfer error"},
	{GENERIC, 0x05, -EIO, "aborted: power is going"},
	{GENERIC, 0x06, -EIO, "internal error of the device"},
	{GENERIC, 0x07, -ETIMEDOUT, "aborted as asked"},
	{GENERIC, 0x08, -EIO, "aborted: its queue was deleted"},
	{GENERIC, 0x0b, -ENODEV, "no such namespace"},
	{GENERIC, 0x13, -EIO, "invalid PRP offset"},
	{GENERIC, 0x15, -EIO, "operation denied"},
	{GENERIC, 0x1c, -EIO, "sanitize failed"},
	{GENERIC, 0x1d, -EIO, "sanitize in progress"},
	{GENERIC, 0x20, -EROFS, "the namespace is write protected"},
	{GENERIC, 0x21, -EIO, "interrupted for now"},
	{GENERIC, 0x22, -EIO, "transient transport error"},
	{GENERIC, 0x80, -EIO, "LBA out of range"},
	{GENERIC, 0x81, -EIO, "capacity exceeded"},
	{GENERIC, 0x82, -EIO, "the namespace is not ready"},
	{GENERIC, 0x83, -EIO, "reservation conflict"},
	{GENERIC, 0x84, -EIO, "format in progress"},
	{COMMAND_SPECIFIC, 0x80, -EIO, "conflicting attributes"},
	{COMMAND_SPECIFIC, 0x82, -EROFS, "write to a read-only range"},
	{MEDIA, 0x80, -EIO, "write fault"},
	{MEDIA, 0x81, -EIO, "unrecovered read error"},
	{MEDIA, 0x82, -EIO, "end-to-end guard check error"},
	{MEDIA, 0x83, -EIO, "end-to-end application tag check error"},
	{MEDIA, 0x84, -EIO, "end-to-end reference tag check error"},
	{MEDIA, 0x86, -EIO, "access denied"},
	{MEDIA, 0x87, -EIO, "deallocated or unwritten block"},
};

/* For what the table has not; PATH and vendors' types have no codes that we would tell apart.
 */
static const char *const types[8] = {
	[GENERIC] = "generic error",
	[COMMAND_SPECIFIC] = "command-specific error",
	[MEDIA] = "media or data integrity error",
	[PATH] = "path error",
	[4] = "reserved status",
	[5] = "reserved status",
	[6] = "reserved status",
	[7] = "error in the vendor's own terms",
};

struct nvme_verdict nvme_status_verdict(uint16_t status)
{
	unsigned type = NVME_STATUS_TYPE(status), code = NVME_STATUS_CODE(status);
	struct nvme_verdict verdict = {-EIO, !(status & NVME_STATUS_FINAL), types[type]};

	if (type == GENERIC && code == 0)
		return (struct nvme_verdict){.words = "success"};
	for (unsigned i = 0; i < ARRAY_SIZE(meanings); i++) {
		if (meanings[i].type == type && meanings[i].code == code) {
			verdict.error = meanings[i].error;
			verdict.words = meanings[i].words;
		}
	}
	return verdict;
}
