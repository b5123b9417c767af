package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// enrolWith tries to enrol a host and returns the answer's status and code.
func (w *world) enrolWith(h *simulated, req *wire.EnrollRequest) (int, string) {
	w.Helper()
	var answer wire.EnrollResponse
	status, err := h.post("/agent/v1/enroll", req, &answer)
	if err == nil {
		h.id = answer.Host
		h.useCertificate(answer.Certificate)
		return status, ""
	}
	return status, reply{body: err.Error()}.problem().Code
}

func TestWhoMayEnrol(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h, other := w.newHost("host-1", buildA), w.newHost("host-2", buildA)
	token := w.joinToken()

	forged := h.enrolment(token)
	forged.Proof = ed25519.Sign(other.identity, forged.Request)
	if status, code := w.enrolWith(h, forged); status != 403 || code != "identity" {
		t.Errorf("a proof by another key: %d %s", status, code)
	}
	if status, code := w.enrolWith(h, h.enrolment("hs_join_guess")); status != 403 || code != "token_unknown" {
		t.Errorf("a guessed token: %d %s", status, code)
	}
	if status, code := w.enrolWith(h, h.enrolment(w.tokens[identity.Admin])); status != 403 || code != "token_unknown" {
		t.Errorf("an API token: %d %s", status, code)
	}
	if status, code := w.enrolWith(h, h.enrolment(token)); status != 200 {
		t.Fatalf("a good enrolment: %d %s", status, code)
	}
	if want := hotstick.NewHostID(h.identity.Public().(ed25519.PublicKey)); h.id != want {
		t.Errorf("the host is %s; want %s", h.id, want)
	}
	if status, code := w.enrolWith(other, other.enrolment(token)); status != 403 || code != "token_used" {
		t.Errorf("the same token for another host: %d %s", status, code)
	}
	if status, _ := w.enrolWith(h, h.enrolment(token)); status != 200 {
		t.Errorf("the same enrolment again, its answer having been lost: %d", status)
	}
	if status, code := w.enrolWith(h, h.enrolment(w.joinToken())); status != 403 || code != "identity" {
		t.Errorf("a known identity with another token: %d %s", status, code)
	}
}

func TestAnExpiredJoinTokenIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h := w.newHost("host-1", buildA)
	var secret string
	w.must(w.server.store.Update(t.Context(), func(tx store.Tx) error {
		var err error
		secret, _, err = identity.AddToken(tx, store.Token{Kind: identity.JoinToken}, time.Nanosecond*1000, "test")
		return err
	}))
	if status, code := w.enrolWith(h, h.enrolment(secret)); status != 403 || code != "token_expired" {
		t.Errorf("an expired token: %d %s", status, code)
	}
	_, err := w.admin.MakeJoinToken(t.Context(), api.JoinTokenRequest{TTLSeconds: 59})
	w.refused(err, 422, "invalid")
}

func TestTheJoinLineSaysAllThatAHostNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	token, err := w.admin.MakeJoinToken(t.Context(), api.JoinTokenRequest{TTLSeconds: 600})
	w.must(err)
	root, err := w.admin.CatalogFile(t.Context(), "root.json")
	w.must(err)
	want := "hotstick-agent join --server " + w.server.URL() + " --token " + token.Token +
		" --ca " + string(w.server.authority.Digest()) + " --root " + string(hotstick.NewDigest(root))
	if token.Command != want {
		t.Errorf("got  %s\nwant %s", token.Command, want)
	}
}

func TestRenewingNeedsBothKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h, other := w.enrol("host-1", buildA), w.enrol("host-2", buildA)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	w.must(err)
	var answer wire.RenewResponse
	req := &wire.RenewRequest{Request: request, Proof: ed25519.Sign(other.identity, request)}
	if status, _ := h.post("/agent/v1/renew", req, &answer); status != 403 {
		t.Errorf("a renewal without the identity key: %d", status)
	}
	req.Proof = ed25519.Sign(h.identity, request)
	if status, _ := other.post("/agent/v1/renew", req, &answer); status != 403 {
		t.Errorf("a renewal on another host's connection: %d", status)
	}
	if status, err := h.post("/agent/v1/renew", req, &answer); status != 200 {
		t.Fatalf("a good renewal: %d %v", status, err)
	}
	h.tls = key
	h.useCertificate(answer.Certificate)
	if _, err := h.checkIn(t.Context(), 0); err != nil {
		t.Errorf("the renewed certificate does not work: %v", err)
	}
}

func TestCheckInsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h, other := w.enrol("host-1", buildA), w.enrol("host-2", buildA)
	good := func() *wire.SyncRequest { return h.message(0) }
	var answer wire.SyncResponse
	tests := []struct {
		name   string
		change func(*wire.SyncRequest)
		status int
	}{
		{"for another host", func(r *wire.SyncRequest) { r.Host = other.id }, 403},
		{"of another protocol", func(r *wire.SyncRequest) { r.Protocol = 99 }, 400},
		{"with facts of another boot", func(r *wire.SyncRequest) { r.Facts.Host.BootID = "elsewhere" }, 422},
		{"with a malformed kernel build", func(r *wire.SyncRequest) { r.Facts.Kernel.Build.BuildID = "<script>" }, 422},
		{"with too many labels", func(r *wire.SyncRequest) {
			r.Facts.Labels = map[string]string{}
			for i := range 100 {
				r.Facts.Labels[strings.Repeat("k", i+1)] = ""
			}
		}, 422},
		{"with facts of megabytes", func(r *wire.SyncRequest) { r.Facts.Kernel.CommandLine = strings.Repeat("x", 50<<20) }, 413},
		{"with a state that does not exist", func(r *wire.SyncRequest) {
			r.Patches = []hotstick.LoadedPatch{{Module: "m", State: "forced"}}
		}, 422},
	}
	for _, tt := range tests {
		req := good()
		tt.change(req)
		if status, err := h.post("/agent/v1/sync", req, &answer); status != tt.status {
			t.Errorf("a check-in %s: %d %.200v; want %d", tt.name, status, err, tt.status)
		}
	}
	if status, err := h.post("/agent/v1/sync", good(), &answer); status != 200 {
		t.Errorf("a good check-in: %d %v", status, err)
	}
}

func TestAHostnameWithMarkupAndEscapesStaysText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const name = "<img src=x onerror=alert(1)>\x1b[2J"
	h := w.join(name, buildA)
	w.known(h)
	d, err := w.admin.Host(t.Context(), string(h.id))
	w.must(err)
	if d.Host.Name != name {
		t.Errorf("the name became %q", d.Host.Name)
	}
	raw := w.ask("GET", "/api/v1/hosts", "", "Authorization", w.bearer(identity.Viewer))
	if strings.Contains(raw.body, "<img") || strings.Contains(raw.body, "\x1b") {
		t.Errorf("the answer has the name unescaped: %s", raw.body)
	}
}

func TestAHostFetchesTheCatalogAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h := w.enrol("host-1", buildA)
	w.publish(1)
	get := func(path string) int {
		resp, err := h.http.Get(w.server.URL() + path)
		w.must(err)
		resp.Body.Close()
		return resp.StatusCode
	}
	patch, _ := w.server.catalog.View().Patch(hotstick.PatchRef{Name: "unix-ioctl", Level: 1})
	for path, want := range map[string]int{
		"/agent/v1/catalog/timestamp.json":                                                 200,
		"/agent/v1/catalog/1.root.json":                                                    200,
		"/agent/v1/catalog/9.root.json":                                                    404,
		"/agent/v1/catalog/" + catalog.ArtifactFile(patch.Artifacts[0].Digest):             200,
		"/agent/v1/catalog/" + catalog.ArtifactFile(hotstick.NewDigest([]byte("nothing"))): 404,
		"/agent/v1/catalog/..%2fkeys%2fonline.pem":                                         404,
		"/agent/v1/catalog/targets/..%2f..%2fkeys%2fonline.pem":                            404,
	} {
		if got := get(path); got != want {
			t.Errorf("%s: %d; want %d", path, got, want)
		}
	}
}

func TestAHeldCheckInIsAnsweredWhenSomethingHappens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h := w.enrol("host-1", buildA)
	if _, err := h.checkIn(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if answer, err := h.checkIn(t.Context(), 20); err != nil || answer.Active {
		t.Fatalf("an idle host is held or active: %+v %v", answer, err)
	}
	r := w.approved(w.publish(1), quick)
	_, err := w.admin.Start(t.Context(), string(r.Plan))
	w.must(err)
	_, err = w.admin.Hold(t.Context(), string(r.Plan), api.ActionRequest{})
	w.must(err)
	// The plan is on its way to the host at once; then nothing happens until resume.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		answer, err := h.checkIn(ctx, 0)
		w.must(err)
		if answer.Active && len(answer.Documents) == 0 && len(h.plans) == 1 {
			break
		}
	}
	answered := make(chan wire.SyncResponse, 1)
	go func() {
		answer, err := h.checkIn(ctx, 19)
		if err != nil {
			t.Error(err)
		}
		answered <- answer
	}()
	select {
	case a := <-answered:
		t.Fatalf("the check-in was not held: %+v", a)
	case <-time.After(200 * time.Millisecond):
	}
	start := time.Now()
	_, err = w.admin.Resume(t.Context(), string(r.Plan), api.ActionRequest{})
	w.must(err)
	select {
	case <-answered:
	case <-ctx.Done():
		t.Fatal("the held check-in was not answered")
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the answer took %s", took)
	}
	if h.granted(r.Plan) != 1 {
		t.Errorf("the host has %d grants; want one in the held answer", h.granted(r.Plan))
	}
}
