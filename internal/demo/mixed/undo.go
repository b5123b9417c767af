package mixed

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/demo/house"
)

// stepUndo takes everything back, where a system can, and holds what it says where it
// cannot against its kernel.
func (d *demo) stepUndo(ctx context.Context) error {
	if _, err := d.Must(ctx, "rollout", "revert", planName, "--reason", "the demo shows the way back", "--yes"); err != nil {
		return err
	}
	r, err := d.Follow(ctx, planName, 5*time.Minute, d.rec.Note, func(r api.Rollout) bool {
		for _, c := range house.Cells(r) {
			if c.State == hotstick.Confirmed || c.State.HoldsSlot() {
				return false
			}
		}
		return true
	})
	if err != nil {
		// What did not come to rest is named by its own check.
		d.rec.Note("%v", err)
	}
	for i, m := range d.hosts {
		if err := d.checkUndone(ctx, m, house.Cells(r)[m.name], &d.report.Hosts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) checkUndone(ctx context.Context, m *member, cell api.Cell, run *HostRun) error {
	is, closed, line, err := d.look(ctx, m)
	if err != nil {
		return err
	}
	why := because(cell)
	run.Undone = string(cell.State)
	if m.undone {
		d.rec.Check("7 "+m.name+": "+m.driver+" takes it back ("+string(m.undo)+")", cell.State == hotstick.Reverted && !is && !closed, "%s%s; %s", cell.State, why, line)
		return nil
	}
	ok := cell.State == hotstick.Failed && cell.Reason != nil && cell.Reason.Code == hotstick.ReasonRevertFailed && cell.Reason.Cause == hotstick.ReasonNoWayBack && is && closed
	d.rec.Check("7 "+m.name+": "+m.driver+" cannot take it back ("+string(m.undo)+"), and says so", ok, "%s%s; %s", cell.State, why, line)
	return nil
}

// stepTrace holds what the server and all loaders did against the rules that the simulator
// checks, by the same checkers.
func (d *demo) stepTrace(ctx context.Context) error {
	r, err := d.CheckTrace(ctx, d.guests())
	if err != nil {
		return err
	}
	looked := 0
	for _, n := range r.Looked {
		if n > 0 {
			looked++
		}
	}
	for _, v := range r.Violations {
		d.rec.Note("%s", v)
	}
	d.rec.Check("8 the trace of server and loaders keeps every rule", len(r.Violations) == 0 && looked > 0,
		"%s", fmt.Sprintf("%d events of 1 server and %d loaders, %d rules had something to look at, %d broken", r.Events, len(d.hosts), looked, len(r.Violations)))
	return nil
}
