# Rig: stands in for the command that the dnf plugin of kpatch-dnf adds; written from its
# documentation. Its setting is autoupdate in /etc/dnf/plugins/kpatch.conf.
config=/etc/dnf/plugins/kpatch.conf

plugin_write() {
	# The plugin writes the file anew, as Python's configparser does.
	mkdir -p "${config%/*}"
	printf '[main]\nautoupdate = %s\nautofilter = False\n\n' "$1" >"$config"
}

plugin_main() {
	case $1 in
	auto | auto-update)
		packages_faults
		# The setting is kept first; then whatever is missing is installed.
		plugin_write True
		spec=$(packages_newest "kpatch-patch-")
		[ -n "$spec" ] && packages_install "$spec"
		;;
	manual | manual-update) plugin_write False ;;
	status)
		echo "Kpatch update setting: $(grep -q 'autoupdate *= *True' "$config" 2>/dev/null && echo auto || echo manual)"
		echo "Kpatch filter setting: no-filter"
		;;
	*)
		echo "Error: Invalid argument: $1" >&2
		exit 1
		;;
	esac
}
