/*
 * A QEMU TCG plugin that counts executed instructions and VMRUNs, between marks. A mark is a
 * long NOP (0f 1f 84 00 and four bytes: 'M' 'K' and a number, low byte first) that any program
 * on the emulated machine, a guest's process as well, may execute at no cost. At each, the
 * plugin prints the totals so far. Meant for one emulated CPU; it knows nothing of who executes
 * what.
 *
 * QEMU's header of this interface is in no package; what is used of it is declared here as
 * docs/devel/tcg-plugins.rst has it, version 1 of the interface (QEMU 4.2 to 8.x).
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
enum { CB_NO_REGS = 0, INLINE_ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*cb)(qemu_plugin_id_t,
						      struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter,
					      uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op,
						void *counter, uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*cb)(unsigned vcpu, void *data), int flags,
					    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;

static uint64_t instructions, vmruns;

static void mark(unsigned vcpu, void *number)
{
	(void)vcpu;
	fprintf(stderr, "MARK %" PRIuPTR " instructions=%" PRIu64 " vmruns=%" PRIu64 "\n",
		(uintptr_t)number, instructions, vmruns);
	fflush(stderr);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static const uint8_t vmrun[] = {0x0f, 0x01, 0xd8};
	static const uint8_t nop[] = {0x0f, 0x1f, 0x84, 0x00, 'M', 'K'};
	size_t count = qemu_plugin_tb_n_insns(tb);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &instructions, count);
	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t bytes = qemu_plugin_insn_size(insn);
		const uint8_t *code = qemu_plugin_insn_data(insn);

		if (bytes == sizeof vmrun && memcmp(code, vmrun, sizeof vmrun) == 0)
			qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64,
								   &vmruns, 1);
		else if (bytes == 8 && memcmp(code, nop, sizeof nop) == 0)
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, mark, CB_NO_REGS,
				(void *)(uintptr_t)(code[6] | code[7] << 8));
	}
}

struct qemu_info_t;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc,
			       char **argv)
{
	(void)info;
	(void)argc;
	(void)argv;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
