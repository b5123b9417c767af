package planner

import (
	"fmt"

	"github.com/hotstick/hotstick"
)

// writer writes the plan's waves down, one after the other.
type writer struct {
	p     *Planner
	waves []hotstick.Wave
	// ring of the wave before; -1 before the first and after waves of an older plan.
	ring     int
	canaries int
}

func (p *Planner) writeWaves() []hotstick.Wave {
	w := writer{p: p, ring: -1}
	for i := range p.blocks {
		b := &p.blocks[i]
		for _, n := range b.stages {
			w.canary(i, b, int(n))
		}
		for j := range b.parts {
			for rel := range b.parts[j].waves() {
				n := int(b.parts[j].cells[rel].count)
				if b.old != nil {
					w.kept(b.old, n)
				} else {
					w.widening(b, j, n)
				}
			}
		}
	}
	return w.waves
}

// canary writes one stage. Only the very first is one host that bakes longest.
func (w *writer) canary(number int, b *block, hosts int) {
	bake, name := w.p.req.Shape.Waves.CanaryBake, fmt.Sprintf("canary-%d", w.canaries)
	if len(w.waves) == 0 {
		bake, name = w.p.req.Shape.Waves.FirstBake, "first-host"
	}
	w.canaries++
	wave := hotstick.Wave{Name: name, Hosts: hosts, BakeSeconds: seconds(bake)}
	if w.p.old == nil || (number > 0 && b.old == nil) {
		w.add(b, wave)
		return
	}
	// The canaries of a newer level stand before the waves of the older plan, whose
	// names they must not share.
	wave.Name = fmt.Sprintf("level-%d-%s", w.p.req.Patch.Ref.Level, name)
	wave.DelaySeconds = w.delay()
	if b.old != nil {
		wave.DelaySeconds = max(wave.DelaySeconds, b.old.DelaySeconds)
	}
	w.waves = append(w.waves, wave)
}

// widening writes a wave that was cut anew.
func (w *writer) widening(b *block, part, hosts int) {
	kind := "wave"
	switch {
	case b.last:
		kind = "last"
	case part == 1:
		kind = "clusters"
	}
	w.add(b, hotstick.Wave{Name: fmt.Sprintf("%s-%d", kind, len(w.waves)), Hosts: hosts,
		BakeSeconds: seconds(w.p.req.Shape.Waves.Bake), Manual: w.p.req.Shape.Waves.Manual})
}

// add gives a new wave its delay and its ring's name.
func (w *writer) add(b *block, wave hotstick.Wave) {
	s := &w.p.req.Shape.Waves
	wave.DelaySeconds = w.delay()
	if b.ring == w.ring {
		wave.DelaySeconds += seconds(s.Delay)
	}
	if b.ring < len(s.RingDelay) {
		wave.DelaySeconds = max(wave.DelaySeconds, seconds(s.RingDelay[b.ring]))
	}
	if b.ring > 0 {
		wave.Name = fmt.Sprintf("ring-%d-%s", b.ring, wave.Name)
	}
	w.ring = b.ring
	w.waves = append(w.waves, wave)
}

// kept writes a wave of the older plan, with the hosts that are left in it. Its
// delay is at least that of all before, as it was there.
func (w *writer) kept(old *oldWave, hosts int) {
	wave := old.Wave
	wave.Hosts, wave.Proven = hosts, old.proven
	w.ring = -1
	w.waves = append(w.waves, wave)
}

// delay is the delay of the wave before: none is shorter than that.
func (w *writer) delay() int {
	if len(w.waves) == 0 {
		return 0
	}
	return w.waves[len(w.waves)-1].DelaySeconds
}
