/*
 * Loads a Linux kernel in the place of the running one, and starts it: kexec_file_load(2). The
 * kernel checks the file and knows the machine; there is nothing for us to take apart.
 *
 *     kexec load KERNEL INITRD COMMAND-LINE    (INITRD may be "")
 *     kexec go
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/kexec.h>
#include <linux/reboot.h>
#include <sys/reboot.h>
#include <sys/syscall.h>

static int complain(const char *what)
{
	const char *hint = errno == ENOEXEC  ? " (no bzImage of 64 bits)"
			   : errno == ENOMEM ? " (give the guest more memory)"
			   : errno == EINVAL ? " (the command line may be too long)"
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
	fputs("usage: kexec load KERNEL INITRD COMMAND-LINE, or kexec go\n", stderr);
	return 2;
}
