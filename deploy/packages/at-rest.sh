#!/bin/sh
# The first part of every script of the packages agent and loader; make packages puts
# the two parts together. dpkg names what it does, rpm counts the versions that stay.
set -eu

ledger=/var/lib/hotstick/loader/ledger.json

# phase is that of the attempt under way, as the loader's ledger has it; empty if none is.
phase() {
	[ -e "$ledger" ] || return 0
	sed -n 's/.*"attempt":{[^{}]*"phase":"\([a-z]*\)".*/\1/p' "$ledger"
}

# in_transition names the live patches that the kernel is moving tasks to or from.
in_transition() {
	for file in /sys/kernel/livepatch/*/transition; do
		[ "$(cat "$file" 2>/dev/null)" = 1 ] || continue
		basename "$(dirname "$file")"
	done
}

# in_effect names the live patches that the kernel runs.
in_effect() {
	for file in /sys/kernel/livepatch/*/enabled; do
		[ "$(cat "$file" 2>/dev/null)" = 1 ] || continue
		basename "$(dirname "$file")"
	done
}

# adopted names the live-patch system that was taken over and not given back; empty if none.
adopted() {
	[ -e "$ledger" ] || return 0
	sed -n 's/.*"adopted":{"system":"\([a-z]*\)".*/\1/p' "$ledger"
}

# changing says what is being changed in the kernel now; nothing if nothing is.
changing() {
	patches=$(in_transition | tr '\n' ' ')
	[ -z "$patches" ] || echo "the kernel is in transition (${patches% })"
	case $(phase) in
	armed | applying | reverting) echo "an attempt is $(phase)" ;;
	esac
}

# wait_at_rest waits until nothing is being changed, or ends the script. A patch on
# probation is no obstacle: agent and loader may be away for some seconds.
wait_at_rest() {
	left=${HOTSTICK_PACKAGE_WAIT:-120}
	while now=$(changing | head -n 1) && [ -n "$now" ]; do
		if [ "$left" -le 0 ]; then
			echo "hotstick: cannot do this now: $now. Wait until it is over, or see why with: hotstick-agent status" >&2
			exit 1
		fi
		left=$((left - 1))
		sleep 1
	done
}

# by_systemd reports whether systemd runs this machine: not in a container's build, nor
# while an image is made.
by_systemd() { [ -d /run/systemd/system ]; }

