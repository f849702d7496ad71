/*
 * A folder that stands for \bulkhead\ of a boot partition: its files become what boot would
 * hand to the kernel, and kernel/io/files.c finds and maps them as it does there.
 */
#ifndef TOOLS_CHECK_CONFIG_ESP_H
#define TOOLS_CHECK_CONFIG_ESP_H

#include <stdint.h>

/* Takes the files of `folder`, once; prints and exits where that can't be. Says on stdout which
 * names boot would leave out. */
void esp_open(const char *folder);

/* The size of the disk `path` ("/disks/web.img", in any case) in it. 0, or -ENOENT. */
int esp_disk_bytes(const char *path, uint64_t *bytes);

#endif
