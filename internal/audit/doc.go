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
