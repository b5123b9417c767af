# Rig: what the stand-ins for SUSE's programs share; written from SUSE's documentation.
#
# The repository is the folder of modules: livepatch_6_150400_2_2.ko is what the package
# kernel-livepatch-KERNEL=6-150400.2.2 brings, where KERNEL is the running one. What is
# installed is a file of the package's name that holds its version.
SUSE=$RIG_STATE/suse
mkdir -p "$SUSE/rpm"

# package prints the name of the live patch package for the running kernel.
package() {
	echo "kernel-livepatch-$(uname -r | tr . _)"
}

# versions prints what the repository has, oldest first.
versions() {
	for file in "$RIG_MODULES"/livepatch_*.ko; do
		[ -e "$file" ] || continue
		name=$(basename "$file" .ko)
		version_of "$name"
	done | sort -n
}

# version_of MODULE prints the version of the package that brings it.
version_of() {
	echo "${1#livepatch_}" | sed 's/_/-/; s/_/./g'
}

# module_of VERSION prints the module that a package brings.
module_of() {
	echo "livepatch_$(echo "$1" | tr '.-' '__')"
}

# installed PACKAGE prints its version; 1 if it is not installed.
installed() {
	cat "$SUSE/rpm/$1" 2>/dev/null
}

# generation VERSION prints the number before the first dash.
generation() {
	echo "${1%%-*}"
}
