package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/evil"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/store"
)

// options say how to run the proof.
type options struct {
	// dir holds everything that the run makes.
	dir string
	// programs is the folder of agent and loader, patches that of the live patches'
	// sources.
	programs, patches string
	// only says which strategies run, by their names.
	only *regexp.Regexp
	// half says which half of those that attack one after the other, "even" or "odd"; empty
	// is both.
	half string
	// seed is that of the thief's dice.
	seed uint64
	// course takes what happens while it runs.
	course io.Writer
}

// run is one run of the proof.
type run struct {
	options
	began  time.Time
	house  *house
	thief  *thief
	guests []*guest.Guest
	// states are what the oracle saw last, in the order of guests.
	states []state
	// letters are plans that the thief found beside the server; letter is the one that
	// is good.
	letters []written
	letter  letter
	// expired is when the plan ends that is to be expired when the thief comes.
	expired time.Time
	report  report
}

// prove runs everything. The report says what held; the error, why it came to no end.
func prove(ctx context.Context, o options) (report, error) {
	r := &run{options: o, began: time.Now(), house: &house{dir: o.dir}}
	defer r.close()
	err := r.play(ctx)
	r.report.finish(time.Since(r.began), err)
	return r.report, err
}

func (r *run) play(ctx context.Context) error {
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"kernels, modules, server", r.prepare},
		{"four guests join", r.boot},
		{"honest life", r.live},
		{"theft", r.theft},
		{"strategies", r.attack},
		{"strategies with an old catalog", r.attackLater},
		{"all strategies at once", r.attackAtOnce},
		{"the owner takes back", r.takeBack},
	} {
		began := time.Now()
		fmt.Fprintf(r.course, "%6.1fs %s\n", time.Since(r.began).Seconds(), part.name)
		err := part.do(ctx)
		r.report.Parts = append(r.report.Parts, timing{part.name, time.Since(began).Seconds()})
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// close ends guests, thief and server.
func (r *run) close() {
	for _, g := range r.guests {
		if g != nil { // a start that failed leaves none
			g.Kill()
		}
	}
	if r.thief != nil {
		r.thief.web.Close()
	}
	if r.house.stop != nil {
		r.house.stop()
	}
}

func (r *run) prepare(ctx context.Context) error {
	say := func(step string) { fmt.Fprintf(r.course, "        %s\n", step) }
	for _, of := range []string{"6.1", "6.12"} {
		k, err := kernelpkg.Fetch(ctx, "", kernelpkg.Want{Line: of, Which: kernelpkg.Oldest}, say)
		if err != nil {
			return err
		}
		r.house.kernels = append(r.house.kernels, k)
	}
	var err error
	if r.house.modules, err = buildModules(ctx, r.patches, filepath.Join(r.dir, "modules"), r.house.kernels); err != nil {
		return err
	}
	if err := r.house.build(ctx); err != nil {
		return err
	}
	if err := r.house.open(ctx); err != nil {
		return err
	}
	if r.thief, err = newThief(r.house.data()); err != nil {
		return err
	}
	r.thief.before(r.house.server.URL())
	for level := olderLevel; level <= postedLevel; level++ {
		if err := r.house.publish(ctx, catalogLife, level); err != nil {
			return err
		}
		r.thief.keep()
	}
	return nil
}

func (r *run) names() []string {
	var names []string
	for _, g := range r.guests {
		names = append(names, g.Name())
	}
	return names
}

// start boots one guest; every two have one kernel build.
func (r *run) start(ctx context.Context, i int, busybox string) error {
	name := fmt.Sprintf("node-%d", i+1)
	files, err := host.Files(name, r.thief.url(), host.Programs{Agent: filepath.Join(r.programs, "hotstick-agent"), Loader: filepath.Join(r.programs, "hotstick-loader"), Unjudged: true})
	if err != nil {
		return err
	}
	dir := filepath.Join(r.dir, name)
	r.guests[i], err = guest.Start(ctx, guest.Config{Name: name, Dir: dir, Kernel: r.house.kernels[i/2], Busybox: busybox,
		Disk: filepath.Join(dir, "disk.img"), Network: true, Files: files, Services: host.Services(r.house.root)})
	if err != nil {
		return err
	}
	_, err = r.guests[i].WaitBoot(ctx)
	return err
}

// boot starts four guests, two per kernel build, and lets them join.
func (r *run) boot(ctx context.Context) error {
	busybox, err := kernelpkg.Busybox(ctx, "", nil)
	if err != nil {
		return err
	}
	r.guests = make([]*guest.Guest, 2*len(r.house.kernels))
	err = r.each(func(i int) error {
		if err := r.start(ctx, i, busybox); err != nil {
			return err
		}
		// A guest that boots on a busy machine may be minutes ahead.
		if err := r.setClock(ctx, i, 0); err != nil {
			return err
		}
		token, err := r.house.client.MakeJoinToken(ctx, api.JoinTokenRequest{})
		if err != nil {
			return err
		}
		return host.Join(ctx, r.guests[i], r.thief.joinLine(token.Token, r.house.root))
	})
	if err != nil {
		return err
	}
	r.states = make([]state, len(r.guests))
	return r.until(ctx, "four hosts with facts", func(ctx context.Context) (bool, error) {
		hosts, err := r.house.hosts(ctx)
		known := len(hosts) == len(r.guests) && !slices.ContainsFunc(hosts, func(h store.Host) bool { return h.Facts == nil })
		return known, err
	})
}

// theft writes the letter that the server is never given, lets the thief take
// everything else, and makes sure that the oracle saw what the owners did.
func (r *run) theft(ctx context.Context) error {
	w, err := r.house.write(ctx, r.forAll("by letter", postedLevel, 0))
	if err != nil {
		return err
	}
	if w, err = r.house.approve(w); err != nil {
		return err
	}
	r.letter = letter{w}
	r.thief.withhold(r.letter.artifacts())
	if err := r.thief.take(ctx, r.house, r.letters, r.seed); err != nil {
		return err
	}
	return r.each(func(i int) error {
		var err error
		if r.states[i], err = observe(ctx, r.guests[i]); err != nil {
			return err
		}
		return r.honestly(i)
	})
}

// honestly checks that the oracle is not blind: what the owners loaded, and only that,
// is what it sees.
func (r *run) honestly(i int) error {
	inEffect, loads := effectLevel, []int{olderLevel, effectLevel}
	if i == 0 {
		inEffect, loads = liveLevel, []int{olderLevel, effectLevel, aloneLevel, liveLevel}
	}
	var want []string
	for _, level := range loads {
		want = append(want, "livepatch: enabling patch '"+moduleOf(level)+"'")
	}
	var got []string
	for _, text := range r.states[i].console {
		if len(text) > len(loading) && text[:len(loading)] == loading {
			got = append(got, text)
		}
	}
	if !slices.Equal(got, want) || !r.states[i].runs(moduleOf(inEffect)) {
		return fmt.Errorf("cannot trust the oracle: the kernel of %s has %v and wrote %v; the owners loaded %v", r.guests[i].Name(), r.states[i].patches, got, want)
	}
	return nil
}

// loading begins the line that a kernel writes when it enables a live patch.
const loading = "livepatch: enabling patch '"

// each calls f for every guest, side by side.
func (r *run) each(f func(i int) error) error {
	return host.InParallel(len(r.guests), len(r.guests), f)
}

func (r *run) until(ctx context.Context, what string, cond func(context.Context) (bool, error)) error {
	fmt.Fprintf(r.course, "%6.1fs   waits for %s\n", time.Since(r.began).Seconds(), what)
	return host.Until(ctx, patience, what, cond)
}

// attack runs all strategies that need no other clock.
func (r *run) attack(ctx context.Context) error {
	return r.visitAll(ctx, r.strategies().now)
}

// ahead is by how much the hosts' clocks leap: the catalog is then older than it may
// be, and every plan that has not expired already lives.
const ahead = 2 * catalogLife

// attackLater lets the hosts' clocks leap and runs the strategies that need an old
// catalog. Then it sets the clocks back.
func (r *run) attackLater(ctx context.Context) error {
	if err := r.leap(ctx, ahead); err != nil {
		return err
	}
	r.thief.withhold(nil) // now that age alone must hold the letter back
	if err := r.visitAll(ctx, r.strategies().later); err != nil {
		return err
	}
	return r.leap(ctx, 0)
}

// leap sets the hosts' clocks to a time after this machine's.
func (r *run) leap(ctx context.Context, d time.Duration) error {
	return r.each(func(i int) error { return r.setClock(ctx, i, d) })
}

func (r *run) setClock(ctx context.Context, i int, d time.Duration) error {
	_, err := host.MustRun(ctx, r.guests[i], fmt.Sprintf("date -s @%d", time.Now().Add(d).Unix()))
	return err
}

// attackAtOnce runs the strategies that draw from all others.
func (r *run) attackAtOnce(ctx context.Context) error {
	return r.visitAll(ctx, r.strategies().last)
}

// order says which strategies run when.
type order struct{ now, later, last []evil.Strategy }

// strategies sorts all into those for now, those that need an old catalog, and those
// that come last. Whatever makes the hosts' catalogs run ahead stands at an end, for
// what the thief makes of the honest catalog looks old to them afterwards.
func (r *run) strategies() order {
	var o order
	var ahead []evil.Strategy
	for _, s := range slices.Concat(r.letter.ownStrategies(r.house.modules), evil.Strategies()) {
		s = r.letter.tempted(s)
		switch {
		case !r.only.MatchString(s.Name):
		case r.half != "" && !inHalf(s, r.half):
		case s.Name == "metadata-renewed-for-ever":
			ahead = append(ahead, s)
		case len(s.Claims) > manyClaims:
			o.last = append(o.last, s)
		case s.Claims[0] == evil.Stale:
			o.later = append(o.later, s)
		default:
			o.now = append(o.now, s)
		}
	}
	o.later = append(o.later, ahead...)
	return o
}

// inHalf reports whether a strategy is of a half. What needs another clock, or all others, is
// of both.
func inHalf(s evil.Strategy, half string) bool {
	if s.Claims[0] == evil.Stale || len(s.Claims) > manyClaims {
		return true
	}
	return (crc32.ChecksumIEEE([]byte(s.Name))%2 == 0) == (half == even)
}

// The halves.
const (
	even = "even"
	odd  = "odd"
)

// manyClaims are more than one attack makes.
const manyClaims = 5

// visitAll runs strategies against all hosts: one after the other on each host, side
// by side on different ones.
func (r *run) visitAll(ctx context.Context, strategies []evil.Strategy) error {
	at := r.report.add(strategies, r.names())
	return r.each(func(i int) error {
		for n, s := range strategies {
			o, err := r.visit(ctx, i, s)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", s.Name, r.guests[i].Name(), err)
			}
			r.report.Strategies[at+n].Hosts[i] = o
		}
		return nil
	})
}

// visit runs one strategy against one host and asks the oracle.
func (r *run) visit(ctx context.Context, i int, s evil.Strategy) (outcome, error) {
	m := r.guests[i]
	v := r.thief.named(m.Name())
	if v == nil {
		return outcome{}, errors.New("the thief does not know the host")
	}
	marks, err := logEnds(ctx, m, s)
	if err != nil {
		return outcome{}, err
	}
	began := time.Now()
	going := r.thief.begin(v, s)
	select {
	case <-going.over:
	case <-time.After(patience):
		return outcome{}, errors.New("the host does not check in any more")
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
	ended := r.thief.leave(v)
	o := outcome{Host: m.Name(), Turns: ended.turns, Refused: ended.refused, Served: ended.served, Seconds: time.Since(began).Seconds()}
	if o.Logged, err = marks.since(ctx, m); err != nil {
		return o, err
	}
	after, err := observe(ctx, m)
	if err != nil {
		return o, err
	}
	o.Changed = after.changes(r.states[i])
	r.states[i] = after
	return o, nil
}

// takeBack is what the owner does after the theft: the stolen key ends with a new
// root, the catalog is signed anew, and one plan works on all hosts.
func (r *run) takeBack(ctx context.Context) error {
	if err := r.house.takeBack(ctx); err != nil {
		return err
	}
	r.thief.before(r.house.server.URL())
	w, err := r.house.started(ctx, r.forAll("after the theft", returnLevel, 0))
	if err != nil {
		return err
	}
	if err := r.until(ctx, "the owner's plan", r.house.confirmed(w, r.names()...)); err != nil {
		return err
	}
	err = r.each(func(i int) error {
		after, err := observe(ctx, r.guests[i])
		if err != nil {
			return err
		}
		if !after.runs(moduleOf(returnLevel)) || len(after.changes(r.states[i])) == 0 {
			return fmt.Errorf("cannot trust the proof: %s has not taken the owner's level: %v", r.guests[i].Name(), after.patches)
		}
		return nil
	})
	if err == nil {
		r.report.TakenBack = r.names()
	}
	return err
}
