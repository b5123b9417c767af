// Command footprint measures what an idle host pays for Hotstick (M5): agent and loader
// as they are released, with a real server, beside a prometheus-node-exporter that is
// scraped every 15 s. Everything runs on this machine, and nothing is loaded into its
// kernel.
//
//	make footprint ARGS="-window 10m -starts 5"
//
// Agent and exporter are started anew for each row; they settle first, for a young agent
// calls its loader once a second for a minute. The loader's socket is held here, as
// systemd holds it: a call starts the loader, and it ends after a minute without work.
//
// The columns: resident, proportional and private dirty memory at the end of the window
// (smaps_rollup); CPU of all threads (schedstat); wake-ups, which are the times at which a
// process used the CPU after a quarter of a second without; and voluntary context
// switches of all threads, of which each wake-up has some. Memory is that of the agent
// alone as long as no loader runs: its starts and CPU within the window are told.
//
// It needs the programs in bin/ (make build). The exporter is Debian's; where it is not
// installed its package is unpacked into the run's directory.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

type options struct {
	programs         string
	settle, window   time.Duration
	interval, scrape time.Duration
	starts           int
	json             bool
}

func main() {
	var o options
	flag.StringVar(&o.programs, "programs", "bin", "directory of the programs that are measured")
	flag.DurationVar(&o.settle, "settle", 3*time.Minute, "how long agent and exporter run before they are measured")
	flag.DurationVar(&o.window, "window", 10*time.Minute, "how long they are measured")
	flag.DurationVar(&o.interval, "interval", time.Minute, "pace of check-ins, whole seconds")
	flag.DurationVar(&o.scrape, "scrape", 15*time.Second, "pace of scrapes of the exporter")
	flag.IntVar(&o.starts, "starts", 1, "rows to measure")
	flag.BoolVar(&o.json, "json", false, "print the rows as JSON")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "footprint-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	h, err := newHouse(ctx, dir, o)
	if err != nil {
		return err
	}
	defer h.close()
	exporter, err := findExporter(dir)
	if err != nil {
		return err
	}
	var rows []row
	for range o.starts {
		r, err := h.measure(ctx, exporter)
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	files := sizes{Agent: size(filepath.Join(o.programs, "hotstick-agent")), Loader: size(filepath.Join(o.programs, "hotstick-loader")), Exporter: size(exporter)}
	if o.json {
		return json.NewEncoder(os.Stdout).Encode(struct {
			Sizes sizes `json:"sizes"`
			Rows  []row `json:"rows"`
		}{files, rows})
	}
	show(o, files, rows)
	return nil
}

// size is a file's, in bytes; 0 if it cannot be told.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
