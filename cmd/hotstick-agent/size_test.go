package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// limit is what the agent's program may weigh, in bytes.
const limit = 10 << 20

func TestTheReleasedAgentIsAtMostTenMebibytes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds agent and loader as they are released")
	}
	dir := t.TempDir()
	build := exec.Command("make", "--no-print-directory", "-C", "../..", "build-host", "OUT="+dir)
	// What the test was built with is not what a release is built with.
	build.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the programs of a host: %v\n%s", err, out)
	}
	info, err := os.Stat(filepath.Join(dir, "hotstick-agent"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the agent has %d bytes, %d below its limit", info.Size(), limit-info.Size())
	if info.Size() > limit {
		t.Errorf("the agent has %d bytes: the limit is %d", info.Size(), limit)
	}
}
