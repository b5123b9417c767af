package hotstick

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
)

// FactsDelta says in which groups the facts of a host differ from those that somebody
// has already. What is nil is as before.
type FactsDelta struct {
	// Base is the digest of the facts that it changes.
	Base      Digest             `json:"base"`
	Host      *HostFacts         `json:"host,omitempty"`
	Kernel    *KernelFacts       `json:"kernel,omitempty"`
	Security  *SecurityFacts     `json:"security,omitempty"`
	Livepatch *LivepatchFacts    `json:"livepatch,omitempty"`
	Tracing   *TracingFacts      `json:"tracing,omitempty"`
	Machine   *MachineFacts      `json:"machine,omitempty"`
	Services  *ServiceFacts      `json:"services,omitempty"`
	Sysctls   *map[string]string `json:"sysctls,omitempty"`
	Withheld  *[]string          `json:"withheld,omitempty"`
	Drivers   *[]Capabilities    `json:"drivers,omitempty"`
	Masters   *[]Master          `json:"masters,omitempty"`
	Windows   *WindowsFacts      `json:"windows,omitempty"`
	Labels    *map[string]string `json:"labels,omitempty"`
	// Gone are names of modules that are not loaded any more, and Come those that are
	// loaded now, or differ: they are most of what facts weigh.
	Gone []string      `json:"gone,omitempty"`
	Come []ModuleFacts `json:"come,omitempty"`
}

// Digest is the digest of the facts as JSON. Two programs that know different fields may
// get different ones; then the facts are sent whole.
func (f Facts) Digest() (Digest, error) {
	data, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	return NewDigest(data), nil
}

// Delta says how newer facts differ from these, whose digest is base; nil where that is no
// use, because modules are not in the order of their names or one is there twice, or because
// one of the two hosts runs Windows.
func (f Facts) Delta(newer Facts, base Digest) *FactsDelta {
	if !inOrder(f.Modules) || !inOrder(newer.Modules) || (f.Windows == nil) != (newer.Windows == nil) {
		return nil
	}
	d := &FactsDelta{Base: base,
		Host: differs(f.Host, newer.Host), Kernel: differs(f.Kernel, newer.Kernel), Security: differs(f.Security, newer.Security),
		Livepatch: differs(f.Livepatch, newer.Livepatch), Tracing: differs(f.Tracing, newer.Tracing),
		Machine: differs(f.Machine, newer.Machine), Services: differs(f.Services, newer.Services),
		Sysctls: differs(set(f.Sysctls), set(newer.Sysctls)), Withheld: differs(list(f.Withheld), list(newer.Withheld)), Drivers: differs(list(f.Drivers), list(newer.Drivers)),
		Masters: differs(list(f.Masters), list(newer.Masters)), Labels: differs(set(f.Labels), set(newer.Labels)), Gone: gone(f.Modules, newer.Modules), Come: come(f.Modules, newer.Modules)}
	if !reflect.DeepEqual(f.Windows, newer.Windows) {
		d.Windows = newer.Windows
	}
	return d
}

// Apply returns the facts as they are now. These facts stay as they were.
func (d FactsDelta) Apply(f Facts) Facts {
	f.Host, f.Kernel, f.Security = other(d.Host, f.Host), other(d.Kernel, f.Kernel), other(d.Security, f.Security)
	f.Livepatch, f.Tracing = other(d.Livepatch, f.Livepatch), other(d.Tracing, f.Tracing)
	f.Machine, f.Services = other(d.Machine, f.Machine), other(d.Services, f.Services)
	f.Sysctls, f.Withheld = other(d.Sysctls, f.Sysctls), other(d.Withheld, f.Withheld)
	f.Drivers, f.Masters, f.Labels = other(d.Drivers, f.Drivers), other(d.Masters, f.Masters), other(d.Labels, f.Labels)
	if d.Windows != nil {
		f.Windows = d.Windows
	}
	if len(d.Gone)+len(d.Come) == 0 {
		return f
	}
	changed := make(map[string]bool, len(d.Gone)+len(d.Come))
	for _, name := range d.Gone {
		changed[name] = true
	}
	for _, m := range d.Come {
		changed[m.Name] = true
	}
	kept := slices.DeleteFunc(slices.Clone(f.Modules), func(m ModuleFacts) bool { return changed[m.Name] })
	f.Modules = append(kept, d.Come...)
	slices.SortStableFunc(f.Modules, byName)
	return f
}

// list and set make an empty one of none, which would be written as if it had not changed.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

func set(labels map[string]string) map[string]string {
	if labels == nil {
		return map[string]string{}
	}
	return labels
}

// differs is the new value where it is not the old one.
func differs[T any](old, now T) *T {
	if reflect.DeepEqual(old, now) {
		return nil
	}
	return &now
}

// other is the new value if there is one.
func other[T any](now *T, old T) T {
	if now != nil {
		return *now
	}
	return old
}

func byName(a, b ModuleFacts) int { return cmp.Compare(a.Name, b.Name) }

// inOrder reports whether modules are in the order of their names, each once.
func inOrder(modules []ModuleFacts) bool {
	for i := 1; i < len(modules); i++ {
		if modules[i-1].Name >= modules[i].Name {
			return false
		}
	}
	return true
}

func gone(old, now []ModuleFacts) (names []string) {
	for _, m := range old {
		if _, there := slices.BinarySearchFunc(now, m, byName); !there {
			names = append(names, m.Name)
		}
	}
	return names
}

func come(old, now []ModuleFacts) (modules []ModuleFacts) {
	for _, m := range now {
		if i, there := slices.BinarySearchFunc(old, m, byName); !there || old[i] != m {
			modules = append(modules, m)
		}
	}
	return modules
}
