/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions that every level of the patch "unix-ioctl" replaces, taken from
 * net/unix/af_unix.c, net/core/dev.c and net/sched/sch_generic.c of Linux 6.1 and
 * 6.12, with their fixes. Static functions they call are carried along; all else
 * is exported by the kernel.
 *
 * A level may define HOTSTICK_UNIX_INQ to put its own code in the place of
 * unix_inq_len(): that is how the bad level breaks what the good one leaves whole.
 */
#ifndef HOTSTICK_UNIX_IOCTL_FIXED_H
#define HOTSTICK_UNIX_IOCTL_FIXED_H

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/netdevice.h>
#include <linux/path.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/sockios.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <asm/ioctls.h>
#include <net/af_unix.h>
#include <net/sch_generic.h>
#include <net/sock.h>

#ifndef HOTSTICK_UNIX_INQ
#define HOTSTICK_UNIX_INQ(sk) unix_inq_len(sk)
#endif

static int hotstick_unix_open_file(struct sock *sk)
{
	struct path path;
	struct file *f;
	int fd;

	if (!ns_capable(sock_net(sk)->user_ns, CAP_NET_ADMIN))
		return -EPERM;

	if (!smp_load_acquire(&unix_sk(sk)->addr))
		return -ENOENT;

	path = unix_sk(sk)->path;
	if (!path.dentry)
		return -ENOENT;

	path_get(&path);

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto out;

	f = dentry_open(&path, O_PATH, current_cred());
	if (IS_ERR(f)) {
		put_unused_fd(fd);
		fd = PTR_ERR(f);
		goto out;
	}

	fd_install(fd, f);
out:
	path_put(&path);

	return fd;
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)

static int hotstick_unix_atmark(struct sock *sk)
{
	struct sk_buff *skb = skb_peek(&sk->sk_receive_queue);

	return skb && skb == READ_ONCE(unix_sk(sk)->oob_skb);
}

#else

static unsigned int hotstick_unix_skb_len(const struct sk_buff *skb)
{
	return skb->len - UNIXCB(skb).consumed;
}

static int hotstick_unix_atmark(struct sock *sk)
{
	struct unix_sock *u = unix_sk(sk);
	struct sk_buff *skb;
	int answ = 0;

	mutex_lock(&u->iolock);

	skb = skb_peek(&sk->sk_receive_queue);
	if (skb) {
		struct sk_buff *oob_skb = READ_ONCE(u->oob_skb);
		struct sk_buff *next_skb = skb_peek_next(skb, &sk->sk_receive_queue);

		if (skb == oob_skb ||
		    (!hotstick_unix_skb_len(skb) &&
		     (!oob_skb || next_skb == oob_skb)))
			answ = 1;
	}

	mutex_unlock(&u->iolock);

	return answ;
}

#endif

/*
 * CVE-2026-52928: SIOCATMARK looked at oob_skb on sockets of every type, though
 * only stream sockets keep it.
 */
static int hotstick_unix_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	struct sock *sk = sock->sk;
	long amount = 0;
	int err;

	switch (cmd) {
	case SIOCOUTQ:
		amount = unix_outq_len(sk);
		err = put_user(amount, (int __user *)arg);
		break;
	case SIOCINQ:
		amount = HOTSTICK_UNIX_INQ(sk);
		if (amount < 0)
			err = amount;
		else
			err = put_user(amount, (int __user *)arg);
		break;
	case SIOCUNIXFILE:
		err = hotstick_unix_open_file(sk);
		break;
	case SIOCATMARK:
		if (sk->sk_type != SOCK_STREAM)
			return -EOPNOTSUPP;
		err = put_user(hotstick_unix_atmark(sk), (int __user *)arg);
		break;
	default:
		err = -ENOIOCTLCMD;
		break;
	}
	return err;
}

static int hotstick_qdisc_change_tx_queue_len(struct net_device *dev)
{
	bool up = dev->flags & IFF_UP;
	unsigned int i;
	int ret = 0;

	if (up)
		dev_deactivate(dev);

	for (i = 0; i < dev->num_tx_queues; i++) {
		struct Qdisc *qdisc = rtnl_dereference(dev->_tx[i].qdisc_sleeping);

		if (qdisc->ops->change_tx_queue_len)
			ret = qdisc->ops->change_tx_queue_len(qdisc, dev->tx_queue_len);
		if (ret)
			break;
	}

	if (up)
		dev_activate(dev);
	return ret;
}

/*
 * CVE-2026-98022: any 32-bit length was accepted, and rings of that size were
 * then allocated.
 */
static int hotstick_dev_change_tx_queue_len(struct net_device *dev, unsigned long new_len)
{
	unsigned int orig_len = dev->tx_queue_len;
	int res;

	if (new_len > S16_MAX)
		return -ERANGE;

	if (new_len != orig_len) {
		WRITE_ONCE(dev->tx_queue_len, new_len);
		res = call_netdevice_notifiers(NETDEV_CHANGE_TX_QUEUE_LEN, dev);
		res = notifier_to_errno(res);
		if (res)
			goto err_rollback;
		res = hotstick_qdisc_change_tx_queue_len(dev);
		if (res)
			goto err_rollback;
	}

	return 0;

err_rollback:
	netdev_err(dev, "refused to change device tx_queue_len\n");
	WRITE_ONCE(dev->tx_queue_len, orig_len);
	return res;
}

#endif
