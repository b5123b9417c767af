package policy_test

import (
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/policy"
)

// What a server does with a policy: read it once, compile it for each plan, and ask
// it about every host.
func Example() {
	set, err := policy.Default(policy.Standard) // or policy.Parse(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	p, err := set.Compile(policy.Standard, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	shape := p.Shape() // for the planner
	fmt.Println(shape.Policy.Name, shape.Waves.FirstBake, shape.Waves.Widen)

	patch := policy.NewPatch(hotstick.Patch{Ref: hotstick.PatchRef{Name: "shadow-fix", Level: 1}, Driver: "klp",
		Reversibility: hotstick.ReversibleReboot, Published: now.Add(-time.Hour)})
	judge := p.For(patch, now)
	verdict := judge.Judge(policy.NewHost("h-aaaaaaaaaaaaaaaa", "web-1", nil, hotstick.PatchRef{}))
	fmt.Println(verdict.Reason.Code, verdict.Reason.Subject)
	fmt.Println(verdict.Reason.Detail)
	// Output:
	// standard 30m0s [1 5 25 100]
	// not_reversible reversible
	// it wants downgrade, and the level's way back is reboot
}

// Why a host is not picked is made on demand, from the evaluation's trace.
func ExampleJudge_Explain() {
	set, _ := policy.Parse([]byte(`apiVersion: hotstick/policy/v1
kind: Policy
name: web
eligible:
  - name: front
    when: host.arch == "x86_64" && (host.labels.role == "web" || host.labels.role == "proxy")
`))
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	p, _ := set.Compile("web", now)
	_, trace := p.For(policy.Patch{}, now).Explain(policy.Host{Arch: "x86_64", Labels: map[string]string{"role": "db"}})
	for _, step := range trace.Steps {
		fmt.Println(step.Name, step.Held, "because", step.Because)
		fmt.Println(step.Values)
	}
	// Output:
	// front false because host.labels.role == "web" || host.labels.role == "proxy"
	// [{host.labels.role "db"}]
}
