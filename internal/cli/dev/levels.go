package dev

import (
	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/sim"
)

// patchName is the one patch line of the made-up catalog.
const patchName = "unix-ioctl"

// levels are the made-up catalog. The rarest kernel build has no artifact, so
// that hosts which a plan leaves out can be seen. If bad, the second level makes
// one build's hosts ill.
func levels(bad bool) []sim.Level {
	builds := sim.Builds()
	builds = builds[:len(builds)-1]
	first := sim.LevelSpec{
		Name: patchName, Level: 1, Function: "unix_ioctl", Builds: builds,
		Summary: "simulated: SIOCATMARK on a datagram socket is refused again",
		CVEs:    []string{"CVE-2026-52928"},
	}
	second := sim.LevelSpec{
		Name: patchName, Level: 2, Function: "unix_ioctl", Builds: builds,
		Summary: "simulated: also loose source routing by users",
		CVEs:    []string{"CVE-2026-52928", "CVE-2026-53249"},
	}
	if bad {
		second.Behaviour = map[hotstick.KernelBuild]fake.Behaviour{
			builds[2]: {Ill: "connect to /run/app.sock: operation not supported"},
		}
	}
	return []sim.Level{sim.NewLevel(first), sim.NewLevel(second)}
}
