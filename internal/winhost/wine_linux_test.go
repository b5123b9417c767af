package winhost_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/rig/wine"
	"github.com/hotstick/hotstick/internal/statement"
)

// patience bounds each wait for the server.
const patience = 4 * time.Minute

// world is a machine under Wine and a server that it joins.
type world struct {
	*testing.T
	*wine.Machine
	house *house.House
	// booted are the machine's facts before anything was done.
	booted hotstick.Facts
}

// newWorld boots a machine. Its checks share it: one takes a minute to make.
func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Getenv("HOTSTICK_WINE") == "" {
		t.Skip("runs the Windows program under Wine; set HOTSTICK_WINE=1, or run make windows")
	}
	agent := filepath.Join(t.TempDir(), "hotstick-agent.exe")
	if err := os.WriteFile(agent, zipped(t)["hotstick-agent.exe"], 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := wine.Boot(t.Context(), wine.Options{Dir: t.TempDir(), Agent: agent, Say: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, Machine: m}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the service's log:\n%s", m.Log())
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// check runs one named check of the world. What comes after one that fails rests on it.
func (w *world) check(name string, f func(w *world)) {
	w.Helper()
	if !w.Run(name, func(t *testing.T) { f(&world{T: t, Machine: w.Machine, house: w.house, booted: w.booted}) }) {
		w.FailNow()
	}
}

// Run is the test's, not the machine's.
func (w *world) Run(name string, f func(*testing.T)) bool { return w.T.Run(name, f) }

// Log is the test's, too.
func (w *world) Log(args ...any) { w.T.Helper(); w.T.Log(args...) }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// agent runs the agent's program, which must end well.
func (w *world) agent(args ...string) string {
	w.Helper()
	said, err := w.Machine.Agent(w.Context(), args...)
	w.must(err)
	return said
}

// program runs a program of the machine, which must end well.
func (w *world) program(argv ...string) string {
	w.Helper()
	said, err := w.Machine.Run(w.Context(), argv...)
	w.must(err)
	return said
}

func (w *world) facts() hotstick.Facts {
	w.Helper()
	f, err := w.Machine.Facts(w.Context())
	w.must(err)
	return f
}

func (w *world) until(what string, cond func(context.Context) (bool, error)) {
	w.Helper()
	w.must(host.Until(w.Context(), patience, what, cond))
}

func newHouse(t *testing.T) *house.House {
	t.Helper()
	programs := t.TempDir()
	build := exec.Command("go", "build", "-o", programs, "./cmd/hotstick", "./cmd/hotstick-agent", "./cmd/hotstick-loader")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the programs: %v\n%s", err, out)
	}
	found, err := house.FindPrograms(programs)
	if err != nil {
		t.Fatal(err)
	}
	address, err := house.PickAddress("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &house.House{Dir: t.TempDir(), Listen: address, Programs: found, Ran: func(line string) { t.Log("$", line) }}
	if err := h.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.KillServer)
	if err := h.StartServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// publish signs a hotpatch for a build into the catalog.
func publish(t *testing.T, h *house.House, build hotstick.KernelBuild) hotstick.PatchRef {
	t.Helper()
	recipe := hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "windows", Build: build, Module: "kb5058497", Version: "26100.3981", Updates: []string{"KB5058497"}}
	data, err := recipe.Encode()
	if err != nil {
		t.Fatal(err)
	}
	patch := hotstick.Patch{Ref: hotstick.PatchRef{Name: "windows-2025-04", Level: 2}, Driver: "windows", Summary: "the hotpatch of May 2025",
		Reversibility: hotstick.ReversibleReboot, Replace: true,
		Artifacts: []hotstick.Artifact{{Build: build, Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Module: recipe.Module}}}
	publisher, err := statement.LoadSigner(h.Key(found.PublisherKey))
	if err != nil {
		t.Fatal(err)
	}
	root, err := h.Root()
	if err != nil {
		t.Fatal(err)
	}
	targets, err := h.Client.CatalogFile(t.Context(), "targets.json")
	if err != nil {
		t.Fatal(err)
	}
	next, err := catalog.Publish(catalog.Publication{Root: root, Targets: targets, Patch: patch, Now: time.Now(), Expires: found.End(time.Now(), found.TargetsLife),
		Read:  func(hotstick.Artifact) ([]byte, error) { return data, nil },
		Check: func(hotstick.Patch, hotstick.Artifact, []byte) error { return nil }}, publisher)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Client.UploadArtifact(t.Context(), patch.Artifacts[0].Digest, data); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Client.Publish(t.Context(), api.PublishRequest{Targets: next}); err != nil {
		t.Fatal(err)
	}
	return patch.Ref
}

func TestTheAgentUnderWine(t *testing.T) {
	w := newWorld(t)
	w.check("it reads a Windows Server 2025 that takes hotpatches", (*world).readsFacts)
	w.check("Windows Update is held and given back", (*world).holdsAndGivesBack)
	w.booted, w.house = w.facts(), newHouse(t)
	w.check("a directory that somebody else has made is refused", (*world).refusesForeignHome)
	w.check("it enrols with a real server", (*world).enrols)
	w.check("its service is installed, starts and reports the facts", (*world).reports)
	w.check("no plan is made while Windows Update schedules itself, and one is when it is on hold", (*world).isPlannedOnHold)
	w.check("it takes a grant and refuses what Wine lacks, with the reason", (*world).refusesAGrant)
	w.check("its service stops in order", (*world).stops)
	w.check("after a reboot it starts by itself and is the same host", (*world).staysItself)
	w.must(w.AddUpdateAgent(w.Context(), wine.May2025))
	w.check("an installation that fails says why", (*world).saysWhyItFails)
	w.check("a hotpatch is searched for, downloaded, installed and verified, over a stop in its middle", (*world).installs)
	w.check("it is uninstalled by hand", (*world).uninstallsAnUpdate)
	w.check("its service is uninstalled", (*world).uninstalls)
}

func (w *world) readsFacts() {
	if f := w.facts(); f.Kernel.Build.Release != "10.0.26100.3788" || f.Windows == nil || !f.Windows.Eligible || len(f.Drivers) != 1 || !f.Drivers[0].Available {
		w.Errorf("the facts are %+v, of Windows %+v", f, f.Windows)
	}
}

// refusesForeignHome: Wine tells owners and rights from those of the files below.
func (w *world) refusesForeignHome() {
	home := w.Data()
	w.must(os.RemoveAll(home))
	w.must(os.Mkdir(home, 0o777))
	w.must(os.Chmod(home, 0o777))
	w.must(os.WriteFile(filepath.Join(home, "agent.yaml"), []byte("server: https://thief.example\n"), 0o666))
	if said, err := w.Agent(w.Context(), "facts"); err == nil || !strings.Contains(said, "may change it") {
		w.Errorf("a directory that everybody may change: %v, %s", err, said)
	}
	if os.Getuid() == 0 {
		w.must(os.Chmod(home, 0o700))
		w.must(os.Chown(home, 4242, 4242))
		if said, err := w.Agent(w.Context(), "facts"); err == nil || !strings.Contains(said, "belongs to") {
			w.Errorf("a directory of somebody else: %v, %s", err, said)
		}
	}
	w.must(os.RemoveAll(home))
	w.facts()
	if info, err := os.Stat(home); err != nil || info.Mode().Perm()&0o007 != 0 {
		w.Errorf("the directory that it has made is %v, %v", info, err)
	}
}

func (w *world) enrols() {
	line, err := w.house.JoinLine(w.Context())
	w.must(err)
	w.must(w.Join(w.Context(), line, "https://"+w.house.Listen, "--hostname", "win-1", "--label", "site=lab"))
}

func (w *world) reports() {
	w.must(w.Install(w.Context()))
	w.must(w.Start(w.Context()))
	var seen api.HostDetail
	w.until("the host to check in with its facts", func(ctx context.Context) (bool, error) {
		detail, err := w.house.Client.Host(ctx, "win-1")
		seen = detail
		return err == nil && detail.Facts != nil, nil
	})
	f := seen.Facts
	if f.Kernel.Build != w.booted.Kernel.Build || f.Windows == nil || f.Windows.Level != "26100.3788" || f.Host.Distribution != "Windows Server 2025 Datacenter 24H2" || f.Labels["site"] != "lab" {
		w.Errorf("the server sees %+v, %+v, labels %v", f.Host, f.Windows, f.Labels)
	}
}

func (w *world) isPlannedOnHold() {
	ref := publish(w.T, w.house, w.booted.Kernel.Build)
	wishes := []string{"--policy", "testdata/hotpatches.yaml", "--probation", "5s", "--bake", "1s", "--budget", "fleet=1"}
	if r, err := w.house.Propose(w.Context(), "early", ref.String(), wishes...); err != nil || r.Code == 0 || !strings.Contains(r.Say(), "windows") {
		w.Errorf("beside a Windows Update that schedules itself: %v, %d, %s", err, r.Code, r.Say())
	}
	w.must(w.Stop(w.Context()))
	w.must(w.Hold(w.Context()))
	w.must(w.Start(w.Context())) // it would notice by itself, within two minutes
	w.until("the server to know of the hold", func(ctx context.Context) (bool, error) {
		detail, err := w.house.Client.Host(ctx, "win-1")
		return err == nil && detail.Facts != nil && detail.Facts.Drivers[0].Held, nil
	})
	w.must(w.house.Launch(w.Context(), "may", ref.String(), wishes...))
}

// ends waits until the machine's attempt of a rollout is in a state.
func (w *world) ends(rollout string, want hotstick.HostState) api.Cell {
	w.Helper()
	var cell api.Cell
	w.until(rollout+" to be "+string(want), func(ctx context.Context) (bool, error) {
		r, err := w.house.Client.RolloutHosts(ctx, rollout, client.CellQuery{})
		if err == nil && len(r.Hosts) == 1 {
			cell = r.Hosts[0]
		}
		if cell.State != want && cell.State.Terminal() {
			return false, fmt.Errorf("it is %s: %+v", cell.State, cell.Reason)
		}
		return cell.State == want, nil
	})
	return cell
}

// over waits for the end of a rollout. Nobody waits behind its only host, so that one's end is its own.
func (w *world) over(rollout string) (r api.Rollout) {
	w.Helper()
	w.until("the end of "+rollout, func(ctx context.Context) (bool, error) {
		var err error
		r, err = w.house.Client.Rollout(ctx, rollout)
		return err == nil && r.Status.Over(), err
	})
	return r
}

// launch starts another rollout once one is over.
func (w *world) launch(before, next string) {
	w.Helper()
	w.over(before)
	w.must(w.house.Launch(w.Context(), next, "windows-2025-04@2", "--policy", "testdata/hotpatches.yaml", "--probation", "5s", "--bake", "1s", "--budget", "fleet=1", "--transition", "2m"))
}

func (w *world) saysWhyItFails() {
	w.must(w.Misbehave(w.Context(), "InstallHResult", 0x80073712))
	w.must(w.Start(w.Context()))
	w.launch("may", "damaged")
	if r := w.ends("damaged", hotstick.Failed).Reason; r == nil || r.Code != hotstick.ReasonToolFailed || !strings.Contains(r.Detail, "component store is damaged (0x80073712)") || !strings.Contains(r.Detail, "last in its history: 2025-05 Hotpatch") {
		w.Errorf("the attempt ended with %+v", r)
	}
	w.must(w.Misbehave(w.Context(), "InstallHResult", 0))
}

func (w *world) installs() {
	w.must(w.Misbehave(w.Context(), "InstallMillis", 10_000))
	w.launch("damaged", "again")
	w.ends("again", hotstick.Applying)
	w.must(w.Stop(w.Context()))
	w.must(w.Start(w.Context()))
	w.ends("again", hotstick.Confirmed)
	asked, err := w.Asked(w.Context())
	w.must(err)
	if !strings.HasSuffix(asked, "install") || strings.Count(asked, "install") != 3 || strings.Count(asked, "download") != 1 {
		w.Errorf("the update agent was asked to %s", asked)
	}
	w.Logf("the update agent was asked to %s", asked)
	detail, err := w.house.Client.Host(w.Context(), "win-1")
	w.must(err)
	if len(detail.Patches) != 1 || detail.Patches[0].Module != "kb5058497" || detail.Patches[0].State != hotstick.InEffect || detail.Host.State != "applied" ||
		detail.Facts.Windows.Level != "26100.3981" || detail.Facts.Kernel.Build != w.booted.Kernel.Build {
		w.Errorf("the server shows %s, %+v, %+v", detail.Host.State, detail.Patches, detail.Facts.Windows)
	}
}

func (w *world) uninstallsAnUpdate() {
	if said := w.agent("uninstall-update", "KB5058497"); !strings.Contains(said, "in effect until the next boot") {
		w.Errorf("it says %s", said)
	}
	if _, err := os.Stat(w.Data("off")); err != nil {
		w.Errorf("Hotstick is not switched off: %v", err)
	}
	if said, err := w.Agent(w.Context(), "uninstall-update", "KB5058497"); err == nil || !strings.Contains(said, "0 installed updates") {
		w.Errorf("a second time: %v, %s", err, said)
	}
}

func (w *world) refusesAGrant() {
	cell := w.ends("may", hotstick.Failed)
	if cell.Reason == nil || cell.Reason.Code != hotstick.ReasonUnsupported || !strings.Contains(cell.Reason.Detail, "Windows Update") {
		w.Errorf("the attempt ended with %+v", cell.Reason)
	} else {
		w.Logf("the server shows: %s: %s (%s)", cell.State, cell.Reason.Code, cell.Reason.Detail)
	}
	if r := w.over("may"); len(r.Lanes) != 1 || r.Lanes[0].States[hotstick.Failed] != 1 {
		w.Errorf("the plan is %s with the lanes %+v", r.Status, r.Lanes)
	}
	if detail, err := w.house.Client.Host(w.Context(), "win-1"); err != nil || len(detail.Patches) != 0 || detail.Facts.Windows.Level != "26100.3788" {
		w.Errorf("afterwards: %+v, %v", detail.Patches, err)
	}
}

func (w *world) stops() {
	w.must(w.Stop(w.Context()))
	led, err := os.ReadFile(w.Data("loader", "ledger.json"))
	if err != nil || !strings.Contains(string(led), `"clean":true`) && !strings.Contains(string(led), `"clean": true`) {
		w.Errorf("the ledger has no mark of a clean stop (%v)", err)
	}
}

func (w *world) staysItself() {
	before, err := w.house.Client.Host(w.Context(), "win-1")
	w.must(err)
	w.bootsItself()
	w.until("the host to check in again", func(ctx context.Context) (bool, error) {
		after, err := w.house.Client.Host(ctx, "win-1")
		return err == nil && after.Host.LastSeen.After(before.Host.LastSeen), nil
	})
	hosts, err := w.house.Client.Hosts(w.Context(), client.HostQuery{})
	w.must(err)
	if len(hosts.Hosts) != 1 || hosts.Hosts[0].ID != before.Host.ID || hosts.Hosts[0].Boots <= before.Host.Boots {
		w.Errorf("the server knew %+v and now %+v", before.Host, hosts.Hosts)
	}
}

// bootsItself reboots the machine until its service has started by itself: Wine gives up
// one that is slow to start.
func (w *world) bootsItself() {
	w.Helper()
	for range 3 {
		w.must(w.Reboot(w.Context()))
		if w.Runs(w.Context()) == nil {
			return
		}
	}
	w.Fatal("the service has not started by itself in any of three boots")
}

func (w *world) uninstalls() {
	w.must(w.Start(w.Context()))
	w.must(w.Uninstall(w.Context()))
	if state := w.State(w.Context()); state != "" {
		w.Errorf("the service is %s", state)
	}
}

func (w *world) holdsAndGivesBack() {
	const policy = `HKLM\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU`
	w.program("reg", "add", policy, "/v", "AUOptions", "/t", "REG_DWORD", "/d", "4", "/f")
	w.program("reg", "add", policy, "/v", "NoAutoUpdate", "/t", "REG_DWORD", "/d", "0", "/f")
	for range 2 { // a second hold must not take the first for what was there before
		w.agent("hold-updates")
		if f := w.facts(); !f.Drivers[0].Held {
			w.Errorf("on hold, the facts are %+v", f.Drivers)
		}
	}
	w.program("reg", "add", policy, "/v", "NoAutoUpdate", "/t", "REG_DWORD", "/d", "0", "/f")
	if f := w.facts(); f.Drivers[0].Held {
		w.Error("a hold that somebody lifted is not noticed")
	}
	w.agent("hold-updates")
	w.agent("release-updates")
	out := w.program("reg", "query", policy)
	if !strings.Contains(out, "0x4") || !strings.Contains(out, "0x0") || strings.Contains(out, "0x1") {
		w.Errorf("given back, the policy is %s", out)
	}
	w.program("reg", "delete", policy, "/f")
	w.agent("hold-updates")
	w.agent("release-updates")
	if out, err := w.Machine.Run(w.Context(), "reg", "query", policy); err == nil && strings.Contains(out, "NoAutoUpdate") {
		w.Errorf("where no policy was set one is left: %s", out)
	}
}
