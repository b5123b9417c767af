# Rig: what dnf and yum of the rigs share; written from their documentation.
#
# /run/rig/rpm/offered has what the repositories offer, one package a line:
# name, version-release, architecture, and its modules with commas between (or a dash).
# /run/rig/rpm/installed has what is installed. Plugins are /usr/lib/rig/dnf.d/COMMAND.sh.
offered=$RIG_STATE/rpm/offered
installed=$RIG_STATE/rpm/installed
mkdir -p "$RIG_STATE/rpm"
touch "$offered" "$installed"

# The faults that come before anything is done, in the words of each program.
packages_faults() {
	if rig_is busy; then
		if [ "$RIG_MANAGER" = yum ]; then
			echo "Existing lock /var/run/yum.pid: another copy is running as pid 4242." >&2
			echo "Another app is currently holding the yum lock; exiting as configured by exit_on_lock" >&2
		elif [ -n "$exit_on_lock" ]; then
			echo "Error: metadata already locked by 4242" >&2
		else
			echo "Waiting for process with pid 4242 to finish."
			/bin/busybox sleep 86399
		fi
		exit 200
	fi
	if rig_is network; then
		if [ "$RIG_MANAGER" = yum ]; then
			echo "http://mirror.example/2/core/repodata/repomd.xml: [Errno 14] curl#6 - \"Could not resolve host: mirror.example\"" >&2
			echo "Trying other mirror." >&2
			echo "Cannot find a valid baseurl for repo: core/2/x86_64" >&2
		else
			echo "Errors during downloading metadata for repository 'rig-baseos':" >&2
			echo "  - Curl error (6): Couldn't resolve host name for https://mirror.example/repodata/repomd.xml [Could not resolve host: mirror.example]" >&2
			echo "Error: Failed to download metadata for repo 'rig-baseos': Cannot download repomd.xml: Cannot download repodata/repomd.xml: All mirrors were tried" >&2
		fi
		exit 1
	fi
	if rig_is entitled; then
		echo "Updating Subscription Management repositories."
		echo "Unable to read consumer identity"
		echo
		echo "This system is not registered with an entitlement server. You can use \"rhc\" or \"subscription-manager\" to register."
		echo
	fi
}

# packages_none SPEC: no repository has it.
packages_none() {
	if [ "$RIG_MANAGER" = yum ]; then
		echo "No package $1 available."
		echo "Error: Nothing to do" >&2
	else
		echo "No match for argument: $1"
		echo "Error: Unable to find a match: $1" >&2
	fi
	exit 1
}

# packages_find SPEC sets name, version, arch and modules of what is offered.
packages_find() {
	rig_is entitled && return 1
	rig_is level && return 1
	rig_is cover && return 1
	while read -r name version arch modules; do
		[ "$name-$version.$arch" = "$1" ] || [ "$name-$version" = "$1" ] && return 0
	done <"$offered"
	return 1
}

# packages_put NAME VERSION ARCH MODULES installs one and runs its script.
packages_put() {
	echo "Running transaction"
	echo "  Installing       : $1-$2.$3                                 1/1"
	sed -i "/^$1 /d" "$installed"
	echo "$1 $2 $3" >>"$installed"
	if [ "$4" != - ]; then
		dir=/var/lib/kpatch/$(uname -r)
		mkdir -p "$dir"
		for module in $(echo "$4" | tr , ' '); do
			cp "$RIG_MODULES/$module.ko" "$dir/$module.ko"
			# What a package's script says is said, and that it fails fails nothing.
			if ! /usr/sbin/kpatch load "$dir/$module.ko"; then
				echo "warning: %post($1-$2.$3) scriptlet failed, exit status 1" >&2
				echo "Error in POSTIN scriptlet in rpm package $1"
			fi
		done
	fi
	echo "  Verifying        : $1-$2.$3                                 1/1"
	echo
	echo "Installed:"
	echo "  $1-$2.$3"
	echo
}

packages_install() {
	for spec in "$@"; do
		packages_find "$spec" || packages_none "$spec"
		if grep -q "^$name $version " "$installed"; then
			echo "Package $name-$version.$arch is already installed."
			echo "Nothing to do."
			echo "Complete!"
			continue
		fi
		if [ -n "$assumeno" ]; then
			echo "Operation aborted."
			exit 1
		fi
		if rig_is disk; then
			echo "Error: Transaction test error:" >&2
			echo "  installing package $name-$version.$arch needs 5MB more space on the / filesystem" >&2
			exit 1
		fi
		if rig_is key; then
			echo "Public key for $name-$version.$arch.rpm is not installed. Failing package is: $name-$version.$arch"
			echo "Error: GPG check FAILED" >&2
			exit 1
		fi
		packages_put "$name" "$version" "$arch" "$modules"
		echo "Complete!"
	done
}

# packages_newest PREFIX prints the spec of the last that is offered under a name that
# begins so; the file has them in their order.
packages_newest() {
	grep "^$1" "$offered" | tail -n 1 | while read -r name version arch modules; do
		echo "$name-$version.$arch"
	done
}

packages_main() {
	yes=
	assumeno=
	exit_on_lock=
	verb=
	while [ $# -gt 0 ]; do
		case $1 in
		-y | --assumeyes) yes=yes ;;
		--assumeno) assumeno=yes ;;
		--setopt=exit_on_lock=1) exit_on_lock=yes ;;
		--setopt=*) ;;
		-*)
			echo "$RIG_MANAGER: error: unrecognized arguments: $1" >&2
			exit 2
			;;
		*)
			verb=$1
			shift
			break
			;;
		esac
		shift
	done
	while [ "${1#-}" != "$1" ]; do # dnf COMMAND -y ARGUMENT
		[ "$1" = -y ] && yes=yes
		shift
	done
	case $verb in
	install)
		packages_faults
		if [ -z "$yes" ] && [ -z "$assumeno" ]; then # nobody is there to say yes
			assumeno=yes
		fi
		packages_install "$@"
		;;
	*)
		if ! [ -e "/usr/lib/rig/dnf.d/$verb.sh" ]; then
			echo "No such command: $verb. Please use /usr/bin/$RIG_MANAGER --help" >&2
			exit 1
		fi
		. "/usr/lib/rig/dnf.d/$verb.sh"
		plugin_main "$@"
		;;
	esac
}
