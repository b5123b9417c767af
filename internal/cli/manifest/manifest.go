// Package manifest reads manifest.yaml, the file that describes one level of a
// patch in its source folder.
//
//	apiVersion: hotstick/v1
//	kind: Patch
//	name: unix-ioctl
//	level: 1
//	summary: SIOCATMARK on a datagram socket is refused again
//	class: security
//	severity: medium
//	cves: [CVE-2026-52928]
//	driver: klp
//	reversibility: live
//	replace: true
//	functions:
//	  - {object: vmlinux, name: unix_ioctl}
//	touches:
//	  - {kind: sysctl, when: before, name: net.core.bpf_jit_harden, value: "2"}
//	  - {kind: service_restart, when: after, name: nginx.service}
//	check: check.c
//	probe: /usr/lib/hotstick/probes/unix-ioctl
//	license: GPL-2.0
//
// A driver that loads no bytes of ours has no functions here, and a file of its own for
// each kernel build in place of a module: see [ParseRecipe].
//
// What a level may touch beside the kernel's code, and how that is put back, is in
// docs/reference/touches.md.
//
// Reading is strict: an unknown or repeated key, a second document, a value of
// the wrong type and a file above [MaxBytes] are refused, with line and caret.
// The manifest is what a person writes; what the catalog signs is the
// [hotstick.Patch] made of it and of the built artifacts.
package manifest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/cli/strict"
)

// Name is the file's name in a patch folder.
const Name = "manifest.yaml"

// MaxBytes bounds the file.
const MaxBytes = 64 << 10

const (
	apiVersion = "hotstick/v1"
	kind       = "Patch"
)

// Manifest is one level of a patch as its folder describes it.
type Manifest struct {
	APIVersion    string                 `yaml:"apiVersion"`
	Kind          string                 `yaml:"kind"`
	Name          string                 `yaml:"name"`
	Level         int                    `yaml:"level"`
	Summary       string                 `yaml:"summary"`
	Class         string                 `yaml:"class"`
	Severity      string                 `yaml:"severity"`
	CVEs          []string               `yaml:"cves"`
	Driver        string                 `yaml:"driver"`
	Reversibility hotstick.Reversibility `yaml:"reversibility"`
	// Replace: the level replaces every older one (cumulative).
	Replace   bool       `yaml:"replace"`
	Functions []Function `yaml:"functions"`
	// Touches are what the level needs beside the kernel's code.
	Touches []hotstick.Touch `yaml:"touches"`
	// Check names the program in the folder that shows the fault before the
	// patch and not after; the lab and the demo run it.
	Check string `yaml:"check"`
	// Probe is the command that a host's agent runs on probation.
	Probe   string `yaml:"probe"`
	License string `yaml:"license"`
}

// Function is one function that the patch replaces.
type Function struct {
	// Object is vmlinux or the name of a kernel module.
	Object string `yaml:"object"`
	Name   string `yaml:"name"`
}

// Read reads the manifest of a patch folder.
func Read(folder string) (Manifest, error) {
	path := filepath.Join(folder, Name)
	file, err := os.Open(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("cannot read the manifest: %w", err)
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	if err != nil {
		return Manifest{}, fmt.Errorf("cannot read the manifest: %w", err)
	}
	m, err := Parse(raw)
	if err != nil {
		return Manifest{}, fmt.Errorf("cannot use %s: %w", path, err)
	}
	return m, nil
}

// Parse reads one manifest strictly and checks it. The error of a malformed
// document shows its line with a caret.
func Parse(raw []byte) (Manifest, error) {
	var m Manifest
	if err := strict.Decode(raw, MaxBytes, &m); err != nil {
		return Manifest{}, err
	}
	return m, m.validate()
}

func (m Manifest) validate() error {
	switch {
	case m.APIVersion != apiVersion:
		return fmt.Errorf("cannot read apiVersion %q: this version knows %s", m.APIVersion, apiVersion)
	case m.Kind != kind:
		return fmt.Errorf("cannot read kind %q: want %s", m.Kind, kind)
	case m.Summary == "" || len(m.Summary) > 500:
		return fmt.Errorf("cannot use a summary of %d characters: want 1 to 500", len(m.Summary))
	case m.License == "":
		return errors.New("cannot use a manifest without a license")
	case len(m.Functions) == 0 && !m.ByRecipe():
		return errors.New("cannot use a manifest without functions: a crash is blamed on the patch by their names")
	}
	for _, f := range m.Functions {
		if f.Object == "" || f.Name == "" {
			return fmt.Errorf("cannot use function %q of object %q: want both, with vmlinux for the kernel itself", f.Name, f.Object)
		}
	}
	return m.ref().Validate()
}

// ByRecipe reports whether the artifacts are recipes: the driver loads no bytes of ours.
func (m Manifest) ByRecipe() bool {
	class := hotstick.ClassOf(m.Driver)
	return class == hotstick.TrustPin || class == hotstick.TrustStep
}

func (m Manifest) ref() hotstick.PatchRef {
	return hotstick.PatchRef{Name: m.Name, Level: m.Level}
}

// Patch returns what the catalog signs: the manifest with its artifacts. It
// reports what is malformed in either.
func (m Manifest) Patch(artifacts []hotstick.Artifact) (hotstick.Patch, error) {
	p := hotstick.Patch{
		Ref:           m.ref(),
		Summary:       m.Summary,
		Class:         m.Class,
		Severity:      m.Severity,
		CVEs:          m.CVEs,
		Driver:        m.Driver,
		Reversibility: m.Reversibility,
		Replace:       m.Replace,
		Touches:       m.Touches,
		Artifacts:     artifacts,
	}
	for _, f := range m.Functions {
		p.Functions = append(p.Functions, f.Object+":"+f.Name)
	}
	return p, p.Validate()
}
