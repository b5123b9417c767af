package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/trace"
)

// finding is something that the crashes broke.
type finding struct {
	// What is the rule, or what was compared.
	What string `json:"what"`
	Text string `json:"text"`
	// stuck: something did not happen, which breaks no rule by itself.
	stuck bool
}

// examine holds what is there at the end against what was promised on the way.
func (r *run) examine(ctx context.Context) []finding {
	var found []finding
	note := func(what string, err error) {
		if err != nil {
			found = append(found, finding{What: what, Text: err.Error()})
		}
	}
	r.late = true
	for _, p := range r.processes {
		r.back(p) // of a round that came to no end
	}
	if err := r.house.again(ctx, "the server", r.house.client.Ready); err != nil {
		return []finding{{What: "the server is gone", Text: err.Error(), stuck: true}}
	}
	for _, m := range r.house.acked {
		note("an acknowledged change is lost: "+m.what, r.house.again(ctx, m.what, m.so))
	}
	note("the audit log", r.cli(ctx, "audit", "verify"))
	events, err := r.traces()
	note("the traces", err)
	told, err := r.told(ctx)
	note("the audit log", err)
	note("one load per attempt", r.once(events))
	note("no report is lost", r.reported(events, told))
	note("nothing bad is confirmed", r.proved(events))
	return append(found, r.rules(events)...)
}

// cli runs the command line as the operator would.
func (r *run) cli(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(r.programs, "hotstick"), args...)
	cmd.Env = append(os.Environ(), "HOTSTICK_SERVER=https://"+r.house.listen, "HOTSTICK_TOKEN="+r.house.admin, "HOTSTICK_CA="+filepath.Join(r.house.data(), "ca", "ca.pem"),
		"HOTSTICK_ROOT="+filepath.Join(r.dir, "keys", "root.json"), "XDG_STATE_HOME="+filepath.Join(r.dir, "state"), "XDG_CONFIG_HOME="+filepath.Join(r.dir, "config"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("hotstick %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// traces reads what the server and every loader wrote, in order.
func (r *run) traces() ([]trace.Event, error) {
	files := []string{r.house.trace()}
	more, err := filepath.Glob(filepath.Join(r.dir, "*", "loader.jsonl"))
	if err != nil {
		return nil, err
	}
	var readers []io.Reader
	for _, file := range append(files, more...) {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		readers = append(readers, bytes.NewReader(data[:bytes.LastIndexByte(data, '\n')+1]))
	}
	var events []trace.Event
	err = trace.Merge(readers, func(e trace.Event) error {
		events = append(events, e)
		return nil
	})
	return events, err
}

// once: of each attempt there is one load, and the kernels took no module that was not
// told of before the call.
func (r *run) once(events []trace.Event) error {
	type attempt struct {
		host hotstick.HostID
		boot string
		plan hotstick.PlanID
		n    int
	}
	loads, told := map[attempt]int{}, map[hotstick.HostID]map[string]int{}
	var all []error
	for _, e := range events {
		if e.Kind != trace.KindLoad {
			continue
		}
		if told[e.Host] == nil {
			told[e.Host] = map[string]int{}
		}
		told[e.Host][e.Detail]++
		if e.Cause != "" || e.Plan == "" {
			continue // the way back, or what comes back after a reboot
		}
		a := attempt{e.Host, "", e.Plan, e.Attempt}
		if loads[a]++; loads[a] == 2 {
			all = append(all, fmt.Errorf("host %s loads twice in attempt %d of plan %s", a.host, a.n, a.plan.Short()))
		}
	}
	for _, x := range r.hosts {
		for _, p := range r.house.shelf {
			if took, said := x.machine.taken(p.module()), told[x.id][p.module()]; took > said {
				all = append(all, fmt.Errorf("the kernel of %s took %s %d times, its loader told of %d", x.name, p.module(), took, said))
			}
		}
	}
	return errors.Join(all...)
}

// proved: no host confirmed a level that had made it ill, or whose transition cannot end.
func (r *run) proved(events []trace.Event) error {
	var all []error
	for _, e := range events {
		if e.Kind != trace.KindPhase || hotstick.HostState(e.To) != hotstick.Confirmed {
			continue
		}
		for _, p := range r.house.shelf {
			if p.patch.Ref == e.Patch && (p.kind == "bad" || p.kind == "stall") {
				all = append(all, fmt.Errorf("host %s confirms %s", e.Host, p.module()))
			}
		}
	}
	return errors.Join(all...)
}

// ending is the end of an attempt on a host.
type ending struct {
	host  hotstick.HostID
	plan  hotstick.PlanID
	state string
}

// told counts the ends of attempts in the audit log.
func (r *run) told(ctx context.Context) (map[ending]int, error) {
	found := map[ending]int{}
	for page := ""; ; {
		list, err := r.house.client.Events(ctx, client.EventQuery{Kind: "host", Limit: 500, Page: page})
		if err != nil {
			return nil, err
		}
		for _, e := range list.Events {
			found[ending{e.Host, e.Plan, e.State}]++
		}
		if page = list.Next; page == "" {
			return found, nil
		}
	}
}

// reported: every end that a loader made durable is in the audit log, for no ledger holds
// a report any more.
func (r *run) reported(events []trace.Event, told map[ending]int) error {
	var all []error
	ended := map[ending]int{}
	for _, e := range events {
		if e.Kind == trace.KindPhase && e.Plan != "" && hotstick.HostState(e.To).Terminal() {
			ended[ending{e.Host, e.Plan, e.To}]++
		}
	}
	for _, x := range r.hosts {
		for e, n := range ended {
			if e.host == x.id && told[e] < n {
				all = append(all, fmt.Errorf("%s ended an attempt of plan %s as %s %d times, the audit log says %d", x.name, e.plan.Short(), e.state, n, told[e]))
			}
		}
	}
	slices.SortFunc(all, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(all...)
}

// rules runs the checkers of the simulator over the traces.
func (r *run) rules(events []trace.Event) []finding {
	c := checker.New()
	for _, e := range events {
		c.Take(e)
	}
	var found []finding
	for _, v := range c.Report().Violations {
		found = append(found, finding{What: v.Rule, Text: v.String()})
	}
	return found
}
