package loader

import (
	"encoding/json"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/statement"
)

// maxDowngrades bounds the downgrades that a loader remembers. One start needs one.
const maxDowngrades = 64

// takeDowngrade remembers a downgrade for the grant that comes with it. The ledger
// does not: only a start asks for it, and the server sends it with every grant that
// needs it. What a start under it left behind, a permit, needs no document.
func (l *Loader) takeDowngrade(raw []byte) *hotstick.Reason {
	if _, err := statement.OpenDowngrade(raw, l.view.Trust, l.noEarlier()); err != nil {
		return reasonOf(err)
	}
	digest := hotstick.NewDigest(raw)
	l.downgrades = slices.DeleteFunc(l.downgrades, func(old json.RawMessage) bool { return hotstick.NewDigest(old) == digest })
	if len(l.downgrades) == maxDowngrades {
		l.downgrades = slices.Delete(l.downgrades, 0, 1)
	}
	l.downgrades = append(l.downgrades, slices.Clone(raw))
	return nil
}

// permitted are the downgrades that hold under the trust of now: a signer whose key
// was taken out of the catalog meanwhile does not count any more.
func (l *Loader) permitted() []statement.Downgrade {
	var good []statement.Downgrade
	for _, raw := range l.downgrades {
		if d, err := statement.OpenDowngrade(raw, l.view.Trust, l.noEarlier()); err == nil {
			good = append(good, d)
		}
	}
	return good
}

// older reports whether the plan's level is below one that this host has confirmed
// or runs, and no downgrade allows that.
func (s grantSituation) older() bool {
	level := s.level()
	highest := reached(s.led, s.before, level.Name)
	return level.Level < highest && !slices.ContainsFunc(s.downgrades, func(d statement.Downgrade) bool {
		return d.Covers(level, s.host, s.build, highest)
	})
}

// reached is the highest level of a patch that the host has confirmed or runs.
func reached(led ledger.Ledger, before *ledger.Level, name string) int {
	highest := led.Confirmed[name]
	if before != nil && before.Patch.Name == name {
		highest = max(highest, before.Patch.Level)
	}
	return highest
}
