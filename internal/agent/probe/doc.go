// Package probe asks a host how it is.
//
// # Kinds
//
// Configured probes say yes or no: [Command], [HTTP], [TCP] and [Unit]. Built-in ones
// measure a number of the kernel's or of the disk's ([Health]) and compare it with what
// is usual on this host ([Judge]); one more, modules, says whether the kernel would still
// take a module. What a kernel does not offer, such as pressure, is not asked for.
//
// # No answer
//
// A probe that does not answer in time, that panics, or that hangs in the kernel is not
// healthy, and keeps no other one waiting: each is asked in a goroutine of its own, and
// not again before it is back. See [Rounds].
//
// # Two paces
//
// At rest a round is asked once a minute, together with a check-in if there is one, so
// that the processor wakes up once for both. While an attempt is under way the host is
// watched: a round a second.
package probe
