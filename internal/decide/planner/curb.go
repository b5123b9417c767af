package planner

// curb bounds the hosts that get one patch in a wave, where a plan has several: what is
// known of one patch says nothing of another, so the waves of each must grow as those of a
// plan of its own would. A nil curb bounds nothing.
type curb struct {
	lanes []lane
	// canaries counts, by candidate, those that went before the part.
	canaries []int
	// counts are the hosts of the part by candidate and wave.
	counts [][]int32
}

// curb returns the curb of parts after as many canaries; nil in a plan of one patch.
func (p *Planner) curb(canaries []int) *curb {
	if p.req.CVE == "" {
		return nil
	}
	return &curb{lanes: p.lanes, canaries: canaries}
}

// begin forgets all that was counted, and makes room for as many waves.
func (c *curb) begin(waves int) {
	if c == nil {
		return
	}
	c.counts = make([][]int32, len(c.canaries))
	for i := range c.counts {
		c.counts[i] = make([]int32, waves)
	}
}

func (c *curb) of(f *fleet, h int32) int { return c.lanes[f.hosts[h].lane].candidate }

// room reports whether the wave has room for as many more hosts with the patch of h.
func (c *curb) room(f *fleet, h int32, w, more int) bool {
	if c == nil {
		return true
	}
	at := c.of(f, h)
	before := c.canaries[at]
	for _, n := range c.counts[at][:w] {
		before += int(n)
	}
	return int(c.counts[at][w])+more <= growth(max(1, c.canaries[at]), max(1, before))
}

// roomFor reports whether the wave has room for all members of a cluster.
func (c *curb) roomFor(f *fleet, unit []int32, w int) bool {
	if c == nil {
		return true
	}
	more := map[int]int{}
	for _, h := range unit {
		more[c.of(f, h)]++
		if !c.room(f, h, w, more[c.of(f, h)]) {
			return false
		}
	}
	return true
}

func (c *curb) count(f *fleet, h int32, w int, n int32) {
	if c != nil {
		c.counts[c.of(f, h)][w] += n
	}
}

// steps counts, in a plan for a CVE, the canaries of each candidate by block and stage.
type steps map[int]map[[2]int]int32

// room reports whether a stage has room for one more canary with the patch: one goes
// first, then at most 2, 4, 8 … of each patch, as of all.
func (s steps) room(candidate, block, stage int) bool {
	var before int32
	for at, n := range s[candidate] {
		if at[0] < block || at[0] == block && at[1] < stage {
			before += n
		}
	}
	return s[candidate][[2]int{block, stage}] <= before
}

func (s steps) count(candidate, block, stage int) {
	if s[candidate] == nil {
		s[candidate] = map[[2]int]int32{}
	}
	s[candidate][[2]int{block, stage}]++
}
