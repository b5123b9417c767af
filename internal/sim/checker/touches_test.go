package checker

import (
	"encoding/json"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/trace"
)

// thing is what the newer level sets to 1, and the older one to 2; each boot begins with 0.
const thing = "sysctl net/core/somaxconn"

// touches tells the story of machines on which that thing is.
func (s *story) touches() {
	var g Ground
	if err := json.Unmarshal(s.events[0].Body, &g); err != nil {
		s.t.Fatal(err)
	}
	for i, value := range []string{"2", "1"} {
		g.Artifacts[i].Touches = map[string]string{thing: value}
	}
	for i := range g.Hosts {
		g.Hosts[i].Things = map[string]string{thing: "0"}
	}
	s.events[0].Body = s.encode(g)
}

func (s *story) sets(h hotstick.HostID, from, to string) {
	s.host("kernel", trace.KindTouch, h, func(e *trace.Event) { e.From, e.To, e.Detail = from, to, thing })
}

func touchTales() []tale {
	return []tale{
		{"S12t", "a level is confirmed without what it touches", nil, func(s *story, bad bool) {
			s.touches()
			if !bad {
				s.sets("h1", "0", "1")
			}
			s.patched("h1")
		}},
		{"S12t", "a way back leaves a thing as the level had it", nil, func(s *story, bad bool) {
			s.touches()
			s.sets("h1", "0", "1")
			s.probation("h1")
			s.returns("h1")
			if !bad {
				s.sets("h1", "1", "0")
			}
			s.phase("h1", hotstick.Reverted)
		}},
		{"S12t", "a way back forgets what the level before touches", nil, func(s *story, bad bool) {
			s.touches()
			s.sets("h1", "0", "2")
			s.kernel("h1", hotstick.InEffect, of(older))
			s.phase("h1", hotstick.Confirmed, of(older), func(e *trace.Event) { e.Plan = "" })
			s.admitted("h1")
			s.arm("h1")
			s.sets("h1", "2", "1")
			s.replaces("h1")
			s.returns("h1")
			s.kernel("h1", hotstick.InEffect, of(older))
			s.sets("h1", "1", pick(bad, "0", "2"))
			s.phase("h1", hotstick.Reverted)
		}},
		{"L7", "a thing is left as a level had it that is gone", nil, func(s *story, bad bool) {
			s.touches()
			s.sets("h1", "0", "1")
			s.patched("h1")
			if !bad {
				s.sets("h1", "1", "0")
			}
			s.kernel("h1", hotstick.Disabled)
			s.status("completed")
			s.ends()
		}},
	}
}
