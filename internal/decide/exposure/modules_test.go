package exposure_test

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
)

// sealed are the facts of a host that can load no module any more.
func sealed(loaded string, builtIn ...string) hotstick.Facts {
	f := onHost(debian, "6.1.170-3")
	f.Security.ModulesDisabled, f.Kernel.BuiltIn = new(true), builtIn
	f.Modules = []hotstick.ModuleFacts{{Name: "ext4"}, {Name: loaded}}
	return f
}

// Hosts of one build share their work, but no answer that depends on a module.
func TestHostsOfOneBuildWithOtherModulesAnswerForThemselves(t *testing.T) {
	a, again := advisory("tracker", cve1, debian, "..6.1.192-1"), advisory("tracker", "CVE-2026-0002", debian, "..6.1.192-1")
	a.Module, again.Module = "af-alg", "vsock"
	const algorithms, sockets = "af_alg", "vsock"
	facts := map[hotstick.HostID]hotstick.Facts{
		"neither": sealed("sha1", "crc32"), "loaded": sealed(algorithms, "crc32"), "built-in": sealed("sha1", "crc32", algorithms),
		"other": sealed(sockets, "crc32"), "may-load": onHost(debian, "6.1.170-3"),
	}
	want := map[hotstick.HostID][2]hotstick.ExposureReason{
		"neither": {hotstick.MitigatedModule, hotstick.MitigatedModule}, "loaded": {hotstick.ExposedInRange, hotstick.MitigatedModule},
		"built-in": {hotstick.ExposedInRange, hotstick.MitigatedModule}, "other": {hotstick.MitigatedModule, hotstick.ExposedInRange},
		"may-load": {hotstick.ExposedInRange, hotstick.ExposedInRange},
	}
	x := exposure.Compile([]hotstick.Advisory{a}, nil, nil)
	var hosts []exposure.Host
	for id, f := range facts {
		hosts = append(hosts, exposure.Host{ID: id, Class: x.Classify(f, true)})
	}
	// The second advisory names its module only after the hosts were classified.
	for name, fleet := range map[string]*exposure.Fleet{
		"at once":  exposure.Full(exposure.Compile([]hotstick.Advisory{a, again}, nil, nil), hosts),
		"by steps": exposure.Full(x, nil).Change(exposure.Change{Hosts: hosts}).Change(exposure.Change{Advisories: []hotstick.Advisory{again}}),
	} {
		for id, reasons := range want {
			for i, cve := range []string{cve1, "CVE-2026-0002"} {
				if have, _ := fleet.Stand(id, cve); have != reasons[i] {
					t.Errorf("%s, %s: %s is %s, want %s", name, cve, id, have, reasons[i])
				}
			}
		}
	}
}
