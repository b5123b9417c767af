package server

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/wire"
)

// act is one successful call of a route, and the kinds of leaves that it must
// leave, in their order: no more and no fewer.
type act struct {
	route string
	call  func(*told) error
	want  string
}

// acts has every route that is not read-only. A route that somebody adds is
// missing here until somebody has said what the audit log tells of it.
var acts = []act{
	{"POST /api/v1/session", func(w *told) error { w.cookie = w.signIn(identity.Admin); return nil }, "token.made session.opened"},
	{"DELETE /api/v1/session", func(w *told) error {
		a := w.ask("DELETE", "/api/v1/session", "", "Cookie", cookieName+"="+w.cookie, "Sec-Fetch-Site", "same-origin")
		return w.succeeded(a.status)
	}, "session.closed"},
	{"POST /api/v1/tokens", func(w *told) error {
		made, err := w.admin.MakeToken(w.Context(), api.TokenRequest{})
		w.id = made.ID
		return err
	}, "token.made"},
	{"POST /api/v1/tokens/{id}/revoke", func(w *told) error { return result(w.admin.RevokeToken(w.Context(), w.id, said)) }, "token.revoked"},
	{"POST /api/v1/accounts", func(w *told) error {
		return result(w.admin.MakeAccount(w.Context(), api.AccountRequest{Person: "erin", Roles: []string{identity.Viewer}}))
	}, "account.made"},
	{"POST /api/v1/accounts/{person}/roles", func(w *told) error {
		return result(w.admin.SetRoles(w.Context(), "erin", api.RolesRequest{Roles: []string{identity.Auditor}, Reason: "x"}))
	}, "account.roles"},
	{"POST /api/v1/accounts/{person}/password", func(w *told) error {
		return result(w.admin.SetPassword(w.Context(), "erin", api.PasswordRequest{New: secretWord}))
	}, "account.password"},
	{"POST /api/v1/session/password", func(w *told) error {
		cookie := w.password("erin", secretWord).cookie()
		a := w.ask("POST", "/api/v1/session/password", `{"current":"`+secretWord+`","new":"staple horse battery"}`, "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
		return w.succeeded(a.status)
	}, "token.made session.opened account.password"},
	{"POST /api/v1/accounts/{person}/disable", func(w *told) error { return result(w.admin.Disable(w.Context(), "erin", said)) }, "account.disabled"},
	{"POST /api/v1/accounts/{person}/enable", func(w *told) error { return result(w.admin.Enable(w.Context(), "erin", said)) }, "account.enabled"},
	{"POST /api/v1/join-tokens", func(w *told) error { w.token = w.joinToken(); return nil }, "token.made"},
	{"POST /api/v1/join-tokens/{id}/revoke", func(w *told) error {
		made, err := w.admin.MakeJoinToken(w.Context(), api.JoinTokenRequest{Group: map[string]string{"site": "a"}})
		w.must(err)
		return result(w.admin.RevokeJoinToken(w.Context(), made.ID, said))
	}, "token.made token.revoked"},
	{"POST /agent/v1/enroll", func(w *told) error { return w.enrolWith(w.token) }, "host.enrolled"},
	{"POST /agent/v1/enroll", func(w *told) error { return w.enrolWith(w.token) }, "host.certified"},
	{"POST /agent/v1/renew", func(w *told) error {
		request := w.host.enrolment("").Request
		var answer wire.RenewResponse
		status, err := w.host.post("/agent/v1/renew", &wire.RenewRequest{Request: request, Proof: ed25519.Sign(w.host.identity, request)}, &answer)
		w.must(err)
		return w.succeeded(status)
	}, "host.certified"},
	{"POST /agent/v1/sync", func(w *told) error { return w.checkIn() }, "host.booted host.facts"},
	{"POST /agent/v1/sync", func(w *told) error { return w.checkIn() }, ""},
	{"PUT /api/v1/catalog/artifacts/{digest}", func(w *told) error {
		return w.admin.UploadArtifact(w.Context(), hotstick.NewDigest([]byte("x")), []byte("x"))
	}, "artifact.uploaded"},
	{"POST /api/v1/catalog/targets", func(w *told) error { w.ref = w.publish(1); return nil },
		"artifact.uploaded artifact.uploaded catalog.published"},
	{"POST /api/v1/catalog/targets", func(w *told) error { return w.delegate() }, "catalog.published catalog.published"},
	{"POST /api/v1/catalog/root", func(w *told) error { return w.nextRoot() }, "trust.changed"},
	{"POST /api/v1/rollouts/draft", func(w *told) error { w.plan = w.draftManual(); return nil }, ""},
	{"POST /api/v1/rollouts", func(w *told) error {
		r, err := w.admin.Submit(w.Context(), api.SubmitRequest{Envelope: w.envelope, Hosts: w.plan.Hosts})
		w.id = string(r.Plan)
		return err
	}, "plan.proposed"},
	{"POST /api/v1/rollouts/{plan}/rehearsal", func(w *told) error {
		return result(w.admin.Rehearse(w.Context(), w.id, api.RehearsalRequest{Runs: 1, Scenarios: []string{"good"}}))
	}, ""},
	{"POST /api/v1/rollouts/{plan}/approvals", func(w *told) error { w.approve(w.id, bob); return nil }, "plan.signed"},
	{"POST /api/v1/rollouts/{plan}/approvals", func(w *told) error { w.approve(w.id, carol); return nil }, "plan.signed plan.status"},
	{"POST /api/v1/rollouts/{plan}/start", func(w *told) error { return result(w.admin.Start(w.Context(), w.id)) }, "plan.status"},
	{"POST /api/v1/rollouts/{plan}/hold", func(w *told) error { return result(w.admin.Hold(w.Context(), w.id, said)) }, "plan.status"},
	{"POST /api/v1/rollouts/{plan}/resume", func(w *told) error { return result(w.admin.Resume(w.Context(), w.id, said)) }, "plan.status"},
	{"POST /api/v1/rollouts/{plan}/next-wave", func(w *told) error { return result(w.admin.NextWave(w.Context(), w.id, said)) }, "plan.promoted"},
	{"POST /api/v1/rollouts/{plan}/retry", func(w *told) error {
		w.fail()
		return result(w.admin.Retry(w.Context(), w.id, api.RetryRequest{Reason: "x", Failed: true}))
	}, "host.state plan.retried"},
	{"POST /api/v1/rollouts/{plan}/dismiss", func(w *told) error {
		w.fail()
		return result(w.admin.Dismiss(w.Context(), w.id, api.DismissRequest{Host: w.host.id, Reason: "x"}))
	}, "host.state"},
	{"POST /api/v1/rollouts/{plan}/halt", func(w *told) error { return result(w.admin.Halt(w.Context(), w.id, said)) }, "plan.status"},
	{"POST /api/v1/rollouts/{plan}/revert", func(w *told) error {
		return result(w.admin.Revert(w.Context(), w.id, api.RevertRequest{Reason: "x"}))
	}, "plan.reverting patch.banned"},
	{"POST /api/v1/clears", func(w *told) error { return w.clearBan() }, "patch.cleared"},
	{"POST /api/v1/downgrades", func(w *told) error {
		raw := w.signed(statement.KindDowngrade, statement.Downgrade{Patch: w.ref, From: w.ref.Level + 1, Hosts: []hotstick.HostID{w.host.id},
			Builds: []hotstick.KernelBuild{}, Why: "x", IssuedAt: soon(0), NotAfter: soon(time.Hour)})
		return result(w.admin.Downgrade(w.Context(), api.StatementRequest{Envelope: raw}))
	}, "statement.taken"},
	{"POST /api/v1/evidence", func(w *told) error { return w.proves() }, "statement.taken"},
	{"POST /api/v1/waivers", func(w *told) error {
		raw := w.signed(statement.KindWaiver, statement.Waiver{Name: "x", Policy: "standard", Rules: []string{"reversible"}, Hosts: "true", Why: "x",
			IssuedAt: soon(0), NotAfter: soon(time.Hour)})
		return result(w.admin.Waiver(w.Context(), api.StatementRequest{Envelope: raw}))
	}, "statement.taken"},
	{"POST /api/v1/patches/{name}/{level}/ban", func(w *told) error {
		return result(w.admin.Ban(w.Context(), w.ref, api.BanRequest{Reason: "x"}))
	}, "patch.banned"},
	{"POST /api/v1/hosts/{id}/exclude", func(w *told) error {
		return result(w.admin.Exclude(w.Context(), string(w.host.id), api.ExcludeRequest{Reason: "x", Until: time.Now().Add(time.Hour)}))
	}, "host.excluded"},
	{"POST /api/v1/hosts/{id}/include", func(w *told) error { return result(w.admin.Include(w.Context(), string(w.host.id), said)) }, "host.included"},
	{"POST /api/v1/authority", func(w *told) error {
		return result(w.admin.ChangeAuthority(w.Context(), api.AuthorityRequest{Reason: "x"}))
	}, "authority.announced"},
	{"POST /api/v1/hosts/{id}/unclone", func(w *told) error {
		w.clone()
		return result(w.admin.Unclone(w.Context(), string(w.host.id), said))
	}, "host.cloned host.uncloned"},
	{"POST /api/v1/hosts/{id}/write-off", func(w *told) error { return result(w.admin.WriteOff(w.Context(), string(w.host.id), said)) }, "host.revoked"},
	{"POST /api/v1/feeds", func(w *told) error {
		req := api.FeedRequest{Name: "carried", Location: "/nowhere", Disabled: true, Reason: "x"}
		if _, err := w.admin.PutFeed(w.Context(), req); err != nil {
			return err
		}
		if _, err := w.admin.PutFeed(w.Context(), req); err != nil { // the same again is no change
			return err
		}
		req.Vendor = []string{"debian"}
		return result(w.admin.PutFeed(w.Context(), req))
	}, "feed.added feed.changed"},
	{"POST /api/v1/feeds/{name}/remove", func(w *told) error { return result(w.admin.RemoveFeed(w.Context(), "carried", said)) }, "feed.removed"},
	{"POST /api/v1/freezes", func(w *told) error {
		f, err := w.admin.Freeze(w.Context(), api.FreezeRequest{Reason: "x", Until: time.Now().Add(time.Hour)})
		w.freeze = f.ID
		return err
	}, "fleet.frozen"},
	{"POST /api/v1/freezes/{id}/remove", func(w *told) error { return result(w.admin.Unfreeze(w.Context(), w.freeze, said)) }, "fleet.thawed"},
	{"POST /api/v1/reconcile", func(w *told) error {
		w.must(w.kept.Update(w.Context(), func(tx store.Tx) error {
			return tx.Events().SetMark(inventory.MarkRestored, tx.Now().Format(time.RFC3339Nano))
		}))
		return result(w.admin.Reconcile(w.Context(), api.ReconcileRequest{Reason: "x", AcceptSilent: true}))
	}, "log.reconciled"},
	{"POST /api/v1/stop", func(w *told) error { return result(w.admin.Stop(w.Context(), api.StopRequest{Reason: "x"})) }, "fleet.stopped"},
	{"POST /api/v1/stop", func(w *told) error {
		return result(w.admin.Stop(w.Context(), api.StopRequest{Reason: "x", Lift: true}))
	}, "fleet.lifted"},
}

var said = api.ActionRequest{Reason: "x"}

// told is a world in which one act follows the other.
type told struct {
	*world
	cookie, token, id, freeze string
	host                      *simulated
	ref                       hotstick.PatchRef
	plan                      api.Draft
	envelope                  []byte
}

func TestEveryRouteThatChangesSomethingLeavesExactlyItsLeaves(t *testing.T) {
	t.Parallel()
	w := &told{world: newWorld(t, memory.Open(time.Now))}
	w.host = w.newHost("host-1", buildA)
	w.must(result(w.enrol("host-2", buildB).checkIn(t.Context(), 0)))
	known := map[string]bool{}
	for _, a := range acts {
		known[a.route] = true
		before := w.size()
		if err := a.call(w); err != nil {
			t.Fatalf("%s: %v", a.route, err)
		}
		if got := strings.Join(w.since(before), " "); got != a.want {
			t.Errorf("%s left %q, want %q", a.route, got, a.want)
		}
	}
	for _, r := range routes() {
		if name := r.method + " " + r.path; r.method != http.MethodGet && !known[name] {
			t.Errorf("nobody has said which leaves %s leaves", name)
		} else if r.method == http.MethodGet && known[name] {
			t.Errorf("%s reads and leaves nothing", name)
		}
	}
}

func (w *told) succeeded(status int) error {
	if status >= 300 {
		return fmt.Errorf("it answered %d", status)
	}
	return nil
}

// size is the number of leaves.
func (w *told) size() (size int64) {
	w.Helper()
	w.must(w.kept.View(w.Context(), func(tx store.Tx) (err error) { size, _, err = tx.Events().Head(); return err }))
	return size
}

// since lists the kinds of leaves from a size on, but for those of the loop that
// decides.
func (w *told) since(size int64) (kinds []string) {
	w.Helper()
	w.must(w.kept.View(w.Context(), func(tx store.Tx) error {
		events, err := tx.Events().List(store.EventFilter{From: size})
		for _, e := range slices.Backward(events) {
			if e.Seq >= size && e.Actor != "controller" {
				kinds = append(kinds, e.Kind)
			}
		}
		return err
	}))
	return kinds
}

// enrolWith enrols the host, or asks again for an answer that was lost.
func (w *told) enrolWith(token string) error {
	var answer wire.EnrollResponse
	status, err := w.host.post("/agent/v1/enroll", w.host.enrolment(token), &answer)
	w.must(err)
	w.host.id = answer.Host
	w.host.useCertificate(answer.Certificate)
	return w.succeeded(status)
}

func (w *told) checkIn() error { return result(w.host.checkIn(w.Context(), 0)) }

// draftManual drafts and signs a plan whose first wave waits for an operator.
func (w *told) draftManual() api.Draft {
	w.Helper()
	d := w.draft(w.ref, quick)
	var plan hotstick.Plan
	w.must(jsonInto(d.Payload, &plan))
	plan.Waves[0].Manual = true
	raw, err := statement.Sign(statement.KindPlan, plan, w.persons[alice])
	w.must(err)
	w.envelope = raw
	return d
}

// fail makes the host's line one that may be tried again, behind the server's back.
func (w *told) fail() {
	w.Helper()
	w.must(w.kept.Update(w.Context(), func(tx store.Tx) error {
		lines, err := tx.Plans().OfHost(w.host.id)
		if err != nil {
			return err
		}
		lines[0].State = hotstick.Failed
		return tx.Plans().PutHost(lines[0])
	}))
}

// clone makes the host one whose identity two machines use.
func (w *told) clone() {
	w.Helper()
	w.must(w.kept.Update(w.Context(), func(tx store.Tx) error {
		h, err := tx.Hosts().Get(w.host.id)
		if err != nil {
			return err
		}
		h.Lineage.Cloned = &store.Clone{At: tx.Now()}
		_, err = tx.Events().Append(store.Event{Kind: inventory.HostCloned, Host: h.ID})
		return errors.Join(err, tx.Hosts().Put(h))
	}))
}

// clearBan hands in a clear that lifts the ban.
// signed is a statement that enough persons signed.
func (w *told) signed(kind statement.Kind, body any) []byte {
	raw, err := statement.Sign(kind, body, w.persons[bob], w.persons[carol])
	w.must(err)
	return raw
}

// proves hands in what a laboratory says of an artifact.
func (w *told) proves() error {
	p, err := w.admin.Patch(w.Context(), w.ref)
	w.must(err)
	said := statement.Evidence{Type: statement.EvidenceType, PredicateType: statement.PredicateTestResult, Predicate: []byte(`{"result":"PASSED","configuration":[]}`),
		Subject: []statement.EvidenceSubject{{Digest: map[string]string{"sha256": p.Artifacts[0].Digest.Hex()}}}}
	raw, err := statement.Sign(statement.KindEvidence, said, w.lab)
	w.must(err)
	return result(w.admin.Evidence(w.Context(), api.StatementRequest{Envelope: raw}))
}

// soon is a time from now, as statements have them.
func soon(after time.Duration) time.Time {
	return time.Now().UTC().Truncate(time.Second).Add(after)
}

func (w *told) clearBan() error {
	now := time.Now().UTC().Truncate(time.Second)
	raw, err := statement.Sign(statement.KindClear, statement.Clear{Patch: w.ref, Hosts: []hotstick.HostID{}, Ban: true,
		IssuedAt: now, NotAfter: now.Add(time.Hour)}, w.persons[bob], w.persons[carol])
	w.must(err)
	return result(w.admin.Clear(w.Context(), api.ClearRequest{Envelope: raw}))
}
