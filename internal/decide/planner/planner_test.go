package planner_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/compat"
	"github.com/hotstick/hotstick/internal/decide/planner"
	"pgregory.net/rapid"
)

func build(name string) hotstick.KernelBuild {
	return hotstick.KernelBuild{Release: "6.1-" + name, Arch: "x86_64", BuildID: strings.Repeat("0", 14) + fmt.Sprintf("%02x", name[0])}
}

func patch(level int, builds string) hotstick.Patch {
	p := hotstick.Patch{Ref: hotstick.PatchRef{Name: "fix", Level: level}, Driver: "klp", Reversibility: hotstick.ReversibleLive, Replace: true}
	for _, b := range builds {
		p.Artifacts = append(p.Artifacts, hotstick.Artifact{Build: build(string(b)), SizeBytes: 1,
			Digest: hotstick.NewDigest(fmt.Append(nil, level, string(b))), Module: fmt.Sprintf("fix_%d", level)})
	}
	return p
}

// host is NAME on a kernel build, with klp available.
func host(name, kernel string) planner.Host {
	return planner.Host{
		ID: hotstick.HostID("h-" + name), Name: name, Identity: hotstick.NewDigest([]byte(name)), Labels: map[string]string{"rack": name[:1]},
		Compat: compat.Host{Facts: &hotstick.Facts{Kernel: hotstick.KernelFacts{Build: build(kernel)},
			Drivers: []hotstick.Capabilities{{Driver: "klp", Available: true}}}},
	}
}

func request(p hotstick.Patch, hosts ...planner.Host) planner.Request {
	return planner.Request{
		Patch: p, Author: "ada", Epoch: 1, Now: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC), Hosts: hosts,
		Catalog: []hotstick.Patch{patch(1, "abcdefgh"), p},
		Banned:  func(hotstick.PatchRef) bool { return false },
		Root:    func(hosts []hotstick.PlanHost) (string, error) { return fmt.Sprint(len(hosts)), nil },
	}
}

// shape writes the waves as their hosts' kernel builds.
func shape(d planner.Draft) string {
	waves := make([][]string, len(d.Plan.Waves))
	for _, h := range d.Hosts {
		waves[h.Wave] = append(waves[h.Wave], strings.TrimPrefix(h.Build.Release, "6.1-"))
	}
	var out []string
	for _, w := range waves {
		slices.Sort(w)
		out = append(out, strings.Join(w, ""))
	}
	return strings.Join(out, " ")
}

func TestCanariesAreStaged(t *testing.T) {
	tests := []struct{ fleet, want string }{
		{"a", "a"},
		{"aabb", "a b ab"},
		{"aaaa", "a a a a"},
		{"aabbccddeeffgghh", "a bc defg h abcdefgh"},
	}
	for _, test := range tests {
		var hosts []planner.Host
		for i, k := range test.fleet {
			hosts = append(hosts, host(fmt.Sprintf("n%02d", i), string(k)))
		}
		d, err := planner.Build(request(patch(2, "abcdefgh"), hosts...))
		if err != nil {
			t.Fatal(err)
		}
		if got := shape(d); got != test.want {
			t.Errorf("%s: waves %q, want %q", test.fleet, got, test.want)
		}
	}
}

func TestLeavesOut(t *testing.T) {
	with := func(edit func(*planner.Host)) planner.Host { h := host("x", "a"); edit(&h); return h }
	yes := true
	tests := []struct {
		name string
		host planner.Host
		want hotstick.ReasonCode
	}{
		{"another kernel build", host("x", "z"), hotstick.ReasonNoArtifact},
		{"a struck host", with(func(h *planner.Host) { h.Compat.Strikes = []hotstick.PatchRef{{Name: "fix", Level: 2}} }), hotstick.ReasonStruck},
		{"a host at that level", with(func(h *planner.Host) { h.Compat.InEffect = hotstick.PatchRef{Name: "fix", Level: 2} }), hotstick.ReasonAlreadyInEffect},
		{"a host at a newer level", with(func(h *planner.Host) { h.Compat.InEffect = hotstick.PatchRef{Name: "fix", Level: 3} }), hotstick.ReasonDowngrade},
		{"a host without the driver", with(func(h *planner.Host) { h.Compat.Facts.Drivers = nil }), hotstick.ReasonUnsupported},
		{"a kernel that loads no modules", with(func(h *planner.Host) { h.Compat.Facts.Security.ModulesDisabled = &yes }), hotstick.ReasonModulesDisabled},
		{"a host with a foreign patch", with(func(h *planner.Host) {
			h.Compat.Patches = []hotstick.LoadedPatch{{Module: "kpatch_other", State: hotstick.InEffect}}
		}), hotstick.ReasonForeignPatch},
		{"a host that never sent facts", with(func(h *planner.Host) { h.Compat.Facts = nil }), hotstick.ReasonHostSilent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, err := planner.Build(request(patch(2, "a"), test.host, host("good", "a")))
			if err != nil {
				t.Fatal(err)
			}
			if len(d.Hosts) != 1 || len(d.LeftOut) != 1 || d.LeftOut[0].Reason.Code != test.want {
				t.Errorf("listed %d hosts, left out %+v", len(d.Hosts), d.LeftOut)
			}
		})
	}
}

func TestRefusesToPlan(t *testing.T) {
	var refusal *planner.Refusal
	if _, err := planner.Build(request(patch(2, "a"))); !errors.As(err, &refusal) {
		t.Errorf("an empty selection gave %v", err)
	}
	banned := request(patch(2, "a"), host("x", "a"))
	banned.Banned = func(ref hotstick.PatchRef) bool { return ref.Level == 2 }
	if _, err := planner.Build(banned); !errors.As(err, &refusal) || refusal.Reason.Code != hotstick.ReasonBanned {
		t.Errorf("a banned patch gave %v", err)
	}
}

func TestRevertTargetsAreTheLevelsInEffect(t *testing.T) {
	patched := host("p", "a")
	patched.Compat.InEffect = hotstick.PatchRef{Name: "fix", Level: 1}
	d, err := planner.Build(request(patch(2, "a"), patched, host("q", "a")))
	if err != nil {
		t.Fatal(err)
	}
	got := d.Plan.Lanes[0].RevertTo
	if len(got) != 2 || !got[0].Patch.IsZero() || got[1].Patch.Level != 1 || got[1].Module != "fix_1" {
		t.Errorf("may go back to %+v", got)
	}
}

func TestCriticalHostsGoLast(t *testing.T) {
	var hosts []planner.Host
	for i := range 20 {
		h := host(fmt.Sprintf("n%02d", i), "a")
		if i == 7 {
			h.Labels["critical"] = "true"
		}
		hosts = append(hosts, h)
	}
	d, err := planner.Build(request(patch(2, "a"), hosts...))
	if err != nil {
		t.Fatal(err)
	}
	if last := d.Hosts[len(d.Hosts)-1]; last.Name != "n07" {
		t.Errorf("%s goes last", last.Name)
	}
}

// Whatever the fleet: every host is listed once, the first wave is one host, no
// two canaries of one kernel build share a stage, and the order of the
// input does not matter.
func TestPlanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "hosts")
		kinds := rapid.IntRange(1, 26).Draw(t, "builds")
		var hosts []planner.Host
		for i := range n {
			hosts = append(hosts, host(fmt.Sprintf("n%03d", i), string(rune('a'+i%kinds))))
		}
		p := patch(2, "abcdefghijklmnopqrstuvwxyz")
		d, err := planner.Build(request(p, hosts...))
		if err != nil {
			t.Fatal(err)
		}
		canaried := map[hotstick.KernelBuild]int{}
		for _, h := range d.Hosts {
			if first, ok := canaried[h.Build]; ok && h.Wave == first {
				if h.Wave < len(d.Plan.Waves) && d.Plan.Waves[h.Wave].Name != "" && strings.HasPrefix(d.Plan.Waves[h.Wave].Name, "canary") {
					t.Fatalf("two canaries of %s in one wave", h.Build)
				}
			} else if !ok {
				canaried[h.Build] = h.Wave
			}
		}
		if len(d.Hosts) != n || d.Plan.Waves[0].Hosts != 1 {
			t.Fatalf("listed %d of %d hosts, %d first", len(d.Hosts), n, d.Plan.Waves[0].Hosts)
		}
		slices.Reverse(hosts)
		again, err := planner.Build(request(p, hosts...))
		if err != nil || !reflect.DeepEqual(again, d) {
			t.Fatalf("another order of the input gave another plan (%v)", err)
		}
	})
}
