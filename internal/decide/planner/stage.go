package planner

// staging puts canaries into stages: one host; then 2, 4, 8 … of a block, under
// the spread caps. So it is for each patch of a plan for a CVE, within the stages of all.
type staging struct {
	count map[[3]int32]int32 // by block, stage and domain
	// open is the first stage of each block that has room.
	open []int
	// steps are those of each patch, in a plan for a CVE; nil otherwise.
	steps steps
}

// stage stages the canaries in the order in which their builds chose them.
func (p *Planner) stage() {
	s := &p.staging
	s.open = append(s.open[:0], make([]int, len(p.blocks))...)
	clear(s.count)
	if s.steps = nil; p.req.CVE != "" {
		s.steps = steps{}
	}
	for i := range p.blocks {
		p.blocks[i].stages = p.blocks[i].stages[:0]
	}
	for _, t := range p.election.turns {
		l := &p.lanes[t.lane]
		l.canary.stage = inPlace
		if block := l.canary.block; !p.alone(l, block) {
			l.canary.stage = p.place(int(block), l)
		}
	}
}

// place returns the first stage of the block that has room for a lane's canary.
func (p *Planner) place(number int, l *lane) int32 {
	b, open := &p.blocks[number], &p.staging.open[number]
	full := func(stage int) bool { return b.stages[stage] >= p.stageSize(number, stage) }
	for stage := *open; ; stage++ {
		if stage == len(b.stages) {
			b.stages = append(b.stages, 0)
		}
		if full(stage) || p.staging.steps != nil && !p.staging.steps.room(l.candidate, number, stage) || !p.spreads(number, stage, l.canary.host) {
			continue
		}
		b.stages[stage]++
		if p.staging.steps != nil {
			p.staging.steps.count(l.candidate, number, stage)
		}
		for *open < len(b.stages) && full(*open) {
			*open++
		}
		return int32(stage)
	}
}

// stageSize is 1, 2, 4, 8 …; blocks after the first that has canaries begin with
// 2, for one host of the fleet has gone by then.
func (p *Planner) stageSize(block, stage int) int32 {
	if block != p.first {
		stage++
	}
	return 1 << min(stage, 30)
}

// firstBlock is the first block of which any host is left.
func (p *Planner) firstBlock() int {
	first := len(p.blocks)
	for i := range p.pools {
		if p.pools[i].count > 0 {
			first = min(first, int(p.pools[i].block))
		}
	}
	return first
}

// spreads counts the host into the stage if the caps leave room. A cap that no
// stage of this size can reach is not counted.
func (p *Planner) spreads(block, stage int, host int32) bool {
	size, mine := p.stageSize(block, stage), p.spread(host)
	at := func(d int32) [3]int32 { return [3]int32{int32(block), int32(stage), d} }
	for kind, d := range mine {
		if p.caps[kind] < size && p.staging.count[at(d)] >= p.caps[kind] {
			return false
		}
	}
	for kind, d := range mine {
		if p.caps[kind] < size {
			p.staging.count[at(d)]++
		}
	}
	return true
}
