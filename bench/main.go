// Command bench measures the baselines of docs/reference/benchmarks.md in one run:
// the demo's wall time, the time from starting a rollout to its last host, and
// size and idle memory of agent and loader beside prometheus-node-exporter, each
// on this machine.
//
// It needs the programs in bin/ (make build) and Debian's package of the peer,
// which it unpacks without installing.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// report is what the demo prints with -o json, as far as it is measured here.
type report struct {
	OK                 bool    `json:"ok"`
	Seconds            float64 `json:"seconds"`
	PreparationSeconds float64 `json:"preparation_seconds"`
	RolloutSeconds     float64 `json:"rollout_seconds"`
	Footprint          struct {
		AgentRSSKiB  int `json:"agent_rss_kib"`
		LoaderRSSKiB int `json:"loader_rss_kib"`
	} `json:"footprint"`
}

func run() error {
	demo, err := demo()
	if err != nil {
		return err
	}
	exporter, rss, err := exporter()
	if err != nil {
		return err
	}
	fmt.Printf("demo, wall time                       %8.1f s (of it preparing kernels and patches: %.1f s)\n", demo.Seconds, demo.PreparationSeconds)
	fmt.Printf("rollout start to last host confirmed  %8.1f s (4 hosts, 3 waves, 8 s probation, 2 s bake)\n", demo.RolloutSeconds)
	fmt.Printf("%-38s %8s   %s\n", "", "size", "idle RSS")
	row("hotstick-agent", "bin/hotstick-agent", demo.Footprint.AgentRSSKiB)
	row("hotstick-loader", "bin/hotstick-loader", demo.Footprint.LoaderRSSKiB)
	row("prometheus-node-exporter", exporter, rss)
	return nil
}

func row(name, file string, rss int) {
	info, err := os.Stat(file)
	if err != nil {
		fmt.Printf("%-38s cannot be measured: %v\n", name, err)
		return
	}
	fmt.Printf("%-38s %6.1f MiB %6.1f MiB\n", name, float64(info.Size())/(1<<20), float64(rss)/1024)
}

func demo() (report, error) {
	cmd := exec.Command("bin/hotstick", "demo", "--exit", "-o", "json")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var r report
	if jsonErr := json.Unmarshal(out, &r); jsonErr != nil || !r.OK {
		return r, fmt.Errorf("cannot measure a demo that fails: %v %v", err, jsonErr)
	}
	return r, nil
}

// exporter unpacks the peer, lets it answer ten scrapes and reads its memory.
func exporter() (file string, rssKiB int, err error) {
	dir, err := os.MkdirTemp("", "hotstick-bench-")
	if err != nil {
		return "", 0, err
	}
	get := exec.Command("sh", "-c", "apt-get -qq download prometheus-node-exporter && dpkg -x prometheus-node-exporter_*.deb .")
	get.Dir = dir
	if out, err := get.CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("cannot get the peer: %v: %s", err, out)
	}
	file = filepath.Join(dir, "usr/bin/prometheus-node-exporter")
	peer := exec.Command(file, "--web.listen-address=127.0.0.1:9199")
	if err := peer.Start(); err != nil {
		return "", 0, fmt.Errorf("cannot start the peer: %v", err)
	}
	defer peer.Process.Kill()
	for range 10 {
		time.Sleep(time.Second)
		if resp, err := http.Get("http://127.0.0.1:9199/metrics"); err == nil {
			resp.Body.Close()
		}
	}
	rssKiB, err = rss(peer.Process.Pid)
	return file, rssKiB, err
}

// rss reads VmRSS of /proc/PID/status, in KiB.
func rss(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if rest, ok := strings.CutPrefix(string(line), "VmRSS:"); ok {
			return strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	return 0, fmt.Errorf("cannot find VmRSS of process %d", pid)
}
