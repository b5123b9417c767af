package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/wire"
)

// fate is what a patch level does to a simulated host.
type fate string

const (
	good    fate = ""
	fails   fate = "fails a probe"
	kills   fate = "kills the host"
	crashes fate = "kills the host and leaves no trace"
	silence fate = "makes the host fall silent"
)

// simulated is a host that checks in over mutual TLS and keeps what a loader
// would keep. It believes only signed documents.
type simulated struct {
	w        *world
	id       hotstick.HostID
	name     string
	build    hotstick.KernelBuild
	identity ed25519.PrivateKey
	tls      *ecdsa.PrivateKey
	cert     []byte
	http     *http.Client
	trust    hotstick.Trust
	fates    map[int]fate

	mu      sync.Mutex
	boot    string
	seq     uint64
	reports []hotstick.Report
	report  uint64
	level   hotstick.PatchRef
	before  hotstick.PatchRef
	plans   []hotstick.PlanID
	halted  map[hotstick.PlanID]bool
	bans    []hotstick.PatchRef
	strikes []hotstick.PatchRef
	nonce   string
	used    map[string]bool
	attempt *statement.Grant
	state   hotstick.HostState
	since   time.Time
	// grants counts the grants that were accepted, by plan.
	grants   map[hotstick.PlanID]int
	accepted map[hotstick.PlanID]hotstick.Plan
	stop     context.CancelFunc
	done     chan struct{}
	want     bool
	// lose drops the documents of answers that carry a grant; lost counts them.
	lose bool
	lost int
}

// join enrols a host and runs it.
func (w *world) join(name string, build hotstick.KernelBuild) *simulated {
	w.Helper()
	h := w.enrol(name, build)
	h.run()
	return h
}

// enrol makes a host's keys and takes a join token to the server.
func (w *world) enrol(name string, build hotstick.KernelBuild) *simulated {
	w.Helper()
	token, err := w.admin.MakeJoinToken(w.Context(), api.JoinTokenRequest{})
	w.must(err)
	h := w.newHost(name, build)
	var answer wire.EnrollResponse
	status, err := h.post("/agent/v1/enroll", h.enrolment(token.Token), &answer)
	w.must(err)
	if status != http.StatusOK {
		w.Fatalf("enrolment answered %d", status)
	}
	h.id = answer.Host
	h.useCertificate(answer.Certificate)
	return h
}

// newHost makes a host that has not enrolled.
func (w *world) newHost(name string, build hotstick.KernelBuild) *simulated {
	w.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	w.must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	h := &simulated{w: w, name: name, build: build, identity: private, tls: key, boot: random(), nonce: random(),
		halted: map[hotstick.PlanID]bool{}, used: map[string]bool{}, grants: map[hotstick.PlanID]int{},
		accepted: map[hotstick.PlanID]hotstick.Plan{}, fates: map[int]fate{}, trust: w.server.catalog.View().Trust, want: true}
	h.useCertificate(nil)
	return h
}

func random() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}

func (h *simulated) enrolment(token string) *wire.EnrollRequest {
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, h.tls)
	h.w.must(err)
	return &wire.EnrollRequest{Protocol: wire.Protocol, Token: token, Identity: h.identity.Public().(ed25519.PublicKey),
		Request: request, Proof: ed25519.Sign(h.identity, request), Hostname: h.name}
}

func (h *simulated) useCertificate(der []byte) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(h.w.server.Authority())
	config := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
	config.Time = func() time.Time { // as an agent does
		authority, err := x509.ParseCertificate(h.w.server.authority.Certificate())
		h.w.must(err)
		if now := h.w.server.now(); now.After(authority.NotBefore) {
			return now
		}
		return authority.NotBefore
	}
	if h.cert = der; der != nil {
		config.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: h.tls}}
	}
	if h.http != nil {
		h.http.CloseIdleConnections()
	}
	h.http = &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
}

// post sends one message and decodes the answer, if it is a success.
func (h *simulated) post(path string, message, into wire.Message) (int, error) {
	return h.postWith(context.Background(), path, message, into)
}

func (h *simulated) postWith(ctx context.Context, path string, message, into wire.Message) (int, error) {
	data, err := json.Marshal(message)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.w.server.URL()+path, bytes.NewReader(data))
	if err != nil {
		return 0, err
	}
	resp, err := h.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, errors.New(string(text))
	}
	return resp.StatusCode, wire.Decode(resp.Body, wire.MaxResponseBytes, into)
}

// run checks in until the test ends.
func (h *simulated) run() {
	ctx, cancel := context.WithCancel(context.Background())
	h.stop, h.done = cancel, make(chan struct{})
	h.w.Cleanup(func() { h.halt() })
	go func() {
		defer close(h.done)
		for ctx.Err() == nil {
			pause := 50 * time.Millisecond
			if answer, err := h.checkIn(ctx, 2); err == nil {
				pause = min(time.Duration(answer.NextMillis)*time.Millisecond, 50*time.Millisecond)
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}()
}

// halt stops checking in.
func (h *simulated) halt() {
	if h.stop != nil {
		h.stop()
		<-h.done
		h.stop = nil
	}
}

// checkIn makes one check-in and acts on its answer.
func (h *simulated) checkIn(ctx context.Context, hold int) (wire.SyncResponse, error) {
	h.mu.Lock()
	h.tick()
	req := h.message(hold)
	h.mu.Unlock()
	var answer wire.SyncResponse
	if _, err := h.postWith(ctx, "/agent/v1/sync", req, &answer); err != nil {
		return answer, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.want = answer.WantFacts
	h.reports = slices.DeleteFunc(h.reports, func(r hotstick.Report) bool { return r.Seq <= answer.Acknowledged })
	if h.lose && slices.ContainsFunc(answer.Documents, isGrant) {
		h.lost++
		return answer, nil
	}
	for _, raw := range answer.Documents {
		h.document(raw)
	}
	return answer, nil
}

func isGrant(raw json.RawMessage) bool {
	kind, err := statement.KindOf(raw)
	return err == nil && kind == statement.KindGrant
}

// until checks in until the condition holds.
func (h *simulated) until(condition func() bool) {
	h.w.Helper()
	ctx, cancel := context.WithTimeout(h.w.Context(), 20*time.Second)
	defer cancel()
	for !condition() {
		_, err := h.checkIn(ctx, 0)
		h.w.must(err)
	}
}

// message is the check-in of this moment.
func (h *simulated) message(hold int) *wire.SyncRequest {
	h.seq++
	facts := h.facts()
	req := &wire.SyncRequest{Protocol: wire.Protocol, Host: h.id, Boot: h.boot, Seq: h.seq,
		FactsDigest: hotstick.NewDigest([]byte(h.boot)), Patches: h.loaded(), Reports: slices.Clone(h.reports),
		Loader: wire.LoaderState{Nonce: h.nonce, InEffect: h.level, Busy: h.attempt != nil, Plans: slices.Clone(h.plans),
			CatalogVersion: 1, Strikes: slices.Clone(h.strikes), Bans: slices.Clone(h.bans)},
		Readings: []hotstick.Reading{{Probe: "kernel", Healthy: true, At: time.Now().UTC()}}}
	if h.want {
		req.Facts = &facts
	}
	if h.attempt == nil && len(h.reports) == 0 {
		req.HoldSeconds = hold
	}
	return req
}

func (h *simulated) facts() hotstick.Facts {
	return hotstick.Facts{
		Host:    hotstick.HostFacts{Hostname: h.name, BootID: h.boot, BootedAt: time.Now().UTC().Truncate(time.Second), Distribution: "Debian GNU/Linux 12"},
		Kernel:  hotstick.KernelFacts{Build: h.build, LivepatchSupported: true},
		Drivers: []hotstick.Capabilities{{Driver: "klp", TrustClass: hotstick.TrustBytes, Rollback: []hotstick.Reversibility{hotstick.ReversibleLive}, Available: true}},
		Labels:  map[string]string{"rack": "r-" + h.name},
	}
}

func (h *simulated) loaded() []hotstick.LoadedPatch {
	if h.level.IsZero() {
		return nil
	}
	state := hotstick.InEffect
	if h.state == hotstick.Applying || h.state == hotstick.Armed {
		state = hotstick.TransitionIn
	}
	return []hotstick.LoadedPatch{{Module: module(h.level), Driver: "klp", State: state, StackOrder: 1}}
}

// document does what a loader does with one signed document.
func (h *simulated) document(raw json.RawMessage) {
	kind, err := statement.KindOf(raw)
	if err != nil {
		h.w.Errorf("%s got a document that it cannot read: %v", h.name, err)
		return
	}
	switch kind {
	case statement.KindPlan:
		plan, id, err := statement.OpenPlan(raw, h.trust, time.Now())
		if err != nil {
			h.w.Errorf("%s: %v", h.name, err)
		} else if !slices.Contains(h.plans, id) {
			h.plans, h.accepted[id] = append(h.plans, id), plan
		}
	case statement.KindHalt:
		halt, err := statement.OpenHalt(raw, h.trust)
		if err != nil {
			h.w.Errorf("%s: %v", h.name, err)
		}
		h.halted[halt.Plan] = true
	case statement.KindBan:
		ban, err := statement.OpenBan(raw, h.trust)
		if err != nil {
			h.w.Errorf("%s: %v", h.name, err)
		} else if !slices.Contains(h.bans, ban.Patch) {
			h.bans = append(h.bans, ban.Patch)
		}
	case statement.KindGrant:
		h.grant(raw)
	case statement.KindOrder:
		h.order(raw)
	}
}

func (h *simulated) grant(raw json.RawMessage) {
	g, err := statement.OpenGrant(raw, h.trust)
	plan, known := h.accepted[g.Plan]
	switch {
	case err != nil:
		h.w.Errorf("%s got a grant that does not verify: %v", h.name, err)
		return
	case !known:
		h.w.Errorf("%s got a grant of a plan that it was never told of", h.name)
		return
	case g.Host != h.id || g.Nonce != h.nonce || g.Build != h.build:
		h.w.Errorf("%s got a grant that is not for it", h.name)
		return
	case h.used[g.Nonce] || h.attempt != nil || h.halted[g.Plan] || slices.Contains(h.bans, plan.Patch) || slices.Contains(h.strikes, plan.Patch):
		return
	}
	if err := statement.CheckHost(plan, g.Plan, g); err != nil {
		h.w.Errorf("%s got a grant whose proof does not hold: %v", h.name, err)
		return
	}
	h.used[g.Nonce], h.nonce = true, random()
	h.grants[g.Plan]++
	h.attempt, h.before, h.level = &g, h.level, plan.Patch
	h.step(hotstick.Armed, nil)
}

func (h *simulated) order(raw json.RawMessage) {
	o, err := statement.OpenOrder(raw, h.trust)
	if err != nil || o.Host != h.id || o.Nonce != h.nonce {
		h.w.Errorf("%s got an order that is not for it: %v", h.name, err)
		return
	}
	plan := h.accepted[o.Plan]
	if h.level != plan.Patch {
		return
	}
	if h.attempt == nil {
		h.attempt = &statement.Grant{Plan: o.Plan, Attempt: 1}
	}
	h.nonce = random()
	h.level = h.before
	h.step(hotstick.Reverting, &hotstick.Reason{Code: hotstick.ReasonRevertOrdered})
}

// step moves the attempt on and reports it.
func (h *simulated) step(state hotstick.HostState, why *hotstick.Reason, evidence ...hotstick.Evidence) {
	h.state, h.since = state, time.Now()
	h.report++
	patch := h.accepted[h.attempt.Plan].Patch
	h.reports = append(h.reports, hotstick.Report{Seq: h.report, Boot: h.boot, At: time.Now().UTC(), Plan: h.attempt.Plan, Patch: patch,
		Attempt: h.attempt.Attempt, State: state, Reason: why, Evidence: evidence, InEffect: h.level,
		Timing: hotstick.Timing{LoadMillis: 1, TransitionMillis: 20}})
	if state.Terminal() {
		h.attempt = nil
	}
}

// tick lets an attempt go on by one step.
func (h *simulated) tick() {
	if h.attempt == nil {
		return
	}
	plan := h.accepted[h.attempt.Plan]
	switch h.state {
	case hotstick.Armed:
		h.step(hotstick.Applying, nil)
	case hotstick.Applying:
		h.step(hotstick.Probation, nil)
	case hotstick.Probation:
		h.onProbation(plan)
	case hotstick.Reverting:
		h.step(hotstick.Reverted, h.reasonBack(plan))
	}
}

func (h *simulated) onProbation(plan hotstick.Plan) {
	switch h.fates[plan.Patch.Level] {
	case fails:
		h.level = h.before
		h.step(hotstick.Reverting, &hotstick.Reason{Code: hotstick.ReasonProbeFailed, Subject: "smoke", Detail: "exit status 1"})
	case kills:
		h.level, h.boot, h.seq, h.want = h.before, random(), 0, true
		h.strikes = append(h.strikes, plan.Patch)
		h.step(hotstick.Quarantined, &hotstick.Reason{Code: hotstick.ReasonCrashNamed, Subject: module(plan.Patch)},
			hotstick.Evidence{Kind: "crash_trace", Text: "RIP: unix_ioctl+0x10 [" + module(plan.Patch) + "]"})
	case crashes:
		h.level, h.boot, h.seq, h.want = h.before, random(), 0, true
		h.strikes = append(h.strikes, plan.Patch)
		h.step(hotstick.Quarantined, &hotstick.Reason{Code: hotstick.ReasonCrash, Subject: "rcu"})
	default:
		if time.Since(h.since) >= time.Duration(plan.ProbationSeconds)*time.Second {
			h.step(hotstick.Confirmed, nil)
		}
	}
}

func (h *simulated) reasonBack(plan hotstick.Plan) *hotstick.Reason {
	if h.fates[plan.Patch.Level] == fails {
		return &hotstick.Reason{Code: hotstick.ReasonProbeFailed, Subject: "smoke", Detail: "exit status 1"}
	}
	return &hotstick.Reason{Code: hotstick.ReasonRevertOrdered}
}

// runs returns the level in the host's kernel.
func (h *simulated) runs() hotstick.PatchRef {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.level
}

// granted returns how many grants of a plan the host has accepted.
func (h *simulated) granted(plan hotstick.PlanID) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.grants[plan]
}

// fleetOfFour is two hosts of each kernel build.
func (w *world) fleetOfFour() []*simulated {
	w.Helper()
	var hosts []*simulated
	for i, build := range []hotstick.KernelBuild{buildA, buildA, buildB, buildB} {
		hosts = append(hosts, w.join(fmt.Sprintf("host-%d", i+1), build))
	}
	w.known(hosts...)
	return hosts
}

// known waits until the server has the facts of all hosts.
func (w *world) known(hosts ...*simulated) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, h := range hosts {
		for {
			d, err := w.admin.Host(ctx, string(h.id))
			w.must(err)
			if d.Facts != nil {
				break
			}
			<-tick.C
		}
	}
}

func jsonInto(data []byte, v any) error { return json.Unmarshal(data, v) }
