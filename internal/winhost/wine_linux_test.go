package winhost_test

import (
	"context"
	"encoding/json"
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
	"github.com/hotstick/hotstick/internal/statement"
)

// patience bounds each wait. Wine is slow to start.
const patience = 2 * time.Minute

// wine is a Windows, as far as Wine is one, with a registry that says that it is a Windows
// Server 2025 which takes hotpatches.
type wine struct {
	*testing.T
	program string // wine64
	dir     string
	env     []string
}

func newWine(t *testing.T) *wine {
	t.Helper()
	if os.Getenv("HOTSTICK_WINE") == "" {
		t.Skip("runs the Windows program under Wine; set HOTSTICK_WINE=1, or run make windows")
	}
	program, err := exec.LookPath("wine64")
	if err != nil {
		program = "/usr/lib/wine/wine64" // where Debian has it
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("cannot find wine64 (%v): run make setup-wine", err)
	}
	w := &wine{T: t, program: program, dir: t.TempDir()}
	w.env = append(os.Environ(), "WINEPREFIX="+w.dir, "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree,mshtml=", "DISPLAY=")
	t.Cleanup(w.end)
	w.must("wineboot", "-i")
	shim := w.path("windows", "system32", "bcryptprimitives.dll")
	w.build(exec.Command("x86_64-w64-mingw32-gcc", "-shared", "-O2", "-o", shim, "testdata/bcryptprimitives.c", "-ladvapi32"))
	build := exec.Command("go", "build", "-o", w.path("hotstick-agent.exe"), "./cmd/hotstick-agent")
	build.Dir, build.Env = "../..", append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	w.build(build)
	w.fakeServer2025()
	return w
}

// fakeServer2025 tells the registry what a recorded machine's says.
func (w *wine) fakeServer2025() {
	w.Helper()
	recorded, err := os.ReadFile("../kernel/nt/testdata/server-2025.reg")
	if err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(w.path("machine.reg"), recorded, 0o600); err != nil {
		w.Fatal(err)
	}
	w.must("regedit", "/S", `C:\machine.reg`)
}

func (w *wine) path(names ...string) string {
	return filepath.Join(append([]string{w.dir, "drive_c"}, names...)...)
}

func (w *wine) build(cmd *exec.Cmd) {
	w.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("cannot build: %v\n%s", err, out)
	}
}

// run runs a program of Windows.
func (w *wine) run(argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.program, argv...)
	cmd.Env, cmd.WaitDelay = w.env, time.Second
	// A file and no pipe: services that it starts keep what it writes to.
	out, err := os.CreateTemp(w.dir, "out")
	if err != nil {
		return "", err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	ran := cmd.Run()
	text, err := os.ReadFile(out.Name())
	if err != nil {
		return "", err
	}
	return string(text), ran
}

func (w *wine) must(argv ...string) string {
	w.Helper()
	out, err := w.run(argv...)
	if err != nil {
		w.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return out
}

// end stops everything of this Wine, as a power cut would.
func (w *wine) end() {
	if w.Failed() {
		log, _ := os.ReadFile(w.path("ProgramData", "Hotstick", "agent.log"))
		w.Logf("the service's log:\n%s", log)
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(w.program), "wineserver"), "-k", "-w")
	if _, err := os.Stat(cmd.Path); err != nil {
		cmd = exec.Command("/usr/lib/wine/wineserver", "-k", "-w")
	}
	cmd.Env = w.env
	_ = cmd.Run() // it may have ended by itself
}

// facts are what the program prints of its machine.
func (w *wine) facts() hotstick.Facts {
	w.Helper()
	var f hotstick.Facts
	if out := w.must(`C:\hotstick-agent.exe`, "facts"); json.Unmarshal([]byte(out), &f) != nil {
		w.Fatalf("cannot read the facts in %s", out)
	}
	return f
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

func until(t *testing.T, what string, cond func(context.Context) (bool, error)) {
	t.Helper()
	if err := host.Until(t.Context(), patience, what, cond); err != nil {
		t.Fatal(err)
	}
}

func TestTheServiceUnderWineReportsAndRefusesAGrantCleanly(t *testing.T) {
	w := newWine(t)
	before := w.facts()
	if f := before; f.Kernel.Build.Release != "10.0.26100.3788" || f.Windows == nil || !f.Windows.Eligible || len(f.Drivers) != 1 || !f.Drivers[0].Available {
		t.Fatalf("the facts are %+v", f)
	}
	h := newHouse(t)
	line, err := h.JoinLine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(line)
	for i := range words {
		if words[i] == h.GuestURL() {
			words[i] = "https://" + h.Listen
		}
	}
	w.must(append([]string{`C:\hotstick-agent.exe`}, append(words[1:], "--once", "--hostname", "win-1", "--label", "site=lab")...)...)
	if err := os.WriteFile(w.path("ProgramData", "Hotstick", "agent.yaml"), []byte("server: https://"+h.Listen+"\nhostname: win-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must("sc", "create", "hotstick-agent", "binPath=", `C:\hotstick-agent.exe service`, "start=", "demand")
	w.must("sc", "start", "hotstick-agent")

	var seen api.HostDetail
	until(t, "the host to check in with its facts", func(ctx context.Context) (bool, error) {
		detail, err := h.Client.Host(ctx, "win-1")
		seen = detail
		return err == nil && detail.Facts != nil, nil
	})
	// The volatile key is as old as this Wine: the boot is another one only if Wine ended meanwhile.
	f := seen.Facts
	if f.Kernel.Build != before.Kernel.Build || f.Windows == nil || f.Windows.Level != "26100.3788" || f.Host.Distribution != "Windows Server 2025 Datacenter 24H2" || f.Labels["site"] != "lab" {
		t.Errorf("the server sees %+v, %+v, labels %v", f.Host, f.Windows, f.Labels)
	}

	ref := publish(t, h, f.Kernel.Build)
	if err := h.Launch(t.Context(), "may", ref.String(), "--probation", "5s", "--bake", "1s", "--budget", "fleet=1"); err != nil {
		t.Fatal(err)
	}
	var cell api.Cell
	until(t, "the attempt to end", func(ctx context.Context) (bool, error) {
		r, err := h.Client.RolloutHosts(ctx, "may", client.CellQuery{})
		if err == nil && len(r.Hosts) == 1 {
			cell = r.Hosts[0]
		}
		return cell.State == hotstick.Failed, err
	})
	if cell.Reason == nil || cell.Reason.Code != hotstick.ReasonUnsupported || !strings.Contains(cell.Reason.Detail, "Windows Update") {
		t.Errorf("the attempt ended with %+v", cell.Reason)
	} else {
		t.Logf("the server shows: %s: %s (%s)", cell.State, cell.Reason.Code, cell.Reason.Detail)
	}
	if detail, err := h.Client.Host(t.Context(), "win-1"); err != nil || len(detail.Patches) != 0 || detail.Facts.Windows.Level != "26100.3788" {
		t.Errorf("afterwards: %+v, %v", detail.Patches, err)
	}
	w.must("sc", "stop", "hotstick-agent")
	until(t, "the service to stop", func(context.Context) (bool, error) {
		return strings.Contains(w.must("sc", "query", "hotstick-agent"), "STOPPED"), nil
	})
	led, err := os.ReadFile(w.path("ProgramData", "Hotstick", "loader", "ledger.json"))
	if err != nil || !strings.Contains(string(led), `"clean":true`) && !strings.Contains(string(led), `"clean": true`) {
		t.Errorf("the ledger has no mark of a clean stop (%v)", err)
	}
}

func TestWindowsUpdateIsHeldAndGivenBackUnderWine(t *testing.T) {
	w := newWine(t)
	const policy = `HKLM\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU`
	w.must("reg", "add", policy, "/v", "AUOptions", "/t", "REG_DWORD", "/d", "4", "/f")
	w.must("reg", "add", policy, "/v", "NoAutoUpdate", "/t", "REG_DWORD", "/d", "0", "/f")
	for range 2 { // a second hold must not take the first for what was there before
		w.must(`C:\hotstick-agent.exe`, "hold-updates")
		if f := w.facts(); !f.Drivers[0].Held {
			t.Errorf("on hold, the facts are %+v", f.Drivers)
		}
	}
	w.must("reg", "add", policy, "/v", "NoAutoUpdate", "/t", "REG_DWORD", "/d", "0", "/f")
	if f := w.facts(); f.Drivers[0].Held {
		t.Error("a hold that somebody lifted is not noticed")
	}
	w.must(`C:\hotstick-agent.exe`, "hold-updates")
	w.must(`C:\hotstick-agent.exe`, "release-updates")
	out := w.must("reg", "query", policy)
	if !strings.Contains(out, "0x4") || !strings.Contains(out, "0x0") || strings.Contains(out, "0x1") {
		t.Errorf("given back, the policy is %s", out)
	}
	w.must("reg", "delete", policy, "/f")
	w.must(`C:\hotstick-agent.exe`, "hold-updates")
	w.must(`C:\hotstick-agent.exe`, "release-updates")
	if out, _ := w.run("reg", "query", policy); strings.Contains(out, "NoAutoUpdate") {
		t.Errorf("where no policy was set one is left: %s", out)
	}
}
