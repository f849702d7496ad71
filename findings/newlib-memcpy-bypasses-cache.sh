#!/bin/bash
# newlib 4.5.0 (Debian's newlib-source 4.5.0.20241231-1): on x86-64 memcpy() and memset() store
# around the cache from 256 bytes on.
#
# One would expect what C libraries do: stores that bypass the cache only for blocks that would
# not fit in it anyway (glibc: three quarters of the last-level cache's share, megabytes), and
# none at all in a library that was built with -mgeneral-regs-only.
#
# Seen: MOVNTI, 16 in each 128 bytes, as soon as 256 bytes are left behind the alignment, whatever
# flags the library is built with, as both functions are assembly. What was copied is in no
# cache when the next line of code reads it, and on CPUs without SSE2 the instruction does not
# exist. A kernel that moves pages and packets wants functions of its own in their place.
#
#   seen: copy of 255 bytes: 0 MOVNTI, 256: 32, 383: 32, 384: 48, 4096: 512; set of 256: 32
#
# Needs gcc, binutils, xz. The instructions are counted by single-stepping.
. "$(dirname "$0")/lib/debian.sh"
version=4.5.0.20241231-1
debian_root trixie newlib-source=$version
cd "$work"
tar -xf "$root"/usr/src/newlib/newlib-*.tar.xz --strip-components=5 --wildcards \
	'*/libc/machine/x86_64/mem*.S' '*/libc/machine/x86_64/x86_64mach.h'

cat >count.c <<'C'
/* Steps through a call of newlib's function in a child, and counts 0F C3, MOVNTI. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
void *nl_memcpy(void *, const void *, size_t);
void *nl_memset(void *, int, size_t);
static char from[65536] __attribute__((aligned(64))), to[65536] __attribute__((aligned(64)));

static unsigned count(int set, size_t bytes)
{
	unsigned found = 0;
	int status;
	pid_t child = fork();

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		if (set)
			nl_memset(to, 1, bytes);
		else
			nl_memcpy(to, from, bytes);
		_exit(0);
	}
	waitpid(child, &status, 0);
	while (WIFSTOPPED(status)) {
		struct user_regs_struct regs;
		long word;

		ptrace(PTRACE_GETREGS, child, 0, &regs);
		word = ptrace(PTRACE_PEEKTEXT, child, (void *)regs.rip, 0);
		if ((word & 0xf0) == 0x40) /* REX */
			word >>= 8;
		found += (word & 0xffff) == 0xc30f;
		ptrace(PTRACE_SINGLESTEP, child, 0, 0);
		waitpid(child, &status, 0);
	}
	return found;
}

int main(void)
{
	static const size_t sizes[] = {255, 256, 383, 384, 4096};

	for (unsigned i = 0; i < 5; i++)
		printf("copy %zu: %u\n", sizes[i], count(0, sizes[i]));
	printf("set 255: %u\nset 256: %u\n", count(1, 255), count(1, 256));
}
C
for name in memcpy memset; do
	gcc -mgeneral-regs-only -D_USER_LABEL_PREFIX_= -c $name.S -o $name.o
	objcopy --redefine-sym $name=nl_$name $name.o
done
gcc -O1 -no-pie -z noexecstack count.c memcpy.o memset.o -o count 2>/dev/null
./count >seen
as_seen seen <<'S'
copy 255: 0
copy 256: 32
copy 383: 32
copy 384: 48
copy 4096: 512
set 255: 0
set 256: 32
S
