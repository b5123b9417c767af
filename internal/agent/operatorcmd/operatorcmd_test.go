package operatorcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/loader/journal"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

var now = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// desk is a host at which a person sits, with a loader that answers on a real socket.
type desk struct {
	t *testing.T
	// state is what the loader shows, and adoption what it has adopted.
	state    operate.HostState
	adoption *ledger.Adoption
	refusal  *hotstick.Reason
	// root is the host's disk, and did what the loader and systemd were asked for.
	root fstest.MapFS
	did  []string
	// failing makes systemctl fail for a verb.
	failing string
	// scheduler is the system that schedules itself, reading how often it is asked before it
	// has been read how, and looks how often the loader was looked at.
	scheduler      string
	reading, looks int
	socket         string
	dir            string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the loader hears root only")
	}
	d := &desk{t: t, dir: t.TempDir(), root: fstest.MapFS{
		"proc/sys/kernel/random/boot_id":           {Data: []byte("11111111-2222-3333-4444-555555555555\n")},
		"proc/modules":                             {Data: []byte("fix_1 16384 1 - Live 0x0000000000000000 (OEK)\n")},
		"sys/kernel/livepatch/fix_1/enabled":       {Data: []byte("1\n")},
		"sys/kernel/livepatch/fix_1/transition":    {Data: []byte("0\n")},
		"sys/module/module/parameters/sig_enforce": {Data: []byte("N\n")},
		"proc/sys/kernel/modules_disabled":         {Data: []byte("0\n")},
	}}
	fix := hotstick.PatchRef{Name: "fix", Level: 1}
	d.state = operate.HostState{Version: "test", Permit: &ledger.Permit{Level: ledger.Level{Patch: fix, Module: "fix_1"}},
		Catalog: operate.CatalogState{Known: true, Version: 7, Expires: now.Add(30 * 24 * time.Hour)},
		Drivers: []hotstick.Capabilities{{Driver: "klp", Available: true}}}
	d.state.Link.InEffect, d.state.Link.Boot = fix, "11111111-2222-3333-4444-555555555555"
	d.socket = filepath.Join(d.dir, "operator.sock")
	listener, err := operate.Listen(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- operate.Serve(ctx, listener, d, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() { cancel(); <-ended })
	return d
}

// Operate implements operate.Loader.
func (d *desk) Operate(_ context.Context, _ operate.Caller, req operate.Request) operate.Answer {
	if req.Action != operate.State {
		d.did = append(d.did, strings.TrimSpace("loader "+string(req.Action)+" "+req.Reason))
	}
	if d.refusal != nil && req.Action != operate.State {
		return operate.Answer{Refused: d.refusal, Unknown: []string{"fix_1: \x1b[31mno"}}
	}
	switch req.Action {
	case operate.State:
		d.looks++
		if a := d.adoption; a != nil && a.Driver != "" && d.looks%3 == 0 && d.state.Schedule == nil {
			if a.Stage == ledger.Releasing {
				d.adoption = nil
			} else {
				a.Stage, a.Lifted = ledger.Taken, nil
			}
		}
		d.state.Adopted = d.adoption
		return operate.Answer{State: &d.state}
	case operate.Journal:
		return operate.Answer{Entries: []journal.Entry{{At: now, Kind: journal.KindHold, By: "alice", Text: "night\x1b shift"}}}
	case operate.Revert:
		d.state.Permit, d.state.Link.InEffect = nil, hotstick.PatchRef{}
		delete(d.root, "sys/kernel/livepatch/fix_1/enabled")
	case operate.Adopt:
		if d.reading > 0 {
			d.reading--
			return operate.Answer{Waiting: "it is being read"}
		}
		if d.adoption == nil && d.scheduler != "" {
			d.adoption = &ledger.Adoption{System: d.scheduler, Driver: d.scheduler, By: "alice", At: now, Stage: ledger.Taking}
		}
		if d.adoption == nil {
			d.adoption = &ledger.Adoption{System: "kpatch", Unit: req.Unit.Name, UnitEnabled: req.Unit.Enabled, UnitActive: req.Unit.Active, Stage: ledger.Taking}
		}
	case operate.Adopted:
		d.adoption.Stage = ledger.Taken
	case operate.Release:
		if req.Forget {
			was := d.adoption
			d.adoption = nil
			return operate.Answer{Done: "forgotten", Adoption: was}
		}
		d.adoption.Stage = ledger.Releasing
	}
	return operate.Answer{Done: "done", Adoption: d.adoption}
}

// types runs a command and returns its exit code and what it printed.
func (d *desk) types(stdin string, args ...string) (int, string, string) {
	d.t.Helper()
	var out, err bytes.Buffer
	s := &session{in: strings.NewReader(stdin), out: &out, err: &err, root: d.root, wait: 30 * time.Second, now: func() time.Time { return now },
		systemctl: func(_ context.Context, args ...string) (string, error) {
			if d.failing == args[0] {
				return "Access denied", errors.New("exit status 4")
			}
			switch args[0] {
			case "is-enabled":
				return "enabled", nil
			case "is-active":
				return "active", nil
			}
			d.did = append(d.did, "systemctl "+strings.Join(args, " "))
			return "", nil
		}}
	full := append([]string{args[0], "--operator-socket", d.socket, "--state", d.dir}, args[1:]...)
	if args[0] == "completion" {
		full = args
	}
	code := s.main(full)
	return code, out.String(), err.String()
}

func TestStatusShowsKernelAndLoaderAndWhetherTheyAgree(t *testing.T) {
	d := newDesk(t)
	code, out, _ := d.types("", "status")
	if code != 0 || !strings.Contains(out, "fix_1 in_effect") || !strings.Contains(out, "fix@1 in effect") || !strings.Contains(out, "expires in 720h") {
		t.Errorf("status ended with %d and says\n%s", code, out)
	}
	d.root["sys/kernel/livepatch/fix_1/enabled"] = &fstest.MapFile{Data: []byte("0\n")}
	code, out, _ = d.types("", "status", "-o", "json")
	var v hostView
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != exitFailed || v.Agree || len(v.Notes) != 1 {
		t.Errorf("of a level that somebody has disabled status says %d %v %+v", code, err, v)
	}
}

func TestStatusWithoutALoaderStillShowsTheKernel(t *testing.T) {
	d := newDesk(t)
	d.socket = filepath.Join(d.dir, "none.sock")
	for _, format := range []string{"", "json"} {
		code, out, _ := d.types("", "status", "-o", format)
		if code != exitUnreachable || !strings.Contains(out, "fix_1") {
			t.Errorf("status ended with %d and says\n%s", code, out)
		}
	}
}

func TestDoctorNamesWhatIsWrongAndWhatToDo(t *testing.T) {
	d := newDesk(t)
	d.state.Link.Hold = &hotstick.HostHold{By: "alice", Reason: "night shift", Since: now}
	d.state.Link.Stall = &hotstick.Stall{Module: "fix_1", State: hotstick.TransitionIn, ForMillis: 90_000, Tasks: 1,
		Blockers: []hotstick.Blocker{{PID: 7, TID: 7, Command: "nfsd", Cause: hotstick.BlockInside}}}
	d.state.Masters = []hotstick.Master{{System: "kpatch", Unit: "kpatch.service", Active: true}}
	d.state.Catalog.Expires = now.Add(-time.Hour)
	code, out, _ := d.types("", "doctor")
	for _, want := range []string{"WARN  hold", "held by alice", "FAIL  transition", "nfsd (7, -): It sleeps inside a function", "WARN  live-patch system", "hotstick-agent adopt", "FAIL  catalog", "OK    live patching"} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, out)
		}
	}
	if code != exitFailed {
		t.Errorf("doctor ended with %d", code)
	}
	var report struct {
		Verdict verdict
		Checks  []check
	}
	_, out, _ = d.types("", "doctor", "-o", "json")
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Verdict != fail || len(report.Checks) < 15 {
		t.Errorf("for programs it says %v %+v", err, report)
	}
}

func TestARevertAsksAndWaits(t *testing.T) {
	d := newDesk(t)
	for _, answer := range []string{"", "n\n", "no\n", "maybe\n"} {
		if code, _, _ := d.types(answer, "revert"); code != exitFailed || d.did != nil {
			t.Errorf("after the answer %q it ended with %d and did %q", answer, code, d.did)
		}
	}
	code, out, _ := d.types("y\n", "revert", "--reason", "it is slow")
	if code != 0 || !strings.Contains(out, "the kernel as it booted") || len(d.did) != 1 || d.did[0] != "loader revert it is slow" {
		t.Errorf("it ended with %d, did %q and says %s", code, d.did, out)
	}
}

func TestAnAdoptionAsksTheLoaderBeforeItTouchesTheUnit(t *testing.T) {
	d := newDesk(t)
	d.state.Masters = []hotstick.Master{{System: "kernelcare"}, {System: "kpatch", Unit: "kpatch.service", Active: true, Modules: []string{"fix_1"}}}
	d.failing = "disable"
	if code, _, said := d.types("", "adopt", "--yes"); code != exitFailed || !strings.Contains(said, "repeat") || d.adoption.Stage != ledger.Taking {
		t.Fatalf("where systemd refuses it ended with %d (%s)", code, said)
	}
	d.failing = ""
	if code, _, said := d.types("", "adopt", "--yes"); code != 0 {
		t.Fatalf("repeated it ended with %d (%s)", code, said)
	}
	if code, _, said := d.types("", "release", "--yes"); code != 0 {
		t.Fatalf("the release ended with %d (%s)", code, said)
	}
	want := "loader adopt, loader adopt, systemctl disable kpatch.service, loader adopted, loader release, systemctl enable kpatch.service, systemctl start kpatch.service, loader released"
	if got := strings.Join(d.did, ", "); got != want {
		t.Errorf("it did\n%s, want\n%s", got, want)
	}
}

// TestASystemThatSchedulesItselfIsLeftToTheLoader: this program touches no unit of it, waits,
// and says at last that it is on hold; release waits until it has its settings back.
func TestASystemThatSchedulesItselfIsLeftToTheLoader(t *testing.T) {
	d := newDesk(t)
	d.state.Masters = []hotstick.Master{{System: "kernelcare", Unit: "kcare.service", Active: true}}
	d.scheduler, d.reading = "kernelcare", 2
	if code, out, said := d.types("", "adopt", "--yes"); code != 0 || d.adoption.Stage != ledger.Taken || !strings.Contains(out, "done") {
		t.Fatalf("it ended with %d: %s%s", code, out, said)
	}
	if _, out, _ := d.types("", "status"); !strings.Contains(out, "from kernelcare by alice since ") || !strings.Contains(out, "on hold") {
		t.Errorf("status says\n%s", out)
	}
	d.adoption.Lifted = &hotstick.Lift{At: now, Detail: "kcare.conf says AUTO_UPDATE=\x1bTrue"}
	if code, out, _ := d.types("", "doctor"); code != exitFailed || !strings.Contains(out, "NOT on hold since") || !strings.Contains(out, "?True") {
		t.Errorf("of a lifted hold doctor says %d\n%s", code, out)
	}
	d.state.Schedule = &hotstick.Reason{Code: hotstick.ReasonToolFailed, Detail: "the disk is full"}
	d.adoption.Stage = ledger.Taking
	if code, _, said := d.types("", "adopt", "--yes"); code != exitRefused || !strings.Contains(said, "the disk is full") || !strings.Contains(said, "repeat hotstick-agent adopt") {
		t.Errorf("a hold that cannot be put on ended with %d: %s", code, said)
	}
	d.state.Schedule = nil
	code, out, said := d.types("", "release", "--yes", "-o", "json")
	var answer operate.Answer
	if err := json.Unmarshal([]byte(out), &answer); code != 0 || err != nil || d.adoption != nil || !strings.Contains(answer.Done, "as it did before") {
		t.Errorf("the release ended with %d (%v): %s%s", code, err, out, said)
	}
	if did := strings.Join(d.did, " "); strings.Contains(did, "systemctl") || strings.Contains(did, "loader adopted") || strings.Contains(did, "loader released") {
		t.Errorf("it did %s", did)
	}
}

// TestAReleaseThatCannotBeDoneSaysWhatToDo: nothing of what the system was is lost on the way.
func TestAReleaseThatCannotBeDoneSaysWhatToDo(t *testing.T) {
	d := newDesk(t)
	d.adoption = &ledger.Adoption{System: "kernelcare", Driver: "kernelcare", By: "alice", At: now, Stage: ledger.Taken, Settings: []byte(`{"AUTO_UPDATE":"True"}`)}
	d.state.Schedule = &hotstick.Reason{Code: hotstick.ReasonUnsupported, Detail: "cannot find the program: kcarectl"}
	code, _, said := d.types("", "release", "--yes")
	if code != exitRefused || !strings.Contains(said, "kcarectl") || !strings.Contains(said, "hotstick-agent release --forget") || d.adoption == nil {
		t.Fatalf("it ended with %d: %s", code, said)
	}
	if _, out, _ := d.types("", "doctor"); !strings.Contains(out, "release --forget") {
		t.Errorf("doctor says\n%s", out)
	}
	if code, _, _ := d.types("n\n", "release", "--forget"); code != exitFailed || d.adoption == nil {
		t.Errorf("without a yes it ended with %d", code)
	}
	code, out, said := d.types("", "release", "--forget", "--yes")
	if code != 0 || d.adoption != nil || !strings.Contains(out, `{"AUTO_UPDATE":"True"}`) {
		t.Errorf("it ended with %d: %s%s", code, out, said)
	}
	d.state.Forgotten = &ledger.Forgotten{Adoption: ledger.Adoption{System: "kernelcare", Settings: []byte("a\x1bb")}, By: "alice", At: now}
	if _, out, _ := d.types("", "status"); !strings.Contains(out, "kernelcare was not given its settings back, by alice") || strings.Contains(out, "\x1b") {
		t.Errorf("status says\n%s", out)
	}
	if code, _, _ := d.types("", "adopt", "--forget"); code != exitUsage {
		t.Errorf("adopt --forget ended with %d", code)
	}
}

func TestARefusedAdoptionTouchesNothingAndListsWhatIsUnknown(t *testing.T) {
	d := newDesk(t)
	d.refusal = &hotstick.Reason{Code: hotstick.ReasonForeignPatch}
	code, _, said := d.types("", "adopt", "--yes")
	if code != exitRefused || !strings.Contains(said, "fix_1: ") || strings.Contains(strings.Join(d.did, " "), "systemctl") {
		t.Errorf("it ended with %d, did %q and says %s", code, d.did, said)
	}
}

func TestOpaqueTextCannotSteerTheTerminal(t *testing.T) {
	d := newDesk(t)
	d.refusal = nil
	if _, out, _ := d.types("", "journal"); strings.Contains(out, "\x1b") || !strings.Contains(out, "night? shift") {
		t.Errorf("the journal prints %q", out)
	}
	d.refusal = &hotstick.Reason{Code: hotstick.ReasonForeignPatch}
	if _, _, said := d.types("", "hold"); strings.Contains(said, "\x1b") {
		t.Errorf("a refusal prints %q", said)
	}
}

func TestCompletionKnowsEveryCommand(t *testing.T) {
	d := newDesk(t)
	for _, shell := range []string{"bash", "zsh"} {
		code, out, _ := d.types("", "completion", shell)
		for _, c := range commands {
			if code != 0 || !strings.Contains(out, "      "+c.name+") words=") {
				t.Errorf("%s does not complete %s", shell, c.name)
			}
		}
	}
	_, fish, _ := d.types("", "completion", "fish")
	for _, c := range commands {
		if !strings.Contains(fish, "__fish_seen_subcommand_from "+c.name+"\" -s o -r\n") || !strings.Contains(fish, " "+c.name+" ") && !strings.Contains(fish, " "+c.name+"\"\n") {
			t.Errorf("fish does not complete %s", c.name)
		}
	}
	if code, _, said := d.types("", "completion", "tcsh"); code == 0 || !strings.Contains(said, "fish") {
		t.Errorf("tcsh ends with %d: %s", code, said)
	}
}

func TestTheContactIsShown(t *testing.T) {
	d := newDesk(t)
	home, err := agent.OpenHome(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := home.SaveContact(agent.Contact{Server: "https://h:7443", Tried: now, Answered: now.Add(-time.Minute), Failures: 3, Error: "no route"}); err != nil {
		t.Fatal(err)
	}
	if _, out, _ := d.types("", "status"); !strings.Contains(out, "answered 1m0s ago") || !strings.Contains(out, "3 check-ins failed since: no route") {
		t.Errorf("status says\n%s", out)
	}
}

func TestAnAgentThatPutsAPipeInItsDirectoryDoesNotStopThePersonWhoLooks(t *testing.T) {
	for _, name := range []string{"contact.json", "tls.pem", "identity.pub"} {
		d := newDesk(t)
		if err := syscall.Mkfifo(filepath.Join(d.dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
		done := make(chan string, 1)
		go func() {
			_, out, _ := d.types("", "doctor")
			done <- out
		}()
		select {
		case out := <-done:
			if name == "tls.pem" && !strings.Contains(out, "not a regular file") {
				t.Errorf("doctor said %s", out)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("doctor waits for %s", name)
		}
	}
}
