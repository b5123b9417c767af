package rpmrun_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/rpm/rpmrun"
)

// Each file's name says what must come of it.
func TestWhatProgramsSayIsUnderstood(t *testing.T) {
	files, err := filepath.Glob("testdata/said/*")
	if err != nil || len(files) < 15 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.Split(filepath.Base(file), ".")
		code, err := strconv.Atoi(name[1])
		if err != nil {
			t.Fatal(err)
		}
		said, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, ran := range []driver.Ran{{Stderr: string(said), Code: code}, {Stdout: string(said), Code: code}} {
			r := rpmrun.Explain(name[0], ran)
			if r.Reason.Code != hotstick.ReasonCode(name[3]) || r.Retry != (name[2] == "retry") {
				t.Errorf("%s is %s (retry: %t): %s", file, r.Reason.Code, r.Retry, r.Reason.Detail)
			}
			lines := strings.Split(strings.TrimSpace(string(said)), "\n")
			if !strings.Contains(r.Reason.Detail, strings.Trim(strconv.Quote(strings.TrimSpace(lines[len(lines)-1])), `"`)) {
				t.Errorf("%s: the last line is not in %s", file, r.Reason.Detail)
			}
		}
	}
}

func TestWhatNobodyKnowsIsQuoted(t *testing.T) {
	r := rpmrun.Explain("dnf", driver.Ran{Code: 3, Stdout: "chatter\n", Stderr: "one\n\n" + strings.Repeat("x", 3000) + "\xff\nlast\n"})
	if r.Reason.Code != hotstick.ReasonToolFailed || r.Retry || !strings.Contains(r.Reason.Detail, "last") || len(r.Reason.Detail) > 600 || strings.Contains(r.Reason.Detail, "chatter") {
		t.Errorf("%+v", r)
	}
	if r := rpmrun.Explain("dnf", driver.Ran{Code: 3}); !strings.Contains(r.Reason.Detail, "dnf ended with 3: nothing") {
		t.Errorf("%+v", r)
	}
}

func TestTheInstalledVersionIsRead(t *testing.T) {
	for text, want := range map[string]string{"1-2.el9_2\n": "1-2.el9_2", "1-1\n1-2\n": "1-2"} {
		if got, err := rpmrun.InstalledVersion(text); err != nil || got != want {
			t.Errorf("%q is %q (%v), want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "\n", "rubbish\n", "-1\n", "1-\n", strings.Repeat("1-1\n", 17)} {
		var r *driver.Refusal
		if got, err := rpmrun.InstalledVersion(text); !errors.As(err, &r) {
			t.Errorf("%q is %q (%v)", text, got, err)
		}
	}
}

func FuzzInstalledVersion(f *testing.F) {
	f.Add("1-2.el9_2\n")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := rpmrun.InstalledVersion(text); err == nil && (!strings.Contains(got, "-") || strings.ContainsAny(got, " \n")) {
			t.Errorf("%q is %q", text, got)
		}
	})
}

func FuzzExplain(f *testing.F) {
	f.Add("Error: GPG check FAILED", "", 1)
	f.Fuzz(func(t *testing.T, stderr, stdout string, code int) {
		r := rpmrun.Explain("dnf", driver.Ran{Stderr: stderr, Stdout: stdout, Code: code})
		if _, known := r.Reason.Code.Meaning(); !known || r.Reason.Detail == "" || len(r.Reason.Detail) > 4000 {
			t.Errorf("%q is %+v", stderr, r)
		}
	})
}
