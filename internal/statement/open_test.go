package statement_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// opened opens a statement of whatever kind as its checker would.
func opened(raw []byte, kind statement.Kind, trust hotstick.Trust) (body any, err error) {
	switch kind {
	case statement.KindPlan:
		body, _, err = statement.OpenPlan(raw, trust, now)
	case statement.KindGrant:
		body, err = statement.OpenGrant(raw, trust)
	case statement.KindBan:
		body, err = statement.OpenBan(raw, trust)
	case statement.KindHalt:
		body, err = statement.OpenHalt(raw, trust)
	case statement.KindOrder:
		body, err = statement.OpenOrder(raw, trust)
	case statement.KindClear:
		body, err = statement.OpenClear(raw, trust, now)
	case statement.KindTemplate:
		body, err = statement.OpenTemplate(raw, trust, now)
	case statement.KindAuthority:
		body, err = statement.OpenAuthority(raw, trust)
	case statement.KindDowngrade:
		body, err = statement.OpenDowngrade(raw, trust, now)
	case statement.KindWaiver:
		body, _, err = statement.OpenWaiver(raw, trust, now)
	case statement.KindEvidence:
		body, _, err = statement.OpenEvidence(raw, trust)
	default:
		err = fmt.Errorf("no test opens a %s", kind)
	}
	return body, err
}

func open(raw []byte, kind statement.Kind, trust hotstick.Trust) error {
	_, err := opened(raw, kind, trust)
	return err
}

// example is one valid statement of a kind and who signs it.
type example struct {
	kind    statement.Kind
	body    any
	signers []string
}

func (w *world) examples() []example {
	list := hosts(5)
	plan := w.plan(list)
	unverified, err := statement.ParsePlan(w.mustSign(statement.KindPlan, plan, "ann"))
	if err != nil {
		w.Fatal(err)
	}
	id := unverified.ID
	reason := hotstick.Reason{Code: hotstick.ReasonGateFailed, Subject: "unix-ioctl", Detail: "probe said no"}
	server := []string{"server"}
	return []example{
		{statement.KindPlan, plan, []string{"ann", "bob", "cid"}},
		{statement.KindGrant, w.grant(id, list, 3), server},
		{statement.KindBan, w.ban(), server},
		{statement.KindHalt, statement.Halt{Plan: id, Reason: reason, Epoch: 3, IssuedAt: now}, server},
		{statement.KindOrder, statement.Order{Plan: id, Host: list[3].Host, Nonce: "n-2", Epoch: 3, TTLSeconds: 60, Reason: reason}, server},
		{statement.KindClear, w.clear(), []string{"bob", "dan"}},
		{statement.KindTemplate, w.template(), []string{"cid", "dan"}},
		{statement.KindAuthority, statement.Authority{From: hotstick.NewDigest([]byte("old")), Certificate: []byte("new"), Epoch: 3, IssuedAt: now}, server},
		{statement.KindDowngrade, w.downgrade(), []string{"ann", "cid"}},
		{statement.KindWaiver, w.waiver(), []string{"bob", "cid"}},
		{statement.KindEvidence, w.evidence(), []string{"lab"}},
	}
}

func TestEveryKindOpensAsItselfOnly(t *testing.T) {
	w := newWorld(t)
	for _, e := range w.examples() {
		raw := w.mustSign(e.kind, e.body, e.signers...)
		if kind, err := statement.KindOf(raw); err != nil || kind != e.kind {
			t.Errorf("%s: a %s, %v", e.kind, kind, err)
		}
		for _, as := range w.examples() {
			err := open(raw, as.kind, w.trust)
			switch {
			case as.kind == e.kind && err != nil:
				t.Errorf("%s: %v", e.kind, err)
			case as.kind != e.kind:
				w.mustRefuse(err, hotstick.ReasonSignature)
			}
		}
	}
}

func TestAStatementUnderAnotherTypeIsRefused(t *testing.T) {
	w := newWorld(t)
	// A halt and a ban differ in one field; the type is part of what is signed.
	for _, e := range w.examples() {
		for _, typ := range []string{"application/vnd.hotstick.ban.v1+json", "application/vnd.hotstick.ban.v2+json", "application/vnd.hotstick..v1+json", "application/json", ""} {
			env := envelope(t, w.mustSign(e.kind, e.body, e.signers...))
			if env.PayloadType == typ {
				continue
			}
			env.PayloadType = typ
			for _, as := range []statement.Kind{e.kind, statement.KindBan} {
				w.mustRefuse(open(mustMarshal(t, env), as, w.trust), hotstick.ReasonSignature)
			}
		}
	}
}

func TestServerStatementsByAnybodyElseAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, e := range w.examples() {
		if len(e.signers) != 1 {
			continue
		}
		for _, who := range [][]string{{"mallory"}, {"ann"}, {"ann", "bob", "cid", "dan"}} {
			w.mustRefuse(open(w.mustSign(e.kind, e.body, who...), e.kind, w.trust), hotstick.ReasonSignature)
		}
	}
}

func TestAServerCannotSignForPersons(t *testing.T) {
	w := newWorld(t)
	w.mustRefuse(open(w.mustSign(statement.KindClear, w.clear(), "server"), statement.KindClear, w.trust), hotstick.ReasonSignature)
	w.mustRefuse(open(w.mustSign(statement.KindPlan, w.plan(hosts(3)), "server"), statement.KindPlan, w.trust), hotstick.ReasonSignature)
}

func TestGrantOfAnOlderEpochIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, e := range w.examples() {
		if e.signers[0] != "server" {
			continue
		}
		raw := w.mustSign(e.kind, e.body, "server")
		next := w.trust
		next.Epoch = 4
		w.mustRefuse(open(raw, e.kind, next), hotstick.ReasonStaleEpoch)
		// Also when the new epoch brought a new key, as it will after a theft.
		next.ServerKeys = []hotstick.TrustedKey{hotstick.TrustedKey(key("new server").Public())}
		w.mustRefuse(open(raw, e.kind, next), hotstick.ReasonStaleEpoch)
		behind := w.trust
		behind.Epoch = 2
		w.mustRefuse(open(raw, e.kind, behind), hotstick.ReasonCatalogUnknown)
	}
}

func TestAClearNeedsEnoughPersons(t *testing.T) {
	w := newWorld(t)
	for _, who := range [][]string{{"bob"}, {"bob", "bob's other"}, {"bob", "mallory"}, {"mallory"}} {
		w.mustRefuse(open(w.mustSign(statement.KindClear, w.clear(), who...), statement.KindClear, w.trust), hotstick.ReasonSignature)
	}
	raw := w.mustSign(statement.KindClear, w.clear(), "bob")
	if u, err := statement.ParseClear(raw); err != nil || !u.Clear.Ban {
		t.Errorf("%+v, %v", u, err)
	}
	c, err := statement.OpenClear(w.mustAdd(raw, "ann"), w.trust, now)
	if err != nil || len(c.Hosts) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestAnExpiredClearIsRefused(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindClear, w.clear(), "bob", "cid")
	_, err := statement.OpenClear(raw, w.trust, w.clear().NotAfter)
	w.mustRefuse(err, hotstick.ReasonGrantExpired)
}

func TestSignRefusesMalformedBodies(t *testing.T) {
	w := newWorld(t)
	list := hosts(3)
	good := w.grant(hotstick.NewDigest(nil), list, 1)
	grant := func(edit func(*statement.Grant)) statement.Grant { g := good; edit(&g); return g }
	reason := hotstick.Reason{Code: hotstick.ReasonOperator}
	tests := []struct {
		name string
		kind statement.Kind
		body any
	}{
		{"a grant that lives too long", statement.KindGrant, grant(func(g *statement.Grant) { g.TTLSeconds = 61 })},
		{"a grant that lives not at all", statement.KindGrant, grant(func(g *statement.Grant) { g.TTLSeconds = 0 })},
		{"a grant without a nonce", statement.KindGrant, grant(func(g *statement.Grant) { g.Nonce = "" })},
		{"a grant with a long nonce", statement.KindGrant, grant(func(g *statement.Grant) { g.Nonce = strings.Repeat("n", 129) })},
		{"a grant without a plan", statement.KindGrant, grant(func(g *statement.Grant) { g.Plan = "" })},
		{"a grant without an attempt", statement.KindGrant, grant(func(g *statement.Grant) { g.Attempt = 0 })},
		{"a grant for another host's identity", statement.KindGrant, grant(func(g *statement.Grant) { g.Identity = identity(2) })},
		{"a grant before all hosts", statement.KindGrant, grant(func(g *statement.Grant) { g.Index = -1 })},
		{"a grant without an epoch", statement.KindGrant, grant(func(g *statement.Grant) { g.Epoch = 0 })},
		{"a grant with an endless proof", statement.KindGrant, grant(func(g *statement.Grant) { g.Proof = make([]string, 65) })},
		{"a ban of nothing", statement.KindBan, statement.Ban{Reason: reason, Epoch: 3, IssuedAt: now}},
		{"a clear that ends before it begins", statement.KindClear, statement.Clear{Patch: hotstick.PatchRef{Name: "a", Level: 1}, IssuedAt: now, NotAfter: now.Add(-time.Hour)}},
		{"a ban for no reason", statement.KindBan, statement.Ban{Patch: hotstick.PatchRef{Name: "a", Level: 1}, Epoch: 3, IssuedAt: now}},
		{"a ban at no time", statement.KindBan, statement.Ban{Patch: hotstick.PatchRef{Name: "a", Level: 1}, Reason: reason, Epoch: 3}},
		{"a halt of no plan", statement.KindHalt, statement.Halt{Reason: reason, Epoch: 3, IssuedAt: now}},
		{"an order to no host", statement.KindOrder, statement.Order{Plan: good.Plan, Nonce: "n", Epoch: 3, TTLSeconds: 1, Reason: reason}},
		{"a clear without an end", statement.KindClear, statement.Clear{Patch: hotstick.PatchRef{Name: "a", Level: 1}, Ban: true, IssuedAt: now}},
		{"a ban as a halt", statement.KindHalt, w.ban()},
		{"an authority that follows itself", statement.KindAuthority, statement.Authority{From: hotstick.NewDigest([]byte("new")), Certificate: []byte("new"), Epoch: 3, IssuedAt: now}},
		{"an authority that follows nobody", statement.KindAuthority, statement.Authority{Certificate: []byte("new"), Epoch: 3, IssuedAt: now}},
		{"an authority without a certificate", statement.KindAuthority, statement.Authority{From: hotstick.NewDigest([]byte("old")), Epoch: 3, IssuedAt: now}},
		{"something else", statement.KindBan, struct{}{}},
		{"a pointer", statement.KindBan, &statement.Ban{}},
		{"an unknown kind", "deed", w.ban()},
	}
	for _, test := range tests {
		if raw, err := statement.Sign(test.kind, test.body, key("server")); err == nil {
			t.Errorf("%s: signed: %s", test.name, raw)
		}
	}
	if _, err := statement.Sign(statement.KindBan, w.ban()); err == nil {
		t.Error("a statement without any signer was made")
	}
}

// A body may be malformed although its signature is good: the signer's program
// may be older, newer, or not ours.
func TestMalformedStatementsAreRefusedWhoeverSigned(t *testing.T) {
	w := newWorld(t)
	ban := string(mustMarshal(t, w.ban()))
	for name, body := range map[string]string{
		"an unknown field": strings.Replace(ban, `{"patch"`, `{"also":1,"patch"`, 1),
		"a field twice":    strings.Replace(ban, `"epoch":3`, `"epoch":3,"epoch":4`, 1),
		"another case":     strings.Replace(ban, `"epoch":3`, `"Epoch":3`, 1),
		"trailing bytes":   ban + "{}",
		"null":             "null",
		"nothing":          "",
		"an unknown code":  strings.Replace(ban, "gate_failed", "because", 1),
		"not UTF-8":        strings.Replace(ban, "unix-ioctl", "unix\xff", 1),
	} {
		raw, err := statement.SignPayload(statement.KindBan, []byte(body), key("server"))
		if err != nil {
			t.Fatal(err)
		}
		if err := open(raw, statement.KindBan, w.trust); err == nil {
			t.Errorf("%s: taken", name)
		} else {
			w.mustRefuse(err, hotstick.ReasonSignature)
		}
	}
}

func TestMalformedEnvelopesAreRefused(t *testing.T) {
	w := newWorld(t)
	good := string(w.mustSign(statement.KindBan, w.ban(), "server"))
	env := envelope(t, []byte(good))
	sig, payload := env.Signatures[0].Sig, env.Payload
	raw, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	id := env.Signatures[0].KeyID
	replace := func(old, new string) string {
		s := strings.Replace(good, old, new, 1)
		if s == good {
			t.Fatalf("%q is not in the envelope", old)
		}
		return s
	}
	tests := []struct{ name, in string }{
		{"nothing", ""}, {"null", "null"}, {"an empty object", "{}"}, {"an array", "[]"}, {"half of it", good[:len(good)/2]},
		{"an unknown field", replace(`{"payloadType"`, `{"x":1,"payloadType"`)},
		{"a payload twice", replace(`"payload":`, `"payload":"e30=","payload":`)},
		{"trailing bytes", good + " {}"},
		{"no signatures", replace(`[{"keyid":"`+id+`","sig":"`+sig+`"}]`, `[]`)},
		{"signatures that are null", replace(`[{"keyid":"`+id+`","sig":"`+sig+`"}]`, `null`)},
		{"no key ID", replace(id, "")},
		{"an upper-case key ID", replace(id, strings.ToUpper(id))},
		{"a short signature", replace(sig, base64.StdEncoding.EncodeToString([]byte("short")))},
		{"a signature with a line feed", replace(sig, sig[:10]+`\n`+sig[10:])},
		{"a payload in the other base64", replace(payload, base64.RawURLEncoding.EncodeToString(raw))},
		{"a payload with a line feed", replace(payload, payload[:8]+`\n`+payload[8:])},
		{"a payload that is not base64", replace(payload, "!"+payload[1:])},
		{"a signature of nothing", replace(sig, base64.StdEncoding.EncodeToString(make([]byte, 64)))},
		{"a large one", replace(`{"payloadType"`, strings.Repeat(" ", statement.MaxBytes)+`{"payloadType"`)},
		{"a very large one", strings.Repeat(" ", statement.MaxPlanBytes) + good},
	}
	for _, test := range tests {
		err := open([]byte(test.in), statement.KindBan, w.trust)
		if err == nil {
			t.Errorf("%s: taken", test.name)
			continue
		}
		w.mustRefuse(err, hotstick.ReasonSignature)
	}
}

func TestTooManySignaturesAreRefused(t *testing.T) {
	w := newWorld(t)
	var crowd []statement.Signer
	for i := range statement.MaxSignatures + 1 {
		crowd = append(crowd, key(fmt.Sprint("stranger ", i)))
	}
	if _, err := statement.Sign(statement.KindBan, w.ban(), crowd...); err == nil {
		t.Error("signed by a crowd")
	}
	raw, err := statement.Sign(statement.KindBan, w.ban(), crowd[:statement.MaxSignatures]...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := statement.AddSignature(raw, key("server")); err == nil {
		t.Error("one signature too many was added")
	}
}

func TestRefusalsAreShortAndHaveAReason(t *testing.T) {
	if r := statement.ReasonOf(errors.New("other")); r.Code != hotstick.ReasonSignature || r.Detail != "other" {
		t.Errorf("%+v", r)
	}
	w := newWorld(t)
	plan := w.plan(hosts(3))
	raw := strings.Replace(string(mustMarshal(t, plan)), plan.Name, strings.Repeat("é", 5000), 1)
	signed, err := statement.SignPayload(statement.KindPlan, []byte(raw), key("ann"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = statement.ParsePlan(signed)
	if err == nil || len(err.Error()) > 400 || statement.ReasonOf(err).Validate() != nil {
		t.Errorf("%v", err)
	}
}

// TestCheckTrust shows which trust nobody can use.
func TestCheckTrust(t *testing.T) {
	tests := []struct {
		name string
		edit func(*hotstick.Trust)
	}{
		{"nobody", func(x *hotstick.Trust) { x.Persons = nil }},
		{"no approvals", func(x *hotstick.Trust) { x.Approvals = 0 }},
		{"more approvals than persons", func(x *hotstick.Trust) { x.Approvals = 4 }},
		{"single control with two approvals", func(x *hotstick.Trust) { x.AuthorMayApprove = true }},
		{"no server key", func(x *hotstick.Trust) { x.ServerKeys = nil }},
		{"no epoch", func(x *hotstick.Trust) { x.Epoch = 0 }},
		{"an epoch beyond reason", func(x *hotstick.Trust) { x.Epoch = 1 << 60 }},
		{"a short key", func(x *hotstick.Trust) { x.ServerKeys[0] = x.ServerKeys[0][:31] }},
		{"a person without a key", func(x *hotstick.Trust) { x.Persons[0].Keys = nil }},
		{"a person without a name", func(x *hotstick.Trust) { x.Persons[0].Person = "" }},
		{"one person twice", func(x *hotstick.Trust) { x.Persons[0].Person = "bob" }},
		{"one key of two persons", func(x *hotstick.Trust) { x.Persons[0].Keys = x.Persons[1].Keys }},
		{"a server that is a person", func(x *hotstick.Trust) { x.ServerKeys = x.Persons[0].Keys }},
	}
	for _, test := range tests {
		w := newWorld(t)
		if err := statement.CheckTrust(w.trust); err != nil {
			t.Fatal(err)
		}
		test.edit(&w.trust)
		if err := statement.CheckTrust(w.trust); err == nil {
			t.Errorf("%s: usable", test.name)
		}
	}
	w := newWorld(t)
	if p, ok := statement.PersonOf(w.trust, key("bob's other").Public()); !ok || p != "bob" {
		t.Errorf("bob's other key is %q's", p)
	}
	if p, ok := statement.PersonOf(w.trust, key("server").Public()); ok {
		t.Errorf("the server's key is %q's", p)
	}
}

// FuzzOpen feeds the parser. Whatever opens must have been signed by us, so its
// payload must be that of an example.
func FuzzOpen(f *testing.F) {
	w := newWorld(nil)
	payloads := map[string]bool{}
	for _, g := range goldens(f) {
		f.Add([]byte(g.Envelope))
		payloads[envelope(f, g.Envelope).Payload] = true
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		kind, err := statement.KindOf(raw)
		if err != nil {
			return
		}
		_, _ = statement.InspectPlan(raw, w.trust)
		if open(raw, kind, w.trust) == nil && !payloads[envelope(t, raw).Payload] {
			t.Errorf("a forged %s opened: %s", kind, raw)
		}
		more, err := statement.AddSignature(raw, key("fuzzer"))
		if err == nil && !json.Valid(more) {
			t.Errorf("not JSON: %s", more)
		}
	})
}
