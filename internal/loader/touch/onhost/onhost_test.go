package onhost

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/touch"
)

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func command(argv ...string) hotstick.Touch {
	return hotstick.Touch{Kind: hotstick.TouchCommand, When: hotstick.TouchAfter, Name: "x", Do: argv}
}

func TestACommandIsRunWithoutAShellAndWithItsOwnWords(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	path := script(t, `for w; do echo "[$w]"; done > `+out+`; echo "$HOME|$PATH" >> `+out+"\n")
	t.Setenv("HOME", "/secret")
	c := command(path, "a b", "$(id)", ";")
	if err := (Host{}).Set(t.Context(), c, touch.Done); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if want := "[a b]\n[$(id)]\n[;]\n|" + searchPath + "\n"; err != nil || string(data) != want {
		t.Errorf("it said %q, %v; want %q", data, err, want)
	}
}

func TestAFailingCommandSaysWhy(t *testing.T) {
	c := command(script(t, "echo no such luck >&2; exit 3\n"))
	err := (Host{}).Set(t.Context(), c, touch.Done)
	if err == nil || !strings.Contains(err.Error(), "exit status 3: no such luck") {
		t.Errorf("error is %v", err)
	}
}

func TestAFloodOfOutputIsCutOff(t *testing.T) {
	c := command(script(t, "head -c 300000 /dev/zero | tr '\\0' x; exit 1\n"))
	if err := (Host{}).Set(t.Context(), c, touch.Done); err == nil || len(err.Error()) > maxOutput+200 {
		t.Errorf("the error is %d bytes long", len(err.Error()))
	}
}

func TestACommandThatHangsIsEndedWithItsChildren(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	c := command(script(t, "sleep 600 & echo $! > "+pid+"\nwait\n"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	err := (Host{}).Set(ctx, c, touch.Done)
	if err == nil || !strings.Contains(err.Error(), "took too long") || time.Since(began) > 10*time.Second {
		t.Errorf("after %s the error is %v", time.Since(began), err)
	}
	data, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	var state []byte
	for range 500 { // a process that was killed dies when it runs next
		state, err = os.ReadFile("/proc/" + strings.TrimSpace(string(data)) + "/status")
		if err != nil || strings.Contains(string(state), "Z (zombie)") {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Errorf("its child is still there:\n%s", state)
}

func TestWhatIsNotThereCannotBeRead(t *testing.T) {
	plain := script(t, "")
	if err := os.Chmod(plain, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, touch := range []hotstick.Touch{
		{Kind: hotstick.TouchSysctl, Name: "vm.no_such_thing", Value: "1"},
		{Kind: hotstick.TouchParameter, Name: "no_such_module.x", Value: "1"},
		command("/no/such/program"),
		command(plain),
	} {
		if v, err := (Host{}).Read(t.Context(), touch); err == nil {
			t.Errorf("%s: read %q", touch.Thing(), v)
		}
	}
}

func TestASysctlAndAModuleAreRead(t *testing.T) {
	v, err := (Host{}).Read(t.Context(), hotstick.Touch{Kind: hotstick.TouchSysctl, Name: "kernel.ostype"})
	if err != nil || v != "Linux" {
		t.Errorf("kernel.ostype is %q, %v", v, err)
	}
	v, err = (Host{}).Read(t.Context(), hotstick.Touch{Kind: hotstick.TouchModuleLoad, Name: "no-such-module"})
	if err != nil || v != touch.Absent {
		t.Errorf("a module that is not there is %q, %v", v, err)
	}
}
