// Package ledger is the loader's durable memory: what it was about to do, what
// it must never do again, and what it still has to tell.
//
// # Format
//
// The ledger is one JSON document with the schema "hotstick/ledger/v1", at most
// [MaxBytes] long, and a last line with its SHA-256, so that what a disk does to it is
// found. It is always replaced as a whole: written to a temporary file,
// synced, renamed over the old one, and the directory synced. A reader therefore
// sees the old document or the new one, never a mixture. Reading is strict: an
// unknown field, a missing or newer schema, or a value outside its closed set
// makes the whole ledger unreadable, and a loader with an unreadable ledger
// starts nothing. Fields may be added to the schema as long as their absence means
// what it meant before; a version that does not know one of them then refuses a
// ledger that uses it.
//
// # The ledger's clock
//
// Delays and intervals are measured in milliseconds of uptime summed over all
// boots that the ledger has seen (see [Ledger.Clock]). Wall clocks may jump by
// years; this one only ever stands still, by what was not yet written when the
// machine went down. So a signed delay can come out longer, never shorter.
package ledger

import (
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// Schema names the only ledger format that this version reads or writes.
const Schema = "hotstick/ledger/v1"

// Bounds of what a ledger remembers.
const (
	// MaxBytes bounds the encoded ledger.
	MaxBytes = 16 << 20
	// MaxPlans bounds plans that are remembered with what was done for them.
	MaxPlans = 64
	// MaxHalts bounds halted plans. Halts are never dropped to make room: when
	// the list is full, no further plan is taken.
	MaxHalts = 4096
	// MaxMarks bounds strikes, and bans, each. They are never dropped either:
	// when the list is full, nothing starts.
	MaxMarks = 4096
	// MaxRoots bounds the roots that persons pinned and that are remembered.
	MaxRoots = 64
	// MaxTouched bounds what is kept of touched things: the touches of the level in
	// effect, those of the one before, and what was put back between them, many times
	// over.
	MaxTouched = 512
	// MaxCrashes bounds the crash records that were already accounted for.
	MaxCrashes = 64
)

// Ledger is everything the loader must remember over a crash or a reboot.
type Ledger struct {
	Schema string `json:"schema"`
	Boot   Boot   `json:"boot"`
	// Identity is the fingerprint of the host's identity key. It is pinned the
	// first time it is seen and never changes after.
	Identity hotstick.Fingerprint `json:"identity,omitempty"`
	// Seq is the sequence number of the newest report ever made.
	Seq uint64 `json:"seq"`
	// Reports are those that the server has not acknowledged, oldest first.
	Reports []hotstick.Report `json:"reports,omitempty"`
	Plans   []Plan            `json:"plans,omitempty"`
	// Halts lists plans that start nothing any more, for ever.
	Halts []hotstick.PlanID `json:"halts,omitempty"`
	// Attempt is the change under way; nil if there is none. Its presence is the
	// intent without which nothing is loaded.
	Attempt *Attempt `json:"attempt,omitempty"`
	// Permit is the newest confirmed level: it may come back after a reboot.
	Permit *Permit `json:"permit,omitempty"`
	// Former is the permit before the newest one. It counts again where the newest
	// level may not come back: struck, banned, recalled, or no longer listed.
	Former *Permit `json:"former,omitempty"`
	// Touched is what levels changed beside the kernel and what it was before, oldest
	// first; see package internal/loader/touch.
	Touched []Touched `json:"touched,omitempty"`
	Strikes []Strike  `json:"strikes,omitempty"`
	Bans    []Ban     `json:"bans,omitempty"`
	// Clears are those already used; none is used twice.
	Clears []Clear `json:"clears,omitempty"`
	// Confirmed is the highest level ever confirmed, by patch name.
	Confirmed map[string]int `json:"confirmed,omitempty"`
	// Epoch is the highest epoch that a verified catalog named.
	Epoch uint64 `json:"epoch"`
	// Root is the digest of the catalog root from which trust starts; empty before the
	// first. Only a person on the host pins another, which Roots then remembers, oldest
	// first.
	Root  hotstick.Digest `json:"root,omitempty"`
	Roots []PinnedRoot    `json:"roots,omitempty"`
	// Crashes are digests of crash records that earlier boots were judged by.
	Crashes []hotstick.Digest `json:"crashes,omitempty"`
	// Hold is set while a person on the host holds it: nothing new starts.
	Hold *hotstick.HostHold `json:"hold,omitempty"`
	// Adopted is the level that was taken over from another system; nil if none was.
	Adopted *Adoption `json:"adopted,omitempty"`
	// Forgotten is the last adoption whose system a person gave up giving back; nil if there
	// was none, or something was adopted since.
	Forgotten *Forgotten `json:"forgotten,omitempty"`
	// Unsettled is a level that came, or was to come, with a reboot, while what follows
	// from its end has not been done: what later boots start, and the return of work.
	Unsettled *Level `json:"unsettled,omitempty"`
}

// Boot is the boot in which the ledger was last written.
type Boot struct {
	ID string `json:"id"`
	// BaseMillis is the ledger's clock at the start of this boot.
	BaseMillis int64 `json:"base_millis"`
	// ClockMillis is the ledger's clock at the last write.
	ClockMillis int64 `json:"clock_millis"`
	// Clean: the loader was told to stop. It means a clean shutdown only if the
	// next start finds another boot; in the same boot the loader was merely
	// restarted and takes the mark back.
	Clean bool `json:"clean"`
	// UncleanMillis are the starts of recent boots that followed an unclean end,
	// on the ledger's clock, newest last.
	UncleanMillis []int64 `json:"unclean_millis,omitempty"`
}

// Level is one patch level with all that is needed to load and judge it, so
// that nothing has to be looked up again in an emergency.
type Level struct {
	Patch    hotstick.PatchRef    `json:"patch"`
	Driver   string               `json:"driver"`
	Module   string               `json:"module"`
	Artifact hotstick.Digest      `json:"artifact"`
	Build    hotstick.KernelBuild `json:"build"`
	// Target is the kernel build that runs once the level is in effect, where that is
	// another one: a new boot is its transition. Zero for every other level.
	Target    hotstick.KernelBuild `json:"target,omitzero"`
	Replace   bool                 `json:"replace"`
	Functions []string             `json:"functions,omitempty"`
	// Reversibility is what the manifest promised; empty of a level that was taken before
	// loaders kept it.
	Reversibility hotstick.Reversibility `json:"reversibility,omitempty"`
	// Touches are those of the signed patch.
	Touches []hotstick.Touch `json:"touches,omitempty"`
	// ProbationSeconds and TransitionSeconds are the limits of the plan that
	// brought the level.
	ProbationSeconds  int `json:"probation_seconds"`
	TransitionSeconds int `json:"transition_seconds"`
}

// Reboots reports whether the level comes into effect by a reboot.
func (v Level) Reboots() bool { return v.Target != hotstick.KernelBuild{} }

// Attempt is the intent to change the kernel, and how far it came. Times are
// milliseconds of the boot's uptime.
type Attempt struct {
	// Plan is empty for a level that comes back from a permit.
	Plan   hotstick.PlanID `json:"plan,omitempty"`
	Number int             `json:"number"`
	// Grant is the digest of the grant that started it; empty for a permit's.
	Grant hotstick.Digest `json:"grant,omitempty"`
	// Phase is Armed, Applying, Probation or Reverting.
	Phase hotstick.HostState `json:"phase"`
	// Boot is the boot in which the intent was written.
	Boot  string `json:"boot"`
	Level Level  `json:"level"`
	// Before is the level to go back to; nil means the kernel as it booted.
	Before *Level `json:"before,omitempty"`
	// TaintBefore is the kernel's taint mask when the intent was written.
	TaintBefore uint64 `json:"taint_before"`
	// LogMark is the mark of the kernel log's end when the intent was written; only
	// what came later speaks against the patch.
	LogMark uint64 `json:"log_mark"`
	// LoadMillis is when the load was asked for, 0 before.
	LoadMillis int64 `json:"load_millis,omitempty"`
	// SinceMillis is when the phase began.
	SinceMillis int64 `json:"since_millis"`
	// Probes are the agent's probes that were known, in the order of their names: a loader
	// that was restarted waits for what each of them says before it confirms.
	Probes []string `json:"probes,omitempty"`
	// Green are those that were healthy since the boot with which the level came, where it
	// came with one: before, a probe may just see services that are still starting.
	Green []string `json:"green,omitempty"`
	// Reason and Evidence say why the attempt is reverting.
	Reason   *hotstick.Reason    `json:"reason,omitempty"`
	Evidence []hotstick.Evidence `json:"evidence,omitempty"`
	Timing   hotstick.Timing     `json:"timing"`
}

// Plan is a plan that this loader verified, and its part in it.
type Plan struct {
	ID hotstick.PlanID `json:"id"`
	// Envelope is the digest of the kept envelope, whose signatures are verified
	// again for each grant.
	Envelope hotstick.Digest `json:"envelope"`
	// Artifact is what the plan wants on this host's build; empty if it has no
	// lane for it.
	Artifact hotstick.Digest `json:"artifact,omitempty"`
	// Others are those of the further lanes that a plan for a CVE has for this host's
	// build: which of them is the host's, its grant says.
	Others []hotstick.Digest `json:"others,omitempty"`
	// AnnouncedMillis is the ledger's clock when the plan was first taken, or the
	// first plan of the chain that it continues; the plan's delays count from here.
	AnnouncedMillis int64 `json:"announced_millis"`
	// HaltReason is why the plan was halted; empty if it was not.
	HaltReason hotstick.ReasonCode `json:"halt_reason,omitempty"`
	// NotAfter ends the plan's life.
	NotAfter time.Time `json:"not_after"`
	// Attempt is the highest attempt that was ever taken; grants at or below it
	// are used up.
	Attempt int `json:"attempt"`
	// State is where the newest attempt ended; empty if none has ended.
	State hotstick.HostState `json:"state,omitempty"`
	// Level and Before are those of the newest attempt, for an order to revert.
	Level  *Level `json:"level,omitempty"`
	Before *Level `json:"before,omitempty"`
	// LeftBoot is the boot in which the newest attempt could not go back while its level was
	// in effect; empty otherwise. In that boot nobody else has brought it.
	LeftBoot string `json:"left_boot,omitempty"`
}

// HasLeft reports whether an attempt could not take a level out again that is in effect in
// this boot. What is there after another boot has come by somebody else, such as a package
// that is installed still, unless the level is the kernel that was booted.
func (l *Ledger) HasLeft(level Level, boot string) bool {
	return slices.ContainsFunc(l.Plans, func(p Plan) bool {
		return p.LeftBoot != "" && (p.LeftBoot == boot || level.Reboots()) && p.Level != nil && p.Level.Patch == level.Patch
	})
}

// Permit allows a confirmed level to be applied again after a reboot.
type Permit struct {
	Level Level `json:"level"`
	// Plan and Attempt are those that confirmed it.
	Plan    hotstick.PlanID `json:"plan"`
	Attempt int             `json:"attempt"`
	// AppliedBoot is the newest boot in which the level was confirmed.
	AppliedBoot string `json:"applied_boot,omitempty"`
	// HeldBoot is the boot in which the level was tried again and came back out;
	// it is not tried twice in one boot.
	HeldBoot string `json:"held_boot,omitempty"`
}

// Touched is one change of a thing beside the kernel: written before it is made, and
// dropped when the thing is as it was.
type Touched struct {
	// Level is the level for which it was made; zero if an earlier attempt of that
	// level left it behind.
	Level hotstick.PatchRef `json:"level,omitzero"`
	Touch hotstick.Touch    `json:"touch"`
	// Boot is the boot in which it was made.
	Boot string `json:"boot"`
	// Was and Set are the thing's values before and after.
	Was string `json:"was"`
	Set string `json:"set"`
	// Settled: the thing is not touched by Level, but by one that Level replaced, so it
	// was put back.
	Settled bool `json:"settled,omitempty"`
	// Done: it was made, and read back. Otherwise it may or may not have been.
	Done bool `json:"done,omitempty"`
	// Tries counts how often putting it back failed, and Stuck says how the last time.
	Tries int    `json:"tries,omitempty"`
	Stuck string `json:"stuck,omitempty"`
}

// Strike says that this host went down with a patch and never arms it again
// without a signed clear.
type Strike struct {
	Patch  hotstick.PatchRef   `json:"patch"`
	Boot   string              `json:"boot"`
	Reason hotstick.ReasonCode `json:"reason"`
}

// Ban says that a patch must not be armed, by a statement that the loader
// verified.
type Ban struct {
	Patch    hotstick.PatchRef `json:"patch"`
	Reason   hotstick.Reason   `json:"reason"`
	IssuedAt time.Time         `json:"issued_at"`
}

// Clear is a used clear. It also keeps bans and recalls out that were issued before
// it.
type Clear struct {
	// Document is the digest of the clear's payload, whoever signed it.
	Document hotstick.Digest   `json:"document"`
	Patch    hotstick.PatchRef `json:"patch"`
	Ban      bool              `json:"ban"`
	Recall   bool              `json:"recall,omitempty"`
	IssuedAt time.Time         `json:"issued_at"`
}

// PinnedRoot is a root that a person pinned in the place of another.
type PinnedRoot struct {
	Root  hotstick.Digest `json:"root"`
	Epoch uint64          `json:"epoch"`
	At    time.Time       `json:"at"`
}

// New returns the ledger of a host that has never had one.
func New(boot string) Ledger {
	return Ledger{Schema: Schema, Boot: Boot{ID: boot}, Confirmed: map[string]int{}}
}

// Clock returns the ledger's clock when the current boot has been up as long.
func (l *Ledger) Clock(uptime time.Duration) int64 {
	return max(l.Boot.BaseMillis+uptime.Milliseconds(), l.Boot.ClockMillis)
}

// Struck reports whether the patch has a strike.
func (l *Ledger) Struck(ref hotstick.PatchRef) bool {
	for _, s := range l.Strikes {
		if s.Patch == ref {
			return true
		}
	}
	return false
}

// Banned reports whether the patch is banned.
func (l *Ledger) Banned(ref hotstick.PatchRef) bool {
	for _, b := range l.Bans {
		if b.Patch == ref {
			return true
		}
	}
	return false
}

// RecallsCleared returns the time up to which the patch's recalls are lifted; zero if
// none is. The recalls themselves are kept with the catalog.
func (l *Ledger) RecallsCleared(ref hotstick.PatchRef) time.Time {
	var newest time.Time
	for _, c := range l.Clears {
		if c.Patch == ref && c.Recall && c.IssuedAt.After(newest) {
			newest = c.IssuedAt
		}
	}
	return newest
}

// Halted reports whether the plan was halted.
func (l *Ledger) Halted(id hotstick.PlanID) bool {
	for _, h := range l.Halts {
		if h == id {
			return true
		}
	}
	return false
}

// Plan returns the record of a plan, nil if the ledger has none. The pointer is
// into the ledger.
func (l *Ledger) Plan(id hotstick.PlanID) *Plan {
	for i := range l.Plans {
		if l.Plans[i].ID == id {
			return &l.Plans[i]
		}
	}
	return nil
}

// Full reports whether a list that must never lose an entry has no room left.
func (l *Ledger) Full() bool {
	return len(l.Halts) >= MaxHalts || len(l.Strikes) >= MaxMarks || len(l.Bans) >= MaxMarks || len(l.Clears) >= MaxMarks
}

// Clone returns a copy that shares nothing that is ever changed in place.
func (l *Ledger) Clone() Ledger {
	c := *l
	c.Boot.UncleanMillis = append([]int64(nil), l.Boot.UncleanMillis...)
	c.Reports = append([]hotstick.Report(nil), l.Reports...)
	c.Plans = append([]Plan(nil), l.Plans...)
	c.Halts = append([]hotstick.PlanID(nil), l.Halts...)
	c.Strikes = append([]Strike(nil), l.Strikes...)
	c.Bans = append([]Ban(nil), l.Bans...)
	c.Clears = append([]Clear(nil), l.Clears...)
	c.Crashes = append([]hotstick.Digest(nil), l.Crashes...)
	c.Roots = append([]PinnedRoot(nil), l.Roots...)
	c.Touched = append([]Touched(nil), l.Touched...)
	c.Confirmed = make(map[string]int, len(l.Confirmed))
	for k, v := range l.Confirmed {
		c.Confirmed[k] = v
	}
	if l.Attempt != nil {
		a := *l.Attempt
		c.Attempt = &a
	}
	if l.Permit != nil {
		p := *l.Permit
		c.Permit = &p
	}
	if l.Unsettled != nil {
		v := *l.Unsettled
		c.Unsettled = &v
	}
	if l.Former != nil {
		p := *l.Former
		c.Former = &p
	}
	if l.Adopted != nil {
		a := *l.Adopted
		if a.Lifted != nil {
			lift := *a.Lifted
			a.Lifted = &lift
		}
		c.Adopted = &a
	}
	if l.Forgotten != nil {
		f := *l.Forgotten
		c.Forgotten = &f
	}
	return c
}
