package loader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/statement"
)

// takeGrant verifies a grant and, if everything speaks for it, writes the
// intent. The load itself is the next tick's. The caller holds mu.
func (l *Loader) takeGrant(ctx context.Context, raw []byte, observed bool) *hotstick.Reason {
	grant, err := statement.OpenGrant(raw, l.view.Trust)
	if err != nil {
		return reasonOf(err)
	}
	s := l.grantSituation(ctx, grant, observed)
	if believe(s) == nil {
		s.kept = l.known.passing.meet(s)
	}
	verdict, reason := judgeGrant(s)
	switch verdict {
	case admit:
		if reason = l.start(s, hotstick.NewDigest(raw)); reason == nil {
			return nil
		}
	case never:
		if err := l.conclude(s, hotstick.Failed, reason); err != nil {
			return l.unwritable(err)
		}
	case already:
		if err := l.conclude(s, hotstick.Confirmed, reason); err != nil {
			return l.unwritable(err)
		}
		return nil
	}
	return reason
}

// grantSituation gathers everything that judging the grant rests on.
func (l *Loader) grantSituation(ctx context.Context, grant statement.Grant, observed bool) grantSituation {
	uptime := l.cfg.Clock.Uptime()
	s := grantSituation{
		grant: grant, nonce: l.nonces.judge(grant.Nonce, seconds(grant.TTLSeconds), uptime),
		trust: l.view.Trust,
		led:   l.led, host: hostID(l.led.Identity), build: l.build,
		clock: l.cfg.Clock.Now(), now: l.noEarlier(), uptime: uptime, settle: l.cfg.Limits.Settle,
		patches: livePatches(l.patches), observed: observed,
		before: l.before(), downgrades: l.permitted(),
		obstacles: obstacles{unhealthy: l.health.unhealthy(heedAll, ledger.Attempt{}), off: l.off()},
	}
	plan, err := l.knownPlan(grant.Plan)
	if err != nil {
		s.doubt = because(hotstick.ReasonNotInPlan, "the plan is not known here")
		if !errors.Is(err, fs.ErrNotExist) {
			s.doubt = reasonOf(err)
		}
		return s
	}
	s.plan = plan
	if err := statement.CheckHost(plan, grant.Plan, grant); err != nil {
		s.doubt = reasonOf(err)
		return s
	}
	if grant.Late {
		s.doubt = l.judgeLate(*plan.Late)
	}
	level := s.level()
	s.patch, s.hasPatch = l.view.Patch(level)
	s.capabilities = l.cfg.Drivers.Can(ctx, s.patch.Driver)
	s.rival = hotstick.Rival(s.patch.Driver, l.masters(), []hotstick.Capabilities{s.capabilities})
	s.expired = l.view.ExpiredFor(level, l.judged())
	s.blocked = l.blocked(level)
	if artifact, ok := s.patch.Artifact(l.build); ok {
		if err := l.take(ctx, artifact.Digest); err == nil {
			s.staged = true
		} else if !errors.Is(err, fs.ErrNotExist) {
			l.cfg.Log.Warn("cannot take the artifact", "error", err)
		}
	}
	// To look at things may take a step, so nobody makes a loader do it by old grants.
	if l.led.Attempt == nil && believe(s) == nil {
		s.untouchable = l.untouchable(ctx, s.patch.Touches)
	}
	return s
}

// judged is the time by which the end of the catalog is judged.
// It is the wall clock's, but never earlier than the catalog's last successful
// refresh, nor than any time that it was before; so nothing that was over comes back
// with a clock that is set back. Of a clock that ran ahead it takes no more than the
// catalog's end: a refresh beyond that fails, for the timestamp has expired, and of
// judgements beyond it none starts anything. So the next renewal of the timestamp, a
// day at most, undoes what such a clock did. The caller holds mu.
func (l *Loader) judged() time.Time {
	now := l.cfg.Clock.Now()
	for _, seen := range []time.Time{l.view.Refreshed, earlier(now, l.view.Expires)} {
		if seen.After(l.floor) {
			l.floor = seen
		}
	}
	if now.Before(l.floor) {
		return l.floor
	}
	return now
}

// noEarlier is the time by which is judged what people signed an end for: the wall
// clock's, but never earlier than the catalog's last successful refresh. Plans may be
// shorter than a day, so what a clock that ran ahead has left in the floor does not
// count against them. The caller holds mu.
func (l *Loader) noEarlier() time.Time {
	now := l.cfg.Clock.Now()
	if l.view.Refreshed.After(now) {
		return l.view.Refreshed
	}
	return now
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// judgeLate says why a plan's rule for late hosts does not fit this host. Only what
// was set on the host itself counts: neither the server nor the agent is asked.
func (l *Loader) judgeLate(rule hotstick.LateRule) *hotstick.Reason {
	labels, err := l.cfg.Labels()
	if err != nil {
		return because(hotstick.ReasonLabels, clip(err.Error()))
	}
	for _, k := range slices.Sorted(maps.Keys(rule.Labels)) {
		if labels[k] != rule.Labels[k] && !planted.Bug("late-unchecked") {
			return &hotstick.Reason{Code: hotstick.ReasonLabels, Subject: k, Detail: clip(fmt.Sprintf("want %q, this host has %q", rule.Labels[k], labels[k]))}
		}
	}
	return nil
}

// knownPlan verifies a kept plan again, under the trust of now: an approver whose
// key was taken out of the catalog meanwhile does not count any more.
func (l *Loader) knownPlan(id hotstick.PlanID) (hotstick.Plan, error) {
	record := l.led.Plan(id)
	if record == nil {
		return hotstick.Plan{}, fs.ErrNotExist
	}
	raw, err := l.cfg.Disk.Kept(record.Envelope)
	if err != nil {
		return hotstick.Plan{}, err
	}
	plan, got, err := statement.OpenPlan(raw, l.view.Trust, l.noEarlier())
	if err == nil && got != id {
		err = errors.New("cannot use the kept plan: it is another one")
	}
	return plan, err
}

// levelInEffect returns the level of ours that the kernel runs, with all that is
// needed to load it again.
func (l *Loader) levelInEffect() *ledger.Level {
	for _, level := range l.ours() {
		if state, ok := effect(l.patches, level.Module); ok && state == hotstick.InEffect {
			return &level
		}
	}
	return nil
}

// start writes the intent. Only if that is durable, the nonce is spent and the
// next tick may load.
func (l *Loader) start(s grantSituation, document hotstick.Digest) *hotstick.Reason {
	artifact, _ := s.patch.Artifact(l.build)
	lane, _ := s.lane()
	target, err := l.leadsTo(s.patch, artifact)
	if err != nil {
		return because(hotstick.ReasonVerificationFailed, clip(err.Error()))
	}
	intent, err := l.intent(ledger.Level{
		Patch: s.patch.Ref, Driver: s.patch.Driver, Module: artifact.Module, Artifact: artifact.Digest,
		Build: l.build, Target: target, Replace: s.patch.Replace, Functions: s.patch.Functions, Touches: s.patch.Touches, Reversibility: s.patch.Reversibility,
		ProbationSeconds: s.plan.ProbationSeconds, TransitionSeconds: s.plan.TransitionOf(lane),
	})
	if err != nil {
		return because(hotstick.ReasonVerificationFailed, clip(err.Error()))
	}
	intent.Plan, intent.Number, intent.Grant, intent.Before = s.grant.Plan, s.grant.Attempt, document, s.before
	failpoint.Here(failpoint.LoaderIntentBeforeSave)
	if err := l.change(func(led *ledger.Ledger) { arm(led, intent, l.moment(l.patches)) }); err != nil {
		return l.unwritable(err)
	}
	failpoint.Here(failpoint.LoaderIntentAfterSave)
	l.nonces.use(s.grant.Nonce)
	l.run = attemptRun{mayLoad: true}
	l.cfg.Log.Info("attempt", "state", hotstick.Armed, "plan", s.grant.Plan.Short(), "patch", s.patch.Ref.String())
	return nil
}

// intent makes an attempt for a level, with what is needed to tell later what is
// new in the kernel's log and taint.
func (l *Loader) intent(level ledger.Level) (ledger.Attempt, error) {
	taint, err := l.cfg.Kernel.Taint()
	if err != nil {
		return ledger.Attempt{}, fmt.Errorf("cannot read the kernel's taint: %v", err)
	}
	_, mark, err := l.cfg.Kernel.Faults(math.MaxUint64)
	if err != nil {
		return ledger.Attempt{}, fmt.Errorf("cannot read the kernel log: %v", err)
	}
	return ledger.Attempt{Level: level, TaintBefore: taint, LogMark: mark, Probes: l.health.names()}, nil
}

// conclude uses an attempt up without changing the kernel, and reports its end.
func (l *Loader) conclude(s grantSituation, end hotstick.HostState, reason *hotstick.Reason) error {
	l.nonces.use(s.grant.Nonce)
	return l.change(func(led *ledger.Ledger) {
		p := led.Plan(s.grant.Plan)
		p.Attempt, p.State = s.grant.Attempt, end
		addReport(led, l.moment(l.patches), hotstick.Report{Plan: s.grant.Plan, Patch: s.level(),
			Attempt: s.grant.Attempt, State: end, Reason: reason})
	})
}

// takeOrder sends this host back to the level before a plan's attempt. Only a
// plan that this loader took part in can be ordered back, and only to where it
// came from. The caller holds mu.
func (l *Loader) takeOrder(raw []byte) *hotstick.Reason {
	order, err := statement.OpenOrder(raw, l.view.Trust)
	if err != nil {
		return reasonOf(err)
	}
	uptime := l.cfg.Clock.Uptime()
	switch state := l.nonces.judge(order.Nonce, seconds(order.TTLSeconds), uptime); {
	case order.Epoch != l.view.Trust.Epoch || order.Epoch < l.led.Epoch:
		return because(hotstick.ReasonStaleEpoch, "")
	case order.Host != hostID(l.led.Identity):
		return because(hotstick.ReasonNotInPlan, "the order is for another host")
	case state == nonceUsed:
		return because(hotstick.ReasonGrantReplayed, "")
	case state != nonceGood || order.TTLSeconds < 1 || order.TTLSeconds > statement.MaxGrantSeconds:
		return because(hotstick.ReasonGrantExpired, "")
	}
	reason := &hotstick.Reason{Code: hotstick.ReasonRevertOrdered, Subject: order.Reason.Subject, Detail: clip(order.Reason.Detail)}
	if order.Reason.Code != hotstick.ReasonRevertOrdered {
		reason.Cause = order.Reason.Code
	}
	if a := l.led.Attempt; a != nil {
		if a.Plan != order.Plan {
			return because(hotstick.ReasonOtherPlan, "")
		}
		if a.Phase != hotstick.Reverting {
			l.run.order = reason
		}
		return nil
	}
	return l.orderBack(order, reason)
}

// orderBack opens the way back from a level that was confirmed before.
func (l *Loader) orderBack(order statement.Order, reason *hotstick.Reason) *hotstick.Reason {
	record, off := l.led.Plan(order.Plan), l.off()
	switch {
	case off != nil:
		return off
	case record == nil || record.Level == nil:
		return because(hotstick.ReasonNotInPlan, "this host took no part in the plan")
	case record.State == hotstick.Reverted:
		return nil
	case record.State != hotstick.Confirmed:
		return because(hotstick.ReasonNotInPlan, "the attempt ended as "+string(record.State))
	case l.led.Permit == nil || l.led.Permit.Level.Patch != record.Level.Patch:
		return because(hotstick.ReasonOtherPlan, "another level has been confirmed since")
	}
	back := ledger.Attempt{Plan: order.Plan, Number: record.Attempt, Level: *record.Level, Before: record.Before}
	if err := l.openWayBack(back, reason); err != nil {
		return l.unwritable(err)
	}
	l.nonces.use(order.Nonce)
	return nil
}
