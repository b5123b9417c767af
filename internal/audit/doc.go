// Package audit makes the event log tamper-evident: every event is a leaf of a
// Merkle tree, whose root (the head) commits to every leaf and to their order.
//
// # Leaves
//
// A leaf is the event as one line of JSON, made by [Encode]: UTF-8, no space
// between tokens, no escaping that JSON does not need, members in the order of
// the event's definition, times in RFC 3339 and UTC. Its member "seq" is its
// place in the log, from 0 without gaps; so a leaf that was moved gives itself
// away. The log keeps these exact bytes and never encodes an event twice. A file
// of leaves, one a line, is a complete export.
//
// # Tree
//
// Hashes are those of RFC 6962 (Certificate Transparency), as
// golang.org/x/mod/sumdb/tlog computes them: SHA-256 over 0x00 and the leaf, over
// 0x01 and two hashes for a node. A leaf adds its own hash and one for each
// subtree that it completes, one to three as a rule and log₂(size) at most;
// [Append] computes them from hashes that are stored already. Hashes are numbered
// by tlog's index; [Place] says with which leaf a number was stored.
//
// # Checkpoints
//
// A checkpoint is a head that a server stands by: a signed note as
// golang.org/x/mod/sumdb/note and the checkpoint format of transparency logs
// (C2SP tlog-checkpoint) have it, with two lines of our own:
//
//	hotstick/audit
//	20
//	4JOr0+Uh1UDbewTnK7VnKZe+MufwMKejHABaFuP1lzM=
//	epoch 3
//	time 2026-11-21T12:00:00Z
//
//	— hotstick/audit Fhc/IRj2…
//
// Origin, number of leaves, root in base 64, epoch of the catalog's trust, and the
// time of signing. Anything else in these lines is refused.
//
// It is signed with the server's online key, which the catalog's root names
// (hotstick.Trust.ServerKeys); there is no key for the log alone. A thief who has
// one key of the server has them all, so a second one would protect nothing, and
// the root would need one more ceremony. What protects is that others remember. The
// signature makes what they remember evidence: two notes that cannot both be true
// convict the holder of the key, and a host cannot invent a checkpoint to discredit
// an honest server. The key signs three formats; none can be taken for another, for
// what is signed begins with "hotstick/audit" here, with "DSSEv1" in statements and
// with "{" in the catalog.
//
// # Who remembers
//
// Agents and people's commands keep the newest checkpoint that they have seen in a
// [Memory] and take a later one only with the proof that its log continues the kept
// one. Otherwise it is a [Conflict]: refused, kept with both notes, and reported.
// Only a new epoch, which takes an offline signature, lets a log begin anew: so a
// clean server takes its hosts back after a theft, and neither a thief nor an old
// backup can pass for the log.
//
// # What is proved, and what is not
//
// Whoever can write the database can rewrite leaves and hashes alike. What cannot
// be rewritten is a head that somebody else has kept: [VerifyLog] recomputes the
// tree from its leaves and compares it with every kept head, so an edit, a
// deletion, a new order, a cut or a fork below a kept head is found, and narrowed
// down to a leaf, or to the leaves between two heads. What was appended after the
// newest kept head is protected by nothing yet; so heads should leave the machine
// often. [CheckLeaf] and [CheckGrowth] verify with a few hashes what would else
// need the whole log: that it contains a leaf, and that one head continues
// another.
package audit
