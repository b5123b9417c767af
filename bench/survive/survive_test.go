package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/turn"
)

// TestHostsSurviveThreeOfTheTwelve runs the three scenarios that the commit chooses on
// real guests.
func TestHostsSurviveThreeOfTheTwelve(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") == "" {
		t.Skip("boots real kernels: run make survive-some, or set HOTSTICK_GUESTS=1 after make build")
	}
	var course, table bytes.Buffer
	o := options{dir: t.TempDir(), programs: "../../bin", patches: "../../patches", only: regexp.MustCompile(""),
		commit: turn.Commit(), repeats: 1, width: 2, course: &course}
	list, err := o.chosen()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		t.Logf("commit %.12s chooses %s: %s", o.commit, s.name, s.does)
	}
	r, err := prove(t.Context(), o)
	r.Table(&table)
	t.Logf("\n%s", table.String())
	if err != nil || !r.OK {
		t.Fatalf("not all hosts survived: %v\n%s", err, course.String())
	}
}

func TestTheCommandRunsWhatItIsAskedFor(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want int
	}{
		{nil, 12},
		{[]string{"-only", "^panic-"}, 3},
		{[]string{"-commit", "abc"}, drawn},
		{[]string{"-only", "nothing"}, 0},
	} {
		var o options
		flags := flag.NewFlagSet("survive", flag.ContinueOnError)
		o.flags(flags)
		if err := flags.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		if list, err := o.chosen(); len(list) != tt.want || (err == nil) != (tt.want > 0) {
			t.Errorf("%v: %d scenarios, %v", tt.args, len(list), err)
		}
	}
}

const (
	booted  = "[    0.000000] Linux version 6.1.0-47-cloud-amd64 (x@y)\r\n"
	enables = "[   10.000000] livepatch: enabling patch 'hotstick_killer_5'\r\n"
	done    = "[   11.000000] livepatch: 'hotstick_killer_5': patching complete\r\n"
	gone    = "[   15.500000] livepatch: 'hotstick_killer_5': unpatching complete\r\n"
)

func TestTheConsoleTellsWhatTheKernelDid(t *testing.T) {
	c := readConsole(booted + enables + done + gone + "noise\n[   16.0] forcing nothing\n" + booted + enables)
	want := []load{
		{module: "hotstick_killer_5", boot: 1, enabled: 10 * time.Second, done: 11 * time.Second, back: 15500 * time.Millisecond},
		{module: "hotstick_killer_5", boot: 2, enabled: 10 * time.Second},
	}
	if c.boots != 2 || c.forced || !slices.Equal(c.loads, want) || len(c.of("another")) != 0 {
		t.Errorf("got %+v", c)
	}
	if !readConsole("[    1.0] livepatch: forcing remaining tasks to the patched state\n").forced {
		t.Error("force is not seen")
	}
}

// went is a host that went back well, and crashed one that came down once.
func went(change func(*seen)) seen {
	s := seen{module: "hotstick_killer_5", transition: 15 * time.Second, probation: 12 * time.Second, console: readConsole(booted + enables + done + gone),
		heard: true, traced: 1, ended: hotstick.Reverted, shown: hotstick.Reverted, why: hotstick.ReasonKernelLog, stallSeen: -1}
	change(&s)
	return s
}

func crashed(change func(*seen)) seen {
	return went(func(s *seen) {
		s.console = readConsole(booted + enables + done + booted)
		s.ended, s.shown, s.why, s.struck = hotstick.Quarantined, hotstick.Quarantined, hotstick.ReasonCrash, true
		change(s)
	})
}

func TestTheJudgeLetsPassOnlyWhatTheHostSurvived(t *testing.T) {
	back := wanted{end: hotstick.Reverted, because: []hotstick.ReasonCode{hotstick.ReasonKernelLog}}
	crash := wanted{reboots: 1, end: hotstick.Quarantined}
	stall := wanted{end: hotstick.Reverted, keeper: "cat"}
	keeps := wanted{end: hotstick.Confirmed, inEffect: true}
	late := booted + enables + done + "[   33.1] livepatch: 'hotstick_killer_5': unpatching complete\n"
	for _, tt := range []struct {
		name string
		want wanted
		seen seen
		says string // part of a fault; empty: none
	}{
		{"a revert in time", back, went(func(*seen) {}), ""},
		{"a crash and a strike", crash, crashed(func(*seen) {}), ""},
		{"no load at all", back, went(func(s *seen) { s.console = readConsole(booted) }), "was never asked"},
		{"a reboot too many", back, went(func(s *seen) { s.console = readConsole(booted + enables + done + gone + booted) }), "rebooted 1 times"},
		{"two reboots", crash, crashed(func(s *seen) { s.console = readConsole(booted + enables + booted + booted) }), "rebooted 2 times"},
		{"a killer that kills nobody", crash, crashed(func(s *seen) { s.console = readConsole(booted + enables + done) }), "proves nothing"},
		{"loaded again after the strike", crash, crashed(func(s *seen) { s.console = readConsole(booted + enables + booted + enables); s.traced = 2 }), "asked for it 2 times"},
		{"loaded past the loader", back, went(func(s *seen) { s.traced = 0 }), "trace has 0 loads"},
		{"a trace that cannot be whole", back, went(func(s *seen) { s.traced = -1 }), ""},
		{"force in the kernel's log", back, went(func(s *seen) { s.console.forced = true }), "force was written"},
		{"force in the trace", back, went(func(s *seen) { s.tracedForce = 1 }), "force was written"},
		{"still in effect", back, went(func(s *seen) { s.inEffect = true }), "in effect at the end"},
		{"never back", back, went(func(s *seen) { s.console = readConsole(booted + enables + done) }), "never out of effect"},
		{"back too late", back, went(func(s *seen) { s.console = readConsole(late) }), "after its deadline"},
		{"back late for a stall", stall, went(func(s *seen) { s.console, s.lifted, s.stallSeen = readConsole(late), 30*time.Second, time.Second }), ""},
		{"back late after the stall", stall, went(func(s *seen) { s.console, s.lifted, s.stallSeen = readConsole(late), 20*time.Second, time.Second }), "after its deadline"},
		{"a stall that nobody told of", stall, went(func(*seen) {}), "never said that cat keeps"},
		{"a stall told of late", stall, went(func(s *seen) { s.stallSeen = 61 * time.Second }), "keeps the transition after 61 s"},
		{"no strike", crash, crashed(func(s *seen) { s.struck = false }), "has a strike: false"},
		{"a strike for nothing", back, went(func(s *seen) { s.struck = true }), "has a strike: true"},
		{"a ledger that says nothing", back, went(func(s *seen) { s.ended = hotstick.Probation }), "ledger says"},
		{"a server that knows nothing", back, went(func(s *seen) { s.shown = hotstick.Probation }), "server shows"},
		{"another reason", back, went(func(s *seen) { s.why = hotstick.ReasonAgentSilent }), "server's reason"},
		{"a host that cannot load modules", back, went(func(s *seen) { s.unusable = "insmod: no\n" }), "not usable: insmod: no"},
		{"a host that fell silent", back, went(func(s *seen) { s.heard = false }), "does not hear"},
		{"kept as it should be", keeps, went(func(s *seen) {
			s.console, s.inEffect = readConsole(booted+enables+done), true
			s.ended, s.shown = hotstick.Confirmed, hotstick.Confirmed
		}), ""},
		{"not kept", keeps, went(func(s *seen) { s.ended, s.shown = hotstick.Confirmed, hotstick.Confirmed }), "in effect at the end: false"},
	} {
		faults := strings.Join(judge(tt.want, tt.seen).Faults, "; ")
		if (tt.says == "") != (faults == "") || !strings.Contains(faults, tt.says) {
			t.Errorf("%s: got %q, want %q", tt.name, faults, tt.says)
		}
	}
}

func TestAStallIsToldWhenItsKeeperIsNamed(t *testing.T) {
	stall := func(module string, commands ...string) *hotstick.Stall {
		s := &hotstick.Stall{Module: module, Tasks: 1}
		for _, c := range commands {
			s.Blockers = append(s.Blockers, hotstick.Blocker{Command: c})
		}
		return s
	}
	for _, tt := range []struct {
		name string
		got  *hotstick.Stall
		want bool
	}{
		{"no stall", nil, false},
		{"a stall that names nobody", stall("hotstick_busy_2"), false},
		{"a stall of another module", stall("theirs", "cat"), false},
		{"a stall that another task keeps", stall("hotstick_busy_2", "dd"), false},
		{"a stall that it keeps with others", stall("hotstick_busy_2", "dd", "cat"), true},
	} {
		if got := keeps(tt.got, "hotstick_busy_2", "cat"); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestCommitsDrawAllScenariosButThoseByHand(t *testing.T) {
	all, seen := scenarios(), map[string]bool{}
	if len(all) != 12 {
		t.Fatalf("there are %d scenarios", len(all))
	}
	for n := range 40 {
		list := draw(all, fmt.Sprint("commit ", n))
		if len(list) != drawn || list[0].name == list[1].name || list[1].name == list[2].name || list[0].name == list[2].name {
			t.Fatalf("commit %d draws %v", n, list)
		}
		for _, s := range list {
			seen[s.name] = true
		}
	}
	for _, s := range all {
		if seen[s.name] == s.byHand {
			t.Errorf("%s: drawn %v, by hand %v", s.name, seen[s.name], s.byHand)
		}
	}
}
