// Package tufclient wraps the catalog's TUF workflow in the command line that the
// TUF conformance suite (github.com/theupdateframework/tuf-conformance) asks of a
// client:
//
//	CLIENT --metadata-dir DIR init ROOT.json
//	CLIENT --metadata-dir DIR --metadata-url URL refresh
//	CLIENT --metadata-dir DIR --metadata-url URL --target-name NAME… --target-base-url URL --target-dir DIR download
//
// It exits with 0 or 1. It verifies nothing itself.
package tufclient

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick/catalog"
)

// options are the command line's.
type options struct {
	metadataDir, metadataURL string
	targets                  []string
	targetURL, targetDir     string
}

// Main runs the command line and returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	if err := run(context.Background(), args, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	var o options
	set := flag.NewFlagSet("hotstick-tuf-client", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&o.metadataDir, "metadata-dir", "", "where trusted metadata is kept")
	set.StringVar(&o.metadataURL, "metadata-url", "", "where metadata comes from")
	set.StringVar(&o.targetURL, "target-base-url", "", "where targets come from")
	set.StringVar(&o.targetDir, "target-dir", "", "where targets are put")
	set.Func("target-name", "a target to download; may be repeated", func(name string) error {
		o.targets = append(o.targets, name)
		return nil
	})
	if err := set.Parse(args); err != nil {
		return fmt.Errorf("cannot read the command line: %w", err)
	}
	if o.metadataDir == "" {
		return errors.New("cannot run without --metadata-dir")
	}
	switch command := set.Args(); {
	case len(command) == 2 && command[0] == "init":
		root, err := os.ReadFile(command[1])
		if err != nil {
			return fmt.Errorf("cannot read the trusted root: %w", err)
		}
		return catalog.InitGeneric(o.metadataDir, root)
	case len(command) == 1 && command[0] == "refresh":
		_, err := o.refresh(ctx)
		return err
	case len(command) == 1 && command[0] == "download":
		return o.download(ctx, stdout)
	}
	return fmt.Errorf("cannot run %q: want init ROOT.json, refresh or download", set.Args())
}

func (o options) refresh(ctx context.Context) (*catalog.Generic, error) {
	source, err := catalog.NewWeb(o.metadataURL, nil)
	if err != nil {
		return nil, err
	}
	now, err := clock(ctx)
	if err != nil {
		return nil, err
	}
	client := catalog.NewGeneric(o.metadataDir, source)
	return client, client.Refresh(ctx, now)
}

func (o options) download(ctx context.Context, stdout io.Writer) error {
	if len(o.targets) == 0 || o.targetDir == "" {
		return errors.New("cannot download without --target-name and --target-dir")
	}
	source, err := catalog.NewWeb(o.targetURL, nil)
	if err != nil {
		return err
	}
	client, err := o.refresh(ctx)
	if err != nil {
		return err
	}
	for _, target := range o.targets {
		path, err := client.Download(ctx, target, source, o.targetDir)
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, path)
	}
	return nil
}

// clock asks date for the time: the suite moves it with faketime, which a Go
// program does not notice.
func clock(ctx context.Context) (time.Time, error) {
	out, err := exec.CommandContext(ctx, "date", "+%s").Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot ask date for the time: %w", err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot read the time: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
