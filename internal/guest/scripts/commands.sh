#!/bin/sh
# Serves commands on the second serial line; see the type link for the protocol.
# A command runs in a session of its own beside this loop, so one that hangs
# holds up neither others nor the order that kills it.
# The first folder is there only in a guest with Debian.
export PATH=/run/hotstick-guest/bin:/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
line=/dev/ttyS1
dir=/run/commands
read -r boot </proc/sys/kernel/random/boot_id

# Called by this script itself: run command $2 and hand its answer over.
if [ "$1" = answer ]; then
	id=$2
	cd /root
	input=/dev/null
	[ -e "$dir/$id.in" ] && input=$dir/$id.in
	sh "$dir/$id.cmd" >"$dir/$id.out" 2>&1 <"$input"
	code=$?
	{
		echo "@hotstick begin $boot $id"
		base64 "$dir/$id.out"
		echo "@hotstick end $boot $id $code"
	} >"$dir/$id.answer"
	echo "$id" >"$dir/answered"
	exit
fi

# Answers are written whole, one after another: one writer takes them in turn.
write() {
	while read -r id; do
		cat "$dir/$id.answer" >"$line"
		rm -f "$dir/$id".*
	done <>"$dir/answered"
}

# This shell's read forgets half a line when one of its children ends. So another
# process puts lines together, and the shell gets each of them whole.
collect() {
	awk '{ print; fflush() }' <&3 >"$dir/orders"
}

# A helper outlives this loop if that is killed and started again.
helper() {
	if ! [ -e "$dir/$1.pid" ] || ! kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null; then
		"$1" &
		echo $! >"$dir/$1.pid"
	fi
}

mkdir -p "$dir"
for pipe in answered orders; do
	[ -p "$dir/$pipe" ] || mkfifo "$dir/$pipe"
done
# The line stays open from here on: what arrives on a closed one is dropped.
exec <>"$dir/orders" 2>/dev/console 3<>"$line"
stty raw -echo <&3
helper write
helper collect
echo "@hotstick hello $boot" >"$line"
while read -r mark verb for id text; do
	[ "$mark" = @hotstick ] && [ "$for" = "$boot" ] || continue
	case $verb in
	part)
		echo "$text" >>"$dir/$id.b64"
		;;
	input)
		echo "$text" >>"$dir/$id.in64"
		;;
	run)
		base64 -d "$dir/$id.b64" >"$dir/$id.cmd"
		[ -e "$dir/$id.in64" ] && base64 -d "$dir/$id.in64" | gunzip >"$dir/$id.in"
		setsid "$0" answer "$id" &
		echo $! >"$dir/$id.pid"
		;;
	kill)
		[ -e "$dir/$id.pid" ] && kill -9 -- "-$(cat "$dir/$id.pid")"
		rm -f "$dir/$id".*
		;;
	esac
done
