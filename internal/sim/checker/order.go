package checker

import (
	"fmt"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// What the gates of the product's documentation ask for.
const (
	// enoughReadings is how many confirmed hosts a plan asks for that says nothing
	// itself; as many outweigh one that refused the level. Beside fewer than
	// manyReadings one that was lost is never chance, unless the plan says that its
	// hosts go down often.
	enoughReadings = 30
	manyReadings   = 100
	freshSeconds   = 900
	farWindow      = int64(24 * time.Hour)
	// rowSlack is for the times of rows, which hold no fractions of a microsecond.
	rowSlack = int64(time.Microsecond)
)

// staging is how a plan's hosts stand in its waves.
type staging struct {
	// cells are the listed hosts of each lane in each wave.
	cells map[waveLane][]hotstick.HostID
	// canary, by wave: some lane has its first host there.
	canary []bool
	// ins are the stand-ins of each canary, in the plan's order.
	ins map[hotstick.HostID][]hotstick.HostID
	// reached is the furthest ordinary wave of which a host of the lane was ever
	// admitted, and proven the furthest proven one.
	reached, proven map[laneKey]int
	// promoted is how many waves, from the first, people have opened by hand.
	promoted int
}

// stage sorts the plan's hosts into its waves.
func (p *plan) stage() {
	p.staging = staging{cells: map[waveLane][]hotstick.HostID{}, canary: make([]bool, len(p.body.Plan.Waves)),
		ins: map[hotstick.HostID][]hotstick.HostID{}, reached: p.reached, proven: p.proven, promoted: p.promoted}
	if p.reached == nil {
		p.reached, p.proven = map[laneKey]int{}, map[laneKey]int{}
	}
	first := map[laneKey]int{}
	for _, h := range p.body.Hosts {
		key := waveLane{h.Wave, laneOf(h)}
		p.cells[key] = append(p.cells[key], h.Host)
		if w, ok := first[key.lane]; !ok || h.Wave < w {
			first[key.lane] = h.Wave
		}
		if h.StandIn != nil {
			p.ins[h.StandIn.For] = append(p.ins[h.StandIn.For], h.Host)
		}
	}
	for _, w := range first {
		p.canary[w] = true
	}
}

// skipsBake: the plan before has shown what the wave would show.
func (p *plan) skipsBake(wave int) bool { return p.body.Plan.Waves[wave].Proven && !p.canary[wave] }

// admits takes an admission into the staging, after it was judged.
func (p *plan) admits(f *fleet, e *trace.Event) {
	if !p.known() {
		return
	}
	h, listed := f.placeOf(p, e.Host)
	if !listed {
		return
	}
	l := p.line(e.Host)
	if h.StandIn != nil && !l.standing && p.shut(h.Wave, laneOf(h), f) != "" {
		l.standing = true
	}
	if l.standing {
		h.Wave = h.StandIn.Wave
	}
	furthest := p.reached
	if p.skipsBake(h.Wave) {
		furthest = p.proven
	}
	furthest[laneOf(h)] = max(furthest[laneOf(h)], h.Wave)
}

// waveOrder is looked at where it is decided: when a host is admitted.
func waveOrder(f *fleet, e *trace.Event) (bool, string) {
	p := f.plan(e.Plan)
	if !p.known() || f.owned {
		return false, ""
	}
	switch {
	case e.Kind == trace.KindGrant:
		if s := p.line(e.Host).state; s != hotstick.Admitted {
			return true, fmt.Sprintf("a grant was given to a host that is %s", s)
		}
		return true, ""
	case e.Kind != trace.KindHostState || e.To != string(hotstick.Admitted):
		return false, ""
	}
	h, listed := f.placeOf(p, e.Host)
	if !listed {
		return false, ""
	}
	text := p.shut(h.Wave, laneOf(h), f)
	if text == "" || h.StandIn == nil {
		return true, text
	}
	if !p.line(e.Host).standing && !p.replaceable(h.StandIn.For, f) {
		return true, text + "; and the canary that it could stand in for can start"
	}
	return true, p.shut(h.StandIn.Wave, laneOf(h), f)
}

// shut says why a wave is not open for a lane; empty if it is.
func (p *plan) shut(wave int, lane laneKey, f *fleet) string {
	proven := p.skipsBake(wave)
	for j := range wave {
		text, failed := p.unpassed(j, lane, f)
		if text != "" && (!proven || failed || p.canary[j]) {
			return text
		}
	}
	if f.ground == nil {
		return "" // real traces do not tell what people opened
	}
	for j := p.promoted; j <= wave; j++ {
		if p.body.Plan.Waves[j].Manual {
			return fmt.Sprintf("wave %d waits for a person", j)
		}
	}
	return ""
}

// unpassed says why a wave keeps a lane out of those behind it; failed: for a host
// that came to harm there, which also holds a lane that had passed.
func (p *plan) unpassed(wave int, lane laneKey, f *fleet) (text string, failed bool) {
	passed := p.reached[lane] > wave || p.canary[wave] && p.proven[lane] > wave
	own := p.count(wave, []laneKey{lane}, f)
	if text, failed := own.closed(p, wave, passed, p.shown(f, lane), f.now); text != "" {
		return text, failed
	}
	if wave > 0 && (!p.canary[wave] || passed) {
		return "", false
	}
	all := p.count(wave, p.lanes(), f)
	if wave == 0 && !(p.body.Plan.CVE != "" && all.nobody() && p.firstOf(lane) > 0) {
		// One host of the whole plan goes first, whatever its lane. Where nobody is left to,
		// the first hosts of other patches do; S3p has them go one after the other.
		if text, failed := all.closed(p, wave, passed, p.shown(f, p.lanes()...), f.now); text != "" {
			return text, failed
		}
	}
	switch left := p.bakes(wave, all.newest, f.now); {
	case passed:
	case all.open > 0:
		return fmt.Sprintf("wave %d has first hosts of lanes and is not over: %s has not come to an end", wave, all.first), false
	case left > 0:
		return fmt.Sprintf("wave %d has first hosts of lanes and must bake for %s more", wave, sec(left)), false
	}
	return "", false
}

func (p *plan) lanes() []laneKey {
	var lanes []laneKey
	for _, l := range p.body.Plan.Lanes {
		lanes = append(lanes, p.laneKey(l))
	}
	return lanes
}

// bakes is how much of a wave's bake is left since its newest host was confirmed.
func (p *plan) bakes(wave int, newest, now int64) int64 {
	if newest == 0 || p.skipsBake(wave) {
		return 0
	}
	return newest + seconds(p.body.Plan.Waves[wave].BakeSeconds) - now - rowSlack
}

// tally is what the rows of some hosts of a wave add up to.
type tally struct {
	listed, open, confirmed int
	// decided and returned were passed over or sent back by a decision, absent were
	// passed over for what they are, such as silent.
	decided, returned, absent int
	// lost went down or fell silent, refused did not take the level, blocked stalled; proved
	// is one of whom the patch is known to be the cause.
	lost, refused, blocked int
	proved                 string
	// first is one that has not come to its end, or came to harm.
	first string
	// newest is when the newest was confirmed, heard when one was last heard of.
	newest, heard int64
}

// nobody: whoever there was has neither shown the level good nor bad, and nobody is left.
func (t tally) nobody() bool {
	return t.confirmed+t.open+t.lost+t.refused == 0 && t.proved == ""
}

func (p *plan) count(wave int, lanes []laneKey, f *fleet) tally {
	var t tally
	for _, lane := range lanes {
		for _, id := range p.cells[waveLane{wave, lane}] {
			if p.line(id).standing || p.mayStand(id, f) {
				continue // it counts where it stands in
			}
			t.add(p, p.listed[id], f)
			for _, in := range p.ins[id] {
				if p.line(in).standing && p.listed[in].StandIn.Wave == wave && laneOf(p.listed[in]) == lane {
					t.add(p, p.listed[in], f)
				}
			}
		}
	}
	return t
}

// mayStand: the canary could not start once, so the host may have taken its place
// without having begun; no trace tells.
func (p *plan) mayStand(id hotstick.HostID, f *fleet) bool {
	in := p.listed[id].StandIn
	return in != nil && p.line(id).attempt == 0 && p.replaceable(in.For, f)
}

// replaceable: the canary could not start, now or at some time.
func (p *plan) replaceable(id hotstick.HostID, f *fleet) bool {
	l := p.line(id)
	return l.gone || l.state == hotstick.Waiting && f.far(p, id)
}

// replaced: another host has the canary's place.
func (p *plan) replaced(id hotstick.HostID) bool {
	return slices.ContainsFunc(p.ins[id], func(in hotstick.HostID) bool {
		l := p.line(in)
		return l.standing && !l.passedOver()
	})
}

// far: no window of the host opens within a day. Where the trace has not told the
// server's clock yet, every window is far.
func (f *fleet) far(p *plan, id hotstick.HostID) bool {
	name := p.listed[id].Calendar
	c, ok := p.body.Plan.Calendar(name)
	if name == "" || !ok {
		return false
	}
	for _, i := range c.Opens {
		if f.wall != 0 && i.Until.UnixNano() > f.now+f.wall && i.From.UnixNano() <= f.now+f.wall+farWindow {
			return false
		}
	}
	return true
}

func (t *tally) add(p *plan, h hotstick.PlanHost, f *fleet) {
	l := p.line(h.Host)
	t.listed++
	t.heard = max(t.heard, l.since, f.host(h.Host).heard)
	switch state := l.state; {
	case p.stopped(f, h.Host): // what it says counts no more
		t.decided++
	case state == hotstick.Confirmed:
		t.confirmed++
		t.newest = max(t.newest, l.since)
	case l.harmed && !l.silent():
		t.proved = h.Name
	case (l.passedOver() || state == hotstick.Waiting || state == hotstick.Interrupted) && p.replaced(h.Host),
		l.passedOver() && (l.chosen() || f.out[h.Host] > 0):
		t.decided++
	case l.passedOver():
		t.absent++
	case (state == hotstick.Reverting || state == hotstick.Reverted) && l.ordered():
		t.returned++
	case state == hotstick.Quarantined, state == hotstick.Lost:
		t.lost++
		t.first = h.Name
	case (state == hotstick.Reverting || state == hotstick.Reverted) && l.cause == string(hotstick.ReasonTransitionStalled),
		(state == hotstick.Reverting || state == hotstick.Reverted || state == hotstick.Failed) && l.removed(): // somebody's hand says nothing of the patch
		t.blocked++
	case state == hotstick.Reverting, state == hotstick.Reverted, state == hotstick.Failed:
		t.refused++
		t.first = h.Name
	default:
		t.open++
		t.first = h.Name
	}
	if l.state == hotstick.Reverting {
		t.open++
	}
}

// stopped: what a host gets from a plan for a CVE is banned or recalled, while others go
// on.
func (p *plan) stopped(f *fleet, id hotstick.HostID) bool {
	patch := p.patchOf(id)
	return p.body.Plan.CVE != "" && (f.banned[patch] || f.recalled[patch])
}

// closed says why a gate does not let hosts pass; failed if for harm.
func (t *tally) closed(p *plan, wave int, passed bool, shown int, now int64) (text string, failed bool) {
	asked, fresh := enoughReadings, freshSeconds
	if n := p.body.Plan.Gate.MinReadings; n > 0 {
		asked = n
	}
	if n := p.body.Plan.Gate.FreshSeconds; n > 0 {
		fresh = n
	}
	chance := asked
	if p.body.Plan.Gate.BackgroundPPM == 0 {
		chance = max(asked, manyReadings)
	}
	left := t.listed - t.decided - t.returned
	switch {
	case t.listed == 0:
		return "", false
	case t.proved != "":
		return fmt.Sprintf("wave %d: %s came to harm by the patch", wave, t.proved), true
	case t.lost > 0 && t.confirmed < chance, t.refused > 0 && t.confirmed < asked:
		return fmt.Sprintf("wave %d: %s came to harm", wave, t.first), true
	case t.blocked > 1 && 10*t.blocked > t.blocked+t.confirmed:
		return fmt.Sprintf("wave %d: the transitions of %d hosts stalled beside %d that are confirmed", wave, t.blocked, t.confirmed), true
	case passed:
		return "", false
	case t.decided+t.absent == t.listed && shown >= max(1, min(asked, (left+1)/2)):
		return "", false // passed over, and as many elsewhere have shown the level good
	case t.decided+t.absent == t.listed:
		return fmt.Sprintf("every host of wave %d was passed over, and %d elsewhere have shown anything", wave, shown), false
	case t.open > 0:
		return fmt.Sprintf("wave %d is not over: %s has not come to an end", wave, t.first), false
	case t.confirmed == 0:
		return fmt.Sprintf("wave %d has no confirmed host: no data is no pass", wave), false
	case t.confirmed < min(asked, max(left-t.absent-t.blocked, (left+1)/2)):
		return fmt.Sprintf("wave %d has %d confirmed hosts of %d: most are absent", wave, t.confirmed, left), false
	case p.bakes(wave, t.newest, now) > 0:
		return fmt.Sprintf("wave %d must bake for %s more", wave, sec(p.bakes(wave, t.newest, now))), false
	case now-t.heard > seconds(fresh):
		return fmt.Sprintf("wave %d was last heard of %s ago", wave, sec(now-t.heard)), false
	}
	return "", false
}

// shown counts the hosts of the lanes that run the level, by this plan or from before.
func (p *plan) shown(f *fleet, lanes ...laneKey) int {
	n := 0
	for id, l := range p.lines {
		if l.state != hotstick.Confirmed && !(l.state == hotstick.Skipped && l.cause == string(hotstick.ReasonAlreadyInEffect)) {
			continue
		}
		if h, ok := f.placeOf(p, id); ok && slices.Contains(lanes, laneOf(h)) {
			n++
		}
	}
	return n
}

// silent: it is passed over because nobody has heard of it.
func (l *line) silent() bool {
	return l.state == hotstick.Skipped && l.cause == string(hotstick.ReasonHostSilent)
}

// chosen: a person on the server passed it over, or it has nothing to take.
func (l *line) chosen() bool {
	switch hotstick.ReasonCode(l.cause) {
	case hotstick.ReasonOperator, hotstick.ReasonExcluded, hotstick.ReasonDismissed, hotstick.ReasonWrittenOff,
		hotstick.ReasonRevertOrdered, hotstick.ReasonRecalled, hotstick.ReasonAlreadyInEffect:
		return true
	}
	return false
}

// passedOver: the row's end says nothing of the patch.
func (l *line) passedOver() bool {
	return l.state == hotstick.Skipped || l.state == hotstick.Failed && ofTheHost(hotstick.ReasonCode(l.cause))
}

// ordered: it goes back because somebody wants it, not because it was ill.
func (l *line) ordered() bool {
	return l.cause == string(hotstick.ReasonRevertOrdered) || l.cause == string(hotstick.ReasonOperator)
}

// proves: the patch is known to be the cause of what the row says.
func (l *line) proves() bool {
	switch l.state {
	case hotstick.Confirmed, hotstick.Skipped:
		return false
	case hotstick.Reverting, hotstick.Reverted:
		return !l.ordered() && !l.removed() && l.cause != string(hotstick.ReasonTransitionStalled) && l.cause != string(hotstick.ReasonAgentSilent)
	}
	return l.cause == string(hotstick.ReasonCrashNamed)
}

// ofTheHost lists why a load may fail whatever the patch: the host's own state, or
// a grant that came too late.
func ofTheHost(code hotstick.ReasonCode) bool {
	switch code {
	case hotstick.ReasonWrongBuild, hotstick.ReasonForeignPatch, hotstick.ReasonModulesDisabled, hotstick.ReasonUnsupported,
		hotstick.ReasonUncleanBoots, hotstick.ReasonLedgerUnwritable, hotstick.ReasonStruck, hotstick.ReasonRevertedBefore,
		hotstick.ReasonDowngrade, hotstick.ReasonTransitionBusy, hotstick.ReasonSettling, hotstick.ReasonCatalogExpired,
		hotstick.ReasonCatalogUnknown, hotstick.ReasonAlreadyInEffect, hotstick.ReasonGrantExpired, hotstick.ReasonGrantReplayed,
		hotstick.ReasonDelay, hotstick.ReasonLabels:
		return true
	}
	return false
}
