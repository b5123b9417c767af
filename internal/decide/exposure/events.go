package exposure

import (
	"iter"
	"time"

	"github.com/hotstick/hotstick"
)

// Event is the beginning or the end of one host's exposure to one CVE.
type Event struct {
	Host hotstick.HostID
	CVE  string
	At   time.Time
	// Began: it counts as open from At on; otherwise until then.
	Began bool
	// Was and Now are where it stood and stands; empty where the host or the CVE was not
	// known, or is not any more.
	Was, Now hotstick.ExposureReason
}

// Events tells which exposures began and ended between two fleets, host by host in the order
// of their IDs. before may be nil. What moves between two states that both count as open, or
// both do not, is no event.
func Events(before, after *Fleet, at time.Time) iter.Seq[Event] {
	if before == nil {
		before = Full(Compile(nil, nil, nil), nil)
	}
	d := differ{before: before, after: after, aligned: aligned(before.index, after.index), known: map[[2]int][]turn{}, quiet: make([]bool, len(after.classes))}
	if d.aligned {
		d.respoken = respoken(before.index.spoke, after.index.spoke)
	}
	return func(yield func(Event) bool) {
		for host, classes := range pairs(before.hosts, after.hosts) {
			for _, t := range d.turns(classes) {
				if !yield(Event{host, t.cve, at, t.began, t.was, t.now}) {
					return
				}
			}
		}
	}
}

// pairs walks two sorted lists of hosts together, with both classes of each.
func pairs(before, after []member) iter.Seq2[hotstick.HostID, [2]int] {
	return func(yield func(hotstick.HostID, [2]int) bool) {
		for len(before)+len(after) > 0 {
			var id hotstick.HostID
			classes := [2]int{nowhere, nowhere}
			switch {
			case len(after) == 0 || len(before) > 0 && before[0].id < after[0].id:
				id, classes[0], before = before[0].id, before[0].class, before[1:]
			case len(before) == 0 || after[0].id < before[0].id:
				id, classes[1], after = after[0].id, after[0].class, after[1:]
			default:
				id, classes = after[0].id, [2]int{before[0].class, after[0].class}
				before, after = before[1:], after[1:]
			}
			if !yield(id, classes) {
				return
			}
		}
	}
}

// differ finds what turned between two classes, once for all hosts that share them.
type differ struct {
	before, after *Fleet
	// aligned: what CVEs both know stand in the same places.
	aligned bool
	known   map[[2]int][]turn
	// quiet are the classes in which nothing turned for hosts that stayed in them.
	quiet []bool
	// respoken are the pieces in which there are CVEs of which other systems are spoken now.
	respoken []bool
}

func respoken(old, now []family) []bool {
	pieces := make([]bool, (len(now)+pieceLen-1)/pieceLen)
	for i, f := range now {
		if i >= len(old) || old[i] != f {
			pieces[i/pieceLen] = true
		}
	}
	return pieces
}

type turn struct {
	cve      string
	began    bool
	was, now hotstick.ExposureReason
}

func aligned(a, b *Index) bool {
	if a == b {
		return true
	}
	if len(a.cves) > len(b.cves) {
		return false
	}
	for i, cve := range a.cves {
		if b.cves[i] != cve {
			return false
		}
	}
	return true
}

func (d *differ) turns(classes [2]int) []turn {
	stayed := classes[0] == classes[1]
	if stayed && d.quiet[classes[1]] {
		return nil
	}
	turns, there := d.known[classes]
	if !there {
		turns = d.compare(classes)
		d.known[classes] = turns
		if stayed && len(turns) == 0 {
			d.quiet[classes[1]] = true
		}
	}
	return turns
}

func (d *differ) compare(classes [2]int) (turns []turn) {
	old, now := d.before.side(classes[0]), d.after.side(classes[1])
	note := func(cve string, i, j int) {
		was, wasOpen := old.stand(i)
		is, isOpen := now.stand(j)
		if wasOpen != isOpen {
			turns = append(turns, turn{cve, isOpen, was, is})
		}
	}
	for j := 0; j < len(d.after.index.cves); j++ {
		cve, i := d.after.index.cves[j], j
		if d.aligned {
			if p := j / pieceLen; !d.respoken[p] && old.row != nil && now.row != nil && old.row[p] == now.row[p] {
				j = (p+1)*pieceLen - 1 // nothing in this piece
				continue
			}
		} else if at, there := d.before.index.at[cve]; there {
			i = at
		} else {
			i = nowhere
		}
		note(cve, i, j)
	}
	if !d.aligned {
		for i, cve := range d.before.index.cves {
			if _, there := d.after.index.at[cve]; !there {
				note(cve, i, nowhere)
			}
		}
	}
	return turns
}

// side is one class of one fleet; its row is nil for a host that is not there.
type side struct {
	row   row
	spoke []family
}

func (f *Fleet) side(class int) side {
	s := side{spoke: f.index.spoke}
	if class != nowhere {
		s.row = f.rows[class]
	}
	return s
}

func (s side) stand(cve int) (hotstick.ExposureReason, bool) {
	if s.row == nil || cve < 0 || cve >= len(s.spoke) || s.spoke[cve] == 0 {
		return "", false
	}
	c := s.row.cell(cve)
	return c.reason(), c.open()
}
