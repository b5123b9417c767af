package mixed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hotstick/hotstick/internal/demo/course"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/rig/wine"
)

// demo is one run.
type demo struct {
	*house.House
	rec     *course.Recorder
	report  Report
	cache   string
	patches string
	windows string // the agent's Windows program
	// old and fixed are the kernels of each line; only 6.1 is rebooted into a fixed one.
	old   map[string]kernelpkg.Kernel
	fixed kernelpkg.Kernel
	hosts []*member
	win   *wine.Machine
}

// member is one guest of the fleet.
type member struct {
	seat
	*guest.Guest
	kernel  kernelpkg.Kernel
	modules string // directory of the vendor's modules
	bootID  string // of its first boot
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
	d.report.finish(d.rec, err)
	if !d.report.OK {
		d.collect()
	}
	d.report.writeSummary(o.Out)
	if o.Stay && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(o.Out, "\nConsole: https://%s/  token: %s\nEverything keeps running until Ctrl-C.\n", d.Listen, d.Token)
		<-ctx.Done()
	}
	if d.report.OK && remove {
		d.close()
		os.RemoveAll(d.Dir)
	} else if !d.report.OK {
		fmt.Fprintf(o.Out, "Logs and state are kept in %s\n", d.Dir)
	}
	return d.report, nil
}

// play is the course of the demo.
func (d *demo) play(ctx context.Context) error {
	return d.rec.Play(ctx, []course.Part{
		{Title: "1. Kernels, and each vendor's fix built for each, under the vendor's name", Run: d.stepPrepare},
		{Title: "2. Initialise; start the server; publish what each system needs", Run: d.stepInitialise},
		{Title: "3. Boot eight guests, at most four at once, and Wine; enrol all", Run: d.stepBoot},
		{Title: "4. Adopt: systems that schedule themselves are put on hold", Run: d.stepAdopt},
		{Title: "5. One plan closes " + CVE + ", each host by its own system", Run: d.stepPlan},
		{Title: "6. The rollout: one host first, then one of each kernel build and system, then the rest", Run: d.stepRollOut},
		{Title: "7. Back: what each system can undo, and what it says where it cannot", Run: d.stepUndo},
		{Title: "8. The trace of the whole run, held against the safety rules", Run: d.stepTrace},
	})
}

func prepare(o house.Options) (*demo, bool, error) {
	programs, err := house.FindPrograms(o.Programs)
	if err != nil {
		return nil, false, err
	}
	windows, err := findWindows(filepath.Dir(programs.CLI))
	if err != nil {
		return nil, false, err
	}
	h, at, temporary, err := o.Settle("hotstick-mixed-")
	if err != nil {
		return nil, false, err
	}
	d := &demo{House: h, rec: course.New(o.Out, o.Tint), cache: at.Cache, patches: at.Patches, windows: windows, old: map[string]kernelpkg.Kernel{}}
	d.Ran = d.rec.Ran
	// Nine hosts that check in once a second are more than two processors emulate.
	d.ServerEnv = []string{"HOTSTICK_POLL_SECONDS=2"}
	return d, temporary, nil
}

// findWindows looks for Wine and for the agent's Windows program beside the others.
func findWindows(programs string) (string, error) {
	const fix = "make demo-mixed installs Wine and builds what runs under it"
	if _, _, err := wine.Find(); err != nil {
		return "", &house.Problem{Text: err.Error(), Fix: fix}
	}
	agent := filepath.Join(programs, "windows", "hotstick-agent.exe")
	if _, err := os.Stat(agent); err != nil {
		return "", &house.Problem{Text: "cannot find " + agent, Fix: fix}
	}
	return agent, nil
}

// collect brings the guests' logs and ledgers home, for whoever looks into a check that
// did not hold.
func (d *demo) collect() {
	ctx, cancel := context.WithTimeout(context.Background(), shortly)
	defer cancel()
	for _, m := range d.hosts {
		if m.Guest == nil {
			continue
		}
		look := "tail -n 60 " + guest.LogDir + "/*.log; cat " + host.LedgerFile + "; cat /run/rig/calls; ls /run/hotstick /run/rig/*; cat /proc/modules"
		if err := host.KeepLog(ctx, m.Guest, filepath.Join(d.Dir, m.name), look); err != nil {
			d.rec.Note("cannot collect the logs of %s: %v", m.name, err)
		}
	}
}

// close ends every process of the run. It may be called twice.
func (d *demo) close() {
	for _, m := range d.hosts {
		if m.Guest != nil { // a start that failed leaves none
			m.Kill()
		}
	}
	d.hosts = nil
	d.endWindows()
	d.KillServer()
}

// shortly bounds a look at a guest.
const shortly = 30 * time.Second
