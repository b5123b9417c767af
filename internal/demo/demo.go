package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hotstick/hotstick/internal/demo/course"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// demo is one run.
type demo struct {
	*house.House
	rec     *course.Recorder
	report  Report
	cache   string
	patches string
	kernels []kernelpkg.Kernel
	levels  map[int]*level
	guests  []*machine
	// pager is somebody who must be told of halts, reverts and strikes.
	pager *receiver
}

// Run runs the demo and returns its report. The error is nil whenever a report
// could be made, also if checks failed; the report says so.
func Run(ctx context.Context, o house.Options) (Report, error) {
	d, remove, err := prepare(o)
	if err != nil {
		return Report{}, err
	}
	defer d.close()
	err = d.play(ctx)
	report := d.finish(err)
	if !report.OK {
		d.collect()
	}
	report.writeSummary(o.Out)
	if o.Stay && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(o.Out, "\nConsole: https://%s/  token: %s\nEverything keeps running until Ctrl-C.\n", d.Listen, d.Token)
		<-ctx.Done()
	}
	if report.OK && remove {
		d.close()
		os.RemoveAll(d.Dir)
	} else if !report.OK {
		fmt.Fprintf(o.Out, "Logs and state are kept in %s\n", d.Dir)
	}
	return report, nil
}

// play is the course of the demo.
func (d *demo) play(ctx context.Context) error {
	err := d.rec.Play(ctx, []course.Part{
		{Title: "2. Kernels from Debian's archive, live patches built for each", Run: d.stepPrepare},
		{Title: "3. Initialise: catalog, persons, authority; start the server", Run: d.stepInitialise},
		{Title: "4. Boot four guests and enrol them", Run: d.stepBoot},
		{Title: "5. A good patch: one host first, then one of the other kernel build, then the rest", Run: d.stepGood},
		{Title: "6. A bad patch: its health probe fails, it comes back out by itself", Run: d.stepBad},
		{Title: "7. A killer patch: the kernel panics seconds after the load", Run: d.stepKiller},
		{Title: "8. Kill -9: the server in a wave, agent and loader in a transition", Run: d.stepKill},
		{Title: "9. Stop everything", Run: d.stepStop},
		{Title: "10. The trace of the whole run, held against the safety rules", Run: d.stepTrace},
	})
	if err != nil {
		return err
	}
	return d.sum(ctx)
}

func prepare(o house.Options) (*demo, bool, error) {
	h, at, temporary, err := o.Settle("hotstick-demo-")
	if err != nil {
		return nil, false, err
	}
	d := &demo{House: h, rec: course.New(o.Out, o.Tint), cache: at.Cache, patches: at.Patches, levels: map[int]*level{}}
	d.Ran = d.rec.Ran
	d.pager = newReceiver()
	d.ServerEnv = []string{"HOTSTICK_WEBHOOK_URL=" + d.pager.URL, "HOTSTICK_WEBHOOK_SECRET=" + webhookSecret}
	return d, temporary, nil
}

// finish closes the report. An error is a check that did not hold.
func (d *demo) finish(err error) Report {
	checks, took := d.rec.Finish(err)
	d.report.Checks, d.report.Seconds, d.report.OK = checks, took.Seconds(), course.Held(checks)
	return d.report
}

// collect brings the guests' logs and ledgers home, for whoever looks into a
// check that did not hold.
func (d *demo) collect() {
	ctx, cancel := context.WithTimeout(context.Background(), shortly)
	defer cancel()
	for _, m := range d.guests {
		if m.Guest == nil {
			continue
		}
		if err := host.KeepLog(ctx, m.Guest, filepath.Join(d.Dir, m.name), "tail -n 40 "+guest.LogDir+"/*.log; cat "+ledgerFile); err != nil {
			d.rec.Note("cannot collect the logs of %s: %v", m.name, err)
		}
	}
}

// close ends every process of the run. It may be called twice.
func (d *demo) close() {
	for _, m := range d.guests {
		if m.Guest != nil { // a start that failed leaves none
			m.Kill()
		}
	}
	d.guests = nil
	d.KillServer()
	d.pager.Close()
}

// sum fills in the closing table.
func (d *demo) sum(ctx context.Context) error {
	for _, m := range d.guests {
		run, err := d.sumHost(ctx, m)
		if err != nil {
			return err
		}
		d.report.Hosts = append(d.report.Hosts, run)
	}
	return d.weigh(ctx, d.guests[0])
}

// weigh reads how much memory agent and loader hold in a guest.
func (d *demo) weigh(ctx context.Context, m *machine) error {
	for program, kib := range map[string]*int{
		"hotstick-agent":  &d.report.Footprint.AgentRSSKiB,
		"hotstick-loader": &d.report.Footprint.LoaderRSSKiB,
	} {
		out, err := m.mustSerial(ctx, "awk '/^VmRSS/ {print $2}' /proc/$(pidof "+program+")/status")
		if err != nil {
			return err
		}
		if *kib, err = strconv.Atoi(out); err != nil {
			return fmt.Errorf("cannot read the memory of %s from %q", program, out)
		}
	}
	return nil
}

func (d *demo) sumHost(ctx context.Context, m *machine) (HostRun, error) {
	detail, err := d.Client.Host(ctx, m.name)
	if err != nil {
		return HostRun{}, err
	}
	run := HostRun{
		Name: m.name, Release: m.kernel.Release, InEffect: detail.Host.InEffect.String(),
		Loads: m.count("livepatch: enabling patch"), Reboots: m.count("Kernel panic - not syncing"),
	}
	for _, line := range detail.Rollouts {
		if line.State.Terminal() && line.State != "confirmed" && line.State != "skipped" {
			run.Reverted = append(run.Reverted, line.Patch.String())
		}
	}
	for _, name := range d.plans() {
		r, err := d.Client.Rollout(ctx, name)
		if err != nil {
			continue // a step that failed may have left no such rollout
		}
		for _, w := range r.Waves {
			for _, c := range w.Hosts {
				if c.Name == m.name && c.Timing.TransitionMillis > 0 {
					run.TransitionMillis = c.Timing.TransitionMillis
				}
			}
		}
	}
	return run, nil
}

// elapsed is for figures.
func elapsed(since time.Time) float64 { return time.Since(since).Seconds() }
