/*
 * A QEMU TCG plugin that marks which instructions of a range of addresses were executed, by any
 * CPU: `-plugin cover.so,marks=MARKS,low=ADDRESS`. MARKS has 8 bytes for each byte of the
 * range, which are not zero where an executed instruction begins; its size says how long the
 * range is. It is mapped, not written at the end: machines that run at the same time or one
 * after the other add to one file, and a machine may be killed. It does not know whose code it
 * is: the range must be one that no guest uses.
 *
 * QEMU's header of this interface is in no package; what is used of it is declared here as
 * docs/devel/tcg-plugins.rst has it, version 1 of the interface (QEMU 4.2 to 8.x).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
typedef uint64_t qemu_plugin_id_t;
enum { INLINE_ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*cb)(qemu_plugin_id_t,
						      struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op,
						void *counter, uint64_t value);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;

static uint64_t *marks, low, count;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t at = qemu_plugin_insn_vaddr(insn) - low;

		if (at < count)
			qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64,
								   &marks[at], 1);
	}
}

static int map(const char *path)
{
	struct stat status;
	int fd = open(path, O_RDWR);

	if (fd < 0 || fstat(fd, &status) || status.st_size < 8) {
		fprintf(stderr, "cover: %s: no file of marks\n", path);
		return -1;
	}
	count = (uint64_t)status.st_size / 8;
	marks = mmap(NULL, count * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (marks == MAP_FAILED) {
		perror("cover: mmap");
		return -1;
	}
	return 0;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc,
			       char **argv)
{
	const char *file = NULL;

	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "marks=", 6) == 0)
			file = argv[i] + 6;
		else if (strncmp(argv[i], "low=", 4) == 0)
			low = strtoull(argv[i] + 4, NULL, 0);
	}
	if (!file || !low) {
		fprintf(stderr, "cover: needs marks=MARKS and low=ADDRESS\n");
		return -1;
	}
	if (map(file))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
