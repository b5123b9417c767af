package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
)

// line is the patch line of the run, and built the level of it that is built. The
// others have the same code under another name, which is all that the kernel and
// the catalog tell them apart by.
const (
	line  = "unix-ioctl"
	built = 1
)

// Levels of the run.
const (
	olderLevel   = 1 // was on all hosts
	effectLevel  = 2 // is on all hosts but the first
	aloneLevel   = 3 // was on the first host, by a plan that lists nobody else
	liveLevel    = 4 // is on the first host; the others wait for their delay
	wantedLevel  = 5 // is what the plans are for that must not start
	bannedLevel  = 6
	recallLevel  = 7
	postedLevel  = 8 // is what a plan is for that the server was never given
	returnLevel  = 9 // is published when the owner has taken everything back
	unknownLevel = 0 // no publisher ever signed it
)

func ref(level int) hotstick.PatchRef { return hotstick.PatchRef{Name: line, Level: level} }

func moduleOf(level int) string { return fmt.Sprintf("hotstick_unix_ioctl_%d", level) }

// modules are the bytes of each level for each kernel build.
type modules map[hotstick.KernelBuild]map[int][]byte

// buildOf is what a plan calls a kernel.
func buildOf(k kernelpkg.Kernel) hotstick.KernelBuild {
	return hotstick.KernelBuild{Release: k.Release, Arch: "x86_64", BuildID: k.BuildID}
}

// buildModules builds the patch for each kernel and names a copy of it for each level.
func buildModules(ctx context.Context, sources, dir string, kernels []kernelpkg.Kernel) (modules, error) {
	files := make([]string, len(kernels))
	err := host.InParallel(len(kernels), len(kernels), func(i int) error {
		var err error
		files[i], err = kernels[i].BuildModule(ctx, filepath.Join(sources, fmt.Sprintf("%s-%d", line, built)), filepath.Join(dir, kernels[i].Release))
		return err
	})
	if err != nil {
		return nil, err
	}
	all := modules{}
	for i, k := range kernels {
		data, err := os.ReadFile(files[i])
		if err != nil {
			return nil, fmt.Errorf("cannot read the module that was built: %w", err)
		}
		levels := map[int][]byte{}
		for level := unknownLevel; level <= returnLevel; level++ {
			if levels[level], err = renamed(data, moduleOf(level)); err != nil {
				return nil, err
			}
		}
		all[buildOf(k)] = levels
	}
	return all, nil
}

// renamed gives a module another name of the same length. It has its name in its
// modinfo and in the structure that the kernel links it by.
func renamed(data []byte, name string) ([]byte, error) {
	data = bytes.ReplaceAll(data, []byte(moduleOf(built)), []byte(name))
	info, err := kmod.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("cannot rename a module to %s: %w", name, err)
	}
	if info.Name != name || !info.Livepatch {
		return nil, fmt.Errorf("cannot rename a module to %s: it is %q", name, info.Name)
	}
	return data, nil
}

// patch is what the catalog says of a level.
func (m modules) patch(level int, kernels []kernelpkg.Kernel) hotstick.Patch {
	p := hotstick.Patch{Ref: ref(level), Summary: "closes two holes that are reached by ioctl", Driver: "klp",
		Reversibility: hotstick.ReversibleLive, Replace: true, Functions: []string{"vmlinux:unix_ioctl", "vmlinux:dev_change_tx_queue_len"}}
	for _, k := range kernels {
		p.Artifacts = append(p.Artifacts, m.artifact(level, buildOf(k)))
	}
	return p
}

func (m modules) artifact(level int, build hotstick.KernelBuild) hotstick.Artifact {
	data := m[build][level]
	return hotstick.Artifact{Build: build, Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Module: moduleOf(level)}
}
