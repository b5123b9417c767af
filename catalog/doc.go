// Package catalog is the signed repository of patches and their artifacts:
// publishing offline, keeping it on a server, and reading it on a host.
//
// The format is TUF 1.0 (theupdateframework.io), made and verified with go-tuf; this
// comment is the specification of what TUF leaves open. A generic TUF client can
// read the catalog; ours refuses whatever is not said here.
//
// # Roles and keys
//
// root and targets are signed offline, by the owners and by the publishers, each with
// its own threshold. snapshot and timestamp are signed by the server's online keys,
// threshold 1. Keys are Ed25519, or ECDSA on P-256 for whoever signs offline: many a
// token has no more. TUF has several forms of a key for ECDSA, each with an ID of its
// own; here it is keytype ecdsa, scheme ecdsa-sha2-nistp256, and PKIX in PEM as Go and
// openssl write it, so that one key has one ID. An online key is never a root key, a
// publisher's, a delegate's or a person's, so whoever steals the server can renew,
// delay and withhold the catalog but cannot put anything into it.
//
// # Files
//
// Snapshots are consistent, so every file but timestamp.json has its version or
// digest in its name and never changes:
//
//	N.root.json              every root since the first
//	timestamp.json           names the newest snapshot
//	N.snapshot.json          names the targets metadata
//	N.targets.json           lists patches and artifacts, delegations and recalls
//	N.NAME.json              the same of the delegate NAME
//	targets/HEX.sha256-HEX.ko  the bytes of an artifact, HEX being its SHA-256
//	recalls/N.json           beside the catalog, N from 1 to 4: targets metadata out
//	                         of which only recalls are taken
//
// timestamp and snapshot name each next file with version, length and SHA-256, all
// three. A timestamp names one file; a snapshot names targets.json and NAME.json of
// every delegate that has ever published. Metadata is JSON as [strictjson] reads
// it: an unknown or doubled field makes the file unreadable. Versions start at 1
// and stay below 2^40.
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
//	{"schema": "hotstick/patches/v1", "patches": [ …, … ], "delegations": [ … ], "recalls": [ … ]}
//
// with each patch being hotstick.Patch, in the order of publication. Each artifact
// has its entry in TUF's own list, under the name sha256-HEX.ko, with the same
// length and digest, and each entry belongs to exactly one artifact, or to the vendors'
// own signatures over some (hotstick.VendorSignature), which are kept for people and
// which nobody here verifies. Within the
// catalog, delegates included, a patch level, an artifact's digest, and the pair of
// kernel build and module name are unique: what a kernel lists can be traced to one
// level. An artifact is a kernel module where the patch's driver loads bytes
// (hotstick.ClassOf), and the canonical bytes of a hotstick.Recipe for the same driver,
// kernel build and module where a vendor's system does; both are under the same kind of
// name. [Publish] signs no other, and who follows a recipe reads it as strictly again.
// The level is the order: of one patch, the higher one is the newer. What a patch
// touches beside the kernel (hotstick.Touch, docs/reference/touches.md) is part of it;
// a reader that does not know such a field refuses the metadata as a whole.
//
// # Delegations
//
// The publishers may let a vendor or a team publish by itself. TUF's field
// delegations names the role, its keys and its threshold; the path is sha256-*.ko
// and the role does not terminate. What binds the delegate is its scope, in
// x-hotstick, one for each delegation and in the same order:
//
//	{"name": NAME, "scope": {"patches": […], "vendors": […], "drivers": […], "builds": [{"release": …, "arch": …, "build_id": …}]}}
//
// A patch must fit in every respect: its name one of patches (or begin like one
// that ends in *), its vendor, its driver, and each artifact's kernel build (where *
// in a release stands for any characters, and without build_id every build of it is
// meant). An empty list is refused. Metadata of a delegate with one patch outside is
// refused as a whole. A delegate cannot delegate.
//
// The keys of a delegate change in the publishers' metadata; what it has published
// must then hold under the new keys or come anew with the change. A delegation that
// has ended does not come back under its name. Metadata of a delegate that has
// expired keeps nobody else up: [View.ExpiredFor] tells for which patches nothing
// new may start.
//
// # Recalls
//
// A recall is hotstick.Recall: patch, level, block or block-and-revert, reason and
// time, in ascending order of these. A delegate recalls patches of its scope only.
// Recalls never leave the metadata again; a clear, which is a statement, lifts those
// that are older than it is. A client keeps every recall that it has seen in
// recalls.json, which outlives changes of keys and older catalogs. It learns them
// from its source, from any of several mirrors ([Client.Follow]), or from targets
// metadata of any age that somebody brings as a file ([Client.TakeRecalls]).
//
// A server that was stolen may refuse the publishers' recall, so that no snapshot
// names it, or count its versions up, so that no honest snapshot is newer. A recall
// needs neither: from a mirror it is also taken out of the files recalls/N.json, and
// out of newer targets metadata of a catalog that cannot be taken as a whole. As long
// as the trusted catalog lacks such recalls, the client keeps these files beside it,
// and a client whose source is that directory learns them there.
//
// # Reading
//
// [Client.Refresh] is TUF's client workflow (section 5 of its specification) with
// these additions:
//
//   - Expiry is judged by the later of the clock and the time of the last
//     successful refresh, so a clock set back does not bring back old metadata.
//   - Targets metadata never goes back to an older version while the publishers'
//     keys stay the same, even if the online keys change; nor does a delegate's.
//   - New roots are kept as soon as they are verified. The rest becomes the trusted
//     view all at once, when timestamp.json is replaced; power may fail at any point.
//
// If a thief of the online keys counted the versions up (fast-forward), the next
// root, with other online keys, makes clients forget those versions.
//
// [Client.Load] reads the last trusted view from disk, even if it has expired: a
// host that boots without network may re-apply what it had confirmed.
//
// [Generic] runs the same workflow under TUF's own form, for the conformance suite
// and for nothing else.
//
// # Limits
//
//	a root                                  1 MiB ([MaxRootBytes])
//	a timestamp                             16 KiB ([MaxTimestampBytes])
//	a snapshot                              64 KiB ([MaxSnapshotBytes]), 256 files
//	the publishers' targets metadata        16 MiB ([MaxTargetsBytes])
//	a delegate's                            2 MiB ([MaxDelegatedBytes])
//	an artifact                             64 MiB (hotstick.MaxArtifactBytes)
//	keys of a role, signatures of a file    64
//	delegations                             64
//	patches; artifacts of one; recalls      10,000 each
//	new roots in one refresh                64; the next refresh goes on
//	one fetch over HTTP                     15 minutes ([FetchTime])
//	the slowest source                      1 KiB/s ([MinBytesPerSecond]) over 30 s ([PaceTime])
//
// All hold while a file is fetched, not after it: what a source says about a length
// allots no memory. Nothing is unpacked, and no redirection is followed. What the lists
// of a file would fill is counted before it is decoded (internal/strictjson), and the
// publishers' signatures are checked before the library for TUF reads it.
//
// # Signing in turn
//
// A [Paper] is root or targets metadata on its way from one signer to the next: made
// without signers ([NextRoot], [Revise]), signed by [Countersign], on copies too
// ([Merge]). Nobody but the repository and the clients says whether they are enough.
//
// # Keeping
//
// A [Repository] takes targets metadata from the publishers ([Repository.Accept])
// and the delegates ([Repository.AcceptDelegated]) and signs snapshot and timestamp
// itself. Timestamps live for [TimestampLife] and are renewed by
// [Repository.Refresh] when half of that is over. What people must sign again in
// time, [View.ExpiresWithin] tells [ExpiryWarning] ahead.
package catalog
