// Command bench measures the baselines of docs/reference/benchmarks.md that the demo
// gives: its wall time, and the time from starting a rollout to its last host. What an
// idle host pays is bench/footprint's.
//
// It needs the programs in bin/ (make build).
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
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
}

func run() error {
	demo, err := demo()
	if err != nil {
		return err
	}
	fmt.Printf("demo, wall time                       %8.1f s (of it preparing kernels and patches: %.1f s)\n", demo.Seconds, demo.PreparationSeconds)
	fmt.Printf("rollout start to last host confirmed  %8.1f s (4 hosts, 3 waves, 8 s probation, 2 s bake)\n", demo.RolloutSeconds)
	return nil
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
