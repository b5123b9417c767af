// Package exposure decides which CVEs a running kernel is open to: the booted kernel,
// minus what is fixed in memory.
//
// An [Index] holds what sources say, compiled; [Index.Classify] makes a [Class] of a
// host's facts, and hosts of one class are exposed alike: a fleet of 100,000 hosts is a few
// thousand classes. [Full] judges every class against every CVE into a [Fleet], which is a
// value; [Fleet.Change] makes the next one of it for what has changed, [Events] says what
// began and ended between two, and [Fleet.Explain] why one host stands where it stands.
// [Tree] orders what is open: tree.yaml, or one's own ([ParseTree]).
//
// The rules, in the order in which they hold:
//
//   - Sources are asked for the kernel's own product (debian:12, linux); where none speaks of
//     the CVE there, for the product without its minor version (rhel:9.4, then rhel:9).
//     Nothing is concluded from another product: its versions mean something else.
//   - The release of that product is the kernel's own, not the userland's. See package series.
//   - That nobody names a CVE in the product is unknown, unless a source that is complete for
//     the distribution leaves it out. See [hotstick.AdvisorySource].
//   - Where sources of one product disagree, those that are the vendor's own beat the others;
//     among equals the worst holds. That they disagreed is kept.
//   - A live patch counts if it is in effect, the catalog says what it closes on this
//     kernel build, and nothing lies above it or moves beside it that might have put
//     other code in the place of its own. See [Index.Classify].
//   - A module that is not loaded mitigates nothing while it could be loaded.
//   - What was closed by the last word of a host that is silent is unknown. Unknown is open.
package exposure
