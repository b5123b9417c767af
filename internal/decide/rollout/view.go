// Package rollout decides the next step of a rollout: [Rollout.Next] takes
// everything the server knows of one plan and the time, and returns what to
// commit. It is pure: same knowledge, same time, same decision, and it never
// depends on the order of a map, nor on the order in which the knowledge came.
//
// # Waves, lanes and gates
//
//   - A wave opens per lane when the gates of the earlier waves in that lane
//     passed. The very first wave also gates the other lanes: one host of the fleet
//     goes first. So does the first wave of each patch for the lanes that get it: what
//     is known of one patch says nothing of another. A wave in which some lane has its
//     first host is a canary wave: it
//     must come to rest as a whole, and bake, before any later wave opens, though a
//     canary that holds only its own lane does not stop others.
//   - What was passed stays passed: once a host of a later wave of the lane has
//     been admitted, hosts of the earlier wave that come back are caught up and close
//     nothing again. Only a failure there still holds the lane.
//   - A wave whose hosts were all passed over gives no readings. It passes only if
//     another host of the lane (for the first wave: of the plan) is confirmed, or ran
//     the level before.
//   - A host that failed for a cause of its own ([HostCause]) is no reading.
//   - A proven wave opens once the canary waves have passed, and later waves do not
//     wait for its bake. A lost or refusing host in it still holds the lane.
//   - In a plan for a CVE, whose lanes have patches of several systems, every patch has
//     gates and rates of its own, over its hosts alone, which nobody else's failure can
//     move. One that fails stops its patch: it is banned and its hosts go back, and what
//     those hosts say counts no more. So does a ban by others, which sends nobody back, and
//     a recall, which may. The other lanes go on, unless the plan's gate says StopAll; the
//     plan is halted where no patch is left. Hosts are wanted back a batch at a time, those
//     under way first; who is left of them after a crash is known from those that were
//     named for what the gate said.
//   - Where the plan's very first host had a stopped patch, or nobody is left in its wave,
//     the first hosts of the other patches go, one after the other. One that is lost or
//     refused keeps everything waiting for a person.
//   - A manual wave, and all behind it, wait for an operator's word in addition.
//   - A late host belongs to the last wave.
//   - A failed gate, of a wave or of the plan as a whole, or the rate test, halts the
//     plan for good, bans the patch and sends every host that took it back to the
//     level before.
//
// # Hosts that cannot start
//
//   - A host that is struck, reverted before, recalled or already at the level is
//     skipped at once. So is one that runs another kernel build by now than the plan lists,
//     such as one that a plan has rebooted: it says nothing of the patch, and what it needs is
//     planned for what it runs. Its reading is missing as that of any absent host. One that is silent for SilentAfter, ill, excluded, or without a
//     window before the plan's end is skipped once its wave is open. It is caught up
//     when its reason ends while the plan runs.
//   - A canary that was skipped, that failed for a cause of its own, or whose window
//     is more than [FarWindow] away is replaced by the first of its stand-ins that
//     could start. Where it comes back, it starts once its wave has passed.
//   - One whose kernel build and model are those of a host that went down with the
//     patch, or on which a person or another system keeps everything from starting, is
//     passed over in the same way: nothing is granted to it, in this plan or another.
//   - An interrupted host is tried again: at once, after a minute, after five
//     minutes; then it is skipped for the cause that cut it short.
//   - The plan is completed when every host is terminal and no skipped one can come
//     back; at NotAfter what is skipped then is a gap.
//
// # Budgets
//
//   - A host starts only if every failure domain it is in has room before it
//     starts: the hosts that hold a slot there, for whichever plan, and those that
//     are down must be fewer than the limit. Slots are held from admission to the
//     end of probation; a lost host keeps its slot until it is written off.
//   - A host without the label of a budget's kind is in no domain of that kind.
//     [hotstick.FleetDomain] needs no label. Two budgets of one kind are one: the
//     stricter holds.
//   - In quorum domains every member counts that is silent, ill or lost, whatever the
//     cause, and one whose way back failed. In others those count that fell ill, or silent, since the plan's
//     start; who is silent for more than [GapAfter] is a gap.
//   - A quorum domain is partly done while a member is under way, or while one has
//     the level and another could start now. While as many as Open are, or one is
//     for longer than MixedSeconds, no other of its kind begins. Members that cannot
//     be worked on therefore block nobody.
//   - No more hosts are under way at once than run the level already, or than a gate
//     needs to judge by (MinReadings), whichever is more. Many lanes open their waves
//     at once, so that waves alone would not see to it. Where the plan has several patches,
//     so it is for each: one host goes first, and then no more are under way with it than
//     run it, and one.
//   - A gate that says slow halves every limit, never below one.
//
// # Time
//
//   - Nothing starts in a freeze, nor a host outside its windows; what has started
//     goes on. An admission that was not used until then is taken back.
//   - A recall of the patch halts the plan, whatever its gates say.
//   - After a halt, hold, freeze, ban or stop nothing is admitted. An admitted host
//     whose last grant may still be alive keeps its slot until that grant is over.
//   - A host that started, or may have, and then fell silent is lost. If it is heard
//     of again with nothing of ours under way and no grant that could start it, it
//     counts as interrupted; or it is ordered back, where the plan goes back and the
//     level is in effect there.
//   - A host under way that is heard of, and whose loader has said for twice
//     SilentAfter that no attempt is open, counts as interrupted: an older ledger was
//     put back. One that was on its way back by itself has failed to go back.
//
// # Drift
//
//   - Where the plan's signatures say Reapply, a host that lost the level by something
//     other than Hotstick waits, and is admitted for a new attempt as any other, so
//     often and no more. It is no reading meanwhile.
//   - Not where another live patch was loaded, where the host went down with the level
//     or reverted it, nor against a person who holds or excludes the host. A level that
//     did not come back after a boot is left to the host's own permit for
//     [RebootPatience].
//   - A plan that is completed runs again for that until its signed end, unless its
//     gates or the rates speak against the patch by now. One that was halted never does.
//   - While it runs for that, a gate that fails holds it for a person: what happens to
//     hosts that somebody's hand was on takes nothing from all that were confirmed. And it
//     takes in no host that had not had the level.
//
// # Reverts
//
// Reverts ignore holds, halts, freezes and windows, and go before starts. Hosts
// under way may always go back. Confirmed hosts go within the reverts' own budget: a
// quarter of the listed hosts of each failure domain, in quorum domains one, those
// that are down included. There is no dead end: where only members that are down
// keep a domain full, one host at a time may go, in quorum domains once nobody
// came back for [RevertPatience]. A silent host is ordered back when it is back.
// Who goes back takes slots, so that other plans see it.
//
// The loop in internal/controller commits a decision on the condition that the
// plan's generation has not moved, and unique slot rows; so two servers may
// decide at once and only one of them wins.
package rollout

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/gate"
)

// View is everything one decision rests on.
type View struct {
	Plan hotstick.Plan
	ID   hotstick.PlanID
	Frame
	// Hosts in the order of the plan's host list; late hosts follow.
	Hosts []Host
	// Outsiders are hosts that the plan does not list and that are down in a domain
	// of one of its budgets.
	Outsiders []Outsider
	// Slots in use by all plans, this one included.
	Slots []Slot
}

// Frame is what holds for the whole plan at the moment.
type Frame struct {
	Status    hotstick.PlanStatus
	Reason    *hotstick.Reason
	Reverting bool
	// Started is when the plan was started and announced.
	Started *time.Time
	// Promoted is how many waves, from the first, operators have opened by hand; it
	// matters for waves that are manual.
	Promoted int
	// Reopened: the plan was completed, and runs again only to put back what somebody else
	// took away.
	Reopened bool
	// StopAll blocks every start in the fleet.
	StopAll bool
	// Outdated: the epoch has changed since the plan was signed; no loader takes it
	// any more.
	Outdated bool
	// Unreconciled blocks every start, too: the server's database is an older one than
	// hosts have seen.
	Unreconciled bool
	// Banned: the plan's patch is banned.
	Banned bool
	// Recalled is the recall of the plan's patch that no clear has lifted, nil if there
	// is none. It halts the plan, and sends its hosts back if it says so.
	Recalled *hotstick.Recall
	// Stopped are those of a CVE plan's patches that are banned or recalled, by name and
	// level, while others are not. Where all are, Banned or Recalled says so.
	Stopped []Stopped
	// Crashes are the kinds of machines on which the patch is stopped.
	Crashes []Crash
	// Freezes are the change freezes that are known now, past ones left out.
	Freezes []Freeze
	Limits  Limits
}

// Freeze is a time in which nothing starts. Reverts go on.
type Freeze struct {
	hotstick.Interval
	// Reason is shown to whoever waits.
	Reason string
}

// Outsider is a host outside the plan that is down: it counts in the budgets of
// its domains.
type Outsider struct {
	Host    hotstick.HostID
	Domains map[string]string
	// Since is when it went down. Quorum domains count it whenever that was, others
	// only if it was after the plan's start.
	Since time.Time
}

// Limits are the server's time limits.
type Limits struct {
	// SilentAfter is how long a started host may be silent before it is lost, and a
	// waiting one before its wave goes on without it.
	SilentAfter time.Duration
	// Away is the part of SilentAfter that is there because the server was away: a
	// host unheard of for longer than the rest is not taken for silent yet, but is not
	// started either. Another server, which was not away, does take it for silent.
	Away time.Duration
	// GrantLife is how long after its signing a grant may still start a host,
	// drift included.
	GrantLife time.Duration
}

// DefaultLimits are what the server uses if nothing else is configured.
var DefaultLimits = Limits{SilentAfter: 5 * time.Minute, GrantLife: 65 * time.Second}

// Host is one listed host as the server knows it.
type Host struct {
	Listed  hotstick.PlanHost
	State   hotstick.HostState
	Attempt int
	Reason  *hotstick.Reason
	// Evidence came with the newest report, as did Timing.
	Evidence []hotstick.Evidence
	Timing   hotstick.Timing
	// Updated is when State was reached, by the server's clock.
	Updated time.Time
	// Crashed is when the server learnt that the host went down after it was confirmed;
	// zero if it did not.
	Crashed time.Time
	// Granted is when the newest grant of the attempt was signed.
	Granted *time.Time
	// Began: the host reported that it had begun the attempt.
	Began bool
	// Standing: it took the place of the canary that it stands in for.
	Standing bool
	// Late: it joined by the plan's rule for late hosts and is in no Merkle leaf.
	Late bool
	// Recall is set where an operator wants this host back at the level before.
	Recall *hotstick.Reason
	// Reapplied counts the attempts that put back what somebody else took away.
	Reapplied int
	Posture
}

// Posture is what the server knows of a host beside its line in the plan.
type Posture struct {
	// LastSeen is the newest check-in; zero if it never checked in.
	LastSeen time.Time
	// Announced: the host's loader has the plan in its ledger.
	Announced bool
	// Busy: the host's loader has an attempt open, or has not told its end.
	Busy bool
	// Elsewhere: another plan holds slots for this host.
	Elsewhere bool
	// Struck: the host's loader holds a strike against the patch.
	Struck bool
	// RevertedBefore: the patch was reverted on this host and not cleared since.
	RevertedBefore bool
	// InEffect is the level in the host's kernel by its newest check-in.
	InEffect hotstick.PatchRef
	// Runs is the level that the host's loader takes for the one in effect, and from which
	// it would go back; zero for none.
	Runs hotstick.PatchRef
	// Excluded is why an operator keeps the host out, with Until, or why it is out
	// until somebody acts; nil otherwise.
	Excluded *hotstick.Reason
	// Barred is what on the host itself keeps anything from starting there; nil if nothing
	// does.
	Barred *hotstick.Reason
	// Model is the machine's maker and product; empty if it does not say.
	Model string
	// Build is the kernel build that the host runs by its newest check-in; zero if unknown.
	Build hotstick.KernelBuild
	// Drift is how the host drifts, as far as a person is told of it and no other plan
	// has the last word on the host; nil if it does not.
	Drift *hotstick.Drift
	// IllSince is since when the host's own probes fail while no attempt of ours is
	// under way; zero if they do not.
	IllSince time.Time
}

// Slot is one unit of a domain's budget in use.
type Slot struct {
	Domain string
	Value  string
	Index  int
	Plan   hotstick.PlanID
	Host   hotstick.HostID
}

// Decision is what to commit. An empty decision changes nothing. The loop applies
// StandIns, Changes, Release and Starts in this order: an interrupted host becomes
// waiting and is admitted for its next attempt in one decision, and a start may
// take a slot that is released.
type Decision struct {
	// Status is the plan's new status, empty if it stays.
	Status hotstick.PlanStatus
	// Reason goes with Status.
	Reason *hotstick.Reason
	// Revert starts sending back every host that took the patch.
	Revert bool
	// Ban forbids the plan's patch fleet-wide, or those of its patches that go on.
	Ban *hotstick.Reason
	// Stops are patches of a plan for a CVE that are stopped while others go on.
	Stops []Stop
	// Starts are the hosts to admit, each with the slots to take.
	Starts []Start
	// Changes are other steps of hosts: lost, ordered back, released.
	Changes []Change
	// Release lists terminal hosts whose slots are free again.
	Release []hotstick.HostID
	// StandIns are hosts that take a canary's place from now on.
	StandIns []hotstick.HostID
	// Check is when to decide again if nothing else happens; zero if only a
	// change can matter.
	Check time.Time
	// Gates are the verdicts, one a wave, for the screens.
	Gates []gate.Verdict
}

// Start admits one host for one attempt.
type Start struct {
	Host    hotstick.HostID
	Attempt int
	Slots   []Slot
}

// Change is one host's step that is not a start.
type Change struct {
	Host   hotstick.HostID
	State  hotstick.HostState
	Reason hotstick.Reason
	// Slots are those to take with the step: a confirmed host that goes back is
	// disturbed again, and other plans must see it. Reverts have their own budget, so
	// an index may be beyond the limit for starts.
	Slots []Slot
	// Reapply: somebody else took the level away, and it is to be put back.
	Reapply bool
}

// Empty reports whether there is nothing to commit.
func (d Decision) Empty() bool {
	return d.Status == "" && !d.Revert && d.Ban == nil && len(d.Stops) == 0 &&
		len(d.Starts) == 0 && len(d.Changes) == 0 && len(d.Release) == 0 && len(d.StandIns) == 0
}
