package policy

import (
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/strictyaml"
)

// Host is what expressions see as "host". Its names are the ones to write:
// host.name, host.labels.role, host.in_effect.level.
type Host struct {
	ID           string            `cel:"id" yaml:"id"`
	Name         string            `cel:"name" yaml:"name"`
	Release      string            `cel:"release" yaml:"release"`
	Arch         string            `cel:"arch" yaml:"arch"`
	BuildID      string            `cel:"build_id" yaml:"build_id"`
	Distribution string            `cel:"distribution" yaml:"distribution"`
	Labels       map[string]string `cel:"labels" yaml:"labels"`
	InEffect     Level             `cel:"in_effect" yaml:"in_effect"`
	// Drivers maps each driver that the host can use to its trust class, such as
	// host.drivers.klp == "bytes".
	Drivers map[string]string `cel:"drivers" yaml:"drivers"`
	// WayBack maps each of them to the best way back that it has on the host; one that
	// says nothing of it is not there.
	WayBack map[string]string `cel:"way_back" yaml:"way_back"`
}

// Level is the level in effect on a host; the empty name and level 0 mean the
// kernel as it booted.
type Level struct {
	Name  string `cel:"name" yaml:"name"`
	Level int    `cel:"level" yaml:"level"`
}

// NewHost shows a host to expressions, with the level that is in effect. Facts
// may be nil for a host that never sent any.
func NewHost(id hotstick.HostID, name string, facts *hotstick.Facts, level hotstick.PatchRef) Host {
	h := Host{ID: string(id), Name: name, Labels: map[string]string{}, Drivers: map[string]string{}, WayBack: map[string]string{},
		InEffect: Level{Name: level.Name, Level: level.Level}}
	if facts == nil {
		return h
	}
	h.Release, h.Arch, h.BuildID = facts.Kernel.Build.Release, facts.Kernel.Build.Arch, facts.Kernel.Build.BuildID
	h.Distribution = facts.Host.Distribution
	if facts.Labels != nil {
		h.Labels = facts.Labels
	}
	for _, d := range facts.Drivers {
		if d.Available {
			h.Drivers[d.Driver] = string(d.TrustClass)
			if best := d.WayBack(); best != "" {
				h.WayBack[d.Driver] = string(best)
			}
		}
	}
	return h
}

// Patch is what expressions see as "patch".
type Patch struct {
	Name          string   `cel:"name" yaml:"name"`
	Level         int      `cel:"level" yaml:"level"`
	CVEs          []string `cel:"cves" yaml:"cves"`
	Driver        string   `cel:"driver" yaml:"driver"`
	Reversibility string   `cel:"reversibility" yaml:"reversibility"`
	Replace       bool     `cel:"replace" yaml:"replace"`
	// Class is what the patch is for, such as security or bugfix, and Severity how
	// bad what it closes is, such as critical or low; empty where nobody said.
	Class    string `cel:"class" yaml:"class"`
	Severity string `cel:"severity" yaml:"severity"`
	// Evidence lists the kinds of signed evidence that speaks for every artifact of the
	// patch: lab, provenance, tests.
	Evidence []string `cel:"evidence" yaml:"evidence"`
	// Published is when the catalog first listed this level; zero where that is not
	// known.
	Published time.Time `cel:"published" yaml:"-"`
	// Age is the time since publication, set by [Policy.For]; zero where that is not
	// known, so that a rule which wants some age does not hold.
	Age time.Duration `cel:"age" yaml:"-"`
}

// NewPatch shows a catalog's patch to expressions. What the catalog does not say
// (evidence) the caller may fill in.
func NewPatch(p hotstick.Patch) Patch {
	return Patch{Name: p.Ref.Name, Level: p.Ref.Level, CVEs: p.CVEs, Driver: p.Driver,
		Reversibility: string(p.WayBack()), Replace: p.Replace, Class: p.Class, Severity: p.Severity, Published: p.Published}
}

// at returns the patch as it is at a time.
func (p Patch) at(now time.Time) Patch {
	p.Age = 0
	if !p.Published.IsZero() && now.After(p.Published) {
		p.Age = now.Sub(p.Published)
	}
	return p
}

// ParseHost reads a host as tests write it: one YAML mapping with the names that
// expressions use. Its error is [Problems].
func ParseHost(raw []byte) (Host, error) {
	var h Host
	err := parseOne(raw, &h)
	return h.filled(), err
}

// ParsePatch reads a patch as tests write it, with its age at a time. Its error is
// [Problems].
func ParsePatch(raw []byte, now time.Time) (Patch, error) {
	var p testPatch
	err := parseOne(raw, &p)
	return p.at(now), err
}

// parseOne fills a struct from a text of one mapping.
func parseOne(raw []byte, into any) error {
	bodies, problems := strictyaml.Split(raw, MaxBytes, MaxDocuments)
	if len(problems) == 0 && len(bodies) != 1 {
		problems = Problems{{Message: "want one YAML document with one mapping"}}
	}
	if len(problems) > 0 {
		return problems.OrNil(ofPolicy)
	}
	b := strictyaml.NewBinder(strictyaml.NewText(raw))
	b.Bind(bodies[0], into)
	return b.Problems.OrNil(ofPolicy)
}
