package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/turn"
)

// takeTurns are tests of which one runs at each commit where time is short. The others in
// this package run at every one.
func takeTurns() []string { return []string{"mixes", "stolen", "secureboot"} }

// takeTurnsOnDebian are the two that boot a whole Debian.
func takeTurnsOnDebian() []string { return []string{"packages", "units"} }

// TestARolloutGoesThroughTheVersionBeforeBesideThisOne rolls a patch out and back again on
// real kernels, by programs of this version and of the one before: to each host of a mix
// from a server of either version.
func TestARolloutGoesThroughTheVersionBeforeBesideThisOne(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") == "" {
		t.Skip("boots real kernels: run make test-guests, or set HOTSTICK_GUESTS=1 after make build")
	}
	turn.Take(t, "mixes", takeTurns()...)
	before := previous(t)
	versions := map[string]string{"old": filepath.Join(before, "bin"), "new": filepath.Join("..", "..", "bin")}
	patches := map[string]string{"old": filepath.Join(before, "patches"), "new": filepath.Join("..", "..", "patches")}
	for _, mix := range []struct {
		server string
		// hosts are the versions of agent and loader of each.
		hosts [][2]string
	}{
		{"new", [][2]string{{"old", "old"}, {"old", "new"}, {"new", "old"}}},
		{"old", [][2]string{{"new", "new"}}},
	} {
		t.Run(mix.server+" server", func(t *testing.T) {
			h := newMixed(t, versions[mix.server], patches[mix.server])
			for _, v := range mix.hosts {
				t.Run(fmt.Sprintf("%s agent, %s loader", v[0], v[1]), func(t *testing.T) {
					h.rollsOut(t, v[0]+"-"+v[1], versions[v[0]], versions[v[1]])
				})
			}
		})
	}
}

// mixed is a server whose hosts are of several versions.
type mixed struct {
	*demo
	busybox string
	course  *bytes.Buffer
}

func newMixed(t *testing.T, programs, patches string) *mixed {
	t.Helper()
	ctx := t.Context()
	h := &mixed{course: &bytes.Buffer{}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%v\n%s", err, h.course)
		}
	}
	var err error
	h.demo, _, err = prepare(house.Options{Dir: t.TempDir(), Programs: programs, Patches: patches, Listen: "127.0.0.1:0", Out: h.course})
	must(err)
	t.Cleanup(h.close)
	must(h.stepInitialise(ctx))
	k, err := kernelpkg.Fetch(ctx, h.cache, kernelpkg.Want{Line: "6.1", Which: kernelpkg.Oldest}, h.rec.Progress)
	must(err)
	h.kernels = []kernelpkg.Kernel{k}
	l := &level{number: goodLevel, folder: filepath.Join(h.patches, fmt.Sprintf("%s-%d", patchName, goodLevel)), module: fmt.Sprintf("hotstick_unix_ioctl_%d", goodLevel)}
	ko, err := k.BuildModule(ctx, l.folder, filepath.Join(h.Dir, "build"))
	must(err)
	l.artifacts = map[string]string{k.Release: ko}
	h.levels[goodLevel] = l
	must(h.buildPrograms(ctx))
	h.busybox, err = kernelpkg.Busybox(ctx, h.cache, h.rec.Progress)
	must(err)
	must(h.publish(ctx, l))
	return h
}

// rollsOut boots a host with an agent and a loader, lets it take the patch by a rollout, and
// sends it back.
func (h *mixed) rollsOut(t *testing.T, name, agent, loader string) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	m := &machine{name: name, kernel: h.kernels[0]}
	of := *h.House
	of.Programs = house.Programs{CLI: of.Programs.CLI, Agent: filepath.Join(agent, "hotstick-agent"), Loader: filepath.Join(loader, "hotstick-loader")}
	on := *h.demo
	on.House, on.guests = &of, []*machine{m}
	must := func(err error) {
		t.Helper()
		if err == nil {
			return
		}
		console := ""
		if m.Guest != nil {
			console, _ = m.ConsoleLog()
		}
		t.Fatalf("%v\n%s\nthe guest's console ends with\n%s", err, h.course, console[max(0, len(console)-3000):])
	}
	t.Cleanup(func() {
		if m.Guest != nil {
			m.Kill()
		}
	})
	must(on.bootPlain(ctx, m, h.busybox))
	must(on.enrol(ctx, m))
	must(host.Until(ctx, 2*time.Minute, "the host's facts", on.allHaveFacts))
	must(on.Launch(ctx, name, on.levels[goodLevel].ref(), append(wishes(bake), "--select", fmt.Sprintf("host.name == %q", name))...))
	r, err := on.follow(ctx, name, 2*time.Minute, over)
	must(err)
	if r.Status != hotstick.Completed || house.Cells(r)[name].State != hotstick.Confirmed {
		t.Errorf("the rollout is %s, the host is %s: %+v\n%s", r.Status, house.Cells(r)[name].State, house.Cells(r)[name].Reason, h.course)
	}
	closed, line, err := m.fault(ctx)
	must(err)
	if !closed || !m.enabled(ctx, on.levels[goodLevel]) {
		t.Errorf("the hole is not closed: %s", line)
	}
	_, err = on.Must(ctx, "rollout", "revert", name, "--host", name, "--reason", "a test", "--yes")
	must(err)
	must(host.Until(ctx, 2*time.Minute, "the way back", func(ctx context.Context) (bool, error) {
		closed, _, err := m.fault(ctx)
		return !closed, err
	}))
	must(host.Until(ctx, time.Minute, "the server to know", func(ctx context.Context) (bool, error) {
		r, err := on.Client.Rollout(ctx, name)
		return err == nil && house.Cells(r)[name].State == hotstick.Reverted, nil
	}))
	t.Logf("%s: applied, confirmed and reverted", name)
}

// bootPlain boots a host whose configuration any version reads.
func (d *demo) bootPlain(ctx context.Context, m *machine, busybox string) error {
	files, err := d.guestFiles(m)
	if err != nil {
		return err
	}
	for i := range files {
		if files[i].Path == "/etc/hotstick/agent.yaml" {
			files[i].Data = fmt.Appendf(nil, "server: %s\nlabels:\n  role: demo\nprobes:\n- name: unix-sockets\n  command: [/demo/probe]\n  timeout_seconds: 5\n", d.GuestURL())
		}
	}
	services, err := d.guestServices()
	if err != nil {
		return err
	}
	m.Guest, err = guest.Start(ctx, guest.Config{Name: m.name, Dir: filepath.Join(d.Dir, m.name), Kernel: m.kernel, Busybox: busybox,
		Disk: filepath.Join(d.Dir, m.name, "disk.img"), Network: true, Files: files, Services: services})
	if err != nil {
		return err
	}
	m.bootID, err = m.WaitBoot(ctx)
	return err
}
