package demo

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// estate is a server with two hosts, as it stood before something bad happened: real
// processes on this machine, whose kernel nobody asks to change.
type estate struct {
	*testing.T
	dir      string
	programs string
	units    *units
	// address is where hosts and people find the server, thief where the thief's listens.
	address, thief string
	hosts          []string
}

// newEstate founds a server, with ada, grace and edsger, and joins two hosts.
func newEstate(t *testing.T) *estate {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs whole processes; run without -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("a loader runs as root")
	}
	e := foundEstate(t, built(t))
	e.hosts = []string{"web-1", "web-2"}
	for _, h := range e.hosts {
		e.join(h)
	}
	eventually(t, "both hosts to check in", func() bool { return len(e.seen(e.owner())) == len(e.hosts) })
	return e
}

// foundEstate founds a server of these programs, and starts it.
func foundEstate(t *testing.T, programs string) *estate {
	t.Helper()
	e := &estate{T: t, dir: t.TempDir(), programs: programs, address: freeAddress(t)}
	e.units = newUnits(t, e.path("units"))
	e.must(e.owner().run("hotstick init --data " + e.path("data") + " --keys " + e.path("keys") + " --listen " + e.address +
		" --person ada --person grace --person edsger"))
	e.units.add("hotstick-server", e.env(), e.program("hotstick"), "server", "--data", e.path("data"))
	e.units.start("hotstick-server")
	eventually(t, "the server to listen", func() bool {
		conn, err := net.Dial("tcp", e.address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return e
}

func (e *estate) path(names ...string) string {
	return filepath.Join(append([]string{e.dir}, names...)...)
}

func (e *estate) program(name string) string { return filepath.Join(e.programs, name) }

func (e *estate) env() []string {
	return []string{"PATH=" + e.programs + ":" + e.units.dir + ":" + os.Getenv("PATH"), "HOTSTICK_POLL_SECONDS=1"}
}

// owner is the machine of whoever founded the server, with its context.
func (e *estate) owner() place { return place{dir: e.path("owner"), env: e.env()} }

func (e *estate) must(out string, err error) string {
	e.Helper()
	if err != nil {
		e.Fatalf("%v\n%s", err, out)
	}
	return out
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// join makes a host of a loader and an agent.
func (e *estate) join(host string) {
	e.Helper()
	line := strings.TrimSpace(lastLine(e.must(e.owner().run("hotstick host add -q"))))
	words := strings.Fields(line)
	_, root, found := strings.Cut(line, "--root ")
	if !found || words[0] != "hotstick-agent" {
		e.Fatalf("the join line is %q", line)
	}
	state := e.path(host)
	config := filepath.Join(state, "agent.yaml")
	e.must("", os.MkdirAll(state, 0o755))
	e.must("", os.WriteFile(config, []byte("hostname: "+host+"\n"), 0o644))
	e.units.addWith(host+"-loader", filepath.Join(state, "loader.env"), e.loaderEnv(host), e.program("hotstick-loader"))
	e.units.add(host+"-agent", nil, e.agent(host, "https://"+e.address)...)
	// The owner's place remembers its own programs; a host joins with those of its version.
	e.must(e.owner().run(e.program(words[0]) + strings.TrimPrefix(line, words[0]) + " --once --state " + filepath.Join(state, "agent") + " --config " + config))
	e.must("", os.WriteFile(filepath.Join(state, "loader.env"), []byte("HOTSTICK_LOADER_ROOT="+root+"\n"), 0o644))
	e.units.start(host + "-loader")
	e.units.start(host + "-agent")
}

// loaderEnv is how a host's loader is told where its things are.
func (e *estate) loaderEnv(host string) []string {
	return []string{"HOTSTICK_LOADER_STATE=" + e.path(host, "loader"), "HOTSTICK_LOADER_AGENT=" + e.path(host, "agent"),
		"HOTSTICK_LOADER_SOCKET=" + e.path(host, "loader.sock"), "HOTSTICK_LOADER_AGENT_USER=0", "HOTSTICK_LOADER_AGENT_CONFIG=" + e.path(host, "agent.yaml")}
}

// agent is the command line of a host's agent, for a server at this address.
func (e *estate) agent(host, server string) []string {
	return []string{e.program("hotstick-agent"), "run", "--state", e.path(host, "agent"), "--socket", e.path(host, "loader.sock"),
		"--config", e.path(host, "agent.yaml"), "--server", server}
}

// seen is when each host was heard last, as the command line of a place says.
func (e *estate) seen(p place) map[string]string {
	e.Helper()
	out, err := p.run("hotstick host list -o json 2>/dev/null")
	if err != nil {
		return nil
	}
	var list struct {
		Hosts []struct {
			Name     string `json:"name"`
			LastSeen string `json:"last_seen"`
		} `json:"hosts"`
	}
	_, text, _ := strings.Cut(out, "{")
	if err := json.Unmarshal([]byte("{"+text), &list); err != nil {
		e.Fatalf("%v in %s", err, out)
	}
	heard := map[string]string{}
	for _, h := range list.Hosts {
		if h.LastSeen != "" {
			heard[h.Name] = h.LastSeen
		}
	}
	return heard
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// epoch is the highest that a host's loader has seen.
func (e *estate) epoch(host string) uint64 {
	e.Helper()
	data, err := os.ReadFile(e.path(host, "loader", "ledger.json"))
	e.must("", err)
	led, err := ledger.Decode(data)
	e.must("", err)
	return led.Epoch
}

// stolen is the estate after a thief took the whole data directory along and runs a
// server of it, at an address of his own.
func (e *estate) stolen() place {
	e.Helper()
	e.must(e.owner().run("hotstick server backup " + e.path("hotstick.tar") + " --data " + e.path("data")))
	e.units.stop("hotstick-server")
	e.must("", os.Rename(e.path("data"), e.path("stolen")))
	e.thief = freeAddress(e.T)
	e.units.add("thief", e.env(), e.program("hotstick"), "server", "--data", e.path("stolen"), "--listen", e.thief)
	e.units.start("thief")
	token, err := os.ReadFile(e.path("stolen", "admin.token"))
	e.must("", err)
	return place{dir: e.path("thief"), env: append(e.env(), "HOTSTICK_SERVER=https://"+e.thief,
		"HOTSTICK_CA="+e.path("stolen", "ca", "ca.pem"), "HOTSTICK_TOKEN="+string(token))}
}

// copyFile puts a file where a page expects it.
func (e *estate) copyFile(from, to string) {
	e.Helper()
	data, err := os.ReadFile(from)
	e.must("", err)
	e.must("", os.MkdirAll(filepath.Dir(to), 0o755))
	e.must("", os.WriteFile(to, data, 0o600))
}

// walk prepares the places of a page about the server.
func (e *estate) walk() *walk {
	clean, laptop := place{e.path("clean"), e.env()}, place{e.path("laptop"), e.env()}
	for _, p := range []place{clean, laptop} {
		e.copyFile(e.path("keys", "root.json"), filepath.Join(p.dir, "root.json"))
	}
	e.copyFile(e.path("keys", "root.pem"), filepath.Join(laptop.dir, "owner.pem"))
	e.must("", os.MkdirAll(e.path("stick"), 0o755))
	return &walk{T: e.T, places: map[string][]place{"the clean machine": {clean}, "the laptop": {laptop}},
		names: strings.NewReplacer("https://patch.example.com:8443", "https://"+e.address, "/var/backups", e.dir,
			"/var/lib/hotstick-server", e.path("clean", "server"), "/media/stick", e.path("stick"))}
}

// certificates returns the certificates of a file, without the lines about them.
func certificates(t *testing.T, path string) string {
	t.Helper()
	all := ""
	for block, rest := pem.Decode([]byte(mustRead(t, path))); block != nil; block, rest = pem.Decode(rest) {
		all += string(pem.EncodeToMemory(block))
	}
	if all == "" {
		t.Errorf("%s has no certificate", path)
	}
	return all
}

// TestThePageOnAStolenServer runs docs/how-to/server-was-stolen.md with real
// processes, while the stolen server goes on.
func TestThePageOnAStolenServer(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	thief := e.stolen()
	before := map[string]string{}
	for _, h := range e.hosts {
		before[h] = e.path("before", h)
		e.must(e.owner().run("mkdir -p " + e.path("before") + " && until cp -a " + e.path(h, "agent") + " " + before[h] + "; do rm -rf " + before[h] + "; done"))
	}
	e.units.add("hotstick-server", e.env(), e.program("hotstick"), "server", "--data", e.path("clean", "server"))
	w := e.walk()
	w.follow("server-was-stolen.md")
	for _, h := range e.hosts {
		if n := e.epoch(h); n != 2 {
			t.Errorf("the loader of %s is in epoch %d", h, n)
		}
		if got, want := certificates(t, e.path(h, "agent", "ca.pem")), certificates(t, e.path("clean", "server", "ca", "ca.pem")); got != want {
			t.Errorf("%s does not trust the clean server's authority alone", h)
		}
	}
	t.Run("what the thief took opens nothing", func(t *testing.T) {
		clean := place{thief.dir, append(thief.env, "HOTSTICK_SERVER=https://"+e.address, "HOTSTICK_CA="+e.path("clean", "server", "ca", "ca.pem"))}
		if out, err := clean.run("hotstick host list"); err == nil || !strings.Contains(out, "token") {
			t.Errorf("his token is good: %v\n%s", err, out)
		}
	})
	t.Run("a host that is sent to the thief stays away from him", func(t *testing.T) {
		heard := e.seen(thief)
		e.units.stop("web-1-agent")
		e.units.add("web-1-sent", nil, e.agent("web-1", "https://"+e.thief)...)
		e.units.start("web-1-sent")
		eventually(t, "the agent to try", func() bool {
			return strings.Count(e.units.log("web-1-sent"), "cannot trust the server") >= 2
		})
		e.units.stop("web-1-sent")
		if now := e.seen(thief); fmt.Sprint(now) != fmt.Sprint(heard) {
			t.Errorf("the thief heard hosts: %v, then %v", heard, now)
		}
	})
	t.Run("an agent that knows nothing of all this gets nothing past its loader", func(t *testing.T) {
		heard := e.seen(thief)["web-1"]
		e.units.add("web-1-old", nil, e.program("hotstick-agent"), "run", "--state", before["web-1"], "--socket", e.path("web-1", "loader.sock"),
			"--config", e.path("web-1", "agent.yaml"), "--server", "https://"+e.thief)
		e.units.start("web-1-old")
		eventually(t, "the thief to hear the host", func() bool { return e.seen(thief)["web-1"] != heard })
		e.units.stop("web-1-old")
		if n := e.epoch("web-1"); n != 2 {
			t.Errorf("the loader went back to epoch %d", n)
		}
	})
	t.Run("and is the clean server's again", func(t *testing.T) {
		clean := w.places["the clean machine"][0]
		heard := e.seen(clean)["web-1"]
		e.units.start("web-1-agent")
		eventually(t, "the clean server to hear the host", func() bool { return e.seen(clean)["web-1"] != heard })
		e.must(clean.run("hotstick audit verify"))
	})
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
