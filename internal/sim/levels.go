package sim

import (
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

// Level is one level of a made-up patch: what the catalog says of it, the bytes
// of its modules, and what they do to the hosts that load them.
type Level struct {
	Patch hotstick.Patch
	// Modules are the artifacts' bytes by digest.
	Modules map[hotstick.Digest][]byte
	// Behaviour is what the level does on a kernel build; a build that is not
	// listed gets a good one.
	Behaviour map[hotstick.KernelBuild]fake.Behaviour
}

// LevelSpec describes a level to be made up.
type LevelSpec struct {
	Name    string
	Level   int
	Summary string
	CVEs    []string
	// Function is the one kernel function that the level replaces.
	Function string
	Builds   []hotstick.KernelBuild
	// Behaviour as in [Level].
	Behaviour map[hotstick.KernelBuild]fake.Behaviour
}

// NewLevel makes up a level for the fake driver, with one module for each build.
func NewLevel(s LevelSpec) Level {
	l := Level{
		Patch: hotstick.Patch{
			Ref: hotstick.PatchRef{Name: s.Name, Level: s.Level}, Summary: s.Summary, CVEs: s.CVEs,
			Driver: fake.Name, Reversibility: hotstick.ReversibleLive, Replace: true,
			Functions: []string{"vmlinux:" + s.Function},
		},
		Modules:   map[hotstick.Digest][]byte{},
		Behaviour: s.Behaviour,
	}
	for _, b := range s.Builds {
		info := Module(s.Name, s.Level, b)
		data := kmod.Compose(info)
		digest := hotstick.NewDigest(data)
		l.Modules[digest] = data
		l.Patch.Artifacts = append(l.Patch.Artifacts, hotstick.Artifact{Build: b, Digest: digest, SizeBytes: int64(len(data)), Module: info.Name})
	}
	return l
}

// Module says what the module of a made-up level says of itself.
func Module(name string, level int, build hotstick.KernelBuild) kmod.Info {
	return kmod.Info{
		Name:      fmt.Sprintf("hs_%s_%d", strings.ReplaceAll(name, "-", "_"), level),
		Vermagic:  build.Release + " SMP preempt mod_unload modversions ",
		Livepatch: true, License: "GPL", Arch: build.Arch,
		SrcVersion: fmt.Sprintf("%.24X", hotstick.NewDigest([]byte(name+build.BuildID)).Hex()),
	}
}

// Behaviours gathers what the levels do on one kernel build, by module name.
func Behaviours(levels []Level, build hotstick.KernelBuild) map[string]fake.Behaviour {
	all := map[string]fake.Behaviour{}
	for _, l := range levels {
		artifact, ok := l.Patch.Artifact(build)
		if !ok {
			continue
		}
		b := l.Behaviour[build]
		for _, f := range l.Patch.Functions {
			b.Functions = append(b.Functions, f+",1")
		}
		all[artifact.Module] = b
	}
	return all
}
