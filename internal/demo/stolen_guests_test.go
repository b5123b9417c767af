package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/turn"
)

// agentDir is the agent's directory in a guest.
const agentDir = guest.StateDir + "/agent"

// guests are two real kernels with a level in effect, before and after a theft.
type guests struct {
	*testing.T
	*demo
	ctx   context.Context
	units *units
	clean place
}

func (g *guests) must(out string, err error) string {
	g.Helper()
	if err != nil {
		g.Fatalf("%v\n%s", err, out)
	}
	return out
}

// onAll runs a command on every guest's serial line.
func (g *guests) onAll(command string) {
	g.Helper()
	for _, m := range g.guests {
		g.must(m.mustSerial(g.ctx, command))
	}
}

// TestAfterATheftACleanServerTakesTheSameGuestsBack runs
// docs/how-to/server-was-stolen.md with two real kernels. What is said of them comes
// over the serial line.
func TestAfterATheftACleanServerTakesTheSameGuestsBack(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") == "" {
		t.Skip("boots real kernels: run make test-guests, or set HOTSTICK_GUESTS=1")
	}
	turn.Take(t, "stolen", takeTurns()...)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	g := newGuests(ctx, t)
	good, next := g.levels[goodLevel], g.levels[againLevel]
	thief := g.stolen()
	g.followPage()
	g.mustRun("while it was stolen and after it came back", good)

	t.Run("the thief gets nothing from agents that are sent to him", func(t *testing.T) {
		g.sendTo("https://"+guest.HostAddress+":"+port(thief.listen), "cannot trust the server")
	})
	t.Run("nor from agents that know nothing of all this", func(t *testing.T) {
		g.onAll("mv " + agentDir + " " + agentDir + ".after && cp -a " + agentDir + ".before " + agentDir)
		g.sendTo("https://"+guest.HostAddress+":"+port(thief.listen), "the agent is ready")
		g.must(thief.run("hotstick rollout start before"))
		for _, m := range g.guests {
			eventually(t, "the loader of "+m.name+" to refuse the thief's documents", func() bool {
				_, code, err := m.serial(ctx, "grep -q '\"document refused\".*stale_epoch' "+guest.LogDir+"/loader.log")
				return err == nil && code == 0
			})
			if n := m.loads(next); n != 0 {
				t.Errorf("%s loaded what the thief wanted %d times", m.name, n)
			}
		}
		g.must(thief.run("hotstick stop --all --reason 'nobody shall be patched'"))
		g.onAll("rm -r " + agentDir + " && mv " + agentDir + ".after " + agentDir)
	})
	g.mustRun("after all that the thief tried", good)

	t.Run("the clean server rolls out a level to the same guests", func(t *testing.T) {
		g.sendTo(g.GuestURL(), "the agent is ready")
		g.must(g.clean.run(fmt.Sprintf("hotstick rollout plan %s --name after --select true --author %s --key %s --probation %s --bake %s --budget fleet=2 --yes",
			next.ref(), house.Author, g.Key(house.Author), probation, bake)))
		for _, p := range house.Approvers() {
			g.must(g.clean.run("hotstick rollout approve after --key " + g.Key(p) + " --yes"))
		}
		g.must(g.clean.run("hotstick rollout start after"))
		r, err := g.follow(ctx, "after", 2*time.Minute, over)
		if err != nil || r.Status != hotstick.Completed {
			t.Fatalf("the rollout is %s, %v", r.Status, err)
		}
		for _, m := range g.guests {
			if !m.enabled(ctx, next) {
				t.Errorf("%s: the kernel does not say that %s is in effect", m.name, next.ref())
			}
		}
	})
}

// newGuests boots two guests, and rolls a level out to them.
func newGuests(ctx context.Context, t *testing.T) *guests {
	t.Helper()
	programs := built(t)
	var course bytes.Buffer
	g := &guests{T: t, ctx: ctx}
	dir := t.TempDir()
	var err error
	if g.demo, _, err = prepare(house.Options{Dir: dir, Programs: programs, Patches: filepath.Join("..", "..", "patches"), Listen: "127.0.0.1:0", Out: &course}); err != nil {
		t.Fatal(err)
	}
	g.units = newUnits(t, filepath.Join(dir, "units"))
	t.Cleanup(func() {
		if t.Failed() {
			g.collect()
			for _, m := range g.guests {
				log, _ := os.ReadFile(filepath.Join(g.Dir, m.name, "host.log"))
				t.Logf("--- %s\n%s", m.name, log)
			}
			t.Logf("the course:\n%s", course.String())
		}
		g.close()
	})
	k, err := kernelpkg.Fetch(ctx, g.cache, kernelpkg.Want{Line: "6.1", Which: kernelpkg.Oldest}, g.rec.Progress)
	if err != nil {
		t.Fatal(err)
	}
	g.kernels = []kernelpkg.Kernel{k}
	for _, step := range []func(context.Context) error{g.buildLevels, g.buildPrograms, g.stepInitialise, g.stepBoot} {
		if err := step(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.launch(ctx, "good", g.levels[goodLevel], bake); err != nil {
		t.Fatal(err)
	}
	if r, err := g.demo.follow(ctx, "good", 2*time.Minute, over); err != nil || r.Status != hotstick.Completed {
		t.Fatalf("the first rollout is %s, %v", r.Status, err)
	}
	return g
}

// mustRun checks that the level was in effect in both guests all the time: it is now,
// and the kernel has said nothing else since.
func (g *guests) mustRun(when string, l *level) {
	g.Helper()
	for _, m := range g.guests {
		if !m.enabled(g.ctx, l) {
			g.Errorf("%s, %s: the kernel does not say that %s is in effect", when, m.name, l.ref())
		}
		if loads, back, boots := m.loads(l), m.count("unpatching transition"), m.count("Linux version"); loads != 1 || back != 0 || boots != 1 {
			g.Errorf("%s, %s: %d loads, %d ways back, %d boots", when, m.name, loads, back, boots)
		}
	}
}

// robber is where the thief runs the stolen server.
type robber struct {
	place
	listen string
}

// stolen has somebody take the server's data, with a plan that persons have signed and
// that has not begun.
func (g *guests) stolen() robber {
	g.Helper()
	next := g.levels[againLevel]
	for _, step := range []func() error{
		func() error { return g.publish(g.ctx, next) },
		func() error { _, err := g.Propose(g.ctx, "before", next.ref(), wishes(bake)...); return err },
		func() error {
			_, err := g.demo.Must(g.ctx, "rollout", "approve", "before", "--key", g.Key(house.Approvers()[0]), "--yes")
			return err
		},
		func() error {
			_, err := g.demo.Must(g.ctx, "rollout", "approve", "before", "--key", g.Key(house.Approvers()[1]), "--yes")
			return err
		},
		func() error {
			_, err := g.demo.Must(g.ctx, "server", "backup", filepath.Join(g.Dir, "hotstick.tar"), "--data", g.DataDir())
			return err
		},
	} {
		if err := step(); err != nil {
			g.Fatal(err)
		}
	}
	// The agent may be writing; a copy of a moment is tried until there is one.
	g.onAll("until cp -a " + agentDir + " " + agentDir + ".before; do rm -rf " + agentDir + ".before; sleep 1; done")
	g.KillServer()
	stolen := filepath.Join(g.Dir, "stolen")
	g.must("", os.Rename(g.DataDir(), stolen))
	r := robber{listen: freeAddress(g.T)}
	env := g.shell()
	g.units.add("thief", env, g.Programs.CLI, "server", "--data", stolen, "--listen", r.listen, "--url", "https://"+guest.HostAddress+":"+port(r.listen))
	g.units.start("thief")
	r.place = place{dir: filepath.Join(g.Dir, "thief"), env: append(env, "HOTSTICK_SERVER=https://"+r.listen,
		"HOTSTICK_CA="+filepath.Join(stolen, "ca", "ca.pem"), "HOTSTICK_TOKEN="+mustRead(g.T, filepath.Join(stolen, "admin.token")))}
	return r
}

func port(address string) string { return address[strings.LastIndex(address, ":")+1:] }

// shell is the environment of commands and servers.
func (g *guests) shell() []string {
	return []string{"PATH=" + filepath.Dir(g.Programs.CLI) + ":" + g.units.dir + ":" + os.Getenv("PATH"), "HOTSTICK_POLL_SECONDS=1"}
}

// followPage runs the page; the clean server listens where the stolen one did.
func (g *guests) followPage() {
	g.Helper()
	data := filepath.Join(g.Dir, "clean", "server")
	g.units.add("hotstick-server", g.shell(), g.Programs.CLI, "server", "--data", data)
	g.clean = place{filepath.Join(g.Dir, "clean"), g.shell()}
	laptop := place{filepath.Join(g.Dir, "laptop"), g.shell()}
	for _, p := range []place{g.clean, laptop} {
		g.must(p.run("cp " + filepath.Join(g.Dir, "keys", "root.json") + " . && cp " + g.Key("root") + " owner.pem"))
	}
	stick := filepath.Join(g.Dir, "stick")
	g.must("", os.MkdirAll(stick, 0o755))
	w := &walk{T: g.T, places: map[string][]place{"the clean machine": {g.clean}, "the laptop": {laptop}},
		names: strings.NewReplacer("https://patch.example.com:8443", "https://"+g.Listen, "/var/backups", g.Dir,
			"/var/lib/hotstick-server", data, "/media/stick", stick)}
	w.follow("server-was-stolen.md")
	var err error
	g.Client, err = client.New(client.Options{Server: "https://" + g.Listen, Token: mustRead(g.T, filepath.Join(data, "admin.token")),
		Authority: []byte(mustRead(g.T, filepath.Join(data, "ca", "ca.pem")))})
	g.must("", err)
}

// sendTo has every guest's agent speak to the server at an address, and waits until it
// has logged something.
func (g *guests) sendTo(address, said string) {
	g.Helper()
	g.onAll("sed -i 's#^server:.*#server: " + address + "#' /etc/hotstick/agent.yaml && : >" + guest.LogDir + "/agent.log && kill $(pidof hotstick-agent)")
	for _, m := range g.guests {
		eventually(g.T, "the agent of "+m.name+" to say "+said, func() bool {
			_, code, err := m.serial(g.ctx, "grep -q '"+said+"' "+guest.LogDir+"/agent.log")
			return err == nil && code == 0
		})
	}
}
