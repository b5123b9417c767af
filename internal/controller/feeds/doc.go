// Package feeds reads the feeds of advisories that operators have named, each when it is due,
// into the store.
//
// # What is kept
//
// Each document is put into the store whole, in one transaction, in the place of what it said
// before; one that says the same is left alone, and so is an older issue of one that is there.
// How far a feed was read (its mark) is written last, together with how the reading went. So
// whatever is cut short, by a broken feed or by kill -9, is read again, and nothing is lost.
//
// A feed that breaks, or becomes empty, keeps what it said: its last good content stays, its
// State says since when it is not read any more and why, and it is tried again soon, then
// less and less often. A document that cannot be read any more stays as it was, too, and is
// listed among the refusals. Only a document takes back what it said: by saying something
// else, or by being withdrawn. What is in a feed no more is not taken back; empty is not all.
//
// A list that is published whole again and again (KEV, EPSS) takes the place of its issue
// before. It can be long, so it is stored in pieces; what the new issue leaves out goes last.
package feeds
