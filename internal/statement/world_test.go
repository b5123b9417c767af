package statement_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

var (
	now   = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	build = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: "0123456789abcdef0123456789abcdef01234567"}
	other = hotstick.KernelBuild{Release: "6.12.9+bpo-amd64", Arch: "x86_64", BuildID: "89abcdef0123456789abcdef0123456789abcdef"}
)

// world is a fleet with an author (ann), approvers (bob with two keys, cid, dan)
// and a server.
type world struct {
	*testing.T
	trust hotstick.Trust
}

func newWorld(t *testing.T) *world {
	w := &world{T: t}
	person := func(name string, keys ...string) hotstick.TrustedPerson {
		p := hotstick.TrustedPerson{Person: hotstick.Person(name)}
		for _, k := range keys {
			p.Keys = append(p.Keys, hotstick.TrustedKey(key(k).Public()))
		}
		return p
	}
	w.trust = hotstick.Trust{
		Persons:   []hotstick.TrustedPerson{person("ann", "ann"), person("bob", "bob", "bob's other"), person("cid", "cid"), person("dan", "dan")},
		Approvals: 2, ServerKeys: []hotstick.TrustedKey{hotstick.TrustedKey(key("server").Public())}, Epoch: 3,
		EvidenceKeys: []hotstick.EvidenceSigner{{Name: "lab in Graz", Keys: []hotstick.TrustedKey{key("lab").Public()}}},
	}
	return w
}

// key returns the key that belongs to a name.
func key(name string) *statement.Key {
	seed := sha256.Sum256([]byte("hotstick test key of " + name))
	k, err := statement.NewKey(seed[:])
	if err != nil {
		panic(err)
	}
	return k
}

func keys(names ...string) []statement.Signer {
	var list []statement.Signer
	for _, n := range names {
		list = append(list, key(n))
	}
	return list
}

func (w *world) mustSign(kind statement.Kind, body any, names ...string) []byte {
	w.Helper()
	raw, err := statement.Sign(kind, body, keys(names...)...)
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

func (w *world) mustAdd(raw []byte, name string) []byte {
	w.Helper()
	raw, err := statement.AddSignature(raw, key(name))
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

// mustRefuse checks that err is a refusal with this code.
func (w *world) mustRefuse(err error, code hotstick.ReasonCode) {
	w.Helper()
	refusal, ok := errors.AsType[*statement.Error](err)
	if !ok || refusal.Reason.Code != code {
		w.Errorf("got %v (%v), want a refusal for %s", err, statement.ReasonOf(err).Code, code)
	}
}

func identity(i int) hotstick.Fingerprint {
	return hotstick.NewFingerprint(identityKey(i))
}

func identityKey(i int) []byte { return key(fmt.Sprint("host ", i)).Public() }

// hosts lists n hosts: the first alone in wave 0, the rest in wave 1, every third
// with the other build.
func hosts(n int) []hotstick.PlanHost {
	list := make([]hotstick.PlanHost, n)
	for i := range list {
		list[i] = hotstick.PlanHost{Host: hotstick.NewHostID(identityKey(i)), Name: fmt.Sprintf("host-%d", i), Identity: identity(i), Build: build, Wave: min(i, 1)}
		if i%3 == 2 {
			list[i].Build = other
		}
	}
	return list
}

func (w *world) plan(list []hotstick.PlanHost) hotstick.Plan {
	w.Helper()
	root, err := statement.HostsRoot(list)
	if err != nil {
		w.Fatal(err)
	}
	p := hotstick.Plan{
		Schema: hotstick.PlanSchema, Name: "close CVE-2026-52928", Patch: hotstick.PatchRef{Name: "unix-ioctl", Level: 2},
		Author: "ann", Epoch: 3, CreatedAt: now, NotAfter: now.Add(14 * 24 * time.Hour),
		Lanes: []hotstick.Lane{
			{Build: build, Driver: "klp", Artifact: hotstick.NewDigest([]byte("a")), Module: "hotstick_unix_ioctl_2", RevertTo: []hotstick.RevertTarget{
				{}, {Patch: hotstick.PatchRef{Name: "unix-ioctl", Level: 1}, Artifact: hotstick.NewDigest([]byte("b")), Module: "hotstick_unix_ioctl_1"}}},
			{Build: other, Driver: "klp", Artifact: hotstick.NewDigest([]byte("c")), Module: "hotstick_unix_ioctl_2", RevertTo: []hotstick.RevertTarget{{}}},
		},
		HostsRoot: root, HostCount: len(list), Budgets: []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 2}},
		ProbationSeconds: 60, TransitionSeconds: 30,
	}
	waves := []hotstick.Wave{{Name: "first-host"}, {Name: "rest", DelaySeconds: 60, BakeSeconds: 30}}
	for _, h := range list {
		waves[h.Wave].Hosts++
	}
	p.Waves = waves
	return p
}

// grant is a valid grant of the plan for the host at index.
func (w *world) grant(id hotstick.PlanID, list []hotstick.PlanHost, index int) statement.Grant {
	w.Helper()
	proof, err := statement.ProveHost(list, int64(index))
	if err != nil {
		w.Fatal(err)
	}
	h := list[index]
	return statement.Grant{Plan: id, Host: h.Host, Identity: h.Identity, Build: h.Build, Wave: h.EarliestWave(), Attempt: 1,
		Index: int64(index), Proof: proof, Nonce: "n-1", Epoch: 3, Generation: 7, TTLSeconds: 60}
}

// lateGrant is a grant of the plan for host i, which is not listed.
func lateGrant(id hotstick.PlanID, i int) statement.Grant {
	return statement.Grant{Plan: id, Host: hotstick.NewHostID(identityKey(i)), Identity: identity(i), Build: build, Wave: 1, Attempt: 1,
		Late: true, Nonce: "n-1", Epoch: 3, Generation: 7, TTLSeconds: 60}
}

func (w *world) template() statement.Template {
	return statement.Template{Name: "night watch", Patches: []string{"unix-*"}, FirstWaveHosts: 1, ProbationSeconds: 30, BakeSeconds: 10, DelaySeconds: 60,
		Budgets: []hotstick.Budget{{Domain: hotstick.FleetDomain, Percent: 50}}, LifeSeconds: 24 * 3600, IssuedAt: now.Add(-30 * 24 * time.Hour), NotAfter: now.Add(60 * 24 * time.Hour)}
}

// hasty is a plan that keeps within a template that cid and dan signed.
func (w *world) hasty(list []hotstick.PlanHost) hotstick.Plan {
	w.Helper()
	p := w.plan(list)
	p.NotAfter, p.Waves[0].BakeSeconds = now.Add(12*time.Hour), 10
	p.Budgets = []hotstick.Budget{{Domain: hotstick.FleetDomain, Percent: 50}}
	p.Emergency = w.mustSign(statement.KindTemplate, w.template(), "cid", "dan")
	return p
}

func (w *world) ban() statement.Ban {
	return statement.Ban{Patch: hotstick.PatchRef{Name: "unix-ioctl", Level: 3}, Reason: hotstick.Reason{Code: hotstick.ReasonGateFailed}, Epoch: 3, IssuedAt: now}
}

func (w *world) clear() statement.Clear {
	return statement.Clear{Patch: hotstick.PatchRef{Name: "unix-ioctl", Level: 3}, Hosts: []hotstick.HostID{hotstick.NewHostID(identityKey(1))},
		Ban: true, IssuedAt: now, NotAfter: now.Add(time.Hour)}
}
