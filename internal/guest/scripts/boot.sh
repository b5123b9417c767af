#!/bin/sh
# First thing in a guest, run once by PID 1: mounts, modules, disk, network.
export PATH=/bin:/sbin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t securityfs securityfs /sys/kernel/security
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t pstore pstore /sys/fs/pstore

# Kernel messages belong to the console log, whatever their level.
dmesg -n 7

while read -r module parameters; do
	insmod "$module" $parameters || echo "hotstick: cannot load $module"
done </etc/hotstick/modules
[ -d /sys/firmware/efi/efivars ] && mount -t efivarfs efivarfs /sys/firmware/efi/efivars

hostname -F /etc/hostname
ip link set lo up
read -r address mask gateway </etc/hotstick/network
if [ -n "$address" ] && [ -e /sys/class/net/eth0 ]; then
	ifconfig eth0 "$address" netmask "$mask" up
	route add default gw "$gateway"
fi

read -r state </etc/hotstick/state-dir
if [ -b /dev/vda ]; then
	mount -t ext4 -o noatime /dev/vda "$state" || echo "hotstick: cannot mount the disk"
else
	mount -t tmpfs tmpfs "$state"
fi
mkdir -p "$state/log"
chmod 1777 "$state/log"
