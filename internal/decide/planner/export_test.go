package planner

// Replan assigns a packed fleet from scratch, for benchmarks.
func Replan(p *Planner) error { return p.plan() }

// Waves counts the plan's waves.
func Waves(p *Planner) int {
	b := &p.blocks[len(p.blocks)-1]
	return b.from + len(b.stages) + b.parts[0].waves() + b.parts[1].waves()
}
