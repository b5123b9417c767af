package evil

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/hotstick/hotstick/internal/statement"
)

// Strategies returns all attacks, by name.
func Strategies() []Strategy {
	all := slices.Concat(grants(), plans(), marks(), files(), metadata())
	all = append(all, crowd(slices.Clone(all)), Strategy{Name: "documents-for-everybody", Claims: []Claim{Replayed, OutOfWave, Halted, Recalled},
		Does: "gives each host the documents of all others", Answer: forEverybody})
	slices.SortFunc(all, func(a, b Strategy) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// together is how many attacks everything-at-once makes in one answer.
const together = 4

// crowd makes several attacks in one answer, and one on each file.
func crowd(all []Strategy) Strategy {
	return Strategy{Name: "everything-at-once", Does: "makes several attacks in one answer, others with every one",
		Claims: []Claim{Unsigned, Unapproved, Edited, Expired, Halted, Replayed, Recalled, Stale, Older, OutOfWave, TooEarly},
		Answer: func(l *Loot, t Turn) []json.RawMessage {
			out := slices.Clone(t.Honest)
			t.Honest = nil
			for range together {
				if s := all[t.Random.IntN(len(all))]; s.Answer != nil {
					out = append(out, s.Answer(l, t)...)
				}
			}
			return out
		},
		Serve: func(l *Loot, f File) []byte {
			if s := all[f.Random.IntN(len(all))]; s.Serve != nil {
				return s.Serve(l, f)
			}
			return f.Honest
		}}
}

func forEverybody(l *Loot, t Turn) []json.RawMessage {
	out := slices.Clone(t.Honest)
	for _, host := range sortedHosts(l.Seen) {
		seen := l.Seen[host]
		for _, raw := range seen[max(0, len(seen)-recorded):] {
			// A plan is known already, or too long to be sent by all of them at once.
			if !is(raw, statement.KindPlan) {
				out = append(out, raw)
			}
		}
	}
	return out
}
