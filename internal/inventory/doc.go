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
// another boot has followed, changes nothing. Two boots of one identity that
// alternate are a cloned disk; they are flagged and the newer one is served.
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
