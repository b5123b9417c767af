package demo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestThePageOnALostRootKey runs docs/how-to/root-key-was-lost.md with real processes:
// first one of three owners loses a key, then the others do as well.
func TestThePageOnALostRootKey(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	laptop, desk := place{e.path("laptop"), e.env()}, e.owner()
	e.copyFile(e.path("keys", "root.json"), filepath.Join(laptop.dir, "root.json"))
	e.copyFile(e.path("keys", "root.pem"), filepath.Join(laptop.dir, "root.pem"))
	stick := e.path("stick")
	e.must("", os.MkdirAll(stick, 0o755))
	for _, command := range []string{
		"for n in 1 2 3; do hotstick key generate owner$n.pem; done",
		"hotstick catalog root " + stick + "/catalog --add-owner owner1.pem.pub --add-owner owner2.pem.pub --add-owner owner3.pem.pub" +
			" --remove-owner $(hotstick key public root.pem root.pub >/dev/null && echo root.pub) --owners 2 --key root.pem --yes",
		"hotstick catalog sign " + stick + "/catalog --key owner1.pem --yes",
		"hotstick catalog sign " + stick + "/catalog --key owner2.pem --yes",
	} {
		e.must(desk.run("hotstick catalog export " + stick + "/catalog"))
		e.must(laptop.run(command))
	}
	e.must(desk.run("hotstick catalog push " + stick + "/catalog"))
	eventually(t, "the hosts to have the three owners", func() bool { return e.allHave("2.root.json") })

	hosts := make([]place, len(e.hosts))
	for i, h := range e.hosts {
		hosts[i] = e.hostPlace(h)
	}
	w := &walk{T: t, places: map[string][]place{"the laptop": {laptop}, "a machine that reaches the server": {desk}, "the server": {{e.path("server"), e.env()}}},
		names: strings.NewReplacer("/var/lib/hotstick-server", e.path("data"), "/media/stick", stick)}
	page := readPage(t, "root-key-was-lost.md")
	before, after := 0, 0
	for i, in := range page {
		if in.where == "each host" {
			if before == 0 {
				before = i
			}
			after = i + 1
		}
	}
	w.do("root-key-was-lost.md", page[:before])

	eventually(t, "the hosts to hear of the root that is not theirs", func() bool {
		for _, h := range e.hosts {
			if !strings.Contains(e.units.log(h+"-agent"), "of another epoch than the catalog's root") {
				return false
			}
		}
		return true
	})
	for _, h := range e.hosts {
		if n := e.epoch(h); n != 1 {
			t.Errorf("%s took a root that nobody pinned: its loader is in epoch %d", h, n)
		}
	}
	t.Run("whoever writes the agent's directory alone pins nothing", func(t *testing.T) {
		e.units.stop("web-1-agent")
		own := mustRead(t, e.path("web-1", "agent", "root.json"))
		e.copyFile(filepath.Join(stick, "root.json"), e.path("web-1", "agent", "root.json"))
		out, err := hosts[0].run("env $(cat " + e.path("web-1", "loader.env") + ") hotstick-loader --new-root")
		if err == nil && e.epoch("web-1") != 1 {
			t.Errorf("the agent's root is pinned: %s", out)
		}
		e.must("", os.WriteFile(e.path("web-1", "agent", "root.json"), []byte(own), 0o644))
		e.units.start("web-1-agent")
	})
	t.Run("whoever writes the configuration alone stops the loader and pins nothing", func(t *testing.T) {
		env := mustRead(t, e.path("web-1", "loader.env"))
		e.must(hosts[0].run("echo HOTSTICK_LOADER_ROOT=sha256:$(sha256sum <" + stick + "/root.json | cut -c1-64) >" + e.path("web-1", "loader.env")))
		e.units.systemctl("restart", "web-1-loader")
		eventually(t, "the loader to refuse it", func() bool {
			return strings.Contains(e.units.log("web-1-loader"), "is not the one that it has pinned")
		})
		e.must("", os.WriteFile(e.path("web-1", "loader.env"), []byte(env), 0o644))
		e.units.systemctl("restart", "web-1-loader")
		if n := e.epoch("web-1"); n != 1 {
			t.Errorf("the loader is in epoch %d", n)
		}
	})

	for i, h := range e.hosts {
		on := &walk{T: t, places: map[string][]place{"each host": {hosts[i]}},
			names: strings.NewReplacer("/var/lib/hotstick/agent", e.path(h, "agent"), "/etc/hotstick", e.path(h), "/media/stick", stick)}
		on.do("root-key-was-lost.md", page[before:after])
	}
	eventually(t, "the hosts to be in the new epoch", func() bool { return e.epoch("web-1") == 2 && e.epoch("web-2") == 2 })
	eventually(t, "the server to hear of it", func() bool {
		out, err := desk.run("hotstick audit log --kind host.repinned -o name")
		return err == nil && strings.Count(out, "host.repinned") == 2
	})
	w.do("root-key-was-lost.md", page[after:])
	eventually(t, "the hosts to follow the new root's server", func() bool { return e.allHave("4.root.json") })
	t.Run("an older root is not pinned again", func(t *testing.T) {
		e.units.systemctl("stop", "web-1-agent", "web-1-loader")
		e.copyFile(e.path("keys", "root.json"), e.path("web-1", "agent", "root.json"))
		out, err := hosts[0].run("HOTSTICK_LOADER_ROOT=sha256:$(sha256sum <" + e.path("keys", "root.json") + " | cut -c1-64) hotstick-loader --new-root")
		if err == nil || !strings.Contains(out, "cannot pin a root") {
			t.Errorf("it is: %v\n%s", err, out)
		}
	})
}

// allHave reports whether every loader keeps a file of the catalog.
func (e *estate) allHave(name string) bool {
	for _, h := range e.hosts {
		if _, err := os.Stat(e.path(h, "loader", "catalog", name)); err != nil {
			return false
		}
	}
	return true
}

// hostPlace is a host, whose units have its name before theirs on this machine.
func (e *estate) hostPlace(host string) place {
	e.Helper()
	bin := e.path(host, "bin")
	e.must("", os.MkdirAll(bin, 0o755))
	e.must("", os.WriteFile(filepath.Join(bin, "systemctl"), []byte("#!/bin/sh\nexec "+e.units.dir+"/systemctl "+
		"$(echo \"$*\" | sed 's/hotstick-/"+host+"-/g')\n"), 0o755))
	return place{dir: e.path(host, "home"), env: append(append([]string{"PATH=" + bin + ":" + e.programs + ":" + os.Getenv("PATH")}, e.loaderEnv(host)...), "HOTSTICK_POLL_SECONDS=1")}
}
