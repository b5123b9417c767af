package inventory

import (
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/store"
)

// boot reports whether the check-in counts, and notes a new boot, a return to an
// earlier moment, and a clone.
func (t *taking) boot() (bool, error) {
	if t.req.Boot == t.old.Boot && planted.Bug("old-check-in-taken") {
		return true, nil
	}
	if planted.Bug("boot-not-compared") {
		return t.req.Seq > t.old.Seq, nil
	}
	l, err := t.lineage()
	if err != nil {
		return false, err
	}
	next, verdict := Recognise(l, t.speaker())
	switch verdict {
	case VerdictFresh, VerdictChanged:
		t.adopt(next)
		return true, nil
	case VerdictRebooted, VerdictRestored:
		return t.begin(next, verdict)
	case VerdictCloned:
		t.cloned = true
		return false, t.quarantine(next)
	}
	t.cloned = t.req.Boot != t.old.Boot
	t.host.Lineage = kept(next)
	if verdict == VerdictReturned {
		return false, t.remember()
	}
	return false, nil
}

// doubtful reports whether somebody who was followed by another spoke lately.
func (t *taking) doubtful() bool {
	l := t.host.Lineage
	return l.Returns > 0 && t.tx.Now().Sub(l.Since) < turnsTime
}

// speaker is who checks in now, as far as the check-in tells.
func (t *taking) speaker() store.Life {
	s := t.who()
	s.Seen = t.tx.Now()
	return s
}

// who is who checks in, whenever that is.
func (t *taking) who() store.Life {
	s := store.Life{Boot: t.req.Boot, Key: t.req.Key, Seq: t.req.Seq}
	facts := t.req.Facts
	if facts == nil && t.req.FactsDigest == t.old.FactsDigest {
		facts = t.old.Facts
	}
	if facts != nil {
		s.Machine, s.Hardware = facts.Host.MachineID, facts.Host.Hardware
	}
	return s
}

// lineage is the host's lineage with what the host's row knows better. A boot that
// was forgotten there, but not by the audit log, is put back into its past.
func (t *taking) lineage() (store.Lineage, error) {
	l := t.old.Lineage
	l.Now.Boot, l.Now.Seq, l.Now.Seen = t.old.Boot, t.old.Seq, t.old.LastSeen
	is := func(life store.Life) bool { return life.Boot == t.req.Boot }
	if t.old.Boot == "" || is(l.Now) || slices.ContainsFunc(l.Past, is) {
		return l, nil
	}
	followed, err := t.seenBoot()
	if followed {
		l.Past = append(slices.Clone(l.Past), store.Life{Boot: t.req.Boot})
	}
	return l, err
}

// kept is a lineage without what the host's row has.
func kept(l store.Lineage) store.Lineage {
	l.Now.Boot, l.Now.Seq, l.Now.Seen = "", 0, time.Time{}
	return l
}

// adopt takes over the lineage of a check-in that counts.
func (t *taking) adopt(l store.Lineage) { t.host.Lineage = kept(l) }

// begin notes that a boot speaks for the first time, or once more. It counts from
// its first check-in with facts.
func (t *taking) begin(l store.Lineage, verdict Verdict) (bool, error) {
	if t.req.Facts == nil {
		t.wantFacts = true
		return false, nil
	}
	older := t.old.Lineage.Now
	older.Boot, older.Seq = t.old.Boot, t.old.Seq
	t.adopt(l)
	t.host.Seq = 0
	if t.req.Boot != t.old.Boot {
		t.host.Boot, t.host.Boots = t.req.Boot, t.old.Boots+1
		if err := t.event(store.Event{Kind: HostBooted, Evidence: bootEvidence(t.req.Boot)}); err != nil {
			return false, err
		}
	}
	if t.restored = verdict == VerdictRestored; t.restored {
		return true, t.event(store.Event{Kind: HostRestored, Evidence: differences(older, t.speaker())})
	}
	return true, nil
}

// quarantine notes that two machines use the identity.
func (t *taking) quarantine(l store.Lineage) error {
	t.host.Lineage = kept(l)
	if err := t.remember(); err != nil {
		return err
	}
	e, err := t.tx.Events().Append(store.Event{Kind: HostCloned, Host: t.host.ID, HostName: t.host.Name,
		Evidence: l.Cloned.Evidence, Reason: &hotstick.Reason{Code: hotstick.ReasonCloned}})
	if err != nil {
		return err
	}
	return Notify(t.tx, NotifyClone, e)
}

// remember stores the lineage alone: the check-in does not count.
func (t *taking) remember() error {
	h := t.old
	h.Lineage = t.host.Lineage
	return t.tx.Hosts().Put(h)
}

// bootMemory is how many of a host's newest events are searched for its boots.
const bootMemory = 2000

// seenBoot reports whether the check-in's boot is one of the past.
func (t *taking) seenBoot() (bool, error) {
	events, err := t.tx.Events().List(store.EventFilter{Host: t.host.ID, Limit: bootMemory})
	return slices.ContainsFunc(events, func(e store.Event) bool {
		return e.Kind == HostBooted && len(e.Evidence) == 1 && e.Evidence[0].Text == t.req.Boot
	}), err
}

func bootEvidence(boot string) []hotstick.Evidence {
	return []hotstick.Evidence{{Kind: "boot", Text: boot}}
}
