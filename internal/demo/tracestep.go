package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/trace"
)

// stepTrace holds what the server and all loaders did against the rules that the
// simulator checks, by the same checkers.
func (d *demo) stepTrace(ctx context.Context) error {
	committed, err := os.ReadFile(d.ServerTrace())
	if err != nil {
		return fmt.Errorf("cannot read the server's trace: %v", err)
	}
	// The server may be in the middle of a line.
	whole := committed[:bytes.LastIndexByte(committed, '\n')+1]
	traces := []io.Reader{bytes.NewReader(whole)}
	for _, m := range d.guests {
		lines, err := m.mustSerial(ctx, "cat "+guestTrace)
		if err != nil {
			return err
		}
		traces = append(traces, strings.NewReader(lines+"\n"))
	}
	check := checker.New()
	kept, err := os.Create(filepath.Join(d.Dir, "trace.jsonl"))
	if err != nil {
		return fmt.Errorf("cannot keep the trace: %v", err)
	}
	defer kept.Close()
	writer := trace.NewWriter(kept, nil)
	err = trace.Merge(traces, func(e trace.Event) error {
		writer.Emit(e)
		check.Take(e)
		return nil
	})
	if err != nil {
		return err
	}
	if err := writer.Close(); err != nil {
		return err
	}
	d.recordTrace(check.Report())
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
		d.rec.note("%s", v)
	}
	d.rec.check("10 the trace of server and loaders keeps every rule", len(r.Violations) == 0 && looked > 0,
		"%d events of 1 server and %d loaders, %d rules had something to look at, %d broken",
		r.Events, len(d.guests), looked, len(r.Violations))
}
