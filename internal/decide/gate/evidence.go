package gate

import (
	"cmp"
	"slices"

	"github.com/hotstick/hotstick"
)

// kind is what a failure weighs, heaviest first.
type kind int

const (
	// proved: the patch did it; one is enough.
	proved kind = iota
	// lost: the host went down or fell silent.
	lost
	// refused: the load failed.
	refused
	// blocked: the transition stalled and was reversed, or somebody's hand took the level
	// away. It speaks neither for the patch nor against it.
	blocked
)

// evidence groups failures of one kind and key, in order of both. Groups and
// their lists are never changed in place: accumulators are values, so an older one
// must not change behind its owner's back. There are few groups, however many
// hosts fail alike.
type evidence []group

type group struct {
	kind kind
	key  string
	n    int
	// first is the earliest finding that is not dismissed, if there is one; list holds all, newest added first.
	first finding
	list  *node
}

// finding is one host's failure.
type finding struct {
	// dismissed: an operator looked at it, so it holds no lane any more.
	dismissed    bool
	at           int64
	host         hotstick.HostID
	name, detail string
	cause        hotstick.ReasonCode
}

type node struct {
	finding
	next *node
}

// key groups failures of one kind. Silence, and a crash without a trace, have
// nothing in common with another: their group never fails a gate by itself.
func key(k kind, r Reading) string {
	switch {
	case k == proved, k == lost && code(r) == hotstick.ReasonSilentAfter, k == lost && code(r) == hotstick.ReasonNotBack:
		return ""
	case k == refused, k == blocked:
		return string(code(r)) + "\x00" + r.Fingerprint
	}
	return r.Fingerprint
}

func find(r Reading) finding {
	return finding{dismissed: r.Dismissed, at: r.At.UnixNano(), host: r.Host, name: r.Name, detail: detail(r), cause: code(r)}
}

func (f finding) compare(g finding) int {
	if f.dismissed != g.dismissed {
		if g.dismissed {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(f.at, g.at), cmp.Compare(f.host, g.host), cmp.Compare(f.name, g.name),
		cmp.Compare(f.cause, g.cause), cmp.Compare(f.detail, g.detail))
}

func (e evidence) search(k kind, key string) (int, bool) {
	return slices.BinarySearchFunc(e, group{kind: k, key: key}, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.key, b.key))
	})
}

func (e evidence) with(k kind, r Reading) evidence {
	f := find(r)
	i, known := e.search(k, key(k, r))
	next := slices.Clone(e)
	if !known {
		next = slices.Insert(next, i, group{kind: k, key: key(k, r), first: f})
	}
	g := &next[i]
	g.n, g.list = g.n+1, &node{f, g.list}
	if f.compare(g.first) < 0 {
		g.first = f
	}
	return next
}

func (e evidence) without(k kind, r Reading) evidence {
	f := find(r)
	i, known := e.search(k, key(k, r))
	if !known {
		return e
	}
	list, found := e[i].list.without(f)
	if !found {
		return e
	}
	next := slices.Clone(e)
	if list == nil {
		return slices.Delete(next, i, i+1)
	}
	g := &next[i]
	g.n, g.list = g.n-1, list
	if f == g.first {
		g.first = list.first()
	}
	return next
}

// without returns the list with one finding less; what stood before it is copied.
func (l *node) without(f finding) (*node, bool) {
	var before []finding
	for n := l; n != nil; n = n.next {
		if n.finding != f {
			before = append(before, n.finding)
			continue
		}
		rest := n.next
		for _, b := range slices.Backward(before) {
			rest = &node{b, rest}
		}
		return rest, true
	}
	return l, false
}

func (l *node) first() finding {
	first := l.finding
	for n := l.next; n != nil; n = n.next {
		if n.compare(first) < 0 {
			first = n.finding
		}
	}
	return first
}

// doubt is how many times better a killer must explain the failures of one wave
// than the background does for its lane to be held.
const doubt = 10

// weigh says whether the evidence fails the gate, or else what holds its lane.
func (e evidence) weigh(acc Accumulator) (hard, held *hotstick.Reason) {
	losses, refusals := 0, 0
	var firstLost, firstRefused, firstBlocked *finding
	for i := range e {
		g := &e[i]
		switch g.kind {
		case proved:
			return g.first.fails(), nil
		case lost:
			if g.n >= 2 && g.key != "" {
				return g.first.fails(), nil
			}
			losses, firstLost = losses+g.n, earlier(firstLost, &g.first)
		case refused:
			if g.n >= 2 && evalue(g.n, acc.Started+acc.Refused, RefusedPPM/1e6) >= 1/acc.settings.alarm() {
				return g.first.fails(), nil
			}
			refusals, firstRefused = refusals+g.n, earlier(firstRefused, &g.first)
		case blocked:
			firstBlocked = earlier(firstBlocked, &g.first)
		}
	}
	few := acc.Confirmed < acc.settings.minReadings()
	switch {
	case losses > 0 && !firstLost.dismissed && (few || evalue(losses, acc.Started, acc.settings.background()) >= doubt):
		return nil, firstLost.holds(hotstick.ReasonCanaryLost)
	case refusals > 0 && !firstRefused.dismissed && (few || evalue(refusals, acc.Started+acc.Refused, RefusedPPM/1e6) >= doubt):
		return nil, firstRefused.holds(hotstick.ReasonLaneHeld)
	case acc.overBlocked():
		return nil, firstBlocked.holds(hotstick.ReasonLaneHeld)
	}
	return nil, nil
}

func earlier(f, g *finding) *finding {
	if f == nil || g.compare(*f) < 0 {
		return g
	}
	return f
}

func (f finding) fails() *hotstick.Reason { return f.holds(hotstick.ReasonGateFailed) }

func (f finding) holds(code hotstick.ReasonCode) *hotstick.Reason {
	return &hotstick.Reason{Code: code, Subject: f.name, Cause: f.cause, Detail: f.detail}
}

// detail is what the host's reason speaks of, with its own detail.
func detail(r Reading) string {
	switch {
	case r.Reason == nil:
		return string(r.State)
	case r.Reason.Subject == "" || r.Reason.Detail == r.Reason.Subject:
		return r.Reason.Detail
	case r.Reason.Detail == "":
		return r.Reason.Subject
	}
	return r.Reason.Subject + ": " + r.Reason.Detail
}
