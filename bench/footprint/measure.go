package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/hotstick/hotstick/internal/agent"
)

// row is what one start has shown.
type row struct {
	Seconds  float64 `json:"seconds"`
	CheckIns int     `json:"check_ins"`
	Agent    used    `json:"agent"`
	Exporter used    `json:"exporter"`
	// LoaderStarts and LoaderCPUMillis are those within the window; LoaderKiB is what a
	// loader that ran at its end held.
	LoaderStarts    int     `json:"loader_starts"`
	LoaderCPUMillis float64 `json:"loader_cpu_millis"`
	Loader          memory  `json:"loader"`
}

// used is what one process used within the window, and held at its end.
type used struct {
	memory
	CPUMillis float64 `json:"cpu_millis"`
	WakeUps   int     `json:"wake_ups"`
	Switches  int     `json:"voluntary_switches"`
}

type sizes struct {
	Agent    int64 `json:"agent_bytes"`
	Loader   int64 `json:"loader_bytes"`
	Exporter int64 `json:"exporter_bytes"`
}

// measure starts agent and exporter, lets them settle, and watches them.
func (h *house) measure(ctx context.Context, exporter string) (row, error) {
	address, err := freeAddress()
	if err != nil {
		return row{}, err
	}
	peer, err := h.start("exporter", nil, exporter, "--web.listen-address="+address)
	if err != nil {
		return row{}, err
	}
	defer end(peer)
	host, err := h.start("agent", nil, append([]string{filepath.Join(h.o.programs, "hotstick-agent"), "run"}, h.common...)...)
	if err != nil {
		return row{}, err
	}
	defer end(host)
	scraping, stop := context.WithCancel(ctx)
	defer stop()
	go scraped(scraping, address, h.o.scrape)
	pause(ctx, h.o.settle)

	window, close := context.WithTimeout(ctx, h.o.window)
	defer close()
	began := time.Now()
	starts, cpu, _ := h.loader.used()
	finish := []func() (used, error){watch(window, host.Process.Pid), watch(window, peer.Process.Pid)}
	r := row{CheckIns: h.checkIns(window)}
	r.Seconds = time.Since(began).Seconds()
	if r.Agent, err = finish[0](); err != nil {
		return r, fmt.Errorf("cannot measure the agent: %w", err)
	}
	if r.Exporter, err = finish[1](); err != nil {
		return r, fmt.Errorf("cannot measure the exporter: %w", err)
	}
	starts2, cpu2, pid := h.loader.used()
	r.LoaderStarts, r.LoaderCPUMillis = starts2-starts, millis(cpu2-cpu)
	if pid != 0 {
		r.Loader, _ = memoryOf(pid) // it may end just now
	}
	if r.CheckIns == 0 {
		return r, fmt.Errorf("cannot measure: nobody checked in within %s", h.o.window)
	}
	return r, ctx.Err()
}

// watch begins to watch a process; what it returns ends that with the window.
func watch(window context.Context, pid int) func() (used, error) {
	woken := make(chan int, 1)
	cpu, slept := threadTime(pid), switches(pid)
	go wakeUps(window, pid, woken)
	return func() (used, error) {
		u := used{WakeUps: <-woken, CPUMillis: millis(threadTime(pid) - cpu), Switches: switches(pid) - slept}
		var err error
		u.memory, err = memoryOf(pid)
		return u, err
	}
}

// checkIns counts the check-ins that were answered until the context ends.
func (h *house) checkIns(ctx context.Context) int {
	n, last := -1, time.Time{}
	for ctx.Err() == nil {
		if c, err := agent.LoadContact(h.agentDir()); err == nil && !c.Answered.Equal(last) {
			n, last = n+1, c.Answered
		}
		pause(ctx, 500*time.Millisecond)
	}
	return max(0, n)
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func show(o options, s sizes, rows []row) {
	fmt.Printf("check-ins every %s, scrapes every %s, %s after %s to settle\n\n", o.interval, o.scrape, o.window, o.settle)
	fmt.Printf("%-10s %9s %9s %9s %11s %11s %11s\n", "", "RSS", "PSS", "dirty", "CPU", "wake-ups", "switches")
	for i, r := range rows {
		line(fmt.Sprintf("agent %d", i+1), r.Agent, r.CheckIns, "check-in")
		line(fmt.Sprintf("exporter %d", i+1), r.Exporter, int(r.Seconds/o.scrape.Seconds()), "scrape")
		fmt.Printf("%-10s %d starts within the window, %.1f ms of CPU; %d KiB at its end\n", "loader", r.LoaderStarts, r.LoaderCPUMillis, r.Loader.RSS)
	}
	of := func(get func(row) float64) float64 {
		values := make([]float64, len(rows))
		for i, r := range rows {
			values[i] = get(r)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	fmt.Println()
	goal("RSS, agent and loader / exporter", of(func(r row) float64 { return float64(r.Agent.RSS+r.Loader.RSS) / float64(r.Exporter.RSS) }), 1.0/2)
	goal("private dirty / exporter", of(func(r row) float64 {
		return float64(r.Agent.PrivateDirty+r.Loader.PrivateDirty) / float64(r.Exporter.PrivateDirty)
	}), 1.0/3)
	goal("CPU ms per check-in, with loader", of(func(r row) float64 { return (r.Agent.CPUMillis + r.LoaderCPUMillis) / float64(r.CheckIns) }), 2)
	goal("wake-ups per check-in", of(func(r row) float64 { return float64(r.Agent.WakeUps) / float64(r.CheckIns) }), 1)
	goal("agent binary, MiB", float64(s.Agent)/(1<<20), 10)
	fmt.Printf("%-34s %8.2f\n%-34s %8.2f\n", "loader binary, MiB", float64(s.Loader)/(1<<20), "exporter binary, MiB", float64(s.Exporter)/(1<<20))
}

func line(name string, u used, n int, each string) {
	per := func(v float64) string { return fmt.Sprintf("%.2f", v/float64(max(n, 1))) }
	fmt.Printf("%-10s %5d KiB %5d KiB %5d KiB %8s ms %11s %11s   per %s, of %d\n", name, u.RSS, u.PSS, u.PrivateDirty,
		per(u.CPUMillis), per(float64(u.WakeUps)), per(float64(u.Switches)), each, n)
}

func goal(what string, is, want float64) {
	met := "met"
	if is > want {
		met = "not met"
	}
	fmt.Printf("%-34s %8.2f   goal %.2f: %s\n", what, is, want, met)
}
