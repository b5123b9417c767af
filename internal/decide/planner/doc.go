// Package planner turns a selection of hosts and a policy's shape into a plan: who
// goes in which wave, how far each host may go back, and how many may be disturbed
// at once. It is pure: the same request gives the same plan, byte for byte,
// whatever the order of its hosts.
//
// # Who is listed
//
// A host is left out, with the first reason that holds, if the patch cannot go
// there (package compat: no artifact for its build, a strike, reverted there
// before, the level or a newer one in effect, no driver, a foreign patch), if the
// policy or an operator says so (Host.Verdict), or if the plan that this one
// continues lost or quarantined it. A request that leaves nobody, or whose patch is
// banned or recalled, is refused: an empty selection is never all hosts. So are a host selected
// twice, a ring or calendar that the policy has not, and a shape that contradicts
// itself.
//
// # The shuffle
//
// Wherever a rule below leaves a choice, hosts are taken in the order of a hash of
// the patch and the host's ID: so the same few machines are not the canaries of
// every patch, and each domain is spread evenly over the waves. The hash is FNV-1a
// of 64 bits over NAME@LEVEL, a zero byte and the ID, finished by SplitMix64's
// mixer, with the highest bit set; equal hashes are told apart by ID. It protects
// nothing and must only stay the same: SHA-256 would cost most of the planning
// time.
//
// # Blocks
//
// A plan is a row of blocks: one a ring, in the order of the rings, then one a ring
// for the hosts that go last, by the policy's word or the label critical=true. The
// waves of a block are the canary stages of the builds that are met in it first;
// then the widening waves of its ordinary hosts; then those of its clusters, the
// hosts in a quorum domain. Clusters have waves of their own because they go one
// after the other: ordinary hosts need not wait for them.
//
// # Canaries
//
// Each kernel build has one canary, from the first block that has hosts of it, and
// outside clusters if that block has such hosts. Builds with more hosts choose
// first. The canary is of a common model of those hosts, a model being one
// combination of the representative labels and common one with at least half as
// many hosts as the most common; of these, one whose labels the canaries before
// have least often, the first label first; then the one with most hosts; then the
// first host in the shuffle.
//
// Canaries are staged: one host; then at most 2, 4, 8 …, in the order of their
// choice, each in the first stage with room under the spread caps. Later blocks
// begin with 2.
//
// A canary has up to three stand-ins: of its build and block, those which share
// the fewest kinds of failure domain with it, hosts outside clusters first where
// that is equal. Only the first 256 in the shuffle are looked at. A stand-in keeps
// its own, later wave.
//
// # Widening
//
// A widening wave goes as far as its percentage of the block's ordinary hosts, or
// of its clusters' hosts, rounded down; but it is never smaller than the number of
// canaries before it, and never empty. Nor does it
// more than double the canaries and the waves of its kind before it; above 32 hosts
// it is at most two thirds of them, or as many as the canaries. Where a percentage
// is further away, waves that grow lead to it, for a wave risks at once what the
// hosts before it have only made likely to be safe. A wave that would leave none for those after it is
// left away; the last takes all that remain.
//
// Spread caps bound the hosts of one domain of a kind in any single wave. A kind is
// a label key, fleet, or calendar; hosts without the label share one domain. A host
// goes in the first wave in which neither the wave nor any of its domains is full
// of hosts before it in the shuffle. Where caps leave hosts over, waves are added.
//
// # Clusters
//
// A host's cluster is the first quorum domain, by the order of their kinds, whose
// label it has; without the label it is in none. The hosts of a cluster in one
// block count as one: they stand together in the list and go in the first wave
// that has room for all, and a wave with nobody in it takes one cluster whatever
// its size. Only where a spread cap parts them does each go on its own. What is
// left of a cluster that a canary began goes before all others in the block's
// ordinary waves, so that it runs two levels no longer than it must.
//
// # Delays and bakes
//
// The first wave has Waves.FirstBake, other canary stages CanaryBake, the rest
// Bake. A wave's delay is its ring's, and at least that of the wave before, plus
// Waves.Delay within one ring. Only widening waves are manual.
//
// # Plans for a CVE
//
// Each host gets the newest patch of its own system that can go there; one kernel build
// under one driver is a lane, with a canary of its own. What is known of one patch says
// nothing of another, so all that is said above of canary stages and of widening waves
// holds over the whole plan, and for the hosts of each patch as if it were the only one:
// one host goes first, then at most one more than went before in each stage; and a
// widening wave never more than doubles the hosts with a patch, but for a cluster that
// goes alone in its wave. Spread caps and budgets are those of the whole plan.
//
// # Continuing a plan
//
// A plan for a newer level may continue one for an older. Hosts keep their waves,
// which keep their names, bakes and delays, and are marked as proven if their gate
// had passed. In front stand the new level's canary stages: one host of each build
// that has a host in a proven wave, preferring hosts whose build is still the one
// that was proven there, then those that carry the level before, then those outside
// clusters. A build without proven hosts is staged before the first wave that has
// any of it, unless that wave has just one. Hosts that come new are planned as
// above, after all others. If nothing proven is left, everything is planned anew.
//
// # Planning again
//
// A [Planner] keeps a packed fleet. [Planner.Change] moves the hosts that a change
// of one host moves, and no others. Properties in the tests hold that to planning
// from scratch, and every plan to the rules of this comment.
package planner
