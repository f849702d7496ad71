/*
 * Reads and writes blocks of 4 KiB of a disk at depths 1 and 32, past the page cache, by
 * Linux's own asynchronous I/O. Between marks are COUNT blocks: 1 to 2 reads one at a time, 3
 * to 4 writes, 5 to 6 reads at depth 32, 7 to 8 writes. Runs as a guest's process and on a bare
 * machine alike; static, without a library for the system calls.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bench/guest/mark.h"

#define BLOCK	  4096
#define COUNT	  2048
#define WARM_UP	  256
#define DEPTH_MAX 32
#define DISK	  (32u << 20) /* bytes of it that are used */

static int disk;
static aio_context_t context;
static struct iocb blocks[DEPTH_MAX];
static char *buffers;

static void stop(const char *what)
{
	perror(what);
	exit(1);
}

static void submit(unsigned slot, unsigned index, int opcode)
{
	struct iocb *block = &blocks[slot];

	memset(block, 0, sizeof *block);
	block->aio_data = slot;
	block->aio_lio_opcode = opcode;
	block->aio_fildes = disk;
	block->aio_buf = (uint64_t)(buffers + slot * BLOCK);
	block->aio_nbytes = BLOCK;
	block->aio_offset = (uint64_t)(index * 2654435761u % (DISK / BLOCK)) * BLOCK;
}

/* `count` blocks, `depth` of them under way: as many are sent as have come back. */
static void run(unsigned count, unsigned depth, int opcode)
{
	struct iocb *list[DEPTH_MAX];
	struct io_event events[DEPTH_MAX];
	unsigned sent = 0, back = 0, ready = depth;

	for (unsigned i = 0; i < depth; i++)
		events[i].data = i;
	while (back < count) {
		unsigned n = 0;
		long got;

		for (unsigned i = 0; i < ready && sent < count; i++, sent++) {
			submit(events[i].data, sent, opcode);
			list[n++] = &blocks[events[i].data];
		}
		if (n && syscall(SYS_io_submit, context, (long)n, list) != n)
			stop("io_submit");
		got = syscall(SYS_io_getevents, context, 1L, (long)depth, events, NULL);
		if (got < 1)
			stop("io_getevents");
		for (long i = 0; i < got; i++)
			if (events[i].res != BLOCK)
				stop("a block");
		ready = (unsigned)got;
		back += ready;
	}
}

int main(int argc, char **argv)
{
	disk = open(argc > 1 ? argv[1] : "/dev/vda", O_RDWR | O_DIRECT);
	if (disk < 0)
		stop("open");
	if (posix_memalign((void **)&buffers, BLOCK, DEPTH_MAX * BLOCK))
		stop("memory");
	memset(buffers, 0x5a, DEPTH_MAX * BLOCK);
	if (syscall(SYS_io_setup, (long)DEPTH_MAX, &context))
		stop("io_setup");
	run(WARM_UP, DEPTH_MAX, IOCB_CMD_PREAD);
	run(WARM_UP, DEPTH_MAX, IOCB_CMD_PWRITE);
	MARK(1);
	run(COUNT, 1, IOCB_CMD_PREAD);
	MARK(2);
	MARK(3);
	run(COUNT, 1, IOCB_CMD_PWRITE);
	MARK(4);
	MARK(5);
	run(COUNT, DEPTH_MAX, IOCB_CMD_PREAD);
	MARK(6);
	MARK(7);
	run(COUNT, DEPTH_MAX, IOCB_CMD_PWRITE);
	MARK(8);
	printf("BENCH disk %u blocks each\n", COUNT);
	return 0;
}
