package ledger_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

func full() ledger.Ledger {
	l := ledger.New("boot-1")
	level := ledger.Level{Patch: hotstick.PatchRef{Name: "fix", Level: 2}, Driver: "klp", Module: "fix_2",
		Artifact: hotstick.NewDigest([]byte("b")), Build: hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)}}
	l.Attempt = &ledger.Attempt{Plan: hotstick.NewDigest(nil), Number: 1, Phase: hotstick.Armed, Boot: "boot-1", Level: level, Before: &level}
	l.Permit = &ledger.Permit{Level: level}
	l.Strikes = []ledger.Strike{{Patch: level.Patch, Boot: "b", Reason: hotstick.ReasonCrash}}
	l.Seq = 3
	l.Reports = []hotstick.Report{{Seq: 2, Patch: level.Patch, State: hotstick.Armed}, {Seq: 3, Patch: level.Patch, State: hotstick.Applying}}
	l.Plans = []ledger.Plan{{ID: hotstick.NewDigest(nil), Envelope: hotstick.NewDigest(nil), Level: &level, NotAfter: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}}
	return l
}

func TestALedgerComesBackAsItWas(t *testing.T) {
	data, err := ledger.Encode(full())
	if err != nil {
		t.Fatal(err)
	}
	back, err := ledger.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, full()) {
		t.Errorf("came back as %+v", back)
	}
}

// A ledger as the first version wrote it means what it meant. What was added since
// comes back too.
func TestALedgerOfTheFirstVersionIsRead(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "of-the-first-version.json"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := ledger.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first, full()) {
		t.Errorf("read %+v", first)
	}
	first.Former, first.Attempt.Grant, first.Plans[0].HaltReason = first.Permit, hotstick.NewDigest(nil), hotstick.ReasonSuperseded
	data, err = ledger.Encode(first)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := ledger.Decode(data); err != nil || !reflect.DeepEqual(back, first) {
		t.Errorf("read %+v, %v", back, err)
	}
}

func TestAMalformedLedgerIsRefused(t *testing.T) {
	sealed, err := ledger.Encode(full())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := durable.Unseal(sealed)
	if err != nil {
		t.Fatal(err)
	}
	good := append(plain, '\n')
	for _, c := range []struct{ what, from, to, want string }{
		{"a newer schema", "ledger/v1", "ledger/v2", "ledger/v2"},
		{"an unknown field", `{"schema"`, `{"extra":1,"schema"`, "extra"},
		{"a doubled field", `"seq":3`, `"seq":3,"seq":9`, "seq"},
		{"cut off", `,"epoch":0}`, `,"epoch":0`, ""},
		{"bytes after the end", "}\n", "}\n{}", ""},
		{"an attempt that is over", `"phase":"armed"`, `"phase":"confirmed"`, "confirmed"},
		{"an attempt without a boot", `"boot":"boot-1","level"`, `"boot":"","level"`, "malformed"},
		{"reports that fall", `"seq":2`, `"seq":4`, "out of order"},
		{"reports from the future", `"seq":3,"reports"`, `"seq":2,"reports"`, "out of order"},
		{"a clock before its boot", `"base_millis":0`, `"base_millis":9`, "boot record"},
		{"a module that leads elsewhere", `"module":"fix_2"`, `"module":"../../etc"`, "module"},
		{"a digest that is none", `"artifact":"sha256:`, `"artifact":"md5:`, "digest"},
	} {
		text := strings.Replace(string(good), c.from, c.to, 1)
		if text == string(good) {
			t.Fatalf("%s: %q is not in %s", c.what, c.from, good)
		}
		if _, err := ledger.Decode(durable.Seal([]byte(text))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want it to say %q", c.what, err, c.want)
		}
	}
}

func TestALedgerThatADiskHasChangedIsRefused(t *testing.T) {
	sealed, err := ledger.Encode(full())
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(sealed), `"seq":3`, `"seq":7`, 1)
	if _, err := ledger.Decode([]byte(changed)); changed == string(sealed) || !errors.Is(err, durable.ErrDamaged) {
		t.Errorf("a ledger with another number: %v", err)
	}
}

func TestTheClockOnlyStandsStill(t *testing.T) {
	l := ledger.New("b")
	l.Boot.BaseMillis, l.Boot.ClockMillis = 1000, 5000
	if got := l.Clock(time.Second); got != 5000 {
		t.Errorf("the clock went back to %d", got)
	}
	if got := l.Clock(10 * time.Second); got != 11000 {
		t.Errorf("the clock is %d, want 11000", got)
	}
}

// disks are the implementations that must behave alike.
var disks = map[string]func(t *testing.T) disk{
	"directory": func(t *testing.T) disk {
		d, err := ledger.OpenDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	},
	"memory": func(t *testing.T) disk { return &ledger.Memory{} },
}

type disk interface {
	Load() ([]byte, error)
	Save([]byte) error
	Keep(hotstick.Digest, []byte) error
	Kept(hotstick.Digest) ([]byte, error)
	Sweep(map[hotstick.Digest]bool) error
}

func TestDisks(t *testing.T) {
	for name, open := range disks {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			if _, err := d.Load(); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("an empty disk's ledger: %v", err)
			}
			for _, text := range []string{"one", "two", ""} {
				if err := d.Save([]byte(text)); err != nil {
					t.Fatal(err)
				}
				if data, err := d.Load(); err != nil || string(data) != text {
					t.Errorf("saved %q, loaded %q, %v", text, data, err)
				}
			}
			a, b := []byte("a"), []byte("b")
			for _, data := range [][]byte{a, b, b} {
				if err := d.Keep(hotstick.NewDigest(data), data); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Sweep(map[hotstick.Digest]bool{hotstick.NewDigest(a): true}); err != nil {
				t.Fatal(err)
			}
			if data, err := d.Kept(hotstick.NewDigest(a)); err != nil || !bytes.Equal(data, a) {
				t.Errorf("kept %q, %v", data, err)
			}
			if _, err := d.Kept(hotstick.NewDigest(b)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("swept bytes: %v", err)
			}
		})
	}
}

func TestTwoLoadersNeverShareALedger(t *testing.T) {
	dir := t.TempDir()
	first, err := ledger.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenDir(dir); err == nil || !strings.Contains(err.Error(), "another loader") {
		t.Errorf("error is %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := ledger.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

func TestChangedKeptBytesAreNotUsed(t *testing.T) {
	dir := t.TempDir()
	d, err := ledger.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	digest := hotstick.NewDigest([]byte("module"))
	if err := d.Keep(digest, []byte("evil")); err == nil {
		t.Error("bytes were kept under another digest")
	}
	if err := d.Keep(digest, []byte("module")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kept", digest.Hex()), []byte("evil"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Kept(digest); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("changed bytes: %v", err)
	}
}

func TestAHalfWrittenLedgerIsNeverSeen(t *testing.T) {
	dir := t.TempDir()
	d, err := ledger.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Save([]byte("old")); err != nil {
		t.Fatal(err)
	}
	// What a crash in the middle of a write leaves behind.
	if err := os.WriteFile(filepath.Join(dir, ".ledger.json.new"), []byte("ha"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := d.Load(); err != nil || string(data) != "old" {
		t.Errorf("loaded %q, %v", data, err)
	}
	if err := d.Save([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if data, err := d.Load(); err != nil || string(data) != "new" {
		t.Errorf("loaded %q, %v", data, err)
	}
}

func FuzzDecode(f *testing.F) {
	good, err := ledger.Encode(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ledger.Decode(data)
		if err != nil {
			return
		}
		encoded, err := ledger.Encode(l)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Decode(encoded); err != nil {
			t.Errorf("what was decoded and encoded is refused: %v", err)
		}
	})
}

// A package that is installed still brings its level back at the next boot: then it is not
// ours any more. A kernel that was booted is, however often.
func TestALevelIsLeftInTheBootOfItsAttempt(t *testing.T) {
	left := ledger.Level{Patch: hotstick.PatchRef{Name: "fix", Level: 2}, Driver: "kpatch"}
	kernel := ledger.Level{Patch: hotstick.PatchRef{Name: "kernel", Level: 1}, Driver: "reboot", Target: hotstick.KernelBuild{Release: "6.1.0-56-amd64"}}
	led := ledger.Ledger{Plans: []ledger.Plan{{Level: &left, LeftBoot: "b1"}, {Level: &kernel, LeftBoot: "b1"}, {Level: &ledger.Level{Patch: hotstick.PatchRef{Name: "other", Level: 1}}}}}
	for _, row := range []struct {
		level ledger.Level
		boot  string
		want  bool
	}{
		{left, "b1", true}, {left, "b2", false}, {kernel, "b1", true}, {kernel, "b2", true}, {*led.Plans[2].Level, "b1", false}, {*led.Plans[2].Level, "", false},
	} {
		if got := led.HasLeft(row.level, row.boot); got != row.want {
			t.Errorf("%s in %s: %v", row.level.Patch, row.boot, got)
		}
	}
}
