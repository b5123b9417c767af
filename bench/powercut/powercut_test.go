package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/bench/powercut/writelog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/planted"
)

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mustDisk is what a disk holds on which a server was founded, a loader has a level in
// effect and an agent has its identity.
func mustDisk(t *testing.T) (dir string, host hotstick.HostID, led ledger.Ledger) {
	t.Helper()
	dir = t.TempDir()
	_, err := found.Found(t.Context(), found.Wish{Data: filepath.Join(dir, serverDir), Keys: t.TempDir(), Persons: []string{"ada", "grace"}, Approvals: 1, Admin: "ada", Now: time.Now()})
	mustDo(t, err)
	home, err := agent.OpenHome(filepath.Join(dir, agentDir))
	mustDo(t, err)
	host, err = home.Host()
	mustDo(t, err)
	disk, err := ledger.OpenDir(filepath.Join(dir, loaderDir))
	mustDo(t, err)
	module := []byte("a module")
	level := ledger.Level{Patch: hotstick.PatchRef{Name: patchName, Level: 1}, Driver: "klp", Module: moduleOf(1), Artifact: hotstick.NewDigest(module),
		Build: hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)}, ProbationSeconds: 4, TransitionSeconds: 20}
	mustDo(t, disk.Keep(level.Artifact, module))
	led = ledger.New("0b6f1d3c-0000-4000-a000-000000000001")
	led.Plans = []ledger.Plan{{ID: hotstick.NewDigest([]byte("plan")), Envelope: hotstick.NewDigest([]byte("envelope")), Artifact: level.Artifact, NotAfter: time.Now().UTC(), Attempt: 1, State: hotstick.Confirmed, Level: &level}}
	led.Permit = &ledger.Permit{Level: level, Plan: led.Plans[0].ID, Attempt: 1}
	data, err := ledger.Encode(led)
	mustDo(t, err)
	mustDo(t, disk.Save(data))
	mustDo(t, disk.Close())
	return dir, host, led
}

func TestWhatIsLostIsFound(t *testing.T) {
	dir, host, led := mustDisk(t)
	plan, other := led.Plans[0].ID, hotstick.NewDigest([]byte("another plan"))
	artifact := filepath.Join(dir, loaderDir, "kept", led.Permit.Level.Artifact.Hex())
	for _, tt := range []struct {
		name  string
		facts []fact
		spoil string // a file that is emptied
		says  string
	}{
		{"nothing is lost", []fact{{Kind: factLoaded, Module: moduleOf(1)}, {Kind: factGone, Module: moduleOf(1)}, {Kind: factHeld}}, "", ""},
		{"something had only begun", []fact{{Kind: factPublished, Begins: true}, {Kind: factHeld, Begins: true, On: true}, {Kind: factBanned, Begins: true}}, "", ""},
		{"it had begun to be undone", []fact{{Kind: factHeld, On: true}, {Kind: factHeld, Begins: true}}, "", ""},
		{"a load without an intent", []fact{{Kind: factLoaded, Module: moduleOf(2)}}, "", "no intent to load it"},
		{"an end that the ledger forgot", []fact{{Kind: factState, Host: host, Plan: plan, Attempt: 1, State: hotstick.Reverted}}, "", `the ledger has it as "confirmed"`},
		{"an attempt that the ledger forgot", []fact{{Kind: factState, Host: host, Plan: plan, Attempt: 2, State: hotstick.Probation}}, "", "the ledger has attempt 1"},
		{"a plan that the ledger forgot", []fact{{Kind: factState, Host: host, Plan: other, Attempt: 1, State: hotstick.Probation}}, "", "does not know the plan"},
		{"a plan that the server forgot", []fact{{Kind: factPlan, Plan: other, Status: hotstick.Proposed}}, "", "server's database"},
		{"a hold", []fact{{Kind: factHeld, On: true}}, "", "the ledger has it as false"},
		{"a ban", []fact{{Kind: factBanned, Patch: led.Permit.Level.Patch}}, "", "server's database"},
		{"an exclusion", []fact{{Kind: factExcluded, Host: host, On: true}}, "", "server's database"},
		{"a host", []fact{{Kind: factJoined, Host: host}}, "", "the host joined, and is not there"},
		{"a level", []fact{{Kind: factPublished, Patch: led.Permit.Level.Patch}}, "", "not in the catalog"},
		{"leaves of the audit log", []fact{{Kind: factAudit, Head: audit.Head{Size: 1000}}}, "", "a head of 1000 was signed"},
		{"another audit log", []fact{{Kind: factAudit, Head: audit.Head{Size: 1, Root: audit.Hash{1}}}}, "", "server's database"},
		{"the ledger is empty", nil, filepath.Join(dir, loaderDir, "ledger.json"), "loader's ledger"},
		{"a kept module is empty", nil, artifact, "loader's ledger"},
		{"an identity is empty", nil, filepath.Join(dir, agentDir, "identity.key"), "agent's directory"},
		{"the online key is empty", nil, filepath.Join(dir, serverDir, "keys", "online.pem"), "server's catalog"},
	} {
		copied := t.TempDir()
		mustDo(t, copyTree(dir, copied))
		if tt.spoil != "" {
			rel, err := filepath.Rel(dir, tt.spoil)
			mustDo(t, err)
			mustDo(t, os.Truncate(filepath.Join(copied, rel), 0))
		}
		_, faults := examine(t.Context(), copied, tt.facts)
		var text string
		for _, err := range faults {
			text += err.Error() + "\n"
		}
		if (tt.says == "") != (text == "") || !strings.Contains(text, tt.says) {
			t.Errorf("%s: got %q, want %q", tt.name, text, tt.says)
		}
	}
}

// copyTree copies files with their modes.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), info.Mode().Perm())
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, info.Mode().Perm())
	})
}

func TestFactsComeBackFromTheLog(t *testing.T) {
	want := []fact{
		{Kind: factState, Host: hotstick.HostID("host-" + strings.Repeat("f", 40)), Plan: hotstick.NewDigest([]byte("p")), Attempt: 1 << 30, State: hotstick.Quarantined},
		{Kind: factAudit, Begins: true, Head: audit.Head{Size: 1 << 40, Root: audit.Hash{255, 254}}},
		{Kind: factPublished, Patch: hotstick.PatchRef{Name: patchName, Level: 7}},
		{Kind: factLoaded, Module: moduleOf(12)},
	}
	entries := []writelog.Entry{{Flags: writelog.Flush}, {Flags: writelog.Mark, Data: []byte("dm-log-writes-end")}}
	for _, f := range want {
		entries = append(entries, writelog.Entry{Flags: writelog.Mark, Data: []byte(f.text())})
	}
	got, err := factsIn(entries)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v (%v)", got, err)
	}
	if _, err := factsIn([]writelog.Entry{{Flags: writelog.Mark, Data: []byte("{")}}); err == nil {
		t.Error("took half a mark")
	}
}

func TestASeedChoosesPointsBehindMarksBeforeFlushesAndAnywhere(t *testing.T) {
	var entries []writelog.Entry
	for i := range 300 {
		entries = append(entries, writelog.Entry{Flags: []writelog.Flags{0, 0, writelog.Flush, writelog.Mark, writelog.FUA}[i%5], Bytes: 512})
	}
	draw := func(seed uint64) []point { return choose(entries, 99, rand.New(rand.NewPCG(seed, 0))) }
	points := draw(1)
	if !slices.Equal(points, draw(1)) || slices.Equal(points, draw(2)) {
		t.Error("a seed does not choose its own points")
	}
	if !slices.IsSortedFunc(points, func(a, b point) int { return a.after - b.after }) {
		t.Error("the points are not in the log's order")
	}
	marks, flushes, losses := 0, 0, map[writelog.Loss]int{}
	for _, p := range points {
		losses[p.loss]++
		if p.after > 0 && entries[p.after-1].Is(writelog.Mark) {
			marks++
		}
		if p.after < len(entries) && entries[p.after].Is(writelog.Flush) {
			flushes++
		}
	}
	if marks < 33 || flushes < 33 || len(losses) != len(writelog.Losses()) {
		t.Errorf("%d stand behind marks, %d before flushes, losses %v", marks, flushes, losses)
	}
	if got := choose(nil, 3, rand.New(rand.NewPCG(1, 0))); len(got) != 3 || got[2].after != 0 {
		t.Errorf("of an empty log: %v", got)
	}
}

func TestARunThatShowsNothingIsNotOK(t *testing.T) {
	for _, tt := range []struct {
		name    string
		r       report
		planted bool
		ok      bool
	}{
		{"all points, nothing broken", report{Wanted: 2, Points: 2}, false, true},
		{"too few points", report{Wanted: 2, Points: 1}, false, false},
		{"too few cuts", report{WantedCuts: 1}, false, false},
		{"something broken", report{Findings: []finding{{}}}, false, false},
		{"the planted bug is found", report{Findings: []finding{{}}}, true, true},
		{"the planted bug is not found", report{}, true, false},
	} {
		if tt.r.judge(tt.planted); tt.r.OK != tt.ok {
			t.Errorf("%s: %v", tt.name, tt.r.OK)
		}
	}
}

func TestThePlantedBugHasAName(t *testing.T) {
	text, err := os.ReadFile("../../Makefile")
	mustDo(t, err)
	for _, bug := range planted.PowerCuts() {
		if !strings.Contains(string(text), "-planted "+bug.Name+" ") {
			t.Errorf("make powercut-planted does not try %s", bug.Name)
		}
	}
}
