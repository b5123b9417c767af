package loadercmd

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/kernel/klog"
	"github.com/hotstick/hotstick/internal/loader/inbox"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

var rootDigest = string(hotstick.NewDigest([]byte("root")))

func TestTheCommandLine(t *testing.T) {
	for _, c := range []struct {
		what string
		args []string
		want string
	}{
		{"good", []string{"--root", rootDigest, "--settle", "2s"}, ""},
		{"no root", nil, "--root"},
		{"half a root", []string{"--root", "sha256:12"}, "--root"},
		{"an argument", []string{"--root", rootDigest, "run"}, `"run"`},
		{"no silence at all", []string{"--root", rootDigest, "--agent-silence", "0s"}, "--agent-silence"},
		{"unknown flag", []string{"--force"}, "force"},
	} {
		_, err := parse(c.args, io.Discard)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.what, err, c.want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--version"}, 0, ""},
		{[]string{"--help"}, 0, "-agent-user"},
		{[]string{"--nonsense"}, 2, "nonsense"},
		{[]string{"--root", rootDigest, "--agent-user", "nobody-of-that-name"}, 1, "cannot find the agent's user"},
		{[]string{"--mark-clean", "--state", t.TempDir()}, 0, ""},
		{[]string{"--mark-clean", "--state", filepath.Join(t.TempDir(), "none")}, 1, "give --state as the loader has it"},
	} {
		var stderr bytes.Buffer
		if code := Main(c.args, io.Discard, &stderr); code != c.code || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%v: code %d, %q; want %d, %q", c.args, code, stderr.String(), c.code, c.want)
		}
	}
}

func TestAPersonWaitsForTheLongestStep(t *testing.T) {
	if operate.CallTime <= stepTime {
		t.Errorf("a call ends after %s, and a step may take %s", operate.CallTime, stepTime)
	}
}

func TestTheCatalogsRootIsTheOneThatTheLoaderWasTold(t *testing.T) {
	agent := t.TempDir()
	own := &inbox.Catalog{Dir: filepath.Join(t.TempDir(), "catalog"), Agent: agent, Root: hotstick.Digest(rootDigest)}
	if _, err := own.Load(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the agent has enrolled: %v", err)
	}
	if err := os.WriteFile(filepath.Join(agent, "root.json"), []byte("another root"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := own.Refresh(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), "--root") {
		t.Errorf("another root: %v", err)
	}
}

func TestCrashRecords(t *testing.T) {
	const panicked = "<0>[  100.000000] Kernel panic - not syncing: Fatal exception\n<4>[  100.000001] RIP: 0010:unix_ioctl+0x1/0x2 [fix_1]\n"
	for _, c := range []struct {
		what, file, heading, text string
		records                   int
		fatal                     bool
	}{
		{"a panic", "dmesg-ramoops-0", "Panic#1 Part1\n", panicked, 1, true},
		{"an oops that was survived", "dmesg-ramoops-0", "Oops#1 Part1\n", panicked, 1, false},
		{"an orderly reboot", "dmesg-ramoops-0", "Restart#1 Part1\n", panicked, 0, false},
		{"a power-off", "dmesg-ramoops-0", "Poweroff#1 Part1\n", panicked, 0, false},
		{"a console's log", "console-ramoops-0", "", panicked, 0, false},
	} {
		r := &running{fsys: fstest.MapFS{"sys/fs/pstore/" + c.file: {Data: []byte(c.heading + c.text)}}}
		crashes, err := r.Crashes()
		if err != nil || len(crashes) != c.records {
			t.Errorf("%s: %d records, %v; want %d", c.what, len(crashes), err, c.records)
			continue
		}
		for _, crash := range crashes {
			named, ok := klog.Names(crash.Text, "fix_1", nil)
			if crash.Fatal != c.fatal || !ok || named != "fix_1" {
				t.Errorf("%s: fatal %t, names %q", c.what, crash.Fatal, named)
			}
		}
	}
}

func TestALongCrashRecordKeepsItsEnd(t *testing.T) {
	text := ending(klog.Dump{Text: strings.Repeat("x", 3*hotstick.MaxEvidenceBytes) + "the end"})
	if len(text) > hotstick.MaxEvidenceBytes || !strings.HasSuffix(text, "the end") {
		t.Errorf("%d bytes that end in %q", len(text), text[max(0, len(text)-10):])
	}
}

func TestUptimeRises(t *testing.T) {
	first := clock{}.Uptime()
	if second := (clock{}).Uptime(); first <= 0 || second < first {
		t.Errorf("uptime was %v and is %v", first, second)
	}
}
