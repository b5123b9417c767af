package server

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/statement"
)

func TestWhatNobodyMayApprove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fleetOfFour()
	d := w.draft(w.publish(1), quick)
	stranger := w.newKey()

	_, err := w.admin.Submit(t.Context(), api.SubmitRequest{Envelope: w.sign(d, bob), Hosts: d.Hosts})
	w.refused(err, 422, "signature")
	_, err = w.admin.Submit(t.Context(), api.SubmitRequest{Envelope: w.sign(d, alice), Hosts: d.Hosts[1:]})
	w.refused(err, 422, "invalid")

	_, err = w.admin.Submit(t.Context(), api.SubmitRequest{Envelope: w.signedBy(w.sign(d, alice), stranger), Hosts: d.Hosts})
	w.refused(err, 422, "signature")

	r, err := w.admin.Submit(t.Context(), api.SubmitRequest{Envelope: w.sign(d, alice), Hosts: d.Hosts})
	w.must(err)
	again, err := w.admin.Submit(t.Context(), api.SubmitRequest{Envelope: w.sign(d, alice), Hosts: d.Hosts})
	w.must(err)
	if again.Plan != r.Plan || again.Generation != r.Generation {
		t.Error("handing a plan in twice changed something")
	}
	plan := string(r.Plan)
	_, err = w.admin.Start(t.Context(), plan)
	w.refused(err, 409, "conflict")

	bundle, err := w.admin.Bundle(t.Context(), plan)
	w.must(err)
	approve := func(raw []byte) error {
		_, err := w.admin.Approve(t.Context(), plan, api.ApprovalRequest{Envelope: raw})
		return err
	}
	e := w.refused(approve(bundle.Envelope), 422, "approver_is_author")
	if !strings.Contains(e.Detail, "alice") {
		t.Errorf("the refusal does not say who the author is: %s", e.Detail)
	}
	w.refused(approve(w.signedBy(bundle.Envelope, stranger)), 422, "unknown_person")
	w.refused(approve(w.forged(bundle.Envelope, bob)), 422, "signature")

	var edited hotstick.Plan
	w.must(json.Unmarshal(d.Payload, &edited))
	edited.ProbationSeconds = 2
	other, err := statement.Sign(statement.KindPlan, edited, w.persons[alice], w.persons[bob])
	w.must(err)
	w.refused(approve(other), 422, "plan_edited")

	r = w.approve(plan, bob)
	if r.Status != hotstick.Proposed || len(r.Approvals) != 2 || r.Needed != 2 {
		t.Errorf("after one of two approvals: %s, %d signatures, %d needed", r.Status, len(r.Approvals), r.Needed)
	}
	w.refused(approve(w.signedBy(bundle.Envelope, w.persons[bob])), 409, "conflict")
	// Carol signed the bundle that she fetched before bob had signed.
	w.must(approve(w.signedBy(bundle.Envelope, w.persons[carol])))
	r, err = w.admin.Rollout(t.Context(), plan)
	w.must(err)
	if r.Status != hotstick.Approved || len(r.Approvals) != 3 {
		t.Errorf("after both approvals: %s, %d signatures", r.Status, len(r.Approvals))
	}
}

func (w *world) signedBy(raw []byte, key statement.Signer) []byte {
	w.Helper()
	signed, err := statement.AddSignature(raw, key)
	w.must(err)
	return signed
}

// forged adds a signature under a person's key ID that another key made.
func (w *world) forged(raw []byte, person hotstick.Person) []byte {
	w.Helper()
	signed := w.signedBy(raw, w.newKey())
	var e struct {
		PayloadType string `json:"payloadType"`
		Payload     string `json:"payload"`
		Signatures  []struct {
			KeyID string `json:"keyid"`
			Sig   string `json:"sig"`
		} `json:"signatures"`
	}
	w.must(json.Unmarshal(signed, &e))
	e.Signatures[len(e.Signatures)-1].KeyID = statement.KeyID(w.persons[person].Public())
	out, err := json.Marshal(e)
	w.must(err)
	return out
}

func TestDraftsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fleetOfFour()
	ref := w.publish(1).String()
	tests := []struct {
		name string
		req  api.DraftRequest
		code string
		says string
	}{
		{"an empty selector", api.DraftRequest{Patch: ref, Author: alice}, "selector", "empty is never all"},
		{"a misspelt selector", api.DraftRequest{Patch: ref, Author: alice, Selector: `host.lables.role == "db"`}, "selector", "line 1, column 5"},
		{"a selector that matches nothing", api.DraftRequest{Patch: ref, Author: alice, Selector: "false"}, "refused", "matches no host"},
		{"an unknown author", api.DraftRequest{Patch: ref, Author: "mallory", Selector: "true"}, "unknown_person", "no such person"},
		{"a patch without a level", api.DraftRequest{Patch: "unix-ioctl", Author: alice, Selector: "true"}, "invalid", "patch's name"},
		{"a budget of nothing", api.DraftRequest{Patch: ref, Author: alice, Selector: "true", Settings: api.PlanSettings{Budgets: map[string]int{"rack": 0}}}, "invalid", "at least one host"},
		{"a negative bake", api.DraftRequest{Patch: ref, Author: alice, Selector: "true", Settings: api.PlanSettings{BakeSeconds: -1}}, "invalid", "bake_seconds"},
	}
	for _, tt := range tests {
		_, err := w.admin.Draft(t.Context(), tt.req)
		if e := w.refused(err, 422, tt.code); !strings.Contains(e.Detail, tt.says) {
			t.Errorf("%s: %q does not say %q", tt.name, e.Detail, tt.says)
		}
	}
	_, err := w.admin.Draft(t.Context(), api.DraftRequest{Patch: "unix-ioctl@9", Author: alice, Selector: "true"})
	w.refused(err, 404, "not_found")
}

func TestAPatchForAnotherKernelBuildIsLeftOutAndNeverTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fleetOfFour()
	odd := w.join("odd", hotstick.KernelBuild{Release: "5.10.0-1-amd64", Arch: "x86_64", BuildID: strings.Repeat("c", 40)})
	w.known(odd)
	d := w.draft(w.publish(1), quick)
	if len(d.Hosts) != 4 || len(d.LeftOut) != 1 || d.LeftOut[0].Reason.Code != hotstick.ReasonNoArtifact {
		t.Fatalf("%d hosts, left out %+v", len(d.Hosts), d.LeftOut)
	}
	// The same plan, listing for a host another kernel build than it runs.
	var plan hotstick.Plan
	w.must(json.Unmarshal(d.Payload, &plan))
	for i := range d.Hosts {
		d.Hosts[i].StandIn = nil // which would be refused first
	}
	for i := range d.Hosts {
		if d.Hosts[i].Build == buildA {
			d.Hosts[i].Build = buildB
			break
		}
	}
	var err error
	plan.HostsRoot, err = statement.HostsRoot(d.Hosts)
	w.must(err)
	raw, err := statement.Sign(statement.KindPlan, plan, w.persons[alice])
	w.must(err)
	_, err = w.admin.Submit(t.Context(), api.SubmitRequest{Envelope: raw, Hosts: d.Hosts})
	if e := w.refused(err, 422, "refused"); !strings.Contains(e.Detail, "another kernel build") {
		t.Errorf("the refusal does not name the kernel build: %s", e.Detail)
	}
	plan.Lanes[0].Artifact = hotstick.NewDigest([]byte("other bytes"))
	raw, err = statement.Sign(statement.KindPlan, plan, w.persons[alice])
	w.must(err)
	_, err = w.admin.Submit(t.Context(), api.SubmitRequest{Envelope: raw, Hosts: d.Hosts})
	w.refused(err, 422, "refused")
}
