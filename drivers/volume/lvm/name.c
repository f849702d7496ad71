/* Names of new volumes: what LVM2 allows (lib/misc/lvm-string.c, lib/metadata/lv_manip.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drivers/volume/lvm/change.h"

#define DEVICE_NAME_MAX 127 /* "vg0-web" of the device-mapper, '-' in names twice */

/* What LVM2's own volumes begin with, or have somewhere. */
static const char *const reserved_beginnings[] = {"snapshot", "pvmove"};
static const char *const reserved_parts[] = {
	"_cdata",  "_cmeta", "_corig",	 "_cpool",  "_cvol",   "_iorig",    "_imeta",
	"_mimage", "_mlog",  "_pmspare", "_rimage", "_rmeta",  "_tdata",    "_tmeta",
	"_tpool",  "_vdata", "_vorigin", "_vpool",  "_wcorig", "_mimagetmp"};

static size_t device_name_bytes(const char *name)
{
	size_t bytes = 0;

	for (; *name; name++)
		bytes += *name == '-' ? 2 : 1;
	return bytes;
}

static bool is_reserved(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(reserved_beginnings); i++)
		if (strncmp(name, reserved_beginnings[i], strlen(reserved_beginnings[i])) == 0)
			return true;
	for (unsigned i = 0; i < ARRAY_SIZE(reserved_parts); i++)
		if (strstr(name, reserved_parts[i]))
			return true;
	return false;
}

int lvm_change_name(const struct lvm_vg *vg, const char *name, char why[LVM_WHY_BYTES])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.+-";
	size_t bytes = strlen(name);

	if (!bytes || name[strspn(name, letters)] || *name == '-' || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		snprintf(why, LVM_WHY_BYTES,
			 "is no name of a volume: those have letters, digits and _ . + -, and "
			 "no - at the beginning");
	else if (is_reserved(name))
		snprintf(why, LVM_WHY_BYTES,
			 "is a name that LVM2 keeps for its own volumes; choose another");
	else if (bytes >= LVM_NAME_BYTES ||
		 device_name_bytes(vg->name) + 1 + device_name_bytes(name) > DEVICE_NAME_MAX)
		snprintf(why, LVM_WHY_BYTES, "is too long a name for Linux");
	else
		return 0;
	return -EINVAL;
}
