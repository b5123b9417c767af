// SPDX-License-Identifier: GPL-2.0
/*
 * Health probe: a unix socket must tell how much there is to read. Needs no
 * privilege. Exits with 0 if healthy, 1 with a line that says what is broken.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/sockios.h>

int main(void)
{
	static const char text[] = "hotstick";
	int pair[2], waiting = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) {
		printf("unhealthy: cannot make a pair of unix sockets: %s\n", strerror(errno));
		return 1;
	}
	if (write(pair[0], text, sizeof text) != (ssize_t)sizeof text) {
		printf("unhealthy: cannot write to a unix socket: %s\n", strerror(errno));
		return 1;
	}
	if (ioctl(pair[1], SIOCINQ, &waiting) < 0) {
		printf("unhealthy: SIOCINQ on a unix socket: %s\n", strerror(errno));
		return 1;
	}
	if (waiting != (int)sizeof text) {
		printf("unhealthy: SIOCINQ says %d bytes of %zu\n", waiting, sizeof text);
		return 1;
	}
	printf("healthy: SIOCINQ says %d bytes\n", waiting);
	return 0;
}
