# Rig: stands in for the command that Amazon's plugins for dnf and yum add; written from its
# documentation. With dnf: auto, manual, support. With yum: enable, disable, supported. Which
# file has the setting is not documented; it is that of kpatch-dnf here.
config=/etc/dnf/plugins/kpatch.conf

plugin_write() {
	mkdir -p "${config%/*}"
	printf '[main]\nautoupdate = %s\n\n' "$1" >"$config"
}

plugin_support() {
	until=2099-01-31
	rig_is cover && until=2020-01-31
	echo "The current version of the Linux kernel you are running will no longer receive live patches after $until."
}

plugin_main() {
	case $RIG_MANAGER/$1 in
	dnf/auto)
		packages_faults
		plugin_write True
		spec=$(packages_newest "kernel-livepatch-")
		[ -n "$spec" ] && packages_install "$spec"
		;;
	dnf/manual) plugin_write False ;;
	dnf/support | yum/supported) plugin_support ;;
	yum/enable)
		spec=$(packages_newest "kernel-livepatch-")
		[ -n "$spec" ] && packages_install "$spec"
		;;
	yum/disable) # removes the packages; the kernel stays as it is
		sed -i "/^kernel-livepatch-/d" "$installed"
		;;
	*)
		echo "Error: Invalid argument: $1" >&2
		exit 1
		;;
	esac
}
