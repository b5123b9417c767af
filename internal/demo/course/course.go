// Package course tells how a demonstration goes, and keeps what it claims: each claim is a
// check with its evidence. It knows nothing of what is demonstrated.
package course

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Check is one claim of a demonstration.
type Check struct {
	// Name begins with the number of the step.
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Evidence string `json:"evidence"`
}

// Failed lists the checks that did not hold.
func Failed(checks []Check) []Check {
	var failed []Check
	for _, c := range checks {
		if !c.OK {
			failed = append(failed, c)
		}
	}
	return failed
}

// Held reports whether there are checks and all of them held.
func Held(checks []Check) bool { return len(checks) > 0 && len(Failed(checks)) == 0 }

// WriteJSON writes a report as one document.
func WriteJSON(w io.Writer, report any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(report)
}

// Recorder prints the course with elapsed time and keeps its checks. It may be used by
// several goroutines.
type Recorder struct {
	mu     sync.Mutex
	out    io.Writer
	began  time.Time
	checks []Check
	tint   bool
}

// New returns a recorder whose clock starts now. Tint colours the course; for terminals.
func New(out io.Writer, tint bool) *Recorder {
	return &Recorder{out: out, began: time.Now(), tint: tint}
}

func (r *Recorder) line(mark, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	fmt.Fprintf(r.out, "%6.1fs %s %s\n", time.Since(r.began).Seconds(), mark, text)
}

// Part is a numbered part of a course. Its title begins with the number and a dot.
type Part struct {
	Title string
	Run   func(context.Context) error
}

// Play runs the parts in turn, and ends with the first that cannot go on.
func (r *Recorder) Play(ctx context.Context, parts []Part) error {
	for _, p := range parts {
		r.Step("%s", p.Title)
		if err := p.Run(ctx); err != nil {
			number, _, _ := strings.Cut(p.Title, ".")
			return fmt.Errorf("step %s: %w", number, err)
		}
	}
	return nil
}

// Step begins a numbered part.
func (r *Recorder) Step(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if r.tint {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	r.line("──", "%s", text)
}

// Note tells what happens.
func (r *Recorder) Note(format string, args ...any) { r.line("  ", format, args...) }

// Progress is Note for whoever tells in one text.
func (r *Recorder) Progress(text string) { r.Note("%s", text) }

// Ran shows a command as the operator would type it.
func (r *Recorder) Ran(command string) { r.line(" $", "%s", command) }

// Check records a claim and shows it.
func (r *Recorder) Check(name string, ok bool, format string, args ...any) bool {
	c := Check{Name: name, OK: ok, Evidence: fmt.Sprintf(format, args...)}
	mark, evidence := " ✓", c.Evidence
	if !ok {
		mark = " ✗"
	}
	if r.tint {
		color := "32"
		if !ok {
			color = "31"
		}
		mark = "\x1b[" + color + "m" + mark + "\x1b[0m"
	}
	r.mu.Lock()
	r.checks = append(r.checks, c)
	r.mu.Unlock()
	r.line(mark, "%s: %s", name, evidence)
	return ok
}

// Finish returns all checks and the time since the start. An error that ended the course
// is a check that did not hold.
func (r *Recorder) Finish(err error) ([]Check, time.Duration) {
	if err != nil {
		r.Check("run to the end", false, "%v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.checks, time.Since(r.began)
}
