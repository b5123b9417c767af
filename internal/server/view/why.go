package view

import (
	"fmt"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/decide/gate"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/store"
)

// RolloutWhy answers "hotstick why ROLLOUT": the rollout, its waves and its lanes,
// each in one sentence.
func (m Moment) RolloutWhy(t Track) api.RolloutWhy {
	out := api.RolloutWhy{Plan: t.Plan.ID, Name: t.Plan.Name, Status: t.Plan.Status, Rollout: m.standing(t),
		Waves: []api.Standing{}, Lanes: []api.Standing{}}
	for _, w := range m.waves(t, false) {
		out.Waves = append(out.Waves, m.waveStanding(w, t.Plan))
	}
	for _, l := range m.lanes(t) {
		s := m.laneStanding(l, t)
		s.Build = l.Build.BuildID
		out.Lanes = append(out.Lanes, s)
	}
	return out
}

// kept makes the sentence of what does not move: why, what it waits for, what would
// change that.
func (m Moment) kept(of why.Subject, name string, r *api.Reason, p store.Plan) api.Standing {
	return api.Standing{Name: name, Reason: r, Text: why.Sentence(of, name, &r.Reason, m.place(p), m.Now)}
}

func (m Moment) standing(t Track) api.Standing {
	name := t.Plan.Name
	if t.Asked.Stuck != nil {
		return m.kept(why.ARollout, name, Reason(t.Asked.Stuck, m.place(t.Plan)), t.Plan)
	}
	s := api.Standing{Name: name, Over: t.Plan.Status.Over(), Moving: !t.Plan.Status.Over()}
	switch {
	case !s.Over:
		s.Text = "It moves: hosts are under way."
	case t.Plan.Reason != nil:
		s.Text = fmt.Sprintf("It is %s: %s", t.Plan.Status, why.Text(*t.Plan.Reason))
	default:
		s.Text = fmt.Sprintf("It is %s.", t.Plan.Status)
	}
	return s
}

func (m Moment) waveStanding(w api.Wave, p store.Plan) api.Standing {
	status := p.Status
	if w.Closed != nil && !status.Over() {
		return m.kept(why.AWave, w.Name, w.Closed, p)
	}
	s := api.Standing{Name: w.Name}
	waits, busy := counted(w.States)
	switch {
	case waits == 0 && busy == 0:
		s.Over, s.Text = true, fmt.Sprintf("Done, %s; %s", count(w.Size, "host", "hosts"), gateText(w.Gate))
	case status.Over():
		s.Over, s.Text = true, fmt.Sprintf("The rollout is %s; %s never started.", status, count(waits, "host", "hosts"))
	default:
		s.Moving, s.Text = true, fmt.Sprintf("It is open: %s under way, %s to start.", count(busy, "host is", "hosts are"), count(waits, "host is", "hosts are"))
	}
	return s
}

// counted is how many hosts still wait to start, and how many are under way.
func counted(states map[hotstick.HostState]int) (waits, busy int) {
	for s, n := range states {
		switch {
		case s == hotstick.Waiting:
			waits += n
		case !s.Terminal():
			busy += n
		}
	}
	return waits, busy
}

// gateText says what the gate behind a wave says, and how little it could miss.
func gateText(g api.Gate) string {
	if g.Verdict == string(gate.Pass) {
		return fmt.Sprintf("its gate passed: with %s healthy the crash rate is below %.3g %% at 95 %%.", count(g.Confirmed, "host", "hosts"), 100*g.Limit)
	}
	return "its gate says " + g.Verdict + ": " + g.Reason.Text
}

func (m Moment) laneStanding(l api.Lane, t Track) api.Standing {
	name := laneName(l.Build)
	if l.Held != nil && !t.Plan.Status.Over() {
		return m.kept(why.ALane, name, l.Held, t.Plan)
	}
	s := api.Standing{Name: name}
	waits, busy := counted(l.States)
	switch {
	case waits == 0 && busy == 0:
		s.Over, s.Text = true, fmt.Sprintf("Done, %s.", count(l.Hosts, "host", "hosts"))
	case t.Plan.Status.Over():
		s.Over, s.Text = true, fmt.Sprintf("The rollout is %s; %s never started.", t.Plan.Status, count(waits, "host", "hosts"))
	case l.Wave < len(t.Body.Waves):
		s.Moving, s.Text = true, fmt.Sprintf("It goes on by itself, at wave %q: %s under way, %s to start.", t.Body.Waves[l.Wave].Name,
			count(busy, "host is", "hosts are"), count(waits, "host is", "hosts are"))
	}
	return s
}

// laneName is how people tell kernel builds apart.
func laneName(b hotstick.KernelBuild) string {
	return fmt.Sprintf("%s %s %.9s", b.Release, b.Arch, b.BuildID)
}
