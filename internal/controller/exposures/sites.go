package exposures

import (
	"maps"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
)

// sites are what the labels of hosts answer to the tree. What was published is never changed.
type sites struct {
	tree      *exposure.Tree
	of        map[hotstick.HostID]exposure.Site
	published bool
}

func (s *sites) clear() { s.of, s.published = map[hotstick.HostID]exposure.Site{}, false }

func (s *sites) publish() map[hotstick.HostID]exposure.Site {
	s.published = true
	return s.of
}

// settle notes the labels of a host; one without labels that answer anything is left out.
func (s *sites) settle(id hotstick.HostID, labels map[string]string) {
	site := s.tree.Site(labels)
	if s.of[id] == site {
		return
	}
	if s.published {
		s.of, s.published = maps.Clone(s.of), false
	}
	if site == (exposure.Site{}) {
		delete(s.of, id)
		return
	}
	s.of[id] = site
}
