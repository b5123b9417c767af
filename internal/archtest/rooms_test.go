package archtest

import (
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hotstick/hotstick"

// floors lists the rooms from the ground up; in a row, left stands below right.
// A name covers its subpackages. Rooms joined by "=" on one step do not see each
// other.
var floors = []string{
	"internal/shape", "", "api", "internal/series", "internal/ical", "internal/plain", "internal/version", "internal/flagenv", "internal/failpoint", "internal/planted", "internal/durable", "internal/steady", "internal/turn",
	"internal/strictjson", "internal/strictyaml", "internal/statement", "catalog",
	"internal/kernel", "internal/audit", "internal/wire", "internal/trace",
	"internal/decide/gate = internal/decide/compat = internal/decide/why = internal/decide/drift = internal/decide/exposure",
	"internal/decide/cover",
	"internal/decide/policy", "internal/decide/planner", "internal/decide/rollout", "internal/decide/rehearse",
	"internal/driver", "internal/store", "internal/identity", "internal/guest", "internal/rig", "internal/integrate",
	"internal/loader", "internal/agent", "internal/winhost",
	"internal/inventory", "internal/notify", "internal/controller",
	"internal/ui", "client", "internal/server",
	"internal/evil", "internal/sim",
	"internal/demo", "internal/cli",
	"cmd", "bench",
}

// forbidden lists imports that the floors would allow and the design does not,
// with the reason.
var forbidden = []struct{ from, to, why string }{
	{"internal/server", "internal/driver", "the server names no vendor and changes no host"},
	{"internal/controller", "internal/driver", "the server names no vendor and changes no host"},
	{"internal/inventory", "internal/driver", "the server names no vendor and changes no host"},
	{"internal/server", "internal/loader", "agent and server meet only in wire"},
	{"internal/controller", "internal/loader", "agent and server meet only in wire"},
	{"internal/inventory", "internal/loader", "agent and server meet only in wire"},
	{"internal/server", "internal/agent", "agent and server meet only in wire"},
	{"internal/controller", "internal/agent", "agent and server meet only in wire"},
	{"internal/inventory", "internal/agent", "agent and server meet only in wire"},
	{"internal/agent", "internal/store", "an agent has no database"},
	{"internal/agent", "internal/driver/klp/klpchange", "only the loader changes a kernel"},
	{"internal/agent", "internal/driver/kernelcare/kernelcarestep", "only step units change a host"},
	{"internal/agent", "internal/driver/ksplice/ksplicestep", "only step units change a host"},
	{"internal/agent", "internal/driver/reboot/rebootstep", "only step units reboot a host"},
	{"internal/agent", "internal/driver/kpatch/kpatchstep", "only step units change a host"},
	{"internal/agent", "internal/driver/amazon/amazonstep", "only step units change a host"},
	{"internal/agent", "internal/driver/rpm/rpmrun", "only step units run package managers"},
	{"internal/agent", "internal/driver/suse/susestep", "only step units change a host"},
	{"internal/agent", "internal/driver/canonical/canonicalstep", "only step units change a host"},
	{"internal/agent", "internal/driver/windows/windowsstep", "only the loader changes a host"},
	{"internal/server", "internal/winhost", "agent and server meet only in wire"},
	{"internal/agent", "internal/driver/fake", "only the loader changes a kernel"},
	{"internal/loader", "internal/store", "a loader has no database"},
	{"internal/loader", "internal/identity", "a loader has no network"},
	{"internal/driver", "internal/decide", "a driver decides nothing"},
	{"catalog", "debug/elf", "module files are read by the bounded parser of internal/kernel/kmod"},
	{"internal/kernel", "debug/elf", "it is not hardened against bytes that nobody verified"},
	{"internal/driver", "debug/elf", "module files are read by the bounded parser of internal/kernel/kmod"},
	{"internal/loader", "debug/elf", "module files are read by the bounded parser of internal/kernel/kmod"},
	{"internal/agent", "debug/elf", "module files are read by the bounded parser of internal/kernel/kmod"},
	{"internal/server", "debug/elf", "module files are read by the bounded parser of internal/kernel/kmod"},
	{"internal/cli", "debug/elf", "module files are read by the bounded parser of internal/kernel/kmod"},
	{"internal/guest", "internal/driver", "a guest is a machine, nothing more"},
	{"internal/cli/tufclient", "internal/statement", "the conformance client verifies nothing itself"},
	{"internal/cli/tufclient", "internal/strictjson", "the conformance client verifies nothing itself"},
	{"internal/cli/tufclient", "encoding", "the conformance client verifies nothing itself"},
	{"internal/cli/tufclient", "crypto", "the conformance client verifies nothing itself"},
	{"client", "internal/store", "a client speaks to the API only"},
}

// place returns the position of a package's room, or -1.
func place(pkg string) (int, string) {
	best, bestName := -1, ""
	for i, step := range floors {
		for _, room := range strings.Split(step, " = ") {
			if pkg == room || (room != "" && strings.HasPrefix(pkg, room+"/")) {
				if len(room) >= len(bestName) {
					best, bestName = i, room
				}
			}
		}
	}
	if pkg == "" {
		return slices.Index(floors, ""), ""
	}
	return best, bestName
}

func TestEveryPackageStandsInItsRoom(t *testing.T) {
	for _, p := range tree(t) {
		if p.path == "internal/archtest" {
			continue
		}
		at, room := place(p.path)
		if at < 0 {
			t.Errorf("%s stands in no room: find it one, or change the floors and say so in an ADR", p.path)
			continue
		}
		for _, imp := range p.imports {
			to, own := strings.CutPrefix(imp, module)
			if !own {
				continue
			}
			to = strings.TrimPrefix(to, "/")
			below, toRoom := place(to)
			if toRoom == room || below < at {
				continue
			}
			t.Errorf("%s imports %s, which does not stand below it", p.path, to)
		}
	}
}

func TestForbiddenImports(t *testing.T) {
	for _, p := range tree(t) {
		for _, imp := range p.imports {
			to := strings.TrimPrefix(strings.TrimPrefix(imp, module), "/")
			for _, f := range forbidden {
				if covers(f.from, p.path) && covers(f.to, to) {
					t.Errorf("%s imports %s: %s", p.path, to, f.why)
				}
			}
		}
	}
}

func covers(room, pkg string) bool { return pkg == room || strings.HasPrefix(pkg, room+"/") }

// impure lists what a decider, and the words, must not import: whoever needs a
// clock or a disk takes it as an input.
var impure = []string{"os", "net", "database", "math/rand", "crypto/rand", "sync", "log", "io/ioutil", "syscall", "unsafe"}

// seeded is the package of generators that deciders may make from a seed.
const seeded = "math/rand/v2"

func TestDecidersArePure(t *testing.T) {
	for _, p := range tree(t) {
		if p.path != "" && p.path != "api" && !covers("internal/decide", p.path) {
			continue
		}
		for _, imp := range p.imports {
			if imp == seeded {
				continue // looked at below: a generator with a given seed is an input
			}
			if slices.ContainsFunc(impure, func(bad string) bool { return covers(bad, imp) }) {
				t.Errorf("%q imports %s: deciders take time, chance and the world as inputs", p.path, imp)
			}
		}
		for _, call := range p.calls {
			if strings.HasPrefix(call.name, "rand.") && call.name != "rand.New" && call.name != "rand.NewPCG" {
				t.Errorf("%s calls %s: deciders take chance as a seed", call.at, call.name)
			}
			if slices.Contains([]string{"time.Now", "time.Since", "time.Until", "time.After", "time.Sleep", "time.NewTimer", "time.NewTicker"}, call.name) {
				t.Errorf("%s calls %s: deciders take the time as an input", call.at, call.name)
			}
		}
		if p.path != "" && p.path != "api" && p.goroutines > 0 {
			t.Errorf("%s starts a goroutine: deciders are synchronous", p.path)
		}
	}
}

// libraries says which rooms may import a third-party module directly.
var libraries = map[string][]string{
	"github.com/danielgtaylor/huma/v2":                  {"internal/server"},
	"github.com/go-ole/go-ole":                          {"internal/driver/windows/windowsstep"},
	"github.com/goccy/go-yaml":                          {"internal/cli", "internal/agent", "internal/demo", "internal/guest", "internal/strictyaml"},
	"github.com/pressly/goose/v3":                       {"internal/store/sqlite"},
	"modernc.org/sqlite":                                {"internal/store/sqlite"},
	"github.com/prometheus/client_golang":               {"internal/server"},
	"github.com/secure-systems-lab/go-securesystemslib": {"internal/statement", "catalog", "internal/evil"},
	"github.com/theupdateframework/go-tuf/v2":           {"catalog"},
	"github.com/spf13/cobra":                            {"internal/cli"},
	"github.com/u-root/u-root":                          {"internal/guest"},
	"golang.org/x/mod":                                  {"internal/statement", "internal/audit"},
	"golang.org/x/sys":                                  {"internal/driver", "internal/loader", "internal/agent", "internal/guest", "internal/rig", "internal/kernel", "internal/cli", "internal/demo", "internal/store/sqlite", "internal/durable", "internal/winhost", "bench"},
	"github.com/pandatix/go-cvss":                       {"internal/integrate/advisories/document"},
	"github.com/klauspost/compress":                     {"internal/integrate/advisories/origin"},
	"github.com/pierrec/lz4/v4":                         {"internal/driver/reboot/rebootstep", "internal/guest/kernelpkg"},
	"golang.org/x/crypto":                               {"internal/statement/keysource", "internal/identity"},
	"golang.org/x/term":                                 {"internal/cli", "internal/demo"},
	"golang.org/x/time":                                 {"internal/server"},
	"cel.dev/cel-go":                                    {"internal/decide/policy"},
	"github.com/teambition/rrule-go":                    {"internal/decide/policy"},
	"github.com/knqyf263/go-deb-version":                {"internal/decide/exposure"},
	"github.com/knqyf263/go-rpm-version":                {"internal/decide/exposure"},
}

func TestLibrariesStayWithTheirOwners(t *testing.T) {
	for _, p := range tree(t) {
		for _, imp := range p.imports {
			if !strings.Contains(strings.Split(imp, "/")[0], ".") || covers(module, imp) {
				continue
			}
			owners, known := owners(imp)
			if !known {
				t.Errorf("%s imports %s, which no room may: add it to the table and to docs/adr/dependencies.md", p.path, imp)
				continue
			}
			if !slices.ContainsFunc(owners, func(room string) bool { return covers(room, p.path) }) {
				t.Errorf("%s imports %s, which belongs to %s", p.path, imp, strings.Join(owners, ", "))
			}
		}
	}
}

func owners(imp string) ([]string, bool) {
	for lib, rooms := range libraries {
		if covers(lib, imp) {
			return rooms, true
		}
	}
	return nil, false
}
