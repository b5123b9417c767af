// Starts another kernel without the machine: kexec IMAGE INITRAMFS, with the command line
// of the kernel that runs.
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	char line[4096];
	ssize_t n;
	int image, initramfs, words;

	if (argc != 3)
		return 2;
	image = open(argv[1], O_RDONLY);
	initramfs = open(argv[2], O_RDONLY);
	words = open("/proc/cmdline", O_RDONLY);
	if (image < 0 || initramfs < 0 || words < 0)
		return fail("cannot open what the kernel is started from");
	n = read(words, line, sizeof(line) - 1);
	if (n <= 0)
		return fail("cannot read the kernel's command line");
	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	if (syscall(SYS_kexec_file_load, image, initramfs, strlen(line) + 1, line, 0))
		return fail("cannot load the kernel");
	sync();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, 0);
	return fail("cannot start the kernel");
}
