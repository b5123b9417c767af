# Rig: what the stand-ins for Canonical's programs share; written from the Livepatch
# client's documentation.
#
# /run/rig/canonical has the daemon's memory: config/KEY, stored (the version that was
# downloaded), state, check-state, last-check, pid, orders (a pipe), enabled. The file
# server is what Canonical's server has: VERSION DATE on each line.
LP=$RIG_STATE/canonical
MODE_FILE=/var/local/canonical_livepatch_mode
HOSTED=https://livepatch.canonical.com
CONFIG_FILE=/var/snap/canonical-livepatch/common/config
mkdir -p "$LP/config"

# key NAME DEFAULT prints a setting.
key() {
	if [ -e "$LP/config/$1" ]; then cat "$LP/config/$1"; else echo "$2"; fi
}

# settings prints the configuration.
settings() {
	echo 'http-proxy: ""'
	echo 'https-proxy: ""'
	echo 'no-proxy: ""'
	echo "remote-server: $(key remote-server $HOSTED)"
	echo 'ca-certs: ""'
	echo "check-interval: $(key check-interval 60)"
	echo 'dial-timeout: 12s'
	echo 'log-level: warning'
	echo "cutoff-date: \"$(key cutoff-date '')\""
	echo 'patch-delay: "0"'
}

get() {
	cat "$LP/$1" 2>/dev/null
}

put() {
	echo "$2" >"$LP/$1.new" && mv "$LP/$1.new" "$LP/$1"
}

# module_of VERSION prints the module's name; it has the version's first number only.
module_of() {
	echo "lkp_Ubuntu_$(uname -r | tr '.+-' '___')_${1%%.*}"
}

now() {
	date -u +%Y-%m-%dT%H:%M:%SZ
}

# offered prints the newest version that the server gives this machine.
offered() {
	awk -v until="$(key cutoff-date '')" '
		until != "" && ($2 "") > (until "") { next }
		$1 + 0 > best + 0 { best = $1 }
		END { print best }' "$LP/server" 2>/dev/null
}

daemon_runs() {
	[ -e "$LP/pid" ] && kill -0 "$(cat "$LP/pid")" 2>/dev/null
}

daemon_stop() {
	daemon_runs && kill -9 "$(cat "$LP/pid")"
	rm -f "$LP/pid" "$LP/orders"
}

daemon_start() {
	rm -f "$LP/orders"
	mkfifo "$LP/orders"
	setsid sh /usr/lib/rig/canonical/livepatchd </dev/null >>"$LP/log" 2>&1 &
	echo $! >"$LP/pid"
}
