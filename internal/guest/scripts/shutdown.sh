#!/bin/sh
# Last thing in a guest that is powered off cleanly, run by PID 1: services end
# while their disk is still there, and the disk is unmounted before the power goes.
export PATH=/bin:/sbin

for file in /run/service/*.pid; do
	[ -e "$file" ] && pids="$pids $(cat "$file")"
done
alive() {
	for pid in $pids; do
		kill -0 "$pid" 2>/dev/null && return 0
	done
	return 1
}
kill -TERM $pids 2>/dev/null
for try in $(seq 50); do
	alive || break
	usleep 100000
done

# Whoever is left may hold the disk: all but PID 1, this script and the kernel's
# own threads, which have no program.
for process in /proc/[0-9]*; do
	pid=${process#/proc/}
	[ "$pid" != 1 ] && [ "$pid" != $$ ] && [ -e "$process/exe" ] && kill -KILL "$pid"
done

read -r state </etc/hotstick/state-dir
sync
umount "$state" || mount -o remount,ro "$state"
