package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/failpoint"
)

// options say what to run.
type options struct {
	dir, programs string
	points        []failpoint.Point
	kills         int
	seed          string
	planted       string
	houses        int
	// within is after how long nothing is killed any more, 0 for never; least is how many
	// kills must be made.
	within time.Duration
	least  int
	course io.Writer
}

// run is one server with its hosts, and what is still to be done to them.
type run struct {
	options
	number    int
	sockets   string
	house     *house
	hosts     []*host
	visitors  int
	machines  []*machine
	processes []*process
	todo      plan
	// missed counts how often a target was armed in its scenario and not reached.
	missed    map[target]int
	unreached []target
	scenario  scenario
	rounds    map[scenario]int
	began     time.Time
	// late: the time for kills is over.
	late bool
	// woken is how many kills the server had survived when its agents were last started
	// again.
	woken int
}

// fleet is how many hosts take part in every rollout.
const fleet = 3

// mostServer is how often the server is killed in one round.
const mostServer = 6

// giveUp is after how many rounds a target that was not reached counts as unreachable.
const giveUp = 4

func newRun(ctx context.Context, o options, number int, todo plan) (*run, error) {
	r := &run{options: o, number: number, todo: todo, missed: map[target]int{}, rounds: map[scenario]int{}, began: time.Now()}
	var err error
	if r.sockets, err = os.MkdirTemp("", "hs-"); err != nil {
		return nil, err
	}
	if r.house, err = newHouse(ctx, o.dir, o.programs); err != nil {
		return r, err
	}
	r.house.meanwhile = func() { r.hurry(0) }
	r.processes = append(r.processes, r.house.process)
	if err := r.house.process.start(&pool{}); err != nil {
		return r, err
	}
	for i := range fleet {
		x, err := r.join(ctx, fmt.Sprintf("n%d", i+1), &pool{})
		if err != nil {
			return r, err
		}
		r.hosts = append(r.hosts, x)
		if err := errors.Join(x.up(&pool{}, &pool{}), r.present(ctx, x)); err != nil {
			return r, err
		}
	}
	return r, nil
}

// all does rounds until every kill was made or could not be.
func (r *run) all(ctx context.Context) error {
	if err := r.round(ctx, good); err != nil { // so that there is a level to go back to
		return err
	}
	for r.todo.left() > 0 && !r.late {
		for _, s := range scenarios {
			for turns := 0; len(r.todo[s]) > 0 && turns < 2 && !r.late; turns++ {
				if err := r.round(ctx, s); err != nil {
					return fmt.Errorf("round %q: %w", s, err)
				}
			}
		}
	}
	return nil
}

// round arms the programs, does what the scenario says, and takes back what was not
// reached.
func (r *run) round(ctx context.Context, s scenario) error {
	r.scenario = s
	r.rounds[s]++
	began, before := time.Now(), len(r.kills())
	deeds := map[scenario]func(context.Context) error{good: r.good, bad: r.bad, stall: r.stall, ban: r.ban, reboot: r.reboot,
		crash: r.crash, join: r.visit, backup: r.backup}
	err := deeds[s](ctx)
	if err == nil {
		err = r.disarm(ctx)
	}
	fmt.Fprintf(r.course, "%7.1fs  house %d  %-7s %2d kills in %4.1fs, %d to do\n", time.Since(r.began).Seconds(), r.number, s, len(r.kills())-before, time.Since(began).Seconds(), r.todo.left())
	return errors.Join(err, r.trouble())
}

func (r *run) pool(program string, n int) *pool {
	if r.late {
		return &pool{}
	}
	return &pool{left: r.todo.take(r.scenario, program, n)}
}

// arm arms the server and these hosts.
func (r *run) arm(n int, hosts ...*host) {
	agents, loaders := r.pool(failpoint.Agent, n), r.pool(failpoint.Loader, n)
	// Agents wait ever longer for a server that is away again and again.
	r.house.process.rearm(r.pool(failpoint.Server, min(n, mostServer)))
	for _, x := range hosts {
		x.loader.rearm(loaders)
		x.agent.rearm(agents)
	}
}

// disarm lets every program that is armed start again unarmed, and puts back what was not
// reached.
func (r *run) disarm(ctx context.Context) error {
	for _, p := range r.processes {
		r.back(p)
	}
	return r.until(ctx, "the server", func(ctx context.Context) (bool, error) {
		err := r.house.client.Ready(ctx)
		return err == nil, err
	})
}

// back disarms one program. A target is missed only if its scenario went to its end.
func (r *run) back(p *process) {
	armed, left := p.disarm()
	for _, name := range left {
		r.todo[r.scenario] = append(r.todo[r.scenario], target{name, p.program})
	}
	switch {
	case armed == "":
	case r.late:
		r.todo[r.scenario] = append(r.todo[r.scenario], target{armed, p.program})
	default:
		r.miss(target{armed, p.program})
	}
}

// until waits until something is so, for as long as anything happens in this house and
// all of its programs run, but not for ever; otherwise it reports what it waited for.
func (r *run) until(ctx context.Context, what string, so func(context.Context) (bool, error)) error {
	began := time.Now()
	seen, at := r.progress(), began
	for {
		ok, err := so(ctx)
		if ok {
			return nil
		}
		if now := r.progress(); now != seen {
			seen, at = now, time.Now()
		}
		if trouble := r.trouble(); trouble != nil || ctx.Err() != nil || time.Since(at) > patience || time.Since(began) > longest || r.overdue() {
			return errors.Join(fmt.Errorf("waited in vain for %s", what), err, trouble, ctx.Err())
		}
		r.hurry(time.Since(at))
		pause(ctx, 50*time.Millisecond)
	}
}

// overdue: nothing was killed for long, and still there is no end.
func (r *run) overdue() bool { return r.within > 0 && time.Since(r.began) > r.within+patience }

// progress grows with all that happens: kills, and what the programs trace of changes.
func (r *run) progress() int64 {
	n := int64(len(r.kills()))
	files, _ := filepath.Glob(filepath.Join(r.dir, "*", "loader.jsonl")) // the pattern is a good one
	for _, file := range append(files, r.house.trace()) {
		if info, err := os.Stat(file); err == nil {
			n += info.Size()
		}
	}
	return n
}

// quiet is how long nothing happens before the agents are started again that lost their
// server: each time it dies they wait longer.
const quiet = 3 * time.Second

// hurry disarms all programs once the time for kills is over, and keeps nobody waiting
// for agents that wait for a server that was killed.
func (r *run) hurry(still time.Duration) {
	if r.within > 0 && !r.late && time.Since(r.began) > r.within {
		r.late = true
		for _, p := range r.processes {
			r.back(p)
		}
	}
	deaths := r.house.process.deaths()
	if still < quiet || deaths == r.woken {
		return
	}
	r.woken = deaths
	for _, p := range r.processes {
		if p.program == failpoint.Agent {
			p.restart()
		}
	}
}

// miss puts a target back to the front, or gives it up.
func (r *run) miss(t target) {
	if r.missed[t]++; r.missed[t] >= giveUp {
		r.unreached = append(r.unreached, t)
		return
	}
	r.todo[r.scenario] = slices.Insert(r.todo[r.scenario], 0, t)
}

func (r *run) kills() []kill {
	var all []kill
	for _, p := range r.processes {
		p.mu.Lock()
		all = append(all, p.kills...)
		p.mu.Unlock()
	}
	return all
}

func (r *run) trouble() error {
	var all []error
	for _, p := range r.processes {
		all = append(all, p.trouble())
	}
	return errors.Join(all...)
}

// good rolls a level out to every host.
func (r *run) good(ctx context.Context) error {
	r.arm(40, r.hosts...)
	for _, x := range r.hosts { // as a crash after plan-kept leaves it
		if err := os.WriteFile(filepath.Join(x.dir, "loader", "kept", "stray"), []byte("x"), 0o600); err != nil {
			return err
		}
	}
	p, err := r.house.publish(ctx, "good")
	if err != nil {
		return err
	}
	left := r.hosts
	for range most {
		plan, err := r.house.roll(ctx, p, left)
		if err != nil {
			return err
		}
		got, err := r.over(ctx, plan, hotstick.Completed)
		if err != nil {
			return err
		}
		if left = passedOver(got, left); len(left) == 0 {
			break
		}
	}
	return r.settled(ctx, p.module(), r.hosts...)
}

// most is how many plans a round makes for hosts that were interrupted so often that a plan
// ended without them.
const most = 4

// passedOver lists the hosts that a rollout left without its level.
func passedOver(r api.Rollout, hosts []*host) []*host {
	return slices.DeleteFunc(slices.Clone(hosts), func(x *host) bool {
		for _, w := range r.Waves {
			for _, c := range w.Hosts {
				if c.Host == x.id && c.State == hotstick.Skipped {
					return false
				}
			}
		}
		return true
	})
}

// over waits for a plan's end.
func (r *run) over(ctx context.Context, plan hotstick.PlanID, want hotstick.PlanStatus) (api.Rollout, error) {
	var last api.Rollout
	err := r.until(ctx, "the end of plan "+plan.Short(), func(ctx context.Context) (bool, error) {
		got, err := r.house.client.Rollout(ctx, string(plan))
		if err != nil {
			return false, err
		}
		last = got
		if got.Status == hotstick.Running && got.States[hotstick.Interrupted]+got.States[hotstick.Skipped] > 0 {
			// An attempt that was interrupted twice waits for minutes, and after four for a person.
			_, err = r.house.client.Retry(ctx, string(plan), api.RetryRequest{Failed: true, Reason: "it was killed"})
		}
		return got.Status == want, errors.Join(err, r.trouble())
	})
	if err != nil {
		err = fmt.Errorf("%w; it is %s (%+v): %v; %s%s", err, last.Status, last.Reason, last.States, last.Headline, reasons(last))
	}
	return last, err
}

// reasons says of each host of a rollout where it stands and why.
func reasons(r api.Rollout) string {
	var b strings.Builder
	for _, w := range r.Waves {
		for _, c := range w.Hosts {
			fmt.Fprintf(&b, "; %s is %s in attempt %d", c.Name, c.State, c.Attempt)
			if c.Reason != nil {
				fmt.Fprintf(&b, ": %s", c.Reason.Text)
			}
		}
	}
	return b.String()
}

// settled waits until nothing is open on the hosts, all reports are taken, and a module
// is in effect.
func (r *run) settled(ctx context.Context, module string, hosts ...*host) error {
	for _, x := range hosts {
		err := r.until(ctx, x.name+" to settle", func(ctx context.Context) (bool, error) {
			led, err := x.ledger()
			switch {
			case err != nil:
				return false, err
			case led.Attempt != nil:
				return false, fmt.Errorf("an attempt is %s", led.Attempt.Phase)
			case len(led.Reports) > 0:
				return false, fmt.Errorf("%d reports wait", len(led.Reports))
			}
			err = x.runs(ctx, module)
			return err == nil, errors.Join(err, r.trouble())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// running is the module that is in effect on a host.
func running(ctx context.Context, x *host) (string, error) {
	patches, err := x.machine.kernel.Observe(ctx)
	for _, p := range patches {
		if p.State == hotstick.InEffect {
			return p.Module, err
		}
	}
	return "", err
}

// withdrawn rolls a level out that does not stay, and waits until the first host has the
// level before again.
func (r *run) withdrawn(ctx context.Context, kind string, does func(p published)) error {
	first := r.hosts[0] // the canary, and the only one that gets so far
	r.arm(6, first)
	before, err := running(ctx, first)
	if err != nil {
		return err
	}
	p, err := r.house.publish(ctx, kind)
	if err != nil {
		return err
	}
	does(p)
	plan, err := r.house.roll(ctx, p, r.hosts)
	if err != nil {
		return err
	}
	err = r.until(ctx, "the way back of "+first.name, func(context.Context) (bool, error) {
		led, err := first.ledger()
		if err != nil {
			return false, err
		}
		record := led.Plan(plan)
		return record != nil && (record.State == hotstick.Reverted || record.State == hotstick.Failed), r.trouble()
	})
	if err != nil {
		return err
	}
	for _, x := range r.hosts {
		x.machine.well()
		x.agent.restart() // an idle agent would ask its probe in a minute only
	}
	return errors.Join(r.halt(ctx, plan), r.settled(ctx, before, first))
}

// halt ends a plan unless it is over.
func (r *run) halt(ctx context.Context, plan hotstick.PlanID) error {
	err := r.house.again(ctx, "halt", func(ctx context.Context) error {
		_, halted := r.house.client.Halt(ctx, string(plan), api.ActionRequest{Reason: "enough was seen"})
		got, err := r.house.client.Rollout(ctx, string(plan))
		if err == nil && !got.Status.Over() {
			err = halted
		}
		return err
	})
	r.house.ack("halt "+plan.Short(), func(ctx context.Context) error {
		got, err := r.house.client.Rollout(ctx, string(plan))
		if err == nil && !got.Status.Over() {
			err = fmt.Errorf("it is %s", got.Status)
		}
		return err
	})
	return err
}

func (r *run) bad(ctx context.Context) error {
	return r.withdrawn(ctx, "bad", func(published) {})
}

func (r *run) stall(ctx context.Context) error {
	return r.withdrawn(ctx, "stall", func(p published) {
		for _, x := range r.hosts {
			x.machine.stalls(p.module())
		}
	})
}

// ban forbids three levels in three ways, which a visitor learns: on a host of the fleet a
// grant of the halted plan might keep the next plan waiting for as long as it lives.
func (r *run) ban(ctx context.Context) error {
	x, err := r.visitor(ctx, &pool{}, r.pool(failpoint.Loader, 3))
	if err != nil {
		return err
	}
	recalled, err := r.house.publish(ctx, "recalled")
	if err != nil {
		return err
	}
	banned, err := r.house.publish(ctx, "banned")
	if err != nil {
		return err
	}
	halted, err := r.house.publish(ctx, "halted")
	if err != nil {
		return err
	}
	if err := r.house.recall(ctx, recalled.patch.Ref); err != nil {
		return err
	}
	err = r.house.again(ctx, "ban", func(ctx context.Context) error {
		_, err := r.house.client.Ban(ctx, banned.patch.Ref, api.BanRequest{Reason: "it was found to be bad"})
		return err
	})
	if err != nil {
		return err
	}
	r.house.ack("ban "+banned.patch.Ref.String(), func(ctx context.Context) error {
		got, err := r.house.client.Patch(ctx, banned.patch.Ref)
		if err == nil && got.Ban == nil {
			err = errors.New("it is not banned")
		}
		return err
	})
	plan, err := r.house.roll(ctx, halted, []*host{x})
	if err != nil {
		return err
	}
	knows := func(what string, so func() (bool, error)) error {
		return r.until(ctx, x.name+" to know "+what, func(context.Context) (bool, error) { return so() })
	}
	err = knows("the plan", func() (bool, error) {
		led, err := x.ledger()
		return led.Plan(plan) != nil, err
	})
	if err = errors.Join(err, r.halt(ctx, plan)); err != nil {
		return err
	}
	err = knows("halt and ban", func() (bool, error) {
		led, err := x.ledger()
		return led.Halted(plan) && led.Banned(banned.patch.Ref) && led.Attempt == nil, err
	})
	return errors.Join(err, r.leave(ctx, x))
}

// reboot restarts every host cleanly; the confirmed level comes back by itself.
func (r *run) reboot(ctx context.Context) error {
	for _, x := range r.hosts {
		module, err := running(ctx, x)
		if err != nil {
			return err
		}
		if err := x.down(syscall.SIGTERM); err != nil {
			return err
		}
		x.machine.kernel.Boot()
		if err := x.up(&pool{}, r.pool(failpoint.Loader, 3)); err != nil {
			return err
		}
		if err := r.settled(ctx, module, x); err != nil {
			return err
		}
	}
	return nil
}

// visitor is a host that joins for one round.
func (r *run) visitor(ctx context.Context, agents, loaders *pool) (*host, error) {
	r.visitors++
	x, err := r.join(ctx, fmt.Sprintf("v%d", r.visitors), agents)
	if err != nil {
		return nil, err
	}
	if err := x.up(&pool{}, loaders); err != nil {
		return nil, err
	}
	return x, r.present(ctx, x)
}

// present waits until a host has checked in.
func (r *run) present(ctx context.Context, x *host) error {
	return r.until(ctx, x.name+" to check in", func(ctx context.Context) (bool, error) {
		led, err := x.ledger()
		if err != nil || led.Identity == "" {
			return false, err
		}
		seen, err := r.house.client.Host(ctx, string(x.id))
		return err == nil && seen.Host.Boots > 0, errors.Join(err, r.trouble())
	})
}

// leave takes a visitor out of the fleet.
func (r *run) leave(ctx context.Context, x *host) error {
	err := x.down(syscall.SIGTERM)
	r.back(x.loader)
	r.back(x.agent)
	return errors.Join(err, r.house.again(ctx, "write off", func(ctx context.Context) error {
		_, err := r.house.client.WriteOff(ctx, string(x.id), api.ActionRequest{Reason: "the visit is over"})
		return err
	}))
}

// visit lets a new host join.
func (r *run) visit(ctx context.Context) error {
	r.house.process.rearm(r.pool(failpoint.Server, 2))
	x, err := r.visitor(ctx, r.pool(failpoint.Agent, 6), r.pool(failpoint.Loader, 1))
	if err != nil {
		return err
	}
	return r.leave(ctx, x)
}

// crash lets a host go down uncleanly on probation.
func (r *run) crash(ctx context.Context) error {
	x, err := r.visitor(ctx, &pool{}, &pool{})
	if err != nil {
		return err
	}
	p, err := r.house.publish(ctx, "killer")
	if err != nil {
		return err
	}
	plan, err := r.house.roll(ctx, p, []*host{x})
	if err != nil {
		return err
	}
	err = r.until(ctx, x.name+" to be on probation", func(context.Context) (bool, error) {
		led, err := x.ledger()
		return err == nil && led.Attempt != nil && led.Attempt.Phase == hotstick.Probation, errors.Join(err, r.trouble())
	})
	if err == nil {
		err = x.down(syscall.SIGKILL)
	}
	if err != nil {
		return err
	}
	x.machine.kernel.Boot()
	if err := x.up(&pool{}, r.pool(failpoint.Loader, 1)); err != nil {
		return err
	}
	if err := r.settled(ctx, "", x); err != nil {
		return err
	}
	led, err := x.ledger()
	if err == nil && !led.Struck(p.patch.Ref) {
		err = fmt.Errorf("%s went down with %s and has no strike", x.name, p.patch.Ref)
	}
	return errors.Join(err, r.halt(ctx, plan), r.leave(ctx, x))
}

// backup makes a backup, and puts it back elsewhere.
func (r *run) backup(ctx context.Context) error {
	file := filepath.Join(r.dir, fmt.Sprintf("backup-%d.tar", r.rounds[backup]))
	p, err := r.process(r.dir, failpoint.Backup, "never", nil, []string{filepath.Join(r.programs, "hotstick"), "server", "backup", "--data", r.house.data(), file})
	if err != nil {
		return err
	}
	p.once = true
	if err := p.start(r.pool(failpoint.Backup, 8)); err != nil {
		return err
	}
	<-p.done
	if err := p.trouble(); err != nil {
		return err
	}
	return r.cli(ctx, "server", "restore", file, "--data", file+".restored")
}
