// Package nt reads what Windows tells of itself: the running build, whether it can take
// hotpatches and what stands against that, and which boot this is. Everything it decides
// on comes from the registry, through [Registry], so that recorded machines are read like
// running ones.
//
// # The build
//
// A [hotstick.KernelBuild] is what a live patch must match. On Windows that is what the
// machine was booted with, as release 10.0.BUILD.REVISION, and its architecture. A
// hotpatch that is installed later in the same boot raises the revision that the registry
// shows (the value UBR) but not the build: it is a patch in effect on that build, until
// the next boot, whose build has the newer revision. So an installed update means on
// Windows what a loaded module means on Linux, and a lane of a plan is the machines that
// were booted with one revision.
//
// Windows has no build ID. In its place stand the first 20 bytes of the SHA-256 of these
// lines, each ended by a line feed: "hotstick/nt-build/v1", the value BuildLabEx, the
// release, and the architecture as the release's [hotstick.KernelBuild] has it. Whoever
// publishes can compute it for a machine that he does not have.
//
// # The boot
//
// Windows has no boot ID either. The first program of ours that asks in a boot makes a
// random one, in the form of a UUID, and writes it into a volatile key of the registry,
// which the kernel keeps in memory and forgets when it ends: SOFTWARE\Hotstick\Boot, with
// the values ID, Revision (the one of that moment, which counts as what was booted) and
// BootedAt. An update that was installed by somebody else earlier in that boot therefore
// counts as booted. After a hibernation, or a shutdown with fast startup, the same kernel
// runs on and the key is there still.
package nt
