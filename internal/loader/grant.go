package loader

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/statement"
)

// answer says what a refused grant means. The set is closed.
type answer int

const (
	// admit: nothing speaks against it.
	admit answer = iota
	// distrust: the grant is not for this host, this moment or this plan. It is
	// refused as a document; nothing is reported of the host.
	distrust
	// notNow: the cause may go away by itself. The grant is refused, its attempt
	// is not used up, and the server may send another grant for it.
	notNow
	// never: this host will not do it. The attempt is used up and reported as failed.
	never
	// already: the host runs this level and has confirmed it. Reported as confirmed.
	already
)

// grantSituation is everything that judging a grant rests on. The signatures of
// grant and plan were verified before, against trust.
type grantSituation struct {
	grant statement.Grant
	// plan is the grant's. It is in the ledger, and its kept envelope verified
	// again under the trust of now, unless doubt says why not. Doubt also says if
	// the grant's proof does not show this host, build and wave in the plan.
	plan  hotstick.Plan
	doubt *hotstick.Reason
	nonce nonceState

	trust    hotstick.Trust
	patch    hotstick.Patch
	hasPatch bool
	// expired: the catalog's signatures over the patch are over.
	expired bool

	led   ledger.Ledger
	host  hotstick.HostID
	build hotstick.KernelBuild
	// clock is the wall clock, and now the later time by which is judged what ends.
	clock, now time.Time
	uptime     time.Duration
	settle     time.Duration

	// capabilities are those of the patch's driver.
	capabilities hotstick.Capabilities
	// kept is for how long the same passing cause has kept the attempt from its start.
	kept     time.Duration
	patches  []hotstick.LoadedPatch
	observed bool
	// before is the level in effect now, nil for the kernel as it booted.
	before *ledger.Level
	// downgrades are those that hold now.
	downgrades []statement.Downgrade
	obstacles
	// staged: the artifact's bytes are on the loader's own disk.
	staged bool
}

// obstacles are what on the host itself speaks against an attempt.
type obstacles struct {
	// blocked is set if the patch is banned, recalled or struck.
	blocked *hotstick.Reason
	// rival is why a live-patch system of the host keeps the patch's driver away (see
	// [hotstick.Rival]).
	rival *hotstick.Reason
	// off is set if Hotstick is switched off on this host.
	off *hotstick.Reason
	// unhealthy is set if the host is ill before anything was loaded.
	unhealthy *hotstick.Reason
	// untouchable is why this host cannot do what the patch needs beside the kernel.
	untouchable *hotstick.Reason
}

// lane is what the grant's plan says for this host.
func (s grantSituation) lane() (hotstick.Lane, bool) { return s.plan.Lane(s.build, s.grant.Driver) }

// level is what the host gets.
func (s grantSituation) level() hotstick.PatchRef {
	lane, _ := s.lane()
	return s.plan.PatchOf(lane)
}

// judgeGrant says whether an attempt may start. It is pure. The order matters:
// first whether the grant may be believed, then whether this host may ever do
// it, then whether it may do it now.
func judgeGrant(s grantSituation) (answer, *hotstick.Reason) {
	if r := believe(s); r != nil {
		return distrust, r
	}
	if s.led.Attempt != nil {
		return notNow, because(hotstick.ReasonOtherPlan, "")
	}
	if s.off != nil {
		return notNow, s.off
	}
	if r := forbidden(s); r != nil {
		return never, r
	}
	if r := early(s); r != nil {
		return notNow, r
	}
	if driver.Passing(s.capabilities) {
		return s.keptBack()
	}
	if r := busy(s); r != nil {
		return notNow, r
	}
	if p := s.led.Permit; s.before != nil && s.before.Patch == s.level() && p != nil && p.Level.Patch == s.level() {
		return already, because(hotstick.ReasonAlreadyInEffect, "")
	}
	if r := unfit(s); r != nil {
		return never, r
	}
	if s.untouchable != nil && s.untouchable.Code == hotstick.ReasonTransitionBusy {
		return notNow, s.untouchable
	}
	if s.untouchable != nil {
		return never, s.untouchable
	}
	if !s.staged {
		return notNow, because(hotstick.ReasonNoArtifact, "not fetched yet")
	}
	return admit, nil
}

// believe checks that the grant is for this host, this moment and a plan that
// this loader knows.
func believe(s grantSituation) *hotstick.Reason {
	g := s.grant
	switch {
	case (g.Epoch != s.trust.Epoch || g.Epoch < s.led.Epoch) && !planted.Bug("old-epoch-taken"):
		return because(hotstick.ReasonStaleEpoch, "")
	case s.nonce == nonceUsed && !planted.Bug("grant-taken-twice"):
		return because(hotstick.ReasonGrantReplayed, "")
	case s.nonce == nonceStale && !planted.Bug("grant-never-expires") || g.TTLSeconds < 1 ||
		g.TTLSeconds > statement.MaxGrantSeconds && !planted.Bug("long-life-taken"):
		return because(hotstick.ReasonGrantExpired, "")
	case (g.Host != s.host || g.Identity != s.led.Identity) && !planted.Bug("grant-of-another-host"):
		return because(hotstick.ReasonNotInPlan, "the grant is for another host")
	case s.led.Halted(g.Plan) && !planted.Bug("halted-plan-starts"):
		return because(hotstick.ReasonPlanHalted, "")
	case s.doubt != nil:
		return s.doubt
	case !s.now.Before(s.plan.NotAfter) && !planted.Bug("plan-never-expires"):
		return because(hotstick.ReasonPlanExpired, "")
	case s.plan.Epoch != s.trust.Epoch && !planted.Bug("old-epoch-taken"):
		return because(hotstick.ReasonStaleEpoch, "the plan is from another epoch")
	case g.Attempt <= s.led.Plan(g.Plan).Attempt && !planted.Bug("attempt-repeats") && !planted.Bug("grant-taken-twice"):
		return because(hotstick.ReasonGrantReplayed, "the attempt is used up")
	}
	return nil
}

// forbidden checks what no waiting would change.
func forbidden(s grantSituation) *hotstick.Reason {
	if s.grant.Build != s.build {
		return because(hotstick.ReasonWrongBuild, s.build.String())
	}
	lane, ok := s.lane()
	if !ok {
		return because(hotstick.ReasonWrongBuild, "the plan has no lane for "+s.build.String())
	}
	if s.blocked != nil && !planted.Bug("banned-patch-starts") {
		return s.blocked
	}
	if s.led.Full() {
		return because(hotstick.ReasonLedgerUnwritable, "a list that must lose nothing is full")
	}
	artifact, ok := s.patch.Artifact(s.build)
	switch {
	case !s.hasPatch:
		return nil // the newest catalog may be on its way
	case !ok:
		return because(hotstick.ReasonNoArtifact, s.build.String())
	case artifact.Digest != lane.Artifact || artifact.Module != lane.Module || s.patch.Driver != lane.Driver:
		return because(hotstick.ReasonDigestMismatch, "plan and catalog name different bytes")
	case s.patch.Driver != s.capabilities.Driver:
		return because(hotstick.ReasonUnsupported, "no driver "+s.patch.Driver)
	case !s.capabilities.Available && !driver.Passing(s.capabilities):
		if s.capabilities.Reason != nil {
			return s.capabilities.Reason
		}
		return because(hotstick.ReasonUnsupported, "")
	}
	return nil
}

// early checks what may change by itself, whatever the host's kernel and tools say.
func early(s grantSituation) *hotstick.Reason {
	waited := millis(s.led.Clock(s.uptime) - s.led.Plan(s.grant.Plan).AnnouncedMillis)
	if planted.Bug("delay-by-wall-clock") {
		waited = s.clock.Sub(s.plan.CreatedAt)
	}
	switch {
	case s.led.Hold != nil:
		return &hotstick.Reason{Code: hotstick.ReasonHeldOnHost, Subject: s.led.Hold.By, Detail: s.led.Hold.Reason}
	case s.rival != nil:
		return s.rival
	case !s.hasPatch:
		return because(hotstick.ReasonNoArtifact, "the catalog does not list "+s.level().String())
	case s.expired && !planted.Bug("expired-catalog-starts"):
		return because(hotstick.ReasonCatalogExpired, "")
	case waited < seconds(s.plan.Waves[s.grant.Wave].DelaySeconds) && !planted.Bug("delay-ignored"):
		return because(hotstick.ReasonDelay, "")
	case !s.open() && !planted.Bug("window-unchecked"):
		return &hotstick.Reason{Code: hotstick.ReasonWindowClosed, Subject: s.grant.Calendar}
	case s.uptime < s.settle:
		return because(hotstick.ReasonSettling, "")
	}
	return nil
}

// busy checks whether the host itself can be changed at the moment.
func busy(s grantSituation) *hotstick.Reason {
	switch {
	case s.led.Unsettled != nil && s.patch.Driver == rebootDriver:
		return because(hotstick.ReasonSettling, "the reboot before is not settled yet")
	case !s.observed:
		return because(hotstick.ReasonVerificationFailed, "what is loaded cannot be read")
	case inTransition(s.patches):
		return because(hotstick.ReasonTransitionBusy, "")
	case s.unhealthy != nil:
		return s.unhealthy
	}
	return nil
}

// open reports whether a window is open. It must be by the clock and by the later time
// that counts for what ends: a clock that is set back opens none that is over, and none
// stays open because that later time stands still meanwhile.
func (s grantSituation) open() bool {
	return s.plan.Open(s.grant.Calendar, s.now) && s.plan.Open(s.grant.Calendar, s.clock)
}

// unfit checks the level against what is in the kernel and what was confirmed.
func unfit(s grantSituation) *hotstick.Reason {
	lane, _ := s.lane()
	for _, p := range s.patches {
		if !s.own(p) {
			return because(hotstick.ReasonForeignPatch, p.Module)
		}
	}
	if planted.Bug("older-level-starts") {
		return nil
	}
	if s.older() {
		return because(hotstick.ReasonDowngrade, "")
	}
	if s.before != nil && s.before.Patch.Level > s.led.Confirmed[s.before.Patch.Name] {
		// An attempt could not take it out again. There is no going back to it, and no
		// telling what it is, until a reboot.
		return &hotstick.Reason{Code: hotstick.ReasonForeignPatch, Subject: s.before.Patch.String(), Detail: "it is in effect and was never confirmed here; reboot the host"}
	}
	if s.before != nil && s.before.Module == lane.Module {
		return because(hotstick.ReasonUnsupported, "a level cannot replace one whose module has the same name")
	}
	if s.before != nil && !s.patch.Replace {
		return because(hotstick.ReasonUnsupported, "a level that does not replace cannot be stacked on "+s.before.Patch.String())
	}
	return checkTarget(lane, s.before)
}

// own reports whether a loaded patch is the level in effect, or code of the
// attempt's own module that an earlier attempt left disabled in memory.
func (s grantSituation) own(p hotstick.LoadedPatch) bool {
	if s.before != nil && p.Module == s.before.Module {
		return true
	}
	return p.State == hotstick.Disabled
}

// checkTarget says why the plan does not permit going back to the level in
// effect now: without a signed way back nothing starts.
func checkTarget(lane hotstick.Lane, before *ledger.Level) *hotstick.Reason {
	for _, t := range lane.RevertTo {
		if before == nil && t.Patch.IsZero() {
			return nil
		}
		if before != nil && t.Patch == before.Patch && t.Artifact == before.Artifact && t.Module == before.Module {
			return nil
		}
	}
	if before == nil {
		return because(hotstick.ReasonRevertUnlisted, "the kernel as it booted")
	}
	return because(hotstick.ReasonRevertUnlisted, before.Patch.String())
}
