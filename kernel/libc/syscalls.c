/*
 * What newlib expects of an operating system. There are no files and no processes here: what a
 * library prints goes to the log, the clocks are the kernel's, and the rest says that it is
 * not to be had.
 */
#include <assert.h>
#include <errno.h>
#include <reent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "kernel/cpu/clock.h"
#include "kernel/log/log.h"
#include "kernel/sched/thread.h"

struct _reent *__getreent(void)
{
	return thread_reent();
}

void abort(void)
{
	panic("abort() in %p", __builtin_return_address(0));
}

void _exit(int code)
{
	panic("exit(%d) in %p", code, __builtin_return_address(0));
}

void __assert_func(const char *file, int line, const char *function, const char *expression)
{
	panic("%s:%d: %s: assertion \"%s\" failed", file, line, function ? function : "?",
	      expression);
}

/* Standard output and error: each line becomes one of the log. */
int write(int fd, const void *buf, size_t bytes)
{
	const char *at = buf, *end = at + bytes;

	if (fd != STDOUT_FILENO && fd != STDERR_FILENO) {
		errno = EBADF;
		return -1;
	}
	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));

		if (!line_end)
			line_end = end;
		if (line_end > at)
			log_info("libc", "%.*s", (int)(line_end - at), at);
		at = line_end + 1;
	}
	return (int)bytes;
}

int read(int fd, void *buf, size_t bytes)
{
	(void)fd;
	(void)buf;
	(void)bytes;
	errno = EBADF;
	return -1;
}

int close(int fd)
{
	(void)fd;
	errno = EBADF;
	return -1;
}

off_t lseek(int fd, off_t offset, int whence)
{
	(void)fd;
	(void)offset;
	(void)whence;
	errno = ESPIPE;
	return -1;
}

int fstat(int fd, struct stat *st)
{
	(void)fd;
	*st = (struct stat){.st_mode = S_IFCHR}; /* line-buffered */
	return 0;
}

int isatty(int fd)
{
	return fd <= STDERR_FILENO;
}

int getpid(void)
{
	return 1;
}

int kill(int pid, int signal)
{
	(void)pid;
	panic("signal %d raised in %p", signal, __builtin_return_address(0));
}

int gettimeofday(struct timeval *tv, void *zone)
{
	uint64_t now = clock_wall_ns();

	(void)zone;
	tv->tv_sec = (time_t)(now / NSEC_PER_SEC);
	tv->tv_usec = (suseconds_t)(now % NSEC_PER_SEC / NSEC_PER_USEC);
	return 0;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	uint64_t now = clock == CLOCK_REALTIME ? clock_wall_ns() : clock_now_ns();

	ts->tv_sec = (time_t)(now / NSEC_PER_SEC);
	ts->tv_nsec = (long)(now % NSEC_PER_SEC);
	return 0;
}
