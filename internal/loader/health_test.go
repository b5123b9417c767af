package loader

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

func TestWhatTheKernelSaysAgainstAPatch(t *testing.T) {
	const before = 1 << 12
	for _, c := range []struct {
		what   string
		faults []Fault
		taint  uint64
		want   hotstick.ReasonCode
	}{
		{"nothing", nil, before, ""},
		{"the bits that a live patch sets: O, E and K", nil, before | 1<<12 | 1<<13 | 1<<15, ""},
		{"W: a warning", nil, before | 1<<9, hotstick.ReasonTaint},
		{"D: an oops", nil, before | 1<<7, hotstick.ReasonTaint},
		{"F: a forced load", nil, before | 1<<1, hotstick.ReasonTaint},
		{"a fault and a bit", []Fault{{Kind: "oops", Text: "BUG: kernel NULL pointer\nmore"}}, before | 1<<7, hotstick.ReasonKernelLog},
	} {
		reason, evidence := kernelAlarm(ledger.Attempt{TaintBefore: before}, c.faults, c.taint)
		if got := code(reason); got != c.want || len(evidence) != len(c.faults) {
			t.Errorf("%s: %s with %d pieces of evidence, want %s", c.what, got, len(evidence), c.want)
		}
	}
	if reason, _ := kernelAlarm(ledger.Attempt{TaintBefore: 1 << 9}, nil, 1<<9); reason != nil {
		t.Errorf("an old bit is held against the patch: %+v", reason)
	}
}

func TestAFaultThatNamesThePatchSpeaksFirst(t *testing.T) {
	level := ledger.Level{Module: "hotstick_fix_1", Functions: []string{"vmlinux:unix_ioctl"}}
	other := Fault{Kind: "warning", Text: "WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2\n g+0x1/0x2\n"}
	ours := Fault{Kind: "oops", Text: "BUG: kernel NULL pointer dereference\nRIP: 0010:unix_ioctl+0x1/0x2\n"}
	module := Fault{Kind: "warning", Text: "WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2 [hotstick_fix_1]\n"}
	keeps := Fault{Kind: "module_refused", Text: "livepatch: patch 'hotstick_fix_1' failed for module 'nfs', refusing to load module 'nfs'\n"}
	foreign := Fault{Kind: "module_refused", Text: "livepatch: patch 'kpatch_7' failed for module 'nfs', refusing to load module 'nfs'\n"}
	for _, c := range []struct {
		what            string
		faults          []Fault
		subject, detail string
		evidence        int
	}{
		{"somebody else's", []Fault{other}, "warning", "WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2", 1},
		{"the function's", []Fault{other, ours}, "oops", "names vmlinux:unix_ioctl: BUG: kernel NULL pointer dereference", 2},
		{"the module's", []Fault{module}, "warning", "names hotstick_fix_1: WARNING: CPU: 0", 1},
		{"a module that the patch keeps out", []Fault{other, keeps}, "module_refused", "names hotstick_fix_1, which keeps nfs out: livepatch: patch", 2},
		{"a module that another patch keeps out", []Fault{foreign}, "", "", 0},
	} {
		reason, evidence := kernelAlarm(ledger.Attempt{Level: level}, c.faults, 0)
		if (reason == nil) != (c.subject == "") || len(evidence) != c.evidence ||
			reason != nil && (reason.Code != hotstick.ReasonKernelLog || reason.Subject != c.subject || !strings.HasPrefix(reason.Detail, c.detail)) {
			t.Errorf("%s: %+v with %d pieces of evidence", c.what, reason, len(evidence))
		}
	}
}

func TestTaintIsTold(t *testing.T) {
	reason, _ := kernelAlarm(ledger.Attempt{}, nil, 1<<7|1<<9|1<<12|1<<14|1<<40)
	if want := "D: the kernel died once (oops or BUG); W: the kernel warned; L: a processor locked up (soft lockup); bit 40"; reason == nil || reason.Detail != want {
		t.Errorf("%+v, want %q", reason, want)
	}
}

func TestHowLongTheAgentIsSilent(t *testing.T) {
	granted, permitted := ledger.Attempt{Plan: "p", LoadMillis: 10_000}, ledger.Attempt{LoadMillis: 10_000}
	const now = 30 * time.Second
	for _, c := range []struct {
		what    string
		attempt ledger.Attempt
		health  health
		want    time.Duration
	}{
		{"since its last call", granted, health{heard: 25 * time.Second}, 5 * time.Second},
		{"since the load, if it called before", granted, health{heard: time.Second}, 20 * time.Second},
		{"since this process started", granted, health{since: 28 * time.Second}, 2 * time.Second},
		{"not at all for a permit that it does not know of", permitted, health{}, 0},
		{"as ever for a permit that it knows of", permitted, health{told: true, heard: 20 * time.Second}, 10 * time.Second},
	} {
		if got := c.health.silence(c.attempt, now); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestWhichProbesSpeakAgainstAnAttempt(t *testing.T) {
	for _, c := range []struct {
		phase         hotstick.HostState
		reboots, over bool
		want          heed
	}{
		{hotstick.Applying, false, false, heedAll},
		{hotstick.Probation, false, false, heedAll},
		{hotstick.Probation, false, true, heedAll},
		{hotstick.Applying, true, false, heedNone},
		{hotstick.Probation, true, false, heedLapsed},
		{hotstick.Probation, true, true, heedAll},
	} {
		if got := heeded(c.phase, c.reboots, c.over); got != c.want {
			t.Errorf("%s, reboots %v, over %v: %s, want %s", c.phase, c.reboots, c.over, got, c.want)
		}
	}
	reading := func(probe string, healthy bool) []hotstick.Reading {
		return []hotstick.Reading{{Probe: probe, Healthy: healthy}}
	}
	var h health
	for _, r := range [][]hotstick.Reading{reading("lapsed", true), reading("lapsed", false), reading("starting", false), reading("well", true), reading("earlier", false)} {
		h.listen(r, time.Second)
	}
	a := ledger.Attempt{Green: []string{"earlier"}}
	for _, c := range []struct {
		which heed
		probe string
		want  bool
	}{
		{heedAll, "starting", true}, {heedAll, "lapsed", true},
		{heedLapsed, "starting", false}, {heedLapsed, "lapsed", true},
		{heedLapsed, "earlier", true}, // the loader was restarted since it was healthy
		{heedNone, "starting", false}, {heedNone, "lapsed", false},
	} {
		if got := h.counts(c.which, c.probe, a); got != c.want {
			t.Errorf("%s: %s counts: %v, want %v", c.which, c.probe, got, c.want)
		}
	}
	for which, want := range map[heed]string{heedAll: "earlier", heedLapsed: "earlier", heedNone: ""} {
		if got := h.unhealthy(which, a); (got == nil) != (want == "") || got != nil && got.Subject != want {
			t.Errorf("%s: %+v, want %q", which, got, want)
		}
	}
	if got := h.unhealthy(heedLapsed, ledger.Attempt{}); got == nil || got.Subject != "lapsed" {
		t.Errorf("after a boot: %+v", got)
	}
}

func TestAnAnswerSpeaksOfWhenItWasAsked(t *testing.T) {
	probation := ledger.Attempt{SinceMillis: 5000}
	for _, c := range []struct {
		what  string
		asked int64
		want  bool
	}{
		{"asked before the level was in effect, answered after", 4999, false},
		{"asked after", 5000, true},
		{"told by an agent that does not say when", 0, true},
		{"asked in the future, which is no time to believe", 9000, true},
	} {
		var h health
		h.listen([]hotstick.Reading{{Probe: "p", Healthy: true, AskedMillis: c.asked}}, 6*time.Second)
		if got := h.answered(probation); got != c.want {
			t.Errorf("%s: it counts as answered: %v, want %v", c.what, got, c.want)
		}
	}
}

func TestAnAgentThatInventsProbesIsBounded(t *testing.T) {
	var h health
	for i := range 10 * maxProbes {
		h.listen([]hotstick.Reading{{Probe: "p" + strconv.Itoa(i), Healthy: true}}, time.Second)
	}
	if len(h.probes) != maxProbes {
		t.Errorf("%d probes are remembered", len(h.probes))
	}
	h.listen([]hotstick.Reading{{Probe: "p1", Detail: strings.Repeat("x", 10_000)}}, 2*time.Second)
	if r := h.unhealthy(heedAll, ledger.Attempt{}); r == nil || r.Subject != "p1" || len(r.Detail) > 300 {
		t.Errorf("the reason is %+v", r)
	}
	if h.answered(ledger.Attempt{SinceMillis: 2001}) {
		t.Error("probes that are silent count as answered")
	}
}

func code(r *hotstick.Reason) hotstick.ReasonCode {
	if r == nil {
		return ""
	}
	return r.Code
}

func TestAReportsEvidenceIsBounded(t *testing.T) {
	long := strings.Repeat("é", hotstick.MaxEvidenceBytes)
	l := ledger.New("b")
	addReport(&l, moment{boot: "b"}, hotstick.Report{Evidence: []hotstick.Evidence{{Text: long}, {Text: long}, {Text: long}, {Text: "x"}}})
	total := 0
	for _, e := range l.Reports[0].Evidence {
		if len(e.Text) > hotstick.MaxEvidenceBytes {
			t.Errorf("a piece of %d bytes", len(e.Text))
		}
		total += len(e.Text)
	}
	if total > maxReportEvidence {
		t.Errorf("%d bytes of evidence in one report", total)
	}
}

func TestAFullListOfReportsFitsTheLedgerAndTheLink(t *testing.T) {
	l := ledger.New("b")
	text := strings.Repeat("\u0001", hotstick.MaxEvidenceBytes) // six bytes each in JSON
	for range 2 * hotstick.MaxReports {
		addReport(&l, moment{boot: "b"}, hotstick.Report{Patch: hotstick.PatchRef{Name: "fix", Level: 1}, State: hotstick.Armed,
			Evidence: []hotstick.Evidence{{Kind: "kernel_log", Text: text}, {Kind: "kernel_log", Text: text}, {Kind: "kernel_log", Text: text}}})
	}
	if len(l.Reports) != hotstick.MaxReports || l.Reports[len(l.Reports)-1].Seq != 2*hotstick.MaxReports {
		t.Errorf("%d reports, the last is %d", len(l.Reports), l.Reports[len(l.Reports)-1].Seq)
	}
	if _, err := ledger.Encode(l); err != nil {
		t.Error(err)
	}
}
