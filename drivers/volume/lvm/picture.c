/* Members and scan, taken together and given back together. */
#include "drivers/volume/lvm/picture.h"

int lvm_picture_take(struct lvm_picture *picture)
{
	int error = lvm_members_open(&picture->members);

	if (error)
		return error;
	error = lvm_scan(picture->members.disks, picture->members.count, &picture->scan);
	if (error)
		lvm_members_close(&picture->members);
	return error;
}

void lvm_picture_drop(struct lvm_picture *picture)
{
	lvm_scan_free(&picture->scan);
	lvm_members_close(&picture->members);
}
