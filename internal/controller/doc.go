// Package controller is the server's loop: it decides what every rollout does
// next, commits that, and hands hosts the signed documents that follow from it.
//
// # The loop
//
// [Controller.Run] waits for a change in the store or for the time at which a
// decision asked to be made again. It keeps one rollout (internal/decide/rollout)
// for each plan that is not at rest and brings it up to date with the events of the
// audit log, so that a decision after one report touches only what that report
// changed. Then it commits, in one transaction and on the condition that the plan's
// generation has not moved: plan, hosts, slots, ban, notification and events
// together. Two servers may decide at once; one of them gets store.ErrConflict or
// store.ErrTaken, throws away what it keeps, and reads again. What the other one
// commits arrives as events. Nothing that the loop keeps in memory is needed: a
// process that was killed anywhere goes on from the store. Only the time it was away
// is taken into account, so that hosts are not called silent for a silence that was
// the server's own.
//
// Good news is decided on in bursts, bad news at once.
//
// Every step of the loop may be called by itself: [Controller.Round],
// [Controller.Decide], [Controller.Take], and [Controller.Documents] with a hold of
// 0 start no goroutine and know no time but that of the store's transactions.
//
// # Locks
//
// Decisions are ordered by a lock that is never taken inside a transaction. What is
// kept in memory has a lock of its own, which is taken inside transactions only;
// whoever holds it begins none.
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
// # Quiet hosts
//
// Nearly every check-in says what the one before said. With [Options].Now set, such a
// one of a host to which nothing happened meanwhile is answered without a transaction
// (see quiet.go): the same events that wake held check-ins make a host one of which
// the store is asked again, before the commit that appended them is acknowledged. When
// quiet hosts were last seen is stored every two seconds, and lost with the process.
//
// # Persons
//
// What persons ask for (submit, approve, start, next wave, retry, dismiss, hold, resume,
// halt, revert, ban, clear, freeze, exclude, write off, stop) are methods of [Controller]
// too. Each is logged in the transaction that does it, and may be repeated. A request that is not fulfilled is a
// [*Refusal]: a code, a sentence and a hint.
package controller
