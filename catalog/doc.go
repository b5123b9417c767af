// Package catalog is the signed repository of patches and their artifacts:
// publishing offline, keeping it on a server, and reading it on a host.
//
// The format is TUF 1.0 (theupdateframework.io), made and verified with go-tuf; this
// comment is the specification of what TUF leaves open. A generic TUF client can
// read the catalog; ours refuses whatever is not said here.
//
// # Roles and keys
//
// All keys are Ed25519. root and targets are signed offline, by the owners and by
// the publishers, each with its own threshold. snapshot and timestamp are signed
// by the server's online keys, threshold 1. An online key is never a root key, a
// publisher's or a person's, so whoever steals the server can renew, delay and
// withhold the catalog but cannot put anything into it.
//
// # Files
//
// Snapshots are consistent, so every file but timestamp.json has its version or
// digest in its name and never changes:
//
//	N.root.json              every root since the first
//	timestamp.json           names the newest snapshot
//	N.snapshot.json          names the targets metadata
//	N.targets.json           lists patches and artifacts
//	targets/HEX.sha256-HEX.ko  the bytes of an artifact, HEX being its SHA-256
//
// timestamp and snapshot name the next file with version, length and SHA-256, all
// three; exactly one file each. There are no delegations. Metadata is JSON as
// [strictjson] reads it: an unknown or doubled field makes the file unreadable.
// Each file has a largest size (see [MaxTargetsBytes] and the others), enforced
// while it is fetched. Versions start at 1 and stay below 2^40.
//
// # Trust, in the root
//
// The signed part of root carries the field x-hotstick:
//
//	{"schema": "hotstick/trust/v1", "trust": …}
//
// with trust being hotstick.Trust: which keys speak for which person, how many
// persons must approve a plan, the server's keys for statements, and the epoch.
// It must satisfy statement.CheckTrust. Nothing else anywhere says who may sign.
//
// # Patches, in the targets
//
// The signed part of targets carries the field x-hotstick:
//
//	{"schema": "hotstick/patches/v1", "patches": [ …, … ]}
//
// with each patch being hotstick.Patch, in the order of publication. Each artifact
// has its entry in TUF's own list, under the name sha256-HEX.ko, with the same
// length and digest, and each entry belongs to exactly one artifact. Within the
// catalog a patch level, an artifact's digest, and the pair of kernel build and
// module name are unique: what a kernel lists can be traced to one level.
//
// # Reading
//
// [Client.Refresh] is TUF's client workflow (section 5 of its specification) with
// these additions:
//
//   - Expiry is judged by the later of the clock and the time of the last
//     successful refresh, so a clock set back does not bring back old metadata.
//   - Targets metadata never goes back to an older version while the publishers'
//     keys stay the same, even if the online keys change.
//   - New roots are kept as soon as they are verified. The rest becomes the trusted
//     view all at once, when timestamp.json is replaced; power may fail at any point.
//
// If a thief of the online keys counted the versions up (fast-forward), the next
// root, with other online keys, makes clients forget those versions.
//
// [Client.Load] reads the last trusted view from disk, even if it has expired: a
// host that boots without network may re-apply what it had confirmed.
//
// # Keeping
//
// A [Repository] takes targets metadata from the publishers ([Repository.Accept])
// and signs snapshot and timestamp itself. Timestamps live for [TimestampLife] and
// are renewed by [Repository.Refresh] when half of that is over.
package catalog
