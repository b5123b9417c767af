package house

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/sim/checker"
	"github.com/hotstick/hotstick/internal/trace"
)

// CheckTrace holds what the server and the loaders of guests did against the rules that
// the simulator checks, by the same checkers. The merged trace is kept in trace.jsonl.
func (h *House) CheckTrace(ctx context.Context, guests []*guest.Guest) (checker.Report, error) {
	committed, err := os.ReadFile(h.ServerTrace())
	if err != nil {
		return checker.Report{}, fmt.Errorf("cannot read the server's trace: %v", err)
	}
	// The server may be in the middle of a line.
	whole := committed[:bytes.LastIndexByte(committed, '\n')+1]
	traces := []io.Reader{bytes.NewReader(whole)}
	for _, g := range guests {
		lines, err := host.MustRun(ctx, g, "cat "+host.TraceFile)
		if err != nil {
			return checker.Report{}, err
		}
		traces = append(traces, strings.NewReader(lines+"\n"))
	}
	check := checker.New()
	kept, err := os.Create(filepath.Join(h.Dir, "trace.jsonl"))
	if err != nil {
		return checker.Report{}, fmt.Errorf("cannot keep the trace: %v", err)
	}
	defer kept.Close()
	writer := trace.NewWriter(kept, nil)
	err = trace.Merge(traces, func(e trace.Event) error {
		writer.Emit(e)
		check.Take(e)
		return nil
	})
	if err != nil {
		return checker.Report{}, err
	}
	return check.Report(), writer.Close()
}
