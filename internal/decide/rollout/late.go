package rollout

import "github.com/hotstick/hotstick"

// Joins reports whether a host that the plan does not list may join its last wave:
// the plan has a rule for late hosts, a lane for the kernel build, and every label
// of the rule is set on the host with the same value.
func Joins(p hotstick.Plan, build hotstick.KernelBuild, labels map[string]string) bool {
	if p.Late == nil || len(p.Late.Labels) == 0 {
		return false
	}
	if _, ok := p.Lane(build, ""); !ok {
		return false
	}
	for key, want := range p.Late.Labels {
		if have, ok := labels[key]; !ok || have != want {
			return false
		}
	}
	return true
}
