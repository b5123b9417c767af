package statement_test

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// A thief of the server's key would have a host patched by another system than the one
// that was signed for it, on the same kernel build.
func TestAGrantForAnotherLaneOfTheSameBuildIsRefused(t *testing.T) {
	build := hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0123456789abcdef0123456789abcdef01234567"}
	identity := func(name string) hotstick.Fingerprint {
		return hotstick.Fingerprint(hotstick.NewDigest([]byte(name)))
	}
	ours, sle := hotstick.PatchRef{Name: "ours", Level: 1}, hotstick.PatchRef{Name: "sle", Level: 1}
	hosts := []hotstick.PlanHost{
		{Host: "h-a", Identity: identity("a"), Build: build, Driver: "klp", Patch: ours},
		{Host: "h-b", Identity: identity("b"), Build: build, Driver: "suse", Patch: sle, Wave: 1},
	}
	root, err := statement.HostsRoot(hosts)
	if err != nil {
		t.Fatal(err)
	}
	plan := hotstick.Plan{CVE: "CVE-2026-52928", HostsRoot: root, HostCount: 2, Waves: []hotstick.Wave{{Hosts: 1}, {Hosts: 1}},
		Lanes: []hotstick.Lane{{Build: build, Driver: "klp", Patch: ours}, {Build: build, Driver: "suse", Patch: sle}}}
	proof, err := statement.ProveHost(hosts, 0)
	if err != nil {
		t.Fatal(err)
	}
	id := hotstick.PlanID(hotstick.NewDigest([]byte("plan")))
	good := statement.Grant{Plan: id, Host: "h-a", Identity: identity("a"), Build: build, Driver: "klp", Proof: proof}
	if err := statement.CheckHost(plan, id, good); err != nil {
		t.Fatal(err)
	}
	for what, edit := range map[string]func(*statement.Grant){
		"the other lane's driver":               func(g *statement.Grant) { g.Driver = "suse" },
		"no driver":                             func(g *statement.Grant) { g.Driver = "" },
		"a driver without a lane":               func(g *statement.Grant) { g.Driver = "canonical" },
		"a driver with a calendar's line in it": func(g *statement.Grant) { g.Driver = "klp\n0" },
	} {
		g := good
		edit(&g)
		if err := statement.CheckHost(plan, id, g); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}
