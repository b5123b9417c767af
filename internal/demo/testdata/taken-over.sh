#!/bin/sh
# Runs in the place of an agent that was taken over, in the agent's own unit. Every
# line but the last must fail.
export PATH=/run/hotstick-guest/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec >/var/lib/hotstick/agent/taken-over.log 2>&1
try() {
	name=$1
	shift
	said=$(sh -c "$*" 2>&1 </dev/null)
	code=$?
	echo "$name|$code|$(echo "$said" | tr '\n' ' ' | cut -c -120)"
}

try "load a module" 'insmod /demo/hotstick_busy_target.ko'
try "disable a patch" 'echo 0 >/sys/kernel/livepatch/hotstick_busy_1/enabled'
try "force a transition" 'echo 1 >/sys/kernel/livepatch/hotstick_busy_1/force'
try "change the loader" 'echo x >/usr/sbin/hotstick-loader'
try "change a unit" 'echo x >/usr/lib/systemd/system/hotstick-loader.service'
try "make a unit" 'echo x >/etc/systemd/system/evil.service'
try "change the host's labels" 'echo x >/etc/hotstick/agent.yaml'
try "change which root the loader trusts" 'echo x >/etc/hotstick/loader.env'
try "read the ledger" 'cat /var/lib/hotstick/loader/ledger.json'
try "write the ledger" 'echo x >/var/lib/hotstick/loader/ledger.json'
try "put another directory in the place of its own" 'mv /var/lib/hotstick/agent /var/lib/hotstick/gone'
try "delete the loader's socket" 'rm /run/hotstick/loader.sock'
try "put its own socket there" 'touch /run/hotstick/evil.sock'
try "stop the loader" 'kill -9 $(pidof hotstick-loader)'
try "ask systemd to stop the loader" 'systemctl --no-ask-password stop hotstick-loader'
try "become root" '/bin/su root -c id'
try "make a namespace" 'unshare -U true'
try "mount something" 'mount -t tmpfs none /tmp'
try "make a device" 'mknod /tmp/mem c 1 1'
try "read the kernel's log" 'dmesg | grep .'
try "write to the kernel's log" 'echo x >/dev/kmsg'
try "crash the machine" 'echo c >/proc/sysrq-trigger'
try "change a kernel's setting" 'echo 1 >/proc/sys/kernel/sysrq'
try "write outside its directory" 'echo x >/var/lib/evil'
try "read the memory of the loader" 'dd if=/proc/$(pidof hotstick-loader)/mem bs=1 count=1'
try "may write in its own directory" 'echo x >/var/lib/hotstick/agent/own && rm /var/lib/hotstick/agent/own'
