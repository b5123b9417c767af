package loader

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

const (
	// lookEvery is how often at most the tasks behind a stalled transition are looked at,
	// and how often such a transition is helped.
	lookEvery = 5 * time.Second
	// lookAgain is the pause instead while no look has found a task nor seen all of them,
	// which takes some looks where there are very many. It is granted maxAgain times.
	lookAgain = time.Second
	maxAgain  = 20
)

// course is the transition that runs in the kernel, ours or not, as this process has
// followed it. Without one it is zero.
type course struct {
	module string
	state  hotstick.Effect
	// since is the uptime at which it began, or at which it was first seen if this
	// process did not begin it.
	since time.Duration
	// helped is the uptime at which it was last helped; 0 if it was not.
	helped time.Duration
	// stall is what the newest look at the tasks found, at the uptime looked; nil before
	// the first. Looks counts the looks.
	stall  *hotstick.Stall
	looked time.Duration
	looks  int
}

// follow returns what is known once the patches have been observed. A transition that
// turns round is another one. What a step is at work on counts from when that has ended.
func (m course) follow(patches []hotstick.LoadedPatch, uptime time.Duration, a *ledger.Attempt, stepping string) course {
	i := slices.IndexFunc(patches, func(p hotstick.LoadedPatch) bool {
		return p.Module != stepping && (p.State == hotstick.TransitionIn || p.State == hotstick.TransitionOut)
	})
	switch {
	case i < 0:
		return course{}
	case m.module == patches[i].Module && m.state == patches[i].State:
		return m
	}
	m = course{module: patches[i].Module, state: patches[i].State, since: uptime}
	if a != nil && a.Phase == hotstick.Applying && m.state == hotstick.TransitionIn && a.Level.Module == m.module {
		m.since = min(uptime, millis(a.LoadMillis))
	}
	return m
}

// report returns the transition if it has stalled; nil if it has not, or none runs.
func (m course) report(uptime time.Duration, limits Limits) *hotstick.Stall {
	if m.module == "" || uptime-m.since < limits.TransitionWait {
		return nil
	}
	stall := hotstick.Stall{Module: m.module, State: m.state}
	if m.stall != nil {
		stall = *m.stall
	}
	stall.ForMillis = (uptime - m.since).Milliseconds()
	return &stall
}

// transition is how long a level may take to come into effect.
func (l Limits) transition(level ledger.Level) time.Duration {
	if level.Reboots() {
		return seconds(level.TransitionSeconds) // installing and emptying the host take what they take
	}
	return min(seconds(level.TransitionSeconds), l.TransitionWait+l.TransitionHelp)
}

// help is the step for a transition that has not ended yet: to wait, or to help where it
// is one of ours and has stalled.
func (s situation) help() action {
	m := s.moving
	ours := m.module == s.attempt.Level.Module || s.attempt.Before != nil && m.module == s.attempt.Before.Module
	if !s.observed || !ours || s.uptime-m.since < s.limits.TransitionWait || m.helped > 0 && s.uptime-m.helped < lookEvery {
		return action{}
	}
	return action{verb: doHelp, module: m.module}
}

// help asks the driver to help, if it can.
func (l *Loader) help(ctx context.Context, a ledger.Attempt, module string) {
	changer, _ := l.changer(a, module)
	if h, can := changer.(driver.Helper); can {
		if err := h.Help(ctx, module); err != nil {
			l.cfg.Log.Warn("cannot help the transition along", "module", module, "error", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.moving.module == module {
		l.moving.helped = l.cfg.Clock.Uptime()
	}
}

// due reports whether it is time for the next look.
func (m course) due(uptime time.Duration) bool {
	switch {
	case m.stall == nil:
		return true
	case m.stall.Partial && m.stall.Tasks == 0 && m.looks < maxAgain:
		return uptime-m.looked >= lookAgain
	}
	return uptime-m.looked >= lookEvery
}

// examine looks at the tasks behind a stalled transition, unless that was done a moment
// ago. At once means that it looks in any case. Only Tick calls it, so there is one look at
// a time.
func (l *Loader) examine(atOnce bool) {
	l.mu.Lock()
	m, patches, uptime := l.moving, l.patches, l.cfg.Clock.Uptime()
	l.mu.Unlock()
	stalled := m.report(uptime, l.cfg.Limits) != nil
	if l.cfg.Tasks == nil || m.module == "" || !atOnce && !(stalled && m.due(uptime)) {
		return
	}
	stall := l.cfg.Tasks.Blocking(patches) // takes its time, so nobody waits for it
	if err := stall.Validate(); err != nil {
		l.cfg.Log.Error("cannot use what was found out about a transition", "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.moving.module != m.module || l.moving.state != m.state {
		return // it has ended meanwhile
	}
	if m.stall == nil && stalled {
		l.cfg.Log.Warn("a transition does not end", "module", m.module, "state", m.state, "tasks", stall.Tasks, "first", first(stall))
	}
	l.moving.stall, l.moving.looked, l.moving.looks = &stall, uptime, m.looks+1
}

// testify looks once more, puts every blocker that is found into the attempt as evidence,
// and says in the reason which one is the first.
func (l *Loader) testify(reason hotstick.Reason) *hotstick.Reason {
	l.examine(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	stall := l.moving.stall
	if stall == nil || l.led.Attempt == nil {
		return &reason
	}
	var evidence []hotstick.Evidence
	for _, b := range stall.Blockers {
		evidence = append(evidence, hotstick.Evidence{Kind: "blocked_task", Text: strings.Join(append([]string{about(b)}, b.Stack...), "\n")})
	}
	l.led.Attempt.Evidence = boundEvidence(evidence)
	if reason.Detail = first(*stall); stall.Tasks > 1 {
		reason.Detail += fmt.Sprintf(", and %d more", stall.Tasks-1)
	}
	reason.Detail = clip(reason.Detail)
	return &reason
}

// first says in words which task is in the way. What a CPU runs while it idles is listed
// nowhere, so a stall without tasks is one of idle CPUs.
func first(s hotstick.Stall) string {
	switch {
	case len(s.Blockers) > 0:
		return about(s.Blockers[0])
	case s.Partial:
		return "not every task could be looked at"
	}
	return "no task is in the way but those of idle CPUs"
}

// about describes a blocker in a line.
func about(b hotstick.Blocker) string {
	meaning, _ := b.Cause.Meaning()
	meaning = strings.TrimSuffix(meaning, ".")
	line := fmt.Sprintf("%s (PID %d, thread %d, state %s", b.Command, b.PID, b.TID, b.State)
	if b.Unit != "" {
		line += ", " + b.Unit
	}
	if b.Function != "" {
		meaning += ": " + b.Function
	}
	return line + "): " + meaning
}
