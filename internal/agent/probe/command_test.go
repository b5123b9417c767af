package probe_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/agent/probe"
)

// within asks a probe that has so much time.
func within(t *testing.T, timeout time.Duration, a probe.Asker) probe.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return a.Ask(ctx, false)
}

func TestWhatACommandProbeSays(t *testing.T) {
	for _, c := range []struct {
		what    string
		argv    []string
		timeout time.Duration
		healthy bool
		detail  string
	}{
		{"success", []string{"/bin/sh", "-c", "echo fine"}, time.Minute, true, "fine"},
		{"success, with a child that holds its output", []string{"/bin/sh", "-c", "echo fine; sleep 60 &"}, time.Minute, true, "fine"},
		{"failure with words", []string{"/bin/sh", "-c", "echo 503 >&2; exit 1"}, time.Minute, false, "503"},
		{"failure without words", []string{"/bin/sh", "-c", "exit 3"}, time.Minute, false, "exit status 3"},
		{"no such program", []string{"/does/not/exist"}, time.Minute, false, "cannot run the probe"},
		{"no answer", []string{"/bin/sh", "-c", "echo begun; sleep 60"}, 200 * time.Millisecond, false, "no answer within 200ms begun"},
		{"no shell in between", []string{"/bin/echo", "$HOME; exit 1"}, time.Minute, true, "$HOME; exit 1"},
		{"not UTF-8", []string{"/bin/sh", "-c", `printf 'a\377b'`}, time.Minute, true, "a?b"},
	} {
		a := within(t, c.timeout, probe.Command{Argv: c.argv})
		if a.Healthy != c.healthy || !strings.Contains(a.Detail, c.detail) {
			t.Errorf("%s: %t %q, want %t %q", c.what, a.Healthy, a.Detail, c.healthy, c.detail)
		}
	}
}

func TestAProbesOutputIsBounded(t *testing.T) {
	a := within(t, time.Minute, probe.Command{Argv: []string{"/bin/sh", "-c", "head -c 10000000 /dev/zero | tr '\\0' x"}})
	if !a.Healthy || len(a.Detail) != 4<<10 {
		t.Errorf("%t with %d bytes, want 4096", a.Healthy, len(a.Detail))
	}
}

func TestAProbesChildrenEndWithIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	if a := within(t, time.Second, probe.Command{Argv: []string{"/bin/sh", "-c", "sleep 600 & echo $! > " + file + "; wait"}}); a.Healthy {
		t.Fatal("a probe that never ends is healthy")
	}
	mustEnd(t, file)
	if a := within(t, time.Minute, probe.Command{Argv: []string{"/bin/sh", "-c", "sleep 600 & echo $! > " + file}}); !a.Healthy {
		t.Fatalf("a probe that ended well is not healthy: %s", a.Detail)
	}
	mustEnd(t, file)
}

// mustEnd waits until the process whose ID is in the file is gone.
func mustEnd(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for alive(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("the child %d still runs", pid)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
