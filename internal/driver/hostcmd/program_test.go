package hostcmd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// transaction is a program that writes down how far it has come, and whether it, or the
// script that it has started, was told to end. The script waits until somebody lets it go on.
const transaction = `#!/bin/sh
dir=$(dirname "$0")
trap 'echo told >>$dir/log' TERM
(
	trap 'echo script told >>$dir/log' TERM
	while [ ! -e $dir/go ]; do sleep 0.02; done
	echo script done >>$dir/log
) &
echo begun >>$dir/log
until wait $!; do :; done
while kill -0 $! 2>/dev/null; do wait $!; done
echo done >>$dir/log
`

// tool is a transaction under a name.
type tool struct {
	t    *testing.T
	path string
}

func newTool(t *testing.T, name string) tool {
	x := tool{t, filepath.Join(t.TempDir(), name)}
	if err := os.WriteFile(x.path, []byte(transaction), 0o755); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x tool) log() string {
	text, _ := os.ReadFile(filepath.Join(filepath.Dir(x.path), "log")) // none yet
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", ", ")
}

// mustLog waits until the tool has written a line.
func (x tool) mustLog(line string) {
	x.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(x.log(), line); {
		if time.Now().After(deadline) {
			x.t.Fatalf("it wrote %q, and not %q", x.log(), line)
		}
		within(nil, 5*time.Millisecond)
	}
}

// letGo lets the script end.
func (x tool) letGo() {
	x.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(x.path), "go"), nil, 0o600); err != nil {
		x.t.Fatal(err)
	}
}

// run runs it until after the caller has given it up.
func (x tool) run(ctx context.Context) (giveUp func(), result chan error) {
	ctx, cancel := context.WithCancel(ctx)
	x.t.Cleanup(cancel)
	result = make(chan error, 1)
	go func() {
		_, err := Host{}.Run(ctx, x.path)
		result <- err
	}()
	x.mustLog("begun")
	return cancel, result
}

func TestAPackageManagerIsNotCutInHalf(t *testing.T) {
	dnf := newTool(t, "dnf")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	giveUp, result := dnf.run(ctx)
	giveUp()
	select {
	case err := <-result:
		t.Fatalf("it was not waited for: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	dnf.letGo()
	if err := <-result; err != nil || dnf.log() != "begun, script done, done" {
		t.Errorf("it did %q, and ended with %v", dnf.log(), err)
	}
}

func TestAtTheDeadlineAPackageManagerIsToldAndHasTimeToEnd(t *testing.T) {
	zypper := newTool(t, "zypper")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, result := zypper.run(ctx)
	zypper.mustLog("told")
	zypper.letGo()
	if err := <-result; !errors.Is(err, context.DeadlineExceeded) || zypper.log() != "begun, told, script done, done" {
		t.Errorf("it did %q, and ended with %v", zypper.log(), err)
	}
}

func TestAnotherToolIsToldAtOnceAndItsScriptIsNot(t *testing.T) {
	tool := newTool(t, "kcarectl")
	giveUp, result := tool.run(t.Context())
	giveUp()
	tool.mustLog("told")
	tool.letGo()
	if err := <-result; !errors.Is(err, context.Canceled) || tool.log() != "begun, told, script done, done" {
		t.Errorf("it did %q, and ended with %v", tool.log(), err)
	}
}

func TestWhatDoesNotEndInItsGraceIsKilledWithAllOfIt(t *testing.T) {
	tool := newTool(t, "kcarectl")
	p, err := start(tool.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	tool.mustLog("begun")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if !p.await(ctx, grace{term: 100 * time.Millisecond}) {
		t.Error("it has ended by itself")
	}
	p.close(true)
	if tool.log() != "begun, told" {
		t.Errorf("it did %q", tool.log())
	}
}
