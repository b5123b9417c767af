package sqlite

import (
	"container/list"
	"reflect"
	"slices"
	"sync"

	"github.com/hotstick/hotstick"
)

// Decoding a host's facts costs more than everything else in a check-in, and they
// hardly ever change. So decoded facts are kept, by the SHA-256 of their encoding:
// whatever transaction asks, facts with that sum are those facts. They are never
// given away, only copied.

// maxFactsBytes bounds the kept facts by the size of their encoding; in memory
// they take two to three times as much.
const maxFactsBytes = 32 << 20

// factsCache keeps the facts that were used last.
type factsCache struct {
	mu    sync.Mutex
	bySum map[string]*list.Element // of *knownFacts
	used  *list.List               // newest first
	size  int
}

type knownFacts struct {
	sum   string
	facts *hotstick.Facts
	size  int
}

func newFactsCache() *factsCache {
	return &factsCache{bySum: map[string]*list.Element{}, used: list.New()}
}

// get returns facts that must not be changed, or nil.
func (c *factsCache) get(sum string) *hotstick.Facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.bySum[sum]
	if e == nil {
		return nil
	}
	c.used.MoveToFront(e)
	return e.Value.(*knownFacts).facts
}

// put keeps facts, which must not be changed from now on.
func (c *factsCache) put(sum string, facts *hotstick.Facts, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bySum[sum] != nil || size > maxFactsBytes/4 {
		return
	}
	c.bySum[sum] = c.used.PushFront(&knownFacts{sum, facts, size})
	for c.size += size; c.size > maxFactsBytes; {
		oldest := c.used.Remove(c.used.Back()).(*knownFacts)
		delete(c.bySum, oldest.sum)
		c.size -= oldest.size
	}
}

// sameFacts may call equal facts different, if one of them was not brought into
// the form that stores keep, but never the reverse.
func sameFacts(x, y *hotstick.Facts) bool {
	a, b := *x, *y
	if !slices.Equal(a.Modules, b.Modules) { // the long list, compared the fast way
		return false
	}
	a.Modules, b.Modules = nil, nil
	return reflect.DeepEqual(a, b)
}
