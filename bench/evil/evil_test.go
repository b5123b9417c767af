package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/evil"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/turn"
	"github.com/hotstick/hotstick/internal/wire"
)

// fewest is how many strategies the proof must have.
const fewest = 25

// TestNoStrategyMovesAKernelThatItsOwnersDidNotSignFor runs the whole proof: four real
// guests, every strategy of the thief's on each, and one good plan at the end.
func TestNoStrategyMovesAKernelThatItsOwnersDidNotSignFor(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") == "" {
		t.Skip("boots real kernels: run make evil, or set HOTSTICK_GUESTS=1 after make build")
	}
	ctx := t.Context()
	if end, limited := t.Deadline(); limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-15*time.Second)) // time to tell what was seen
		defer cancel()
	}
	var course, table bytes.Buffer
	half := ""
	if now := turn.Now(even, odd); len(now) == 1 {
		half = now[0]
		t.Logf("the commit has chosen the %s half of the strategies", half)
	}
	r, err := prove(ctx, options{dir: t.TempDir(), programs: "../../bin", patches: "../../patches", only: regexp.MustCompile(""), half: half, seed: 1, course: &course})
	r.Table(&table)
	t.Logf("\n%s\n%s", course.String(), table.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range r.faults() {
		t.Error(fault)
	}
	if len(r.Strategies) < fewest || len(r.TakenBack) != 4 {
		t.Errorf("%d strategies were tried, and the owner's plan worked on %v", len(r.Strategies), r.TakenBack)
	}
	var claims []evil.Claim
	for _, s := range r.Strategies {
		claims = append(claims, s.Claims...)
	}
	attacksAll(t, claims)
}

func TestEachHalfOfTheStrategiesAttacksEveryClaim(t *testing.T) {
	for _, half := range []string{even, odd} {
		var claims []evil.Claim
		n := 0
		for _, s := range evil.Strategies() {
			if inHalf(s, half) && len(s.Claims) <= manyClaims {
				n++
				claims = append(claims, s.Claims...)
			}
		}
		if n < fewest {
			t.Errorf("the %s half has %d strategies, want %d at least", half, n, fewest)
		}
		attacksAll(t, claims)
	}
}

func attacksAll(t *testing.T, claims []evil.Claim) {
	t.Helper()
	for _, c := range []evil.Claim{evil.Unsigned, evil.Unapproved, evil.Edited, evil.Expired, evil.Halted, evil.Replayed,
		evil.Recalled, evil.Stale, evil.Older, evil.OutOfWave, evil.TooEarly} {
		if !slices.Contains(claims, c) {
			t.Errorf("nobody attacked the claim %q", c)
		}
	}
}

const (
	boot1 = "boot 11111111-0000\npatch hotstick_unix_ioctl_2 1 0\nmodule ext4\nmodule hotstick_unix_ioctl_2\n"
	wrote = "[    1.0] livepatch: enabling patch 'hotstick_unix_ioctl_2'\r\n[    2.0] livepatch: 'hotstick_unix_ioctl_2': patching complete\r\n"
)

func mustState(t *testing.T, out, console string) state {
	t.Helper()
	s, err := readState(out, console)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheOracleSeesWhateverAKernelDoes(t *testing.T) {
	before := mustState(t, boot1, wrote)
	if got := mustState(t, boot1, wrote+"[    3.0] something else\n").changes(before); len(got) > 0 {
		t.Errorf("a kernel that stayed as it was: %v", got)
	}
	for _, tt := range []struct {
		name, out, console, says string
	}{
		{"a patch is loaded", boot1 + "patch hotstick_unix_ioctl_5 1 0\n", wrote, "live patch is new: hotstick_unix_ioctl_5 1 0"},
		{"a patch is loaded and gone before anybody looks", boot1, wrote + "[ 9.0] livepatch: enabling patch 'hotstick_unix_ioctl_5'\n", "console: livepatch: enabling patch 'hotstick_unix_ioctl_5'"},
		{"a patch is in transition", strings.Replace(boot1, "_2 1 0", "_2 1 1", 1), wrote, "live patch is new: hotstick_unix_ioctl_2 1 1"},
		{"a patch is disabled", strings.Replace(boot1, "_2 1 0", "_2 0 0", 1), wrote, "live patch is not there any more: hotstick_unix_ioctl_2 1 0"},
		{"a module is loaded", boot1 + "module evil\n", wrote, "module is new: evil"},
		{"a module is gone", strings.Replace(boot1, "module ext4\n", "", 1), wrote, "module is not there any more: ext4"},
		{"the kernel is another one", strings.Replace(boot1, "boot 1", "boot 2", 1), wrote, "the boot is 21111111 and was 11111111"},
	} {
		if got := mustState(t, tt.out, tt.console).changes(before); !slices.Contains(got, tt.says) {
			t.Errorf("%s: it says %v", tt.name, got)
		}
	}
}

func TestTheOracleIsNotBlindWhereItSeesNothing(t *testing.T) {
	for _, out := range []string{"", "sh: not found\n", "boot 1\n", "module ext4\n"} {
		if _, err := readState(out, wrote); err == nil {
			t.Errorf("it took %q for a kernel's state", out)
		}
	}
}

func TestAStrategyThatNobodySawIsAFault(t *testing.T) {
	one := func(o outcome) report {
		return report{Strategies: []result{{Name: "s", Claims: []evil.Claim{evil.Unsigned}, Hosts: []outcome{{Host: "node-1"}, o}}}}
	}
	for _, tt := range []struct {
		name  string
		o     outcome
		fault string
	}{
		{"nobody refused anything", outcome{Turns: 3}, "s (unsigned) was not delivered"},
		{"files were served and nobody complained", outcome{Served: 2}, "was not delivered"},
		{"somebody complained, of something else", outcome{Logged: []string{"agent: x"}}, "was not delivered"},
		{"a loader refused it", outcome{Refused: map[string]int{"signature": 1}}, ""},
		{"an agent refused a file", outcome{Served: 1, Logged: []string{"agent: x"}}, ""},
		{"it was refused and the kernel moved", outcome{Host: "node-2", Refused: map[string]int{"signature": 1}, Changed: []string{"console: x"}},
			"s (unsigned) moved the kernel of node-2:\n    console: x"},
	} {
		r := one(tt.o)
		r.finish(time.Second, nil)
		faults := strings.Join(r.faults(), "\n")
		if (tt.fault == "") != (faults == "") || !strings.Contains(faults, tt.fault) || r.OK != (tt.fault == "") {
			t.Errorf("%s: ok %v, faults %q", tt.name, r.OK, faults)
		}
		var table bytes.Buffer
		r.Table(&table)
		if _, err := json.Marshal(r); err != nil || !strings.Contains(table.String(), "unsigned") {
			t.Errorf("%s: wrote %v %q", tt.name, err, table.String())
		}
	}
}

func TestComplaintsAreReadOnce(t *testing.T) {
	line := `{"level":"WARN","msg":"cannot take the server's catalog","program":"hotstick-agent","error":"it is older"}` + "\n"
	log := "half a line\n" + line + `{"level":"INFO","msg":"plan announced","program":"hotstick-loader"}` + "\n" + line
	if got := complaints(log); len(got) != 1 || got[0] != "agent: cannot take the server's catalog: it is older" {
		t.Errorf("read %q", got)
	}
}

func TestARenamedModuleIsWhatItIsCalled(t *testing.T) {
	data := kmod.Compose(kmod.Info{Name: moduleOf(built), Vermagic: "6.1.0 SMP ", Livepatch: true, License: "GPL", Arch: "x86_64"})
	for level := unknownLevel; level <= returnLevel; level++ {
		if _, err := renamed(data, moduleOf(level)); err != nil {
			t.Error(err)
		}
	}
	if _, err := renamed([]byte("no module"), moduleOf(built)); err == nil {
		t.Error("it renamed what is no module")
	}
}

// An attack lasts until it is refused or has had its turns, and then until the host
// has been left alone for a while with nothing under way.
func TestAVisitLastsUntilItsEndShows(t *testing.T) {
	document := json.RawMessage(`{"evil":true}`)
	refusal := wire.DocumentRefusal{Document: hotstick.NewDigest(document), Reason: hotstick.Reason{Code: hotstick.ReasonSignature}}
	for _, tt := range []struct {
		name    string
		request func(checkIn int) wire.LoaderState
		turns   int
		reasons int
	}{
		{"nothing is refused", func(int) wire.LoaderState { return wire.LoaderState{} }, mostTurns, 0},
		{"all is refused", func(int) wire.LoaderState {
			return wire.LoaderState{Refusals: []wire.DocumentRefusal{refusal}}
		}, fewestTurns, 1},
		{"something of somebody else's is refused", func(int) wire.LoaderState {
			return wire.LoaderState{Refusals: []wire.DocumentRefusal{{Document: hotstick.NewDigest(nil), Reason: refusal.Reason}}}
		}, mostTurns, 0},
		{"the loader is at work for a while", func(n int) wire.LoaderState { return wire.LoaderState{Busy: n < 20} }, fewestTurns, 0},
	} {
		v := &victim{visit: &visit{sent: map[hotstick.Digest]bool{}, refused: map[string]int{}, over: make(chan struct{}),
			strategy: evil.Strategy{Answer: func(*evil.Loot, evil.Turn) []json.RawMessage { return []json.RawMessage{document} }}}}
		over := false
		for n := range 30 {
			v.answer(&evil.Loot{}, wire.SyncRequest{Loader: tt.request(n)}, nil)
			select {
			case <-v.visit.over:
				over = true
			default:
				over = false
			}
			if over && tt.request(n).Busy {
				t.Errorf("%s: it was over while the loader was at work", tt.name)
			}
			if over {
				break
			}
		}
		if !over || v.visit.turns != tt.turns || len(v.visit.refused) != tt.reasons {
			t.Errorf("%s: over %v after %d turns, refused %v", tt.name, over, v.visit.turns, v.visit.refused)
		}
	}
}
