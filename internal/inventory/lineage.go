package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// Verdict is what a check-in is, judged by who spoke under the identity before.
type Verdict string

// The verdicts. Fresh, rebooted, changed and restored ones count; the others change
// nothing but the lineage.
const (
	// VerdictFresh: who spoke last speaks again.
	VerdictFresh Verdict = "fresh"
	// VerdictStale: repeated, or overtaken on its way.
	VerdictStale Verdict = "stale"
	// VerdictRebooted: a boot that never spoke before.
	VerdictRebooted Verdict = "rebooted"
	// VerdictChanged: the same boot with a new TLS key, or with other hardware.
	VerdictChanged Verdict = "changed"
	// VerdictReturned: somebody whom another followed speaks again. It is a machine
	// that was put back to an earlier moment, or a clone; what comes next tells.
	VerdictReturned Verdict = "returned"
	// VerdictRestored: a machine was put back to an earlier moment, and goes on from
	// there.
	VerdictRestored Verdict = "restored"
	// VerdictCloned: two machines use the identity at once.
	VerdictCloned Verdict = "cloned"
)

// Limits of the judgement.
const (
	// maxPast bounds who is remembered of an identity: a host's row is read and
	// written with every check-in. An older boot is known from the audit log.
	maxPast = 4
	// overtaken is by how many milliseconds of uptime a check-in may be behind one
	// that came before it and be merely late.
	overtaken = 60_000
	// turns is how often, within turnsTime, two must have spoken in turns to be two.
	turns     = 3
	turnsTime = 10 * time.Minute
	// settling is how long somebody who returned must speak alone to be a machine
	// that was put back.
	settling = 2 * time.Minute
)

// Recognise judges a check-in: who speaks with which number at which time, after
// the lineage that is known; it returns the lineage with it. Now.Seq and Now.Seen of
// the lineage are the host's.
//
// A reboot changes the boot once, and the old boot never speaks again. One that
// speaks again was either put back to an earlier moment, as a virtual machine is from
// a snapshot, or there are two machines. They are two if they speak in turns: the
// old one, the new one, and the old one once more. They are one if the old one goes on
// alone. Two that differ in nothing, not even by a minute of uptime, are told apart
// when one of them renews its certificate or reboots.
func Recognise(l store.Lineage, s store.Life) (store.Lineage, Verdict) {
	if follows(l, s) {
		l.Now = filled(l.Now, s)
		return l, VerdictFresh
	}
	l = l.Clone()
	if l.Now.Boot == "" {
		l.Now = s
		return l, VerdictRebooted
	}
	who, known := speaker(l, s)
	switch {
	case late(l, s):
		return l, VerdictStale
	case !known && slices.ContainsFunc(everybody(l), func(life store.Life) bool { return same(life, s) }):
		// One of them, far back in time: a second run of one boot.
		return returned(remember(l, s), len(l.Past)+1, s)
	case !known:
		return follow(l, s)
	case who == 0 && (l.Speaker == 0 || l.Cloned != nil):
		l.Now, l.Speaker = filled(l.Now, s), 0
		return l, VerdictFresh
	case l.Cloned != nil:
		return l, VerdictStale
	}
	return returned(l, who, s)
}

// follows is the short way for the check-in that almost every one is: the next of who
// spoke last, with whom nobody is confused.
func follows(l store.Lineage, s store.Life) bool {
	return l.Speaker == 0 && s.Seq > l.Now.Seq && same(l.Now, s) &&
		!slices.ContainsFunc(l.Past, func(p store.Life) bool { return p.Boot == s.Boot && p.Key == s.Key })
}

// everybody lists who spoke last, and then the past.
func everybody(l store.Lineage) []store.Life { return append([]store.Life{l.Now}, l.Past...) }

// speaker finds who of the lineage a check-in is from: 0 is who spoke last before a
// return, others are numbered from 1. Of two runs of one boot it is the one whose
// number comes next.
func speaker(l store.Lineage, s store.Life) (who int, known bool) {
	best := uint64(0)
	for i, life := range everybody(l) {
		if same(life, s) && life.Seq < s.Seq && (!known || life.Seq > best) {
			who, known, best = i, true, life.Seq
		}
	}
	return who, known
}

// late reports whether a check-in is a repetition, or was overtaken.
func late(l store.Lineage, s store.Life) bool {
	return slices.ContainsFunc(everybody(l), func(life store.Life) bool {
		return same(life, s) && s.Seq <= life.Seq && life.Seq-s.Seq <= overtaken
	})
}

// follow makes somebody new the one who spoke last.
func follow(l store.Lineage, s store.Life) (store.Lineage, Verdict) {
	verdict := VerdictRebooted
	back := s.Key != "" && s.Key != l.Now.Key && slices.ContainsFunc(l.Past, func(p store.Life) bool { return p.Key == s.Key })
	switch {
	case s.Boot == l.Now.Boot:
		verdict = VerdictChanged
	case back: // a disk from before the newest certificate
		verdict = VerdictRestored
	}
	l = remember(l, l.Now)
	l.Now, l.Speaker, l.Returns, l.Since = s, 0, 0, time.Time{}
	return l, verdict
}

// remember adds somebody to the past, and forgets the oldest beyond the limit.
func remember(l store.Lineage, life store.Life) store.Lineage {
	l.Past = append(l.Past, life)
	if len(l.Past) > maxPast {
		l.Past = l.Past[1:]
		l.Speaker = max(l.Speaker-1, 0)
	}
	return l
}

// returned judges that somebody speaks again after another did, or goes on to.
func returned(l store.Lineage, who int, s store.Life) (store.Lineage, Verdict) {
	who = min(who, len(l.Past))
	if l.Speaker != who || l.Returns == 0 {
		if l.Returns == 0 || s.Seen.Sub(l.Since) > turnsTime {
			l.Returns, l.Since = 0, s.Seen
		}
		l.Returns++
		l.Speaker = who
	}
	other := l.Now
	if who == 0 {
		other = l.Past[len(l.Past)-1]
		l.Now = filled(l.Now, s)
	} else {
		l.Past[who-1] = filled(l.Past[who-1], s)
	}
	switch {
	case l.Returns >= turns:
		l.Cloned = &store.Clone{At: s.Seen, Evidence: differences(other, s)}
		l.Returns, l.Since, l.Speaker = 0, time.Time{}, 0
		return l, VerdictCloned
	case who == 0:
		return l, VerdictFresh
	case l.Returns == 1 && s.Seen.Sub(l.Since) >= settling:
		now := l.Past[who-1]
		l.Past = append(slices.Delete(l.Past, who-1, who), l.Now)
		l.Now, l.Returns, l.Since, l.Speaker = now, 0, time.Time{}, 0
		return l, VerdictRestored
	}
	return l, VerdictReturned
}

// filled is a life with what a newer check-in of it tells.
func filled(life, s store.Life) store.Life {
	if s.Machine == "" {
		s.Machine = life.Machine
	}
	if s.Hardware == "" {
		s.Hardware = life.Hardware
	}
	return s
}

// same reports whether two may be one. What either does not tell does not part
// them; neither does hardware of which a part is common.
func same(a, b store.Life) bool {
	return a.Boot == b.Boot && agree(string(a.Key), string(b.Key)) && agree(a.Machine, b.Machine) && !foreign(a.Hardware, b.Hardware)
}

func agree(a, b string) bool { return a == b || a == "" || b == "" }

// foreign reports whether two lists of hardware have nothing in common.
func foreign(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	has := strings.Fields(a)
	return !slices.ContainsFunc(strings.Fields(b), func(part string) bool { return slices.Contains(has, part) })
}

// differences says in what two differ.
func differences(a, b store.Life) []hotstick.Evidence {
	var out []hotstick.Evidence
	add := func(kind, x, y string) {
		out = append(out, hotstick.Evidence{Kind: kind, Text: fmt.Sprintf("%s and %s", x, y)})
	}
	if a.Boot != b.Boot {
		add("boot", a.Boot, b.Boot)
	} else if same(a, b) {
		add("sequence", fmt.Sprint(a.Seq), fmt.Sprint(b.Seq))
	}
	if !agree(string(a.Key), string(b.Key)) {
		add("tls_key", a.Key.Short(), b.Key.Short())
	}
	if !agree(a.Machine, b.Machine) {
		add("machine_id", a.Machine, b.Machine)
	}
	if foreign(a.Hardware, b.Hardware) {
		add("hardware", a.Hardware, b.Hardware)
	}
	return out
}
