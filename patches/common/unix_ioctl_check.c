// SPDX-License-Identifier: GPL-2.0
/*
 * Shows whether the two faults are open in the running kernel. Exits with 0 if
 * both are closed, 1 if at least one was shown, 2 if it cannot tell.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/sockios.h>

enum verdict { CLOSED, OPEN, UNKNOWN };

static char why[256];

static enum verdict unknown(const char *what)
{
	snprintf(why, sizeof why, "cannot %s: %s", what, strerror(errno));
	return UNKNOWN;
}

/* CVE-2026-52928: SIOCATMARK must be refused on a datagram socket. */
static enum verdict atmark(void)
{
	int mark = -1;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (fd < 0)
		return unknown("make a unix socket");
	if (ioctl(fd, SIOCATMARK, &mark) == 0) {
		close(fd);
		return OPEN;
	}
	if (errno != EOPNOTSUPP) {
		enum verdict v = unknown("ask for SIOCATMARK");

		close(fd);
		return v;
	}
	close(fd);
	return CLOSED;
}

/* CVE-2026-98022: a queue longer than 32767 must be refused. The length is put back. */
static enum verdict queue(void)
{
	struct ifreq old, huge;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	enum verdict v;

	if (fd < 0)
		return unknown("make a socket");
	memset(&old, 0, sizeof old);
	strcpy(old.ifr_name, "lo");
	if (ioctl(fd, SIOCGIFTXQLEN, &old) < 0) {
		v = unknown("read the queue length of lo");
		close(fd);
		return v;
	}
	huge = old;
	huge.ifr_qlen = 32768;
	if (ioctl(fd, SIOCSIFTXQLEN, &huge) == 0) {
		v = OPEN;
		if (ioctl(fd, SIOCSIFTXQLEN, &old) < 0)
			v = unknown("put the queue length of lo back");
	} else if (errno == ERANGE || errno == EINVAL) {
		v = CLOSED;
	} else {
		v = unknown("set the queue length of lo (this check needs root)");
	}
	close(fd);
	return v;
}

static const char *word(enum verdict v)
{
	return v == OPEN ? "open" : v == CLOSED ? "closed" : "unknown";
}

int main(void)
{
	enum verdict a = atmark(), q = queue();

	printf("CVE-2026-52928 %s, CVE-2026-98022 %s%s%s\n", word(a), word(q), *why ? ": " : "", why);
	if (a == OPEN || q == OPEN)
		return 1;
	return a == CLOSED && q == CLOSED ? 0 : 2;
}
