package loader

import (
	"context"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/trace"
)

// Exchange implements [link.Loader]. The request is untrusted: documents are
// verified here, and readings can only send a patch back.
func (l *Loader) Exchange(ctx context.Context, req link.Request) (link.Response, error) {
	l.watch(ctx)
	patches, err := l.cfg.Drivers.Observe(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saw(patches, err)
	observed := err == nil
	uptime := l.cfg.Clock.Uptime()
	l.health.listen(req.Readings, uptime)
	l.saveLate()
	l.learnProbes()
	l.learnIdentity()
	if req.Catalog {
		l.refresh(ctx)
		l.takeStaged(ctx)
	}
	l.acknowledge(req.Acknowledged)
	refusals := l.takeAll(ctx, req, observed)
	resp, err := l.answer(refusals)
	l.ring()
	failpoint.Here(failpoint.LoaderAnswerBefore)
	if l.led.Attempt != nil {
		l.nudge()
	}
	return resp, err
}

// learnProbes writes down probes that the agent named for the first time while an attempt
// is open. The caller holds mu.
func (l *Loader) learnProbes() {
	if a := l.led.Attempt; a != nil && l.broken == nil && l.health.unwritten(*a) {
		l.changeAnyway(func(led *ledger.Ledger) {
			led.Attempt.Probes = union(led.Attempt.Probes, l.health.names())
			led.Attempt.Green = union(led.Attempt.Green, l.health.healthySince(*a))
		})
	}
}

// union returns what stands in either list, sorted.
func union(a, b []string) []string {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// takeAll handles the documents of one call. Those that only ever hold something
// back go first, so that a halt and a grant in one call start nothing.
func (l *Loader) takeAll(ctx context.Context, req link.Request, observed bool) []link.Refusal {
	if l.broken != nil {
		return l.refuseAll(req)
	}
	var refusals []link.Refusal
	for _, p := range inOrder(req.Documents) {
		if reason := l.document(ctx, p, observed); reason != nil {
			document := hotstick.NewDigest(p.raw)
			refusals = append(refusals, link.Refusal{Document: document, Reason: *reason})
			l.tell(trace.Event{Kind: trace.KindRefused, Cause: string(reason.Code), Grant: document})
			l.cfg.Log.Info("document refused", "reason", reason.Code, "detail", reason.Detail)
		}
	}
	return refusals
}

// refuseAll answers for a loader whose ledger cannot be used. The refusal of the
// empty document says so also where no document came.
func (l *Loader) refuseAll(req link.Request) []link.Refusal {
	reason := hotstick.Reason{Code: hotstick.ReasonLedgerUnwritable, Detail: clip(l.broken.Error())}
	refusals := []link.Refusal{{Document: hotstick.NewDigest(nil), Reason: reason}}
	for _, raw := range req.Documents {
		refusals = append(refusals, link.Refusal{Document: hotstick.NewDigest(raw), Reason: reason})
	}
	return refusals
}

// refresh reads the staged catalog. A refused catalog changes nothing.
func (l *Loader) refresh(ctx context.Context) {
	if l.strange() {
		return
	}
	view, err := l.cfg.Catalog.Refresh(ctx, l.cfg.Clock.Now())
	if err != nil {
		l.cfg.Log.Warn("cannot take the staged catalog", "error", err)
		return
	}
	l.trust(view)
	l.learnRoot()
	if view.Trust.Epoch > l.led.Epoch {
		if err := l.change(func(led *ledger.Ledger) { led.Epoch = view.Trust.Epoch }); err != nil {
			l.cfg.Log.Error("cannot write the new epoch", "error", err)
		}
	}
}

// takeStaged copies wanted artifacts to the loader's own disk, as far as they are
// staged.
func (l *Loader) takeStaged(ctx context.Context) {
	if !l.viewed || l.broken != nil {
		return
	}
	for _, digest := range l.wanted() {
		if err := l.take(ctx, digest); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.cfg.Log.Warn("cannot take a staged artifact", "artifact", digest.Short(), "error", err)
		}
	}
}

// learnIdentity pins the host's identity the first time it is there. See also
// [Loader.PinAnew].
func (l *Loader) learnIdentity() {
	if l.broken != nil || l.led.Identity != "" {
		return
	}
	key, err := l.cfg.Identity()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = l.change(func(led *ledger.Ledger) { led.Identity = hotstick.NewFingerprint(key) })
	}
	if err != nil {
		l.cfg.Log.Error("cannot pin the host's identity", "error", err)
	}
	failpoint.Here(failpoint.LoaderIdentityPinned)
}

// hostID returns the host ID that belongs to the pinned identity. The ID is the
// start of the same digest, so the fingerprint is all that has to be kept.
func hostID(identity hotstick.Fingerprint) hotstick.HostID {
	sum, err := hex.DecodeString(identity.Hex())
	if err != nil || len(sum) < 10 {
		return ""
	}
	return hotstick.HostID("h-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10])))
}

// acknowledge drops reports that the server has stored. A server that has more than
// this ledger ever numbered has them from one that was lost: then nothing of this one
// is stored yet, and its reports are numbered on from there.
func (l *Loader) acknowledge(seq uint64) {
	switch {
	case l.broken != nil:
		return
	case seq > l.led.Seq && seq < maxReportSeq:
		l.numberFrom(seq)
		return
	case len(l.led.Reports) == 0 || seq < l.led.Reports[0].Seq:
		return
	}
	failpoint.Here(failpoint.LoaderAckBefore)
	err := l.change(func(led *ledger.Ledger) {
		n := 0
		for n < len(led.Reports) && led.Reports[n].Seq <= seq {
			n++
		}
		led.Reports = led.Reports[n:]
	})
	failpoint.Here(failpoint.LoaderAckAfter)
	if err != nil {
		l.cfg.Log.Warn("cannot drop acknowledged reports", "error", err)
	}
}

// maxReportSeq bounds what an agent can make a loader number its reports from: no
// honest loader comes near it, and numbers stay exact for every JSON reader.
const maxReportSeq = 1 << 52

// numberFrom gives the reports that wait the numbers after seq.
func (l *Loader) numberFrom(seq uint64) {
	err := l.change(func(led *ledger.Ledger) {
		led.Seq = seq
		for i := range led.Reports {
			led.Seq++
			led.Reports[i].Seq = led.Seq
		}
	})
	if err != nil {
		l.cfg.Log.Warn("cannot number the reports anew", "error", err)
		return
	}
	l.cfg.Log.Warn("the server has reports that this ledger does not know: was an older one restored?", "stored", seq)
}

// answer gives the agent the loader's state, with a nonce.
func (l *Loader) answer(refusals []link.Refusal) (link.Response, error) {
	resp := l.state()
	resp.Refusals = refusals
	if l.broken != nil {
		return resp, nil
	}
	nonce, err := l.nonces.current(l.cfg.Clock.Uptime(), l.cfg.Random)
	if err != nil {
		return resp, err
	}
	resp.Nonce = nonce
	l.health.told = l.health.told || l.led.Attempt != nil
	return resp, nil
}

// ring tells the agent's bell what an agent that calls would be told. During an attempt
// the agent calls anyway, and so it does a loader that cannot use its ledger. The caller
// holds mu.
func (l *Loader) ring() {
	if l.cfg.Bell == nil {
		return
	}
	if l.led.Attempt != nil || l.unsaved || l.broken != nil {
		l.cfg.Bell("")
		return
	}
	l.cfg.Bell(l.state().State())
}

// state is what the loader says of itself, whoever asks. The caller holds mu.
func (l *Loader) state() link.Response {
	resp := link.Response{Boot: l.boot, InEffect: l.inEffect(l.patches), Keys: l.cfg.Keys, Tracing: l.known.tracing,
		Stall: l.moving.report(l.cfg.Clock.Uptime(), l.cfg.Limits)}
	if off := l.off(); off != nil {
		resp.Off = off.Subject
	}
	if l.broken != nil {
		return resp
	}
	resp.CatalogVersion = l.view.Version
	for _, p := range l.led.Plans {
		// A plan whose bytes a crash took is not known: it is sent again.
		if l.led.Halted(p.ID) || l.holds(p.Envelope) {
			resp.Plans = append(resp.Plans, p.ID)
		}
	}
	for _, r := range l.led.Reports {
		if r.Seq <= l.saved {
			resp.Reports = append(resp.Reports, r)
		} else {
			resp.Busy = true // the end of an attempt may be among what waits for the disk
		}
	}
	for _, s := range l.led.Strikes {
		resp.Strikes = append(resp.Strikes, s.Patch)
	}
	for _, b := range l.led.Bans {
		resp.Bans = append(resp.Bans, b.Patch)
	}
	resp.Recalls = l.recalls()
	resp.Hold = l.led.Hold
	if t := l.takenOver(); t != nil {
		resp.Adopted, resp.AdoptedFor, resp.Lifted = []string{t.System}, t.Driver, t.Lifted
	}
	if len(l.led.Roots) > 0 {
		resp.Root = l.led.Root
	}
	if a := l.led.Attempt; a != nil {
		resp.Busy = true
		resp.ProbesWanted = a.Phase == hotstick.Applying || a.Phase == hotstick.Probation || a.Phase == hotstick.Armed
	}
	resp.Rooted, resp.Drivers = l.rooted(), l.known.drivers
	resp.WantArtifacts, resp.Expected = l.wanted(), l.expected()
	return resp
}

// wanted lists artifacts that known plans and the permits need and that are not
// on the loader's own disk yet.
func (l *Loader) wanted() []hotstick.Digest {
	var digests []hotstick.Digest
	seen := map[hotstick.Digest]bool{}
	add := func(d hotstick.Digest) {
		if !seen[d] && !l.holds(d) {
			digests = append(digests, d)
		}
		seen[d] = true
	}
	for _, p := range []*ledger.Permit{l.led.Permit, l.led.Former} {
		if p != nil {
			add(p.Level.Artifact)
		}
	}
	for _, p := range l.led.Plans {
		if p.Artifact != "" && !l.led.Halted(p.ID) && p.State == "" {
			add(p.Artifact)
			for _, other := range p.Others {
				add(other)
			}
		}
	}
	return digests
}
