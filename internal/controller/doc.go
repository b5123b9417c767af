// Package controller is the server's loop: it decides what every rollout does
// next, commits that, and hands hosts the signed documents that follow from it.
//
// # The loop
//
// [Controller.Run] waits for a change in the store or for the time at which a
// decision asked to be made again. For each plan it builds a view inside one
// transaction, asks the pure decider (internal/decide/rollout) and commits: plan,
// hosts, slots, ban, notification and events together, on the condition that the
// plan's generation has not moved. Two servers may decide at once; one of them
// gets store.ErrConflict or store.ErrTaken and reads again. Nothing that the
// loop keeps in memory is needed: a process that was killed anywhere goes on from
// the store. Only the time it was away is taken into account, so that hosts are
// not called silent for a silence that was the server's own.
//
// # Documents
//
// A check-in's answer carries what its loader lacks: envelopes of plans that
// list the host, bans, halts, an order to revert, a grant. A grant is signed
// inside the transaction that checks everything it depends on (the plan runs,
// the host is admitted, nothing is stopped or banned, the check-in is the host's
// newest) and that records it; so after a halt has committed no grant of that
// plan is ever made, and every grant that is out stands in the log.
//
// # Persons
//
// What persons ask for (submit, approve, start, hold, resume, halt, revert, ban,
// stop) are methods of [Controller] too. A request that is not fulfilled is a
// [*Refusal]: a code, a sentence and a hint.
package controller
