#!/bin/sh
# First thing in a guest with Debian: mounts the disk, puts the caller's files onto
# it at the first boot, and hands over to systemd. What a guest needs of its own is in
# /run: on the disk there is only the mark that the files are there.
export PATH=/bin:/sbin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
dmesg -n 7

while read -r module parameters; do
	insmod "$module" $parameters || echo "hotstick: cannot load $module"
done </etc/hotstick/modules

ip link set lo up
read -r address mask gateway </etc/hotstick/network
if [ -n "$address" ] && [ -e /sys/class/net/eth0 ]; then
	ifconfig eth0 "$address" netmask "$mask" up
	route add default gw "$gateway"
fi

mkdir -p /disk /files
mount -t ext4 -o noatime /dev/vda /disk || echo "hotstick: cannot mount the disk"
if ! [ -e /disk/var/hotstick-guest ]; then # once: a reboot finds them there
	mount -t ext4 -o ro /dev/vdb /files || echo "hotstick: cannot mount the files"
	cp -dR /files/. /disk/ # root's, whoever made them
	umount /files
	cat /etc/hostname >/disk/etc/hostname
	echo >/disk/var/hotstick-guest
fi

mount -t tmpfs -o mode=755 tmpfs /disk/run
own=/disk/run/hotstick-guest
mkdir -p "$own/bin" /disk/run/systemd/system/sysinit.target.wants
cp /bin/busybox "$own/bin/busybox"
for applet in /bin/*; do
	name=${applet##*/}
	case $name in
	# These speak to another PID 1, and busybox's shell prefers its own commands.
	ash | busybox | halt | init | poweroff | reboot | sh) ;;
	*) ln -s busybox "$own/bin/$name" ;;
	esac
done
cp /etc/hotstick/commands "$own/commands"
cp /etc/hotstick/commands.service /disk/run/systemd/system/hotstick-guest-commands.service
ln -s ../hotstick-guest-commands.service /disk/run/systemd/system/sysinit.target.wants/

for dir in proc sys dev; do
	mount --move "/$dir" "/disk/$dir"
done
exec switch_root /disk /lib/systemd/systemd
