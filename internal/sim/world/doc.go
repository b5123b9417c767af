// Package world is the deterministic simulator: a fleet, its servers and its
// operators in one goroutine, on one seeded heap of events.
//
// The deciders, the controller, the agent's core and the loader are the real
// ones, over the memory store. What is made up is what is around them: time, the
// network, disks, kernels, people, and everything that goes wrong. The same seed
// and the same binary give the same trace, byte for byte.
//
// A run is a [Case]: a seed and a list of [Step]s, which are the faults and the
// deeds of people. The list is made from the seed, and may be cut afterwards: each
// step and each host draws from a stream of its own, so leaving one out does not
// move the others. That is how [Shrink] makes a short case of a failing one.
//
// What truly happens is written as a trace (see internal/trace): from the
// simulated kernels, from the ledgers as they become durable, from the store's
// rows as they are committed. Package checker reads that, and nothing else.
package world
