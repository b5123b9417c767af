package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/evil"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/wire"
)

// pace is how soon a host is to check in again, in milliseconds.
const pace = 150

// maxAnswer bounds what is read from the server.
const maxAnswer = 64 << 20

// thief stands between the hosts and the server that it owns. To the hosts it is the
// server, by a certificate of the stolen authority; to the server it is each host,
// by certificates that it made itself. Before the theft it passes everything on as
// it is and writes down what the hosts are sent.
type thief struct {
	web       *http.Server
	address   string
	authority *identity.Authority
	stolen    ca
	// files is the catalog's directory.
	files string

	// mu guards all below, and what the strategies are shown.
	mu sync.Mutex
	// inside is how the server itself is reached.
	inside string
	trust  *x509.CertPool
	hosts  map[hotstick.HostID]*victim
	// loot is what strategies are shown; nil before the theft.
	loot *evil.Loot
	seen map[hotstick.HostID][]json.RawMessage
	// old are the bytes that timestamp.json had.
	old [][]byte
	// withheld are artifacts that the thief never serves as they are.
	withheld map[hotstick.Digest]bool
}

// ca is the stolen authority's key and certificate.
type ca struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func steal(dir string) (ca, error) {
	var c ca
	for name, read := range map[string]func([]byte) error{
		identity.CertificateFile: func(der []byte) (err error) { c.certificate, err = x509.ParseCertificate(der); return err },
		identity.KeyFile: func(der []byte) error {
			key, err := x509.ParsePKCS8PrivateKey(der)
			c.key, _ = key.(crypto.Signer)
			return err
		},
	} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return c, fmt.Errorf("cannot steal the authority: %w", err)
		}
		block, _ := pem.Decode(data)
		if block == nil {
			return c, fmt.Errorf("cannot steal the authority: %s is no PEM", name)
		}
		if err := read(block.Bytes); err != nil {
			return c, fmt.Errorf("cannot steal the authority: %w", err)
		}
	}
	return c, nil
}

// forge makes a certificate that says what the host's own says, for a key of the
// thief's.
func (c ca) forge(of *x509.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot make a key: %w", err)
	}
	template := &x509.Certificate{SerialNumber: new(big.Int).Add(of.SerialNumber, big.NewInt(1)), Subject: of.Subject, URIs: of.URIs,
		NotBefore: of.NotBefore, NotAfter: of.NotAfter, KeyUsage: of.KeyUsage, ExtKeyUsage: of.ExtKeyUsage}
	der, err := x509.CreateCertificate(rand.Reader, template, c.certificate, key.Public(), c.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// newThief starts to stand before the server whose data directory it is given.
func newThief(data string) (*thief, error) {
	t := &thief{files: filepath.Join(data, "catalog"), hosts: map[hotstick.HostID]*victim{}, seen: map[hotstick.HostID][]json.RawMessage{}, trust: x509.NewCertPool()}
	var err error
	if t.authority, err = identity.OpenAuthority(filepath.Join(data, "ca")); err != nil {
		return nil, err
	}
	if t.stolen, err = steal(filepath.Join(data, "ca")); err != nil {
		return nil, err
	}
	t.trust.AddCert(t.stolen.certificate)
	shown, err := t.authority.ServerCertificate([]string{"127.0.0.1", guest.HostAddress}, time.Now())
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot listen on loopback: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /agent/v1/sync", t.sync)
	mux.HandleFunc("GET /agent/v1/catalog/{file...}", t.file)
	mux.HandleFunc("/", t.pass)
	t.address = listener.Addr().String()
	t.web = &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{shown}, ClientAuth: tls.RequestClientCert}}
	go t.web.ServeTLS(listener, "", "") // ends with Close
	return t, nil
}

// url is how guests reach the thief, whom they take for the server.
func (t *thief) url() string {
	_, port, _ := net.SplitHostPort(t.address) // it is a listener's
	return "https://" + net.JoinHostPort(guest.HostAddress, port)
}

// before puts the thief before a server.
func (t *thief) before(inside string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inside, t.loot = inside, nil
	for _, v := range t.hosts {
		v.http.CloseIdleConnections()
	}
}

// victim returns the host that a request comes from, which is a nobody before it has
// joined.
func (t *thief) victim(r *http.Request) (*victim, error) {
	if len(r.TLS.PeerCertificates) == 0 {
		return &victim{http: t.speakAs()}, nil
	}
	shown := r.TLS.PeerCertificates[0]
	id, err := t.authority.Host(shown, time.Now())
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if v := t.hosts[id]; v != nil {
		return v, nil
	}
	forged, err := t.stolen.forge(shown)
	if err != nil {
		return nil, err
	}
	v := &victim{id: id, http: t.speakAs(forged)}
	t.hosts[id] = v
	return v, nil
}

func (t *thief) speakAs(certificates ...tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: t.trust, MinVersion: tls.VersionTLS13, Certificates: certificates}}}
}

// pass passes a request on to the server, and its answer back.
func (t *thief) pass(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	if err != nil {
		return
	}
	v, err := t.victim(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	status, answer, err := t.ask(r.Context(), v, r.Method, r.URL.Path, body)
	t.reply(w, status, answer, err)
}

func (t *thief) reply(w http.ResponseWriter, status int, answer []byte, err error) {
	if err != nil {
		http.Error(w, "the thief cannot reach its server", http.StatusBadGateway)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the host may be gone
}

// ask asks the server what a host asked.
func (t *thief) ask(ctx context.Context, v *victim, method, path string, body []byte) (int, []byte, error) {
	t.mu.Lock()
	inside := t.inside
	t.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, method, inside+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := v.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, data, err
}

// sync answers a check-in. After the theft the server hears nothing of what the hosts
// refused or tried, and the strategies decide what hosts are sent.
func (t *thief) sync(w http.ResponseWriter, r *http.Request) {
	v, err := t.victim(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	var req wire.SyncRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	t.mu.Lock()
	owned := t.loot != nil
	t.mu.Unlock()
	shown := req
	shown.HoldSeconds = 0 // hosts come back soon enough
	if owned {
		shown.Reports, shown.Loader.Refusals = nil, nil
	}
	body, err := json.Marshal(shown)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	status, answer, err := t.ask(r.Context(), v, r.Method, r.URL.Path, body)
	if err == nil && status == http.StatusOK {
		answer, err = t.turn(v, req, answer)
	}
	t.reply(w, status, answer, err)
}

// turn makes the thief's answer out of the server's.
func (t *thief) turn(v *victim, req wire.SyncRequest, honest []byte) ([]byte, error) {
	var resp wire.SyncResponse
	if err := json.Unmarshal(honest, &resp); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.record(req.Host, resp.Documents)
	v.hear(req, resp.Documents)
	if t.loot != nil {
		resp.Documents = v.answer(t.loot, req, resp.Documents)
		resp.Active = true // so that agents call their loaders, whatever these have to say
		if n := len(req.Reports); n > 0 {
			resp.Acknowledged = max(resp.Acknowledged, req.Reports[n-1].Seq)
		}
		if v.visit != nil && v.visit.strategy.Serve != nil && !v.visit.resting() {
			resp.CatalogVersion += int64(v.checkIns) // whatever it is, the host has another
		}
	}
	resp.NextMillis = min(resp.NextMillis, pace)
	return json.Marshal(&resp)
}

// record writes down what the server has for a host, each document once.
func (t *thief) record(host hotstick.HostID, documents []json.RawMessage) {
	for _, raw := range documents {
		if !slices.ContainsFunc(t.seen[host], func(old json.RawMessage) bool { return bytes.Equal(old, raw) }) {
			t.seen[host] = append(t.seen[host], raw)
		}
	}
}

// file answers a request for a file of the catalog.
func (t *thief) file(w http.ResponseWriter, r *http.Request) {
	v, err := t.victim(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	name := r.PathValue("file")
	data := t.read(name)
	t.mu.Lock()
	if t.loot != nil {
		data = v.serve(t.loot, evil.File{Host: v.id, Name: strings.TrimPrefix(name, "targets/"), Honest: data, Old: t.earlier(name), Read: t.read, Now: time.Now()})
		for digest := range t.withheld {
			if hotstick.NewDigest(data) == digest {
				data = nil
			}
		}
	}
	t.mu.Unlock()
	if data == nil {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(data) // the host may have had enough
}

// read reads a file of the catalog; nil if there is none.
func (t *thief) read(name string) []byte {
	if !filepath.IsLocal(name) {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(t.files, filepath.FromSlash(name)))
	if err != nil {
		return nil
	}
	return data
}

// earlier returns what a file said before. Only the timestamp changes under its name.
func (t *thief) earlier(name string) [][]byte {
	if name == "timestamp.json" {
		return t.old
	}
	return nil
}

// all reports whether as many hosts as there are satisfy a condition.
func (t *thief) all(hosts int, of func(*victim) bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, v := range t.hosts {
		if of(v) {
			n++
		}
	}
	return n == hosts
}

// withhold says which artifacts are not served as they are from now on.
func (t *thief) withhold(artifacts map[hotstick.Digest]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.withheld = artifacts
}

// keep keeps the timestamp of this moment.
func (t *thief) keep() {
	data := t.read("timestamp.json")
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.old); data != nil && (n == 0 || !bytes.Equal(t.old[n-1], data)) {
		t.old = append(t.old, data)
	}
}

// named returns the host of a name, once the thief has read the database.
func (t *thief) named(name string) *victim {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range t.hosts {
		if v.name == name {
			return v
		}
	}
	return nil
}

// joinLine is what a new host runs, to join at the thief's.
func (t *thief) joinLine(token string, root []byte) string {
	return fmt.Sprintf("hotstick-agent join --server %s --token %s --ca %s --root %s", t.url(), token, t.authority.Digest(), hotstick.NewDigest(root))
}
