package rebootstep

import (
	"os/exec"
	"testing"
)

// A systemctl that the shutdown ends, which it has ordered, has not failed.
func TestWhatAShutdownEndsHasNotFailed(t *testing.T) {
	for script, want := range map[string]bool{"kill -TERM $$": true, "kill -KILL $$": true, "kill -SEGV $$": false, "exit 1": false, "exit 143": false} {
		cmd := exec.Command("sh", "-c", script)
		if err := cmd.Run(); err == nil {
			t.Fatal(script)
		}
		if got := toldToStop(cmd.ProcessState); got != want {
			t.Errorf("%s: %v, want %v", script, got, want)
		}
	}
	if toldToStop(nil) {
		t.Error("what never ran was told to stop")
	}
}
