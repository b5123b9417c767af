// Package exposures keeps, in the store, from when until when each host was open to which CVE.
//
// A [Loop] is the sole owner of the judged fleet ([exposure.Fleet]). It tells it what hosts
// say of themselves and what feeds say of CVEs, and writes what began and ended by that. It
// follows the audit log for hosts of which something happened, and the numbers of changes for
// documents; once a minute it looks at every host, for silence has no event, and nor has a
// list of patches that somebody else changed.
//
// # After a restart
//
// The fleet is judged anew, and what is open then is compared with what the store has as open:
// only the difference is written, so no interval ends and begins anew because the server did.
// Time in which the server was away is no silence of the hosts; how long it was is learned
// before any of them can call. The same comparison mends what a failed write left.
//
// # What a host is judged by
//
// Its newest facts, and its truth source's newest list of live patches: what is not in effect
// there closes nothing. A host is judged from its first facts on until it is revoked.
//
// A document's silence counts for distributions for which its feed was called complete when it
// was read, and is so still: what an operator takes back waits for no reading.
package exposures
