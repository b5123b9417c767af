# Rig: what all rigs share. No vendor wrote any of it. For busybox's ash.
#
# A script of a rig begins with
#
#	#!/bin/sh
#	# Rig: stands in for PROGRAM of VENDOR; written from its documentation.
#	. /usr/lib/rig/rig.sh
#	rig_begin PROGRAM "$@"
#
# What a rig remembers lies in /run/rig/NAME, and what it is told to do wrong in
# /run/rig/fault (one word).
RIG_STATE=/run/rig
RIG_MODULES=/usr/lib/rig/modules

# rig_fault prints the fault that the world has now; nothing if all is well.
rig_fault() {
	[ -e "$RIG_STATE/fault" ] && cat "$RIG_STATE/fault"
}

# rig_is FAULT: the world has this fault now.
rig_is() {
	[ "$(rig_fault)" = "$1" ]
}

# rig_begin PROGRAM ARGUMENTS notes that the program was called, and does the faults that are the
# same for every program.
rig_begin() {
	mkdir -p "$RIG_STATE"
	echo "$*" >>"$RIG_STATE/calls"
	case $(rig_fault) in
	fails)
		echo "$1: broken on purpose" >&2
		exit 70
		;;
	hangs)
		# One child is left in place of this shell, as most programs have one.
		/bin/busybox sleep 86399 &
		wait
		exit 70
		;;
	lies) exit 0 ;;
	esac
}

# rig_insmod FILE [PARAMETER...] loads a module as vendors' tools do; what the kernel says
# goes to stderr in insmod's words.
rig_insmod() {
	insmod "$@"
}

# rig_loaded NAME: the module is in memory.
rig_loaded() {
	[ -d "/sys/module/$1" ]
}

# rig_enabled NAME: the kernel lists the live patch as enabled, in transition or not.
rig_enabled() {
	[ "$(cat "/sys/kernel/livepatch/$1/enabled" 2>/dev/null)" = 1 ]
}

# rig_in_transition: some live patch of this kernel is in transition.
rig_in_transition() {
	cat /sys/kernel/livepatch/*/transition 2>/dev/null | grep -q 1
}

# rig_settle SECONDS waits until no live patch is in transition; 1 if that takes longer.
rig_settle() {
	rig_left=$1
	while rig_in_transition; do
		[ "$rig_left" -gt 0 ] || return 1
		rig_left=$((rig_left - 1))
		sleep 1
	done
}

# rig_disable NAME takes a live patch out of effect; 1 if the kernel refuses.
rig_disable() {
	echo 0 >"/sys/kernel/livepatch/$1/enabled"
}

# rig_rmmod NAME unloads a module once the kernel has let go of it, for some seconds.
rig_rmmod() {
	for rig_try in 1 2 3 4 5 6 7 8 9 10; do
		rmmod "$1" 2>/dev/null && return 0
		rig_loaded "$1" || return 0
		sleep 1
	done
	return 1
}
