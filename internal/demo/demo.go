package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// Options say how to run the demo.
type Options struct {
	// Dir holds everything the run makes; empty means a new temporary directory,
	// removed after a run in which every check held.
	Dir string
	// Cache holds kernels; empty means the user's cache directory.
	Cache string
	// Patches is the folder of live patch sources; empty means beside the program
	// or in the working directory.
	Patches string
	// Programs is the folder of the three binaries; empty means this program's.
	Programs string
	// Listen is the server's address; empty means 127.0.0.1:8443, or another
	// loopback port if that one is in use.
	Listen string
	// Out receives the demo's course.
	Out io.Writer
	// Tint colours the course; for terminals.
	Tint bool
	// Stay keeps everything running after the last step until the context ends.
	Stay bool
}

// demo is one run.
type demo struct {
	*house.House
	rec     *recorder
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
func Run(ctx context.Context, o Options) (Report, error) {
	d, remove, err := prepare(o)
	if err != nil {
		return Report{}, err
	}
	defer d.close()
	err = d.play(ctx)
	report := d.rec.finish(err)
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
	steps := []struct {
		title string
		run   func(context.Context) error
	}{
		{"2. Kernels from Debian's archive, live patches built for each", d.stepPrepare},
		{"3. Initialise: catalog, persons, authority; start the server", d.stepInitialise},
		{"4. Boot four guests and enrol them", d.stepBoot},
		{"5. A good patch: one host first, then one of the other kernel build, then the rest", d.stepGood},
		{"6. A bad patch: its health probe fails, it comes back out by itself", d.stepBad},
		{"7. A killer patch: the kernel panics seconds after the load", d.stepKiller},
		{"8. Kill -9: the server in a wave, agent and loader in a transition", d.stepKill},
		{"9. Stop everything", d.stepStop},
		{"10. The trace of the whole run, held against the safety rules", d.stepTrace},
	}
	for _, s := range steps {
		d.rec.step("%s", s.title)
		if err := s.run(ctx); err != nil {
			number, _, _ := strings.Cut(s.title, ".")
			return fmt.Errorf("step %s: %w", number, err)
		}
	}
	return d.sum(ctx)
}

func prepare(o Options) (*demo, bool, error) {
	d := &demo{House: &house.House{Dir: o.Dir}, rec: newRecorder(o.Out, o.Tint), cache: o.Cache, levels: map[int]*level{}}
	d.Ran = d.rec.ran
	var err error
	if d.Programs, err = house.FindPrograms(o.Programs); err != nil {
		return nil, false, err
	}
	if d.patches, err = findPatches(o.Patches); err != nil {
		return nil, false, err
	}
	if d.cache == "" {
		if d.cache, err = kernelpkg.DefaultCache(); err != nil {
			return nil, false, err
		}
	}
	wishes := []string{o.Listen}
	if o.Listen == "" {
		wishes = []string{"127.0.0.1:8443", "127.0.0.1:0"}
	}
	if d.Listen, err = house.PickAddress(wishes...); err != nil {
		return nil, false, err
	}
	if o.Dir == "" {
		d.Dir, err = os.MkdirTemp("", "hotstick-demo-")
	} else {
		err = os.MkdirAll(o.Dir, 0o700)
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot make the demo's directory: %v", err)
	}
	d.pager = newReceiver()
	d.ServerEnv = []string{"HOTSTICK_WEBHOOK_URL=" + d.pager.URL, "HOTSTICK_WEBHOOK_SECRET=" + webhookSecret}
	return d, o.Dir == "", nil
}

// findPatches looks for the folder with the live patches' sources.
func findPatches(dir string) (string, error) {
	tried := []string{dir}
	if dir == "" {
		tried = []string{"patches"}
		if self, err := os.Executable(); err == nil {
			tried = append(tried, filepath.Join(filepath.Dir(self), "..", "patches"))
		}
	}
	for _, dir := range tried {
		if _, err := os.Stat(filepath.Join(dir, patchName+"-1", "manifest.yaml")); err == nil {
			return filepath.Abs(dir)
		}
	}
	return "", &house.Problem{
		Text: "cannot find the live patches' sources in " + strings.Join(tried, " or "),
		Fix:  "run the demo in a checkout of Hotstick, or name the folder: --patches DIR",
	}
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
		out, _, err := m.Run(ctx, "tail -n 40 "+guest.LogDir+"/*.log; cat "+ledgerFile)
		if err == nil {
			err = os.WriteFile(filepath.Join(d.Dir, m.name, "host.log"), []byte(out), 0o600)
		}
		if err != nil {
			d.rec.note("cannot collect the logs of %s: %v", m.name, err)
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
		d.rec.report.Hosts = append(d.rec.report.Hosts, run)
	}
	return d.weigh(ctx, d.guests[0])
}

// weigh reads how much memory agent and loader hold in a guest.
func (d *demo) weigh(ctx context.Context, m *machine) error {
	for program, kib := range map[string]*int{
		"hotstick-agent":  &d.rec.report.Footprint.AgentRSSKiB,
		"hotstick-loader": &d.rec.report.Footprint.LoaderRSSKiB,
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
