package agent

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/wire"
)

// hostState is what the agent knows of its own host. Times are uptimes.
type hostState struct {
	// loader is the loader's newest answer; reached tells whether the newest call
	// was answered, and called when it was made.
	loader  link.Response
	reached bool
	// away: the newest call was not answered, and that was logged.
	away   bool
	called time.Duration
	// said is the digest of the loader's newest answer; resting: the check-in under way
	// did not call it.
	said    hotstick.Digest
	resting bool
	// news: something changed that the server should know at once.
	news bool
	// sent is the highest report in any check-in so far.
	sent     uint64
	refusals []wire.DocumentRefusal
	// readings are the newest by probe; fresh are those the loader lacks.
	readings map[string]hotstick.Reading
	fresh    []hotstick.Reading

	facts       hotstick.Facts
	factsAt     time.Duration
	factsDigest hotstick.Digest
	patches     []hotstick.LoadedPatch
}

func (h *hostState) note(r hotstick.Reading) {
	if old, known := h.readings[r.Probe]; known && old.Healthy != r.Healthy {
		h.news = true
	}
	h.readings[r.Probe] = r
	h.fresh = append(h.fresh, r)
	h.fresh = h.fresh[max(0, len(h.fresh)-link.MaxReadings):]
}

// newestReadings are those of all probes.
func (h *hostState) newestReadings() []hotstick.Reading {
	return slices.SortedFunc(maps.Values(h.readings), compareProbes)
}

// call exchanges what there is with the loader: its documents go in, its state
// and reports come back. A loader that is not there is tried again later.
func (c *Core) call(ctx context.Context, req link.Request) {
	h := &c.host
	h.called = c.cfg.Uptime()
	req.Readings, req.Acknowledged = h.fresh, c.server.acknowledged
	if len(req.Documents) > 0 && !h.loader.Busy {
		// The loader that the last readings went to may have ended since; what is asked of
		// this one rests on how the host is.
		req.Readings = h.newestReadings()
	}
	resp, err := c.cfg.Loader.Exchange(ctx, req)
	if err != nil {
		if !h.away {
			c.cfg.Log.Warn("cannot reach the loader", "error", err)
		}
		h.reached, h.away, h.loader.Nonce = false, true, ""
		return
	}
	h.away = false
	if !reflect.DeepEqual(h.loader.Drivers, resp.Drivers) || !reflect.DeepEqual(h.loader.Tracing, resp.Tracing) || !sameAdoption(h.loader, resp) {
		h.factsDigest = "" // the facts have them, and are read anew
	}
	if changed(h.loader, resp) || newest(resp.Reports) > h.sent {
		h.news = true
	}
	h.loader, h.reached, h.fresh, h.said = resp, true, nil, resp.State()
	for _, r := range resp.Refusals {
		h.refuse(wire.DocumentRefusal{Document: r.Document, Reason: r.Reason})
		c.doubt(r)
	}
}

// changed reports whether the loader's state differs in what the server decides
// on.
func changed(old, now link.Response) bool {
	return old.InEffect != now.InEffect || old.Busy != now.Busy ||
		!slices.Equal(old.Plans, now.Plans) || !slices.Equal(old.Strikes, now.Strikes) || !slices.Equal(old.Bans, now.Bans) ||
		!sameEffects(old.Rooted, now.Rooted) || !reflect.DeepEqual(old.Drivers, now.Drivers) ||
		!slices.Equal(old.Recalls, now.Recalls) || !sameAdoption(old, now) || old.Root != now.Root || old.Off != now.Off ||
		!equal(old.Expected, now.Expected) || !equal(old.Hold, now.Hold) || (old.Stall == nil) != (now.Stall == nil)
}

// sameAdoption reports whether the loader says the same of what was taken over and of its
// hold.
func sameAdoption(old, now link.Response) bool {
	return slices.Equal(old.Adopted, now.Adopted) && old.AdoptedFor == now.AdoptedFor && equal(old.Lifted, now.Lifted)
}

// equal compares what two pointers point to.
func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

func newest(reports []hotstick.Report) uint64 {
	if len(reports) == 0 {
		return 0
	}
	return reports[len(reports)-1].Seq
}

// refuse keeps a refusal for the next check-in, each document once.
func (h *hostState) refuse(r wire.DocumentRefusal) {
	for _, known := range h.refusals {
		if known.Document == r.Document && known.Reason.Code == r.Reason.Code {
			return
		}
	}
	if len(h.refusals) < wire.MaxDocuments {
		h.refusals = append(h.refusals, r)
	}
}

// observe reads the host for a check-in. The loader is called first, unless it may
// rest, so that the server gets its newest state and a nonce with most of its life
// before it. Facts are read anew only now and then,
// or when the live patches changed, because reading every module costs.
func (c *Core) observe(ctx context.Context) error {
	h := &c.host
	patches, err := c.patches(ctx)
	if h.resting = err == nil && c.rests(patches); !h.resting {
		c.call(ctx, link.Request{})
		patches, err = c.patches(ctx) // what the loader said is never newer than this
	}
	if err != nil {
		c.cfg.Log.Warn("cannot read the live patches", "error", err)
	}
	same := sameEffects(patches, h.patches)
	h.patches = patches
	if same && h.factsDigest != "" && c.cfg.Uptime()-h.factsAt < paceFacts {
		return nil
	}
	facts, err := c.cfg.Observer.Facts(ctx)
	if err != nil {
		return err
	}
	if facts.Security.Keys = h.loader.Keys; !slices.Contains(facts.Withheld, hotstick.GroupTracing) {
		facts.Tracing = h.loader.Tracing
	}
	facts.Livepatch.Patches = driver.Unite(facts.Livepatch.Patches, h.loader.Rooted)
	facts.Drivers = told(facts.Drivers, h.loader.Drivers)
	for _, system := range h.loader.Adopted {
		facts.Masters = hotstick.Takeover{System: system, Driver: h.loader.AdoptedFor, Lifted: h.loader.Lifted}.Mark(facts.Masters)
	}
	digest, err := facts.Digest()
	if err != nil {
		return err
	}
	if h.factsAt = c.cfg.Uptime(); digest != h.factsDigest { // else those of before are shared with what the server has
		h.facts, h.factsDigest = facts, digest
	}
	return nil
}

// patches are those that the agent sees by itself, and those that only root can see and the
// loader has told.
func (c *Core) patches(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	patches, err := c.cfg.Observer.Patches(ctx)
	return driver.Unite(patches, c.host.loader.Rooted), err
}

// told returns what drivers can do, where the loader knows better with the loader's word.
func told(own, loaders []hotstick.Capabilities) []hotstick.Capabilities {
	all := slices.Clone(own)
	for _, c := range loaders {
		if i := slices.IndexFunc(all, func(o hotstick.Capabilities) bool { return o.Driver == c.Driver }); i >= 0 {
			all[i] = c
		} else {
			all = append(all, c)
		}
	}
	return all
}

// request is the next check-in.
func (c *Core) request() *wire.SyncRequest {
	h := &c.host
	req := &wire.SyncRequest{
		Protocol: c.speak(), Host: c.cfg.Host, Boot: h.facts.Host.BootID, Seq: c.nextSeq(),
		FactsDigest: h.factsDigest, Patches: h.patches, Reports: fitting(h.loader.Reports),
		Loader: wire.LoaderState{
			Nonce: h.loader.Nonce, InEffect: h.loader.InEffect, Busy: h.loader.Busy, Plans: h.loader.Plans,
			CatalogVersion: h.loader.CatalogVersion, Strikes: h.loader.Strikes, Bans: h.loader.Bans,
			Recalls: h.loader.Recalls, Root: h.loader.Root, Refusals: h.refusals,
			Expected: h.loader.Expected, Stall: h.loader.Stall, Hold: h.loader.Hold, Off: h.loader.Off,
		},
	}
	if req.Loader.Resting = h.resting; h.resting {
		req.Loader.Nonce = "" // it is of long ago
	}
	if h.factsDigest != c.server.factsDigest {
		req.Facts, req.Delta = c.newFacts()
	}
	req.Readings = h.newestReadings()
	if c.server.active {
		req.HoldSeconds = holdSeconds
	}
	return req
}

// protocolDelta is the first protocol in which a check-in can say what has changed.
const protocolDelta = 2

// newFacts are the facts that the server lacks: what has changed, if it is known to have
// others, or all of them.
func (c *Core) newFacts() (*hotstick.Facts, *hotstick.FactsDelta) {
	h := &c.host
	if c.server.factsDigest != "" && c.speak() >= protocolDelta {
		if delta := c.server.facts.Delta(h.facts, c.server.factsDigest); delta != nil {
			return nil, delta
		}
	}
	facts := h.facts // an answer may come after the host was looked at again
	return &facts, nil
}

// maxReportBytes bounds the reports of one check-in, so that facts have room
// beside them.
const maxReportBytes = 1 << 20

// fitting returns the oldest reports that fit into one check-in; the others go
// with the next.
func fitting(reports []hotstick.Report) []hotstick.Report {
	size := 0
	for i, r := range reports {
		encoded, err := json.Marshal(r)
		if err != nil {
			return reports[:i]
		}
		size += len(encoded)
		if size > maxReportBytes && i > 0 {
			return reports[:i]
		}
	}
	return reports
}

func compareProbes(x, y hotstick.Reading) int {
	switch {
	case x.Probe < y.Probe:
		return -1
	case x.Probe > y.Probe:
		return 1
	}
	return 0
}

// nextSeq numbers check-ins by the boot's age in milliseconds, or one more than
// the last: it rises also over a restart of the agent.
func (c *Core) nextSeq() uint64 {
	c.server.seq = max(c.server.seq+1, uint64(c.cfg.Uptime().Milliseconds()))
	return c.server.seq
}
