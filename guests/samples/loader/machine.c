/*
 * What the loader's scripts ask of the machine. `load` puts a Linux kernel in the place of the
 * running one (kexec_file_load(2): the kernel checks the file and knows the machine, and there
 * is nothing for us to take apart), `go` starts it. `failed` says by the port of pvpanic that
 * this guest has failed.
 *
 *     machine load KERNEL INITRD COMMAND-LINE    (INITRD may be "")
 *     machine go
 *     machine failed
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/io.h>

#include <linux/kexec.h>
#include <linux/reboot.h>
#include <sys/reboot.h>
#include <sys/syscall.h>

#define PVPANIC_PORT	 0x505 /* QEMU, docs/specs/pvpanic.rst */
#define PVPANIC_PANICKED 1

/* Linux has EINVAL for what would fill more than half of the memory
 * (sanity_check_segment_list() in its kernel/kexec_core.c), which is far more likely than a
 * command line past 2047 characters. */
static int complain(const char *what)
{
	const char *hint = errno == ENOEXEC  ? " (no bzImage of 64 bits)"
			   : errno == ENOMEM ? " (give the guest more memory)"
			   : errno == EINVAL ? " (give the guest more memory, or a shorter "
					       "command line)"
					     : "";

	fprintf(stderr, "  %s: %s%s\n", what, strerror(errno), hint);
	return 1;
}

static int load(const char *kernel, const char *initrd, const char *line)
{
	int image = open(kernel, O_RDONLY | O_CLOEXEC);
	int files = *initrd ? open(initrd, O_RDONLY | O_CLOEXEC) : -1;
	unsigned long flags = *initrd ? 0 : KEXEC_FILE_NO_INITRAMFS;

	if (image < 0)
		return complain(kernel);
	if (*initrd && files < 0)
		return complain(initrd);
	if (syscall(SYS_kexec_file_load, image, files, strlen(line) + 1, line, flags))
		return complain(kernel);
	return 0;
}

int main(int count, char **words)
{
	if (count == 5 && !strcmp(words[1], "load"))
		return load(words[2], words[3], words[4]);
	if (count == 2 && !strcmp(words[1], "go")) {
		reboot(LINUX_REBOOT_CMD_KEXEC); /* returns only when it fails */
		return complain("kexec");
	}
	if (count == 2 && !strcmp(words[1], "failed")) {
		if (ioperm(PVPANIC_PORT, 1, 1))
			return complain("the port of pvpanic");
		outb(PVPANIC_PANICKED, PVPANIC_PORT);
		return 0;
	}
	fputs("usage: machine load KERNEL INITRD COMMAND-LINE, machine go, machine failed\n",
	      stderr);
	return 2;
}
