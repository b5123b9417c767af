package agentcmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/internal/agent"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagBeatsEnvironmentBeatsFile(t *testing.T) {
	path := write(t, "server: https://file:1\nstate: /file\nsocket: /file.sock\n")
	t.Setenv("HOTSTICK_SERVER", "https://env:1")
	t.Setenv("HOTSTICK_STATE", "/env")
	s, err := parse("run", []string{"--config", path, "--server", "https://flag:1/"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if s.file.Server != "https://flag:1" || s.file.State != "/env" || s.file.Socket != "/file.sock" {
		t.Errorf("server %q, state %q, socket %q", s.file.Server, s.file.State, s.file.Socket)
	}
}

func TestWhatIsSetNowhereHasADefault(t *testing.T) {
	s, err := parse("run", []string{"--config", write(t, "")}, io.Discard)
	if err != nil || s.file.State != "/var/lib/hotstick/agent" || s.file.Socket != "/run/hotstick/loader.sock" {
		t.Errorf("settings are %+v, %v", s.file, err)
	}
}

func TestABadCommandLineSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		what string
		args []string
		want string
	}{
		{"no command", nil, "Usage"},
		{"unknown command", []string{"leave"}, "Usage"},
		{"unknown flag", []string{"run", "--force"}, "force"},
		{"an argument", []string{"run", "now"}, `"now"`},
		{"no such file", []string{"run", "--config", "/does/not/exist"}, "cannot read the configuration"},
		{"unknown key in the file", []string{"run", "--config", write(t, "serevr: x\n")}, `unknown field "serevr"`},
	} {
		var stderr bytes.Buffer
		if code := Main(c.args, io.Discard, &stderr); code != 2 || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%s: code %d, %q; want 2 and %q", c.what, code, stderr.String(), c.want)
		}
	}
}

func TestVersion(t *testing.T) {
	var stdout bytes.Buffer
	if code := Main([]string{"--version"}, &stdout, io.Discard); code != 0 || strings.TrimSpace(stdout.String()) == "" {
		t.Errorf("code %d, %q", code, stdout.String())
	}
}

func TestJoinWithoutATokenEndsAndRunWaits(t *testing.T) {
	silent := slog.New(slog.DiscardHandler)
	home, err := agent.OpenHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	join, err := parse("join", []string{"--config", write(t, "server: https://127.0.0.1:1\n")}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := enrol(t.Context(), home, join, silent); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("error is %v", err)
	}
	run := join
	run.joining = false
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := enrol(ctx, home, run, silent); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want that it waited", err)
	}
}
