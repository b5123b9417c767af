// Package frame is the command line that the proofs of bench share: flags, a directory
// that is kept or goes again, an interrupt, and a report for people or machines. A proof
// that does not hold ends with exit code 1, one that is asked wrongly with 2.
package frame

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// Report is what a proof came to. It is written as JSON as it stands.
type Report interface {
	// Table writes it for people.
	Table(io.Writer)
	// Holds reports whether what was to be proved holds.
	Holds() bool
}

// Proof is one command.
type Proof struct {
	Name string
	// Flags defines the command's own flags.
	Flags func(*flag.FlagSet)
	// Prove does the work in a directory of its own and tells its course. A report beside
	// an error says how far it came; nil says nothing.
	Prove func(ctx context.Context, dir string, course io.Writer) (Report, error)
}

// Main runs the command with the program's arguments and ends the program.
func (p Proof) Main() { os.Exit(p.Command(os.Args[1:], os.Stdout, os.Stderr)) }

// Command runs the command and returns its exit code.
func (p Proof) Command(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	p.Flags(flags)
	dir := flags.String("dir", "", "keep everything in this new directory; without it nothing is kept")
	format := flags.String("o", "table", "table or json")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || *format != "table" && *format != "json" {
		fmt.Fprintln(stderr, "error: want no arguments, and -o table or -o json")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := p.inDir(ctx, *dir, stderr)
	if report != nil {
		if unwritten := write(report, *format, stdout); err == nil {
			err = unwritten
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "error:", err)
	}
	if err != nil || !report.Holds() {
		return 1
	}
	return 0
}

// inDir proves in the directory that was named, or in one that goes again.
func (p Proof) inDir(ctx context.Context, dir string, course io.Writer) (Report, error) {
	if dir != "" {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
		return p.Prove(ctx, dir, course)
	}
	dir, err := os.MkdirTemp("", "hotstick-"+p.Name+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return p.Prove(ctx, dir, course)
}

func write(r Report, format string, w io.Writer) error {
	if format == "table" {
		r.Table(w)
		return nil
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// CountVar defines a flag for a number that is at least one.
func CountVar(flags *flag.FlagSet, n *int, name string, value int, usage string) {
	*n = value
	flags.Var((*count)(n), name, usage)
}

type count int

// String implements flag.Value.
func (c *count) String() string { return strconv.Itoa(int(*c)) }

// Set implements flag.Value.
func (c *count) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return fmt.Errorf("want a number from 1")
	}
	*c = count(n)
	return nil
}
