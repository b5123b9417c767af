package demo

import (
	"context"

	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/sim/checker"
)

// stepTrace holds what the server and all loaders did against the rules that the
// simulator checks, by the same checkers.
func (d *demo) stepTrace(ctx context.Context) error {
	var guests []*guest.Guest
	for _, m := range d.guests {
		guests = append(guests, m.Guest)
	}
	report, err := d.CheckTrace(ctx, guests)
	if err != nil {
		return err
	}
	d.recordTrace(report)
	return nil
}

func (d *demo) recordTrace(r checker.Report) {
	looked := 0
	for _, n := range r.Looked {
		if n > 0 {
			looked++
		}
	}
	for _, v := range r.Violations {
		d.rec.Note("%s", v)
	}
	d.rec.Check("10 the trace of server and loaders keeps every rule", len(r.Violations) == 0 && looked > 0,
		"%d events of 1 server and %d loaders, %d rules had something to look at, %d broken",
		r.Events, len(d.guests), looked, len(r.Violations))
}
