package inventory

import (
	"reflect"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// Repeats reports whether a check-in that follows another of the same host says
// nothing but that the host still lives: what its probes say may have new times and
// new words, and nothing else differs. If the one before was counted and [Steady],
// taking this one would change when the host was last seen, with which number, and
// its readings; it would append no event.
func Repeats(before, now *wire.SyncRequest) bool {
	a, b := &before.Loader, &now.Loader
	return now.Host == before.Host && now.Boot == before.Boot && now.Key == before.Key && now.Seq > before.Seq &&
		now.Facts == nil && now.Delta == nil && now.FactsDigest == before.FactsDigest && len(now.Reports) == 0 && len(b.Refusals) == 0 &&
		a.InEffect == b.InEffect && a.Busy == b.Busy && a.Heard() == b.Heard() && a.CatalogVersion == b.CatalogVersion &&
		slices.Equal(a.Plans, b.Plans) && slices.Equal(a.Strikes, b.Strikes) && slices.Equal(a.Bans, b.Bans) && slices.Equal(a.Recalls, b.Recalls) &&
		a.Stall == nil && b.Stall == nil && a.Off == b.Off && alike(a.Hold, b.Hold) && alike(a.Expected, b.Expected) &&
		slices.EqualFunc(before.Readings, now.Readings, func(x, y hotstick.Reading) bool { return x.Probe == y.Probe && x.Healthy == y.Healthy }) &&
		(len(before.Patches)+len(now.Patches) == 0 || reflect.DeepEqual(before.Patches, now.Patches))
}

// alike reports whether two values that may be missing are the same.
func alike[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// Steady reports whether the next check-in of a host is certain to count, and to tell
// nothing new about who speaks under its identity, if it comes from whoever made this
// one, which was counted.
func Steady(taken Taken, req *wire.SyncRequest) bool {
	if !taken.Counted || taken.Unsettled || taken.WantFacts || taken.Cloned || taken.Doubtful || taken.Host.Lineage.Cloned != nil || taken.Host.Lineage.Returns > 0 {
		return false
	}
	next := taking{req: *req, old: taken.Host}
	l := taken.Host.Lineage
	l.Now.Boot, l.Now.Seq, l.Now.Seen = taken.Host.Boot, taken.Host.Seq, taken.Host.LastSeen
	who := next.who()
	who.Seq++
	who.Seen = taken.Host.LastSeen
	return follows(l, who) && filled(l.Now, who).Machine == l.Now.Machine && filled(l.Now, who).Hardware == l.Now.Hardware && who.Key == l.Now.Key
}

// Seen stores a check-in that [Repeats] the one before. It is passed over if the host
// has made itself heard in another way since.
func Seen(tx store.Tx, req *wire.SyncRequest, at time.Time) error {
	h, err := tx.Hosts().Get(req.Host)
	if err != nil || h.Revoked || h.Boot != req.Boot || h.Seq >= req.Seq {
		return err
	}
	h.Seq, h.LastSeen, h.Readings = req.Seq, at, req.Readings
	return tx.Hosts().Put(h)
}
