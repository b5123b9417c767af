package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/wire"
)

// Join is what a join line carries.
type Join struct {
	// Server is the server's base address.
	Server string
	// Token is good for one host.
	Token string
	// Authority is the digest of the server's CA certificate in DER. The token is
	// sent to nobody whose certificate does not come from it.
	Authority hotstick.Digest
	// Root is the digest of the catalog's root metadata.
	Root hotstick.Digest
	// Labels are those that the join line gives the host, which keeps them;
	// Configured are those of its configuration file.
	Labels, Configured map[string]string
}

// Validate reports what is malformed or missing.
func (j Join) Validate() error {
	if err := checkServer(j.Server); err != nil {
		return err
	}
	if j.Token == "" {
		return errors.New("cannot join without a token: ask for a join line with 'hotstick host add'")
	}
	if err := (File{Labels: j.Labels}).Validate(); err != nil {
		return err
	}
	if err := j.Authority.Validate(); err != nil {
		return fmt.Errorf("cannot join without the CA's digest: %v", err)
	}
	if err := j.Root.Validate(); err != nil {
		return fmt.Errorf("cannot join without the catalog root's digest: %v", err)
	}
	return nil
}

func checkServer(server string) error {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" {
		return fmt.Errorf("cannot use %q as the server: want https://HOST:PORT", server)
	}
	return nil
}

// ErrEnrolment tells that trying again with the same join line is of no use.
var ErrEnrolment = errors.New("cannot use the enrolment")

// enrolTime bounds the whole enrolment.
const enrolTime = time.Minute

// Enrol turns a join token into an identity on the server. It may be repeated
// after any failure: the identity key stays, and the server gives a lost answer
// again.
func (h *Home) Enrol(ctx context.Context, join Join, hostname string) error {
	if err := join.Validate(); err != nil {
		return err
	}
	labels, err := merged(join.Labels, join.Configured)
	if err != nil {
		return err
	}
	identity, err := h.Identity()
	if err != nil {
		return err
	}
	key, csr, proof, err := request(identity)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, enrolTime)
	defer cancel()
	client := &http.Client{Transport: pinnedTransport(join.Authority, errImpostor), CheckRedirect: noRedirect}
	defer client.CloseIdleConnections()
	var resp wire.EnrollResponse
	failpoint.Here(failpoint.AgentEnrolBefore)
	err = talk{server: strings.TrimSuffix(join.Server, "/"), http: client}.post(ctx, "/agent/v1/enroll", &wire.EnrollRequest{
		Protocol: wire.Oldest, Token: join.Token, Identity: identity.Public(), Request: csr, Proof: proof, Hostname: hostname, Labels: labels,
	}, wire.Oldest, wire.MaxEnrollBytes, &resp)
	if err != nil {
		return err
	}
	failpoint.Here(failpoint.AgentEnrolAnswered)
	switch {
	case resp.Host != hotstick.NewHostID(identity.Public()):
		return fmt.Errorf("%w: it is for another host", ErrEnrolment)
	case hotstick.NewDigest(resp.Authority) != join.Authority:
		return fmt.Errorf("%w: its authority is not the join line's", ErrEnrolment)
	case hotstick.NewDigest(resp.Root) != join.Root:
		return fmt.Errorf("%w: its catalog root is not the join line's", ErrEnrolment)
	}
	if err := h.saveLabels(join.Labels); err != nil {
		return err
	}
	failpoint.Here(failpoint.AgentEnrolLabelsSaved)
	if err := h.write("root.json", resp.Root, 0o644); err != nil {
		return err
	}
	failpoint.Here(failpoint.AgentEnrolRootSaved)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: resp.Authority})
	if err := h.write("ca.pem", durable.Seal(ca), 0o644); err != nil {
		return err
	}
	failpoint.Here(failpoint.AgentEnrolAuthSaved)
	err = h.saveTLS(key, resp.Certificate) // last: with it the host has joined
	failpoint.Here(failpoint.AgentEnrolTLSSaved)
	return err
}

// errImpostor: whoever answers as the server is not the join line's.
var errImpostor = fmt.Errorf("%w: the server's certificate does not come from the join line's authority", ErrEnrolment)

// pinnedTransport trusts the one certificate that has the digest and those that it
// signed, and nobody else, who are strangers.
func pinnedTransport(pinned hotstick.Digest, stranger error) *http.Transport {
	return &http.Transport{
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS13,
			NextProtos: []string{"http/1.1"},
			// The authority is known by its digest only, so the chain is checked below,
			// before a single byte leaves.
			InsecureSkipVerify: true,
			VerifyConnection:   func(state tls.ConnectionState) error { return checkPinned(state, pinned, stranger) },
		},
		DisableKeepAlives: true,
	}
}

func checkPinned(state tls.ConnectionState, pinned hotstick.Digest, stranger error) error {
	between := x509.NewCertPool()
	for _, certificate := range state.PeerCertificates {
		between.AddCert(certificate)
	}
	for _, certificate := range state.PeerCertificates {
		if hotstick.NewDigest(certificate.Raw) != pinned {
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(certificate)
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: state.ServerName})
		if err != nil {
			return fmt.Errorf("cannot trust the certificate of %s: %w", state.ServerName, err)
		}
		return nil
	}
	return stranger
}

// statusError reads what the server said: the detail and the hint of a problem
// document (RFC 9457), or else the start of whatever came.
func statusError(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	var problem struct{ Detail, Hint string }
	text := string(body)
	if json.Unmarshal(body, &problem) == nil && problem.Detail != "" {
		text = problem.Detail
		if problem.Hint != "" {
			text += "; " + problem.Hint
		}
	}
	const limit = 500
	text = strings.TrimSpace(text)
	return &StatusError{Status: resp.StatusCode, Text: strings.ToValidUTF8(text[:min(limit, len(text))], "?")}
}
