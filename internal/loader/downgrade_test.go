package loader_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/statement"
)

// downgraded is a host that has confirmed level 3 and is offered level 1 by a plan
// that two persons signed.
type downgraded struct {
	*world
	oldest, older, newest hotstick.Patch
	plan                  hotstick.PlanID
}

func newDowngraded(t *testing.T) *downgraded {
	w := &downgraded{world: newWorld(t)}
	// An older level without permission is what m persons must stand for.
	w.view.Trust.Persons = append(w.view.Trust.Persons, hotstick.TrustedPerson{Person: "cid", Keys: []hotstick.TrustedKey{hotstick.TrustedKey(key("carpenter").Public())}})
	w.oldest, w.older, w.newest = w.publish("fix@1", fake.Behaviour{}), w.publish("fix@2", fake.Behaviour{}), w.publish("fix@3", fake.Behaviour{})
	w.mustConfirm(w.newest)
	w.plan = w.planBack(w.oldest)
	return w
}

// planBack announces a plan that goes from the newest level to this one.
func (w *downgraded) planBack(to hotstick.Patch) hotstick.PlanID {
	raw, id := w.world.plan(to, func(p *hotstick.Plan) {
		p.Lanes[0].RevertTo = []hotstick.RevertTarget{{Patch: w.newest.Ref, Artifact: w.newest.Artifacts[0].Digest, Module: "fix_3"}}
	})
	w.exchange(raw)
	return id
}

func (w *downgraded) downgrade(edit func(*statement.Downgrade), signers ...statement.Signer) json.RawMessage {
	d := statement.Downgrade{Patch: w.oldest.Ref, From: 3, Hosts: []hotstick.HostID{hotstick.NewHostID(identity.Public())}, Builds: []hotstick.KernelBuild{},
		Why: "level 3 is slow", IssuedAt: w.now.Truncate(time.Second), NotAfter: w.now.Add(time.Hour).Truncate(time.Second)}
	if edit != nil {
		edit(&d)
	}
	return w.sign(statement.KindDowngrade, d, signers...)
}

func TestAnOlderLevelThatADowngradeAllowsStarts(t *testing.T) {
	for _, where := range []func(*statement.Downgrade){nil, func(d *statement.Downgrade) { d.Hosts, d.Builds = nil, []hotstick.KernelBuild{build} }} {
		w := newDowngraded(t)
		w.exchange(w.downgrade(where, author), w.grant(w.plan, 1, nil))
		w.pass(15 * time.Second)
		w.mustEnd(hotstick.Confirmed, "")
		w.mustRun(w.oldest.Ref)
		// What is above it stays the mark: a further downgrade is another one.
		id := w.planBack(w.older)
		w.exchange(w.grant(id, 1, nil))
		w.pass(time.Second)
		w.mustEnd(hotstick.Failed, hotstick.ReasonDowngrade)
	}
}

func TestAnOlderLevelByADowngradeThatDoesNotCoverItIsRefused(t *testing.T) {
	for name, edit := range map[string]func(*statement.Downgrade){
		"for another host":               func(d *statement.Downgrade) { d.Hosts[0] = hotstick.NewHostID(thief.Public()) },
		"for another build":              func(d *statement.Downgrade) { d.Hosts, d.Builds = nil, []hotstick.KernelBuild{otherBuild} },
		"for another level":              func(d *statement.Downgrade) { d.Patch.Level = 2 },
		"for another patch":              func(d *statement.Downgrade) { d.Patch.Name = "mend" },
		"for a host that was not so far": func(d *statement.Downgrade) { d.From = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newDowngraded(t)
			w.exchange(w.downgrade(edit, author), w.grant(w.plan, 1, nil))
			w.pass(time.Second)
			w.mustEnd(hotstick.Failed, hotstick.ReasonDowngrade)
			w.mustRun(w.newest.Ref)
		})
	}
}

func TestADowngradeThatOnlyTheServerSignedIsRefused(t *testing.T) {
	for name, signer := range map[string]statement.Signer{"the server": server, "a thief": thief, "the host itself": identity} {
		t.Run(name, func(t *testing.T) {
			w := newDowngraded(t)
			w.exchange(w.downgrade(nil, signer))
			w.mustRefuse(hotstick.ReasonSignature)
			w.exchange(w.grant(w.plan, 1, nil))
			w.pass(time.Second)
			w.mustEnd(hotstick.Failed, hotstick.ReasonDowngrade)
			w.mustRun(w.newest.Ref)
		})
	}
}

func TestADowngradeThatFewerThanEnoughPersonsSignedIsRefused(t *testing.T) {
	w := newDowngraded(t)
	w.view.Trust.Approvals = 2
	w.exchange()
	w.exchange(w.downgrade(nil, approver))
	w.mustRefuse(hotstick.ReasonSignature)
	before := len(w.refusals)
	w.exchange(w.downgrade(nil, approver, author))
	if len(w.refusals) != before {
		t.Errorf("what two persons signed was refused: %v", w.refusals[before:])
	}
}

func TestAReplayedDowngradeBeyondItsLifeIsRefused(t *testing.T) {
	w := newDowngraded(t)
	raw := w.downgrade(nil, author)
	w.exchange(raw) // taken in time, used too late
	w.now = w.now.Add(2 * time.Hour)
	w.exchange(raw)
	w.mustRefuse(hotstick.ReasonGrantExpired)
	w.pass(time.Second)
	w.exchange(w.grant(w.plan, 1, nil))
	w.pass(time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonDowngrade)
	w.mustRun(w.newest.Ref)
}

// A signer who was taken out of the catalog between the downgrade and the grant does
// not count any more.
func TestADowngradeOfSomebodyWhoLeftIsRefused(t *testing.T) {
	w := newDowngraded(t)
	w.exchange(w.downgrade(nil, key("carpenter")))
	w.view.Trust.Persons = w.view.Trust.Persons[:2]
	w.exchange()
	w.exchange(w.grant(w.plan, 1, nil))
	w.pass(time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonDowngrade)
	w.mustRun(w.newest.Ref)
}

// A plan's own list of levels to go back to is for the way back, never for a start.
func TestAPlanCannotPermitItsOwnDowngrade(t *testing.T) {
	w := newDowngraded(t)
	raw, id := w.world.plan(w.oldest, func(p *hotstick.Plan) {
		p.Lanes[0].RevertTo = []hotstick.RevertTarget{{Patch: w.newest.Ref, Artifact: w.newest.Artifacts[0].Digest, Module: "fix_3"},
			{Patch: w.oldest.Ref, Artifact: w.older.Artifacts[0].Digest, Module: "fix_2"}}
	})
	w.exchange(raw)
	w.exchange(w.grant(id, 1, nil))
	w.pass(time.Second)
	w.mustEnd(hotstick.Failed, hotstick.ReasonDowngrade)
	w.mustRun(w.newest.Ref)
}

func TestAFloodOfDowngradesPushesOutTheOldest(t *testing.T) {
	w := newDowngraded(t)
	good := w.downgrade(nil, author)
	w.exchange(good)
	for i := range 64 {
		w.exchange(w.downgrade(func(d *statement.Downgrade) {
			d.Patch.Name, d.NotAfter = "mend", d.NotAfter.Add(time.Duration(i)*time.Second)
		}, author))
	}
	w.exchange(good, w.grant(w.plan, 1, nil)) // as the server sends it
	w.pass(15 * time.Second)
	w.mustEnd(hotstick.Confirmed, "")
	w.mustRun(w.oldest.Ref)
}
