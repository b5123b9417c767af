package sqlite

import (
	"errors"
	"reflect"
	"sync"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
)

// A check-in reads a host and puts it back, and most of what a row keeps as JSON is
// what it was the last time. So what a text was decoded to is kept with the text: the
// same text is not decoded again, and the same value not encoded. Like the kept facts,
// what is kept is never given away, only copied, and whatever transaction asks, a text
// means what it means.

// maxParts bounds the hosts whose parts are kept, of one to two kilobytes each. Beyond
// it all are forgotten, and decoded once more.
const maxParts = 1 << 15

// part is a value with its encoding; the zero part knows nothing.
type part[T any] struct {
	encoded string
	value   T
	known   bool
}

// is reports whether a text is the known one.
func (p *part[T]) is(encoded string) bool { return p.known && p.encoded == encoded }

// text encodes a value, unless it is the known one.
func (p *part[T]) text(v T, empty bool) (string, error) {
	if p.known && reflect.DeepEqual(p.value, v) {
		return p.encoded, nil
	}
	return text(v, empty)
}

// of decodes a text, unless it is the known one.
func (p *part[T]) of(encoded string, decode func(string) (T, error)) (part[T], error) {
	if p.is(encoded) {
		return *p, nil
	}
	v, err := decode(encoded)
	return part[T]{encoded, v, err == nil}, err
}

// hostParts are the parts of one host's row.
type hostParts struct {
	patches  part[[]hotstick.LoadedPatch]
	loader   part[store.HostLoader]
	reverted part[[]hotstick.PatchRef]
	labels   part[map[string]string]
	lineage  part[store.Lineage]
	drift    part[*hotstick.Drift]
}

// are reports whether all parts of a row are known.
func (p *hostParts) are(m *hostMain) bool {
	return p.patches.is(m.patches) && p.loader.is(m.loader) && p.reverted.is(m.reverted) && p.labels.is(m.labels) && p.lineage.is(m.lineage) && p.drift.is(m.drift)
}

// packed encodes a lineage, unless it is the known one.
func (p *hostParts) packed(l store.Lineage) (string, error) {
	if p.lineage.known && reflect.DeepEqual(p.lineage.value, l) {
		return p.lineage.encoded, nil
	}
	return packLineage(l)
}

// partsCache keeps the parts of hosts.
type partsCache struct {
	mu   sync.Mutex
	byID map[hotstick.HostID]*hostParts
}

// get returns what is known of a host; it must not be changed.
func (c *partsCache) get(id hotstick.HostID) *hostParts {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.byID[id]; known != nil {
		return known
	}
	return &hostParts{}
}

// of decodes the parts of a row, as far as they are not known. They must be copied
// before they are given away.
func (c *partsCache) of(r hostRow) (*hostParts, error) {
	known, m := c.get(r.id), &r.main
	if known.are(m) {
		return known, nil
	}
	var next hostParts
	var errs [6]error
	next.patches, errs[0] = known.patches.of(m.patches, parse[[]hotstick.LoadedPatch])
	next.loader, errs[1] = known.loader.of(m.loader, parse[store.HostLoader])
	next.reverted, errs[2] = known.reverted.of(m.reverted, parse[[]hotstick.PatchRef])
	next.labels, errs[3] = known.labels.of(m.labels, parse[map[string]string])
	next.lineage, errs[4] = known.lineage.of(m.lineage, unpackLineage)
	next.drift, errs[5] = known.drift.of(m.drift, parse[*hotstick.Drift])
	if err := errors.Join(errs[0], errs[1], errs[2], errs[3], errs[4], errs[5]); err != nil {
		return &next, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil || len(c.byID) >= maxParts && c.byID[r.id] == nil {
		c.byID = map[hotstick.HostID]*hostParts{}
	}
	c.byID[r.id] = &next
	return &next, nil
}
