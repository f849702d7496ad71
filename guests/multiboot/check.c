/* Whether a Multiboot kernel can be loaded, without a guest to load it into. */
#include <errno.h>

#include "guests/multiboot/place.h"
#include "kernel/mem/heap.h"

int multiboot_check(uint64_t ram_bytes, const struct boot_source *source,
		    enum multiboot_version version, char why[BOOT_WHY_BYTES])
{
	struct work {
		struct multiboot_image image;
		struct multiboot_plan plan;
	} *work = heap_zalloc(sizeof(*work), NULL);
	int error;

	if (!work)
		return boot_refuse(why, -ENOMEM, "no memory to read its kernel");
	error = multiboot_image_parse(&source->kernel, version, &work->image, why);
	if (!error)
		error = multiboot_place(source, ram_bytes, &work->image, &work->plan, why);
	heap_free(work);
	return error;
}
