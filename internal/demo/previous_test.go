package demo

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// previousCommit is the last one that speaks the protocol before this one. Whoever
// raises the protocol writes its last commit here.
//
//go:embed testdata/previous-commit
var previousCommit string

// previous builds the programs of the version before, and returns the directory of its
// sources; the programs are in its bin.
func previous(t *testing.T) string {
	t.Helper()
	commit := strings.TrimSpace(previousCommit)
	dir := t.TempDir()
	root := filepath.Join("..", "..")
	if out, err := exec.CommandContext(t.Context(), "git", "-C", root, "cat-file", "-e", commit+"^{commit}").CombinedOutput(); err != nil {
		text := fmt.Sprintf("the version before is built from commit %s, which this checkout does not have: %s", commit, out)
		if os.Getenv("CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text + " (git fetch --unshallow)")
	}
	mustRun(t, root, "sh", "-c", `git archive "$1" | tar -x -C "$2"`, "sh", commit, dir)
	mustRun(t, dir, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X github.com/hotstick/hotstick/internal/version.Version=previous", "-o", "bin/",
		"./cmd/hotstick", "./cmd/hotstick-agent", "./cmd/hotstick-loader")
	return dir
}

// mustRun runs a program of this machine in a directory.
func mustRun(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}
