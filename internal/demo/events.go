package demo

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"

	"context"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/client"
)

// eventsOf asks for all that the audit log has of one plan; the demo's plans are
// small enough for one page.
func eventsOf(plan hotstick.PlanID) client.EventQuery {
	return client.EventQuery{Plan: plan, Limit: 200}
}

// knock calls an agent's route as a stranger: with TLS, but without a certificate.
func (d *demo) knock(ctx context.Context, path string) (int, error) {
	ca, err := d.Authority()
	if err != nil {
		return 0, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+d.Listen+path, strings.NewReader("{}"))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, fmt.Errorf("cannot reach the server: %v", err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}
