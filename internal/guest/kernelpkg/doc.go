// Package kernelpkg turns Debian's kernel packages into kernel builds that can
// be booted in a guest and that live patches can be built for.
//
// A kernel build is resolved by name at run time, never pinned, because old
// builds leave the archive: a [Want] says a line ("6.1") and whether the oldest
// or the newest build of it that the archive offers is meant. Only builds whose
// headers are offered too count, since a build without headers cannot be
// patched. Nothing is installed: packages are downloaded with `apt-get
// download` and unpacked with `dpkg -x` below a cache directory.
//
// The cache:
//
//	CACHE/kernels/RELEASE_VERSION/   one unpacked build and its kernel.json
//	CACHE/resolved/LINE-FLAVOUR-WHICH   the entry a want was resolved to
//	CACHE/tools/PACKAGE/PROGRAM          busybox for the guests; zstd and xz if the host has none
//	CACHE/tools/ovmf/                    firmware with Secure Boot, and what signs for it
//	CACHE/roots/SUITE-DIGEST/root.img    a Debian with systemd, by the digest of its recipe
//	CACHE/lock                       one writer at a time
//
// An entry is prepared under a temporary name and renamed into place when it is
// whole, so a download that is killed leaves nothing that looks valid. A want
// for the oldest build that is in the cache is answered without the archive.
package kernelpkg
