package world

import (
	"context"
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/agent/probe"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/loader/touch"
	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/trace"
	"github.com/hotstick/hotstick/internal/wire"
)

// node is one host: its machine, its disk, its two processes and its cable.
type node struct {
	w      *World
	id     hotstick.HostID
	key    *statement.Key
	m      *machine
	disk   *disk
	shelf  *shelf
	truth  ledgerTruth
	random *rand.Rand
	cable  cable
	does   map[string]fake.Behaviour // by module
	besides
	// keptOut: people keep it out of all rollouts.
	keptOut bool
	gone    bool          // for good
	off     time.Duration // until when it stays switched off

	loader *loader.Loader
	core   *agent.Core
	// bell is where the loader leaves word for the agent: in memory, and not in the
	// loader's own.
	bell   hotstick.Digest
	life   lives
	flight int // the number of the check-in under way
	// fetching: the catalog is brought up to date for its answer.
	fetching bool
	asked    time.Duration
	pace     time.Duration
	heard    time.Duration // when a server last counted a check-in
	said     time.Duration // when that one was sent
	docs     documents
}

// besides is what a machine has besides a kernel.
type besides struct {
	// vendor is the live-patch system of somebody else that the host has; nil for none.
	vendor *vendor
	// things are what patches may touch there; nil where none touches anything.
	things *things
}

// lives tell processes from their successors: what was planned for an older one
// is void.
type lives struct {
	agent, loader, boot int
	wake, tick          uint64
	tickAt              time.Duration
	hung                bool
}

// documents are what the host's loader was ever given.
type documents struct {
	old [][]byte
	// nonces are those that grants quote, and nonce is the newest that the loader made.
	nonces map[hotstick.Digest]string
	nonce  string
}

func (n *node) name() string { return n.m.Member.Name }

// boot starts the machine's programs.
func (n *node) boot() {
	n.bell = ""
	n.startLoader()
	n.startAgent()
}

func (n *node) startLoader() {
	n.life.loader++
	n.life.tickAt = 0
	defer n.caught()
	l, err := loader.New(loader.Config{
		Drivers: n.drivers(), Others: n.others(), Touch: n.touch(), Clock: n.m, Disk: n.disk, Kernel: n.m, Catalog: n.shelf,
		Identity: func() (ed25519.PublicKey, error) { return ed25519.PublicKey(n.key.Public()), nil },
		Labels:   func() (map[string]string, error) { return n.m.Member.Labels, nil },
		Random:   random{n.random}, Trace: n.w.opt.Product, Bell: func(state hotstick.Digest) { n.bell = state },
	})
	if err != nil {
		n.w.fail("cannot start the loader of %s: %v", n.name(), err)
		return
	}
	n.loader = l
	n.w.fault(faultLoaderUp, n)
	n.tick(0)
}

// others are the live-patch systems beside ours.
func (n *node) others() loader.Others {
	if n.vendor == nil {
		return nil
	}
	return n.vendor
}

// touch is how the loader changes more than the kernel's code.
func (n *node) touch() touch.World {
	if n.things == nil {
		return nil
	}
	return n.things
}

// caught ends a loader whose plug was pulled in the middle of a write.
func (n *node) caught() {
	switch p := recover().(type) {
	case nil:
	case pulled:
		n.w.some("killed in the middle of a write")
		if n.killLoader(2 * time.Second); p.power {
			n.m.Kernel.Crash("")
		}
	default:
		panic(p)
	}
}

// killLoader ends the loader's process; it is started again later, as an init
// system would.
func (n *node) killLoader(again time.Duration) {
	n.loader = nil
	n.life.loader++
	n.w.fault(faultLoaderDown, n)
	life := n.life.loader
	n.w.after(again, func() {
		if n.life.loader == life && !n.m.down {
			n.startLoader()
			n.settle()
		}
	})
}

// tick plans the loader's next tick; the earliest plan holds.
func (n *node) tick(in time.Duration) {
	at := n.w.now + in
	if n.life.tickAt > n.w.now && n.life.tickAt <= at {
		return
	}
	n.life.tick++
	n.life.tickAt = at
	number, life := n.life.tick, n.life.loader
	n.w.at(at, func() {
		if n.life.tick != number || n.life.loader != life || n.loader == nil || n.life.hung {
			return
		}
		n.life.tickAt = 0
		n.runTick(life)
		n.settle()
	})
}

// Ticks closer together than this see nothing new: the kernel says when it moves.
const coarsest = time.Second

func (n *node) runTick(life int) {
	defer n.caught()
	pace := n.loader.Tick(context.Background())
	if n.life.loader != life {
		return
	}
	if pace < coarsest {
		until := coarsest
		if at, ok := n.m.Kernel.Next(); ok {
			until = max(pace, min(until, at.Sub(n.w.time())))
		}
		pace = until
	}
	n.tick(pace)
}

// port is the agent's way to the loader.
type port struct{ n *node }

var errAway = errors.New("cannot reach the loader: connection refused")

// Exchange implements [link.Loader].
func (p port) Exchange(ctx context.Context, req link.Request) (resp link.Response, err error) {
	n := p.n
	if n.loader == nil || n.life.hung {
		return link.Response{}, errAway
	}
	life := n.life.loader
	err = errAway // if the loader dies in the middle
	defer n.caught()
	n.remember(req)
	resp, err = n.loader.Exchange(ctx, req)
	if err == nil && n.life.loader == life && resp.Busy {
		n.tick(0)
	}
	if n.vendor != nil {
		// Whoever made the host part of the fleet has adopted its system: see the tests of
		// the loader for how.
		resp.Adopted, resp.AdoptedFor = []string{n.vendor.name}, n.vendor.name
	}
	for _, r := range resp.Refusals {
		n.w.some("refused " + string(r.Reason.Code))
		n.w.thief.refused(r.Document, r.Reason.Code)
	}
	if n.life.loader == life && resp.Nonce != n.docs.nonce {
		n.docs.nonce = resp.Nonce
		n.tell(trace.Event{Kind: trace.KindLearned, To: checker.LearnedNonce, Detail: resp.Nonce})
	}
	return resp, err
}

// remember notes documents on their way to the loader.
func (n *node) remember(req link.Request) {
	for _, raw := range req.Documents {
		if len(n.docs.old) < 64 {
			n.docs.old = append(n.docs.old, raw)
		}
		if nonce := nonceIn(raw); nonce != "" {
			n.docs.nonces[hotstick.NewDigest(raw)] = nonce
		}
	}
}

func (n *node) startAgent() {
	n.life.agent++
	n.flight++
	n.fetching = false
	n.core = agent.NewCore(agent.CoreConfig{Host: n.id, Loader: port{n}, Bell: func() hotstick.Digest { return n.bell }, Observer: n.m, CatalogVersion: n.shelf.staged.Version,
		Uptime: n.m.Uptime, Random: n.random})
	n.w.fault(checker.FaultAgentUp, n)
	n.pace = n.probePace()
	n.asked = n.m.Uptime() - n.pace
	n.plan()
}

// probePace is how often the host's probe is asked.
func (n *node) probePace() time.Duration {
	if n.core.Watched() {
		return probe.PaceWatch
	}
	return probe.PaceRest
}

// plan plans the next thing that the agent does by itself.
func (n *node) plan() {
	if n.core == nil {
		return
	}
	if pace := n.probePace(); pace < n.pace {
		n.asked = n.m.Uptime() - pace // asked at once
		n.pace = pace
	} else {
		n.pace = pace
	}
	due := min(n.core.Due(), n.asked+n.pace)
	if due == agent.Never {
		return
	}
	n.life.wake++
	number, life := n.life.wake, n.life.agent
	n.w.after(max(0, due-n.m.Uptime()), func() {
		if n.life.wake == number && n.life.agent == life && n.core != nil && !n.life.hung {
			n.work(n.wakeUp())
			n.settle()
		}
	})
}

func (n *node) wakeUp() agent.Work {
	now := n.m.Uptime()
	if now >= n.asked+n.pace {
		n.asked = now
		healthy, detail := true, "ok"
		if ill := n.m.Kernel.State().Ill; ill != "" {
			healthy, detail = false, ill
			n.w.some("probe failed")
		}
		return n.core.Heard(context.Background(), hotstick.Reading{Probe: "service", Healthy: healthy, Detail: detail, At: n.m.Now().UTC()})
	}
	return n.core.Wake(context.Background())
}

// work does what the agent's core asks for.
func (n *node) work(w agent.Work) {
	life := n.life.agent
	late := func(do func() agent.Work) func() {
		return func() {
			if n.life.agent == life && n.core != nil && !n.life.hung {
				n.work(do())
				n.settle()
			}
		}
	}
	switch {
	case w.Recall && n.fetching:
		// It is done before anybody could end it.
	case w.Recall:
		n.flight++
		n.w.after(time.Millisecond, late(func() agent.Work { return n.core.Arrive(context.Background(), nil, context.Canceled) }))
	case w.Sync != nil:
		n.send(w.Sync, w.Within)
	case w.Catalog:
		n.fetching = true
		n.w.after(n.cable.delay(n.random), late(func() agent.Work {
			n.fetching = false
			if n.cable.cut(n.w.now) || !n.w.anyServer() {
				return n.core.Refreshed(context.Background(), 0, errRefused)
			}
			view, ok := n.w.catalogFor(n)
			if !ok {
				return n.core.Refreshed(context.Background(), 0, errForged)
			}
			n.shelf.staged = view
			return n.core.Refreshed(context.Background(), n.shelf.staged.Version, nil)
		}))
	case w.Artifacts != nil:
		n.w.after(n.cable.delay(n.random), late(func() agent.Work {
			n.fetch(w.Artifacts)
			return n.core.Fetched(context.Background())
		}))
	}
	n.plan()
}

// fetch stages artifacts; a mirror may be broken or lie.
func (n *node) fetch(wanted []hotstick.Digest) {
	if n.cable.cut(n.w.now) || !n.w.anyServer() {
		return
	}
	for _, d := range wanted {
		data := n.w.serves(n, catalog.ArtifactFile(d), n.w.modules[d], nil)
		if n.cable.lies > n.w.now && len(data) > 0 {
			data = append([]byte{data[0] ^ 1}, data[1:]...)
			n.w.some("mirror lied")
		}
		n.shelf.bytes[d] = data
	}
}

// settle looks at the kernel after something happened on the host, and plans the
// next thing that happens in it by itself.
func (n *node) settle() {
	if n.m.down {
		return
	}
	n.m.look()
	at, ok := n.m.Kernel.Next()
	if !ok {
		return
	}
	boot := n.life.boot
	n.w.at(n.w.elapsed(at), func() {
		if n.life.boot == boot && !n.m.down {
			n.m.Kernel.Settle()
			n.settleOnce()
		}
	})
}

// settleOnce is settle where only the kernel moved.
func (n *node) settleOnce() {
	if n.m.down {
		return
	}
	n.m.look()
	if n.loader != nil && !n.life.hung {
		n.tick(20 * time.Millisecond)
	}
}

// send lets a check-in depart.
func (n *node) send(req *wire.SyncRequest, within time.Duration) {
	n.flight++
	number := n.flight
	n.w.checkIn(n, req, number)
	life := n.life.agent
	n.w.after(min(within, n.w.opt.Timeout), func() {
		if n.life.agent == life && n.flight == number && n.core != nil && !n.life.hung {
			n.flight++
			n.w.some("check-in timed out")
			n.work(n.core.Arrive(context.Background(), nil, errRefused))
			n.settle()
		}
	})
}

// arrive takes the answer to a check-in, unless it was given up meanwhile.
func (n *node) arrive(number int, resp *wire.SyncResponse, err error) {
	if n.flight != number || n.core == nil || n.life.hung || n.m.down {
		n.w.some("answer came too late")
		return
	}
	n.flight++
	n.work(n.core.Arrive(context.Background(), resp, err))
	n.settle()
}

// random lends a seeded generator to whoever wants bytes.
type random struct{ r *rand.Rand }

// Read implements [io.Reader].
func (r random) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.r.Uint32())
	}
	return len(p), nil
}
