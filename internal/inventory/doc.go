// Package inventory takes what hosts say of themselves: it checks every check-in
// against limits, makes each one count once, and turns reports into states of
// hosts in plans. It also answers what a host runs now, truthfully, and which
// hosts a selector means.
//
// # One check-in
//
// [Take] runs inside one transaction of the store. A check-in counts only if it
// is newer than what is stored: a higher sequence number of the same boot, or a
// boot that was never seen before. A repeated check-in, and one of a boot that
// another boot has followed, changes nothing.
//
// Most check-ins say what the one before said ([Repeats]). A caller who knows that
// nothing happened to the host meanwhile may leave the transaction out and store the
// sign of life later ([Seen]).
//
// # Clones
//
// [Recognise] tells a host from its clones by who spoke under its identity: boot,
// check-in number, TLS key, machine ID and hardware. Where two speak in turns the
// host is cloned: it gets no grant, every screen says so with what differs, and an
// operator ends it after one of the two has joined anew with an identity of its own
// (hotstick-agent join --new-identity). A machine that was put back to an earlier
// moment, as from a snapshot, is told from a clone by its speaking alone; for two
// minutes it is not heard. Not told apart are machines that differ in nothing: copies
// of a running one that were resumed within a minute of each other, keep their
// network cards, and have neither renewed their certificate nor rebooted since.
//
// A new boot counts from its first check-in with facts, so that a host is never
// shown with the kernel of the boot before.
//
// # Events
//
// Every change that a decision or a person may care about appends an event in
// the same transaction; mere signs of life do not. The controller relies on it:
// where no event was added, there is nothing to decide but who is silent.
package inventory
