// Package checker holds the product's invariants as checks over a trace (see
// internal/trace). It shares nothing with the product but the trace's schema and
// the words of the root package, so a fault of the product cannot hide in it.
//
// The events come in the order in which they happened. Each [Rule] sees every
// event with the state of the fleet just before it, and says what it breaks. The
// numbers are those of the reference page on reliability, section 7.2, as the
// design page amends them; [Rules] lists them with what cannot be checked yet and
// why.
//
// The simulator writes what truly happened: kernels, disks, the server's rows. A
// trace of the real programs has less; rules that need more than a trace holds
// stay silent on it, and [Report.Looked] tells how often each rule looked.
package checker
