package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hotstick/hotstick/api"
)

// MaxAnswerBytes bounds one answer of the server.
const MaxAnswerBytes = 64 << 20

// Options say which server to speak to and how.
type Options struct {
	// Server is the server's base URL, such as https://patch.example.com:8443.
	Server string
	// Token is the API token; empty calls only what needs none.
	Token string
	// Authority holds the PEM certificates to trust, the server's ca/ca.pem;
	// empty means the system's.
	Authority []byte
	// UserAgent names the program in the server's log.
	UserAgent string
}

// Client calls one server. It is safe for use by several goroutines.
type Client struct {
	base  *url.URL
	token string
	agent string
	http  *http.Client
}

// New checks the options and returns a client. It does not call the server.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.Server)
	if err != nil || base.Host == "" || base.Scheme != "https" {
		return nil, fmt.Errorf("cannot use %q as a server: want https://HOST:PORT", o.Server)
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	if len(o.Authority) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(o.Authority) {
			return nil, fmt.Errorf("cannot use the certificate authority: want PEM certificates")
		}
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   10 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		ForceAttemptHTTP2:     true,
	}
	if o.UserAgent == "" {
		o.UserAgent = "hotstick-client"
	}
	return &Client{base: base, token: o.Token, agent: o.UserAgent, http: &http.Client{
		Transport: transport,
		// The API never redirects; following one would carry the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Server returns the base URL that the client calls.
func (c *Client) Server() string { return c.base.String() }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call is one request: path below the base URL, query, and a body that is JSON
// unless it is raw bytes.
type call struct {
	method string
	path   string
	query  url.Values
	body   any
	raw    []byte
}

// do sends the call and decodes a JSON answer into out, unless out is nil.
func (c *Client) do(ctx context.Context, in call, out any) error {
	data, err := c.bytes(ctx, in)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("cannot read the answer of %s %s: %v", in.method, in.path, err)
	}
	return nil
}

// ask sends the call and returns its decoded answer.
func ask[T any](ctx context.Context, c *Client, in call) (T, error) {
	var out T
	err := c.do(ctx, in, &out)
	return out, err
}

// bytes sends the call and returns the answer as it came.
func (c *Client) bytes(ctx context.Context, in call) ([]byte, error) {
	resp, err := c.send(ctx, in)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswerBytes+1))
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if len(data) > MaxAnswerBytes {
		return nil, fmt.Errorf("cannot read the answer of %s %s: it is larger than %d bytes", in.method, in.path, MaxAnswerBytes)
	}
	return data, nil
}

// send makes the request and turns every answer but a success into an error.
func (c *Client) send(ctx context.Context, in call) (*http.Response, error) {
	req, err := c.request(ctx, in)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, readProblem(resp)
}

func (c *Client) request(ctx context.Context, in call) (*http.Request, error) {
	var body io.Reader
	kind := "application/json"
	switch {
	case in.raw != nil:
		body, kind = bytes.NewReader(in.raw), "application/octet-stream"
	case in.body != nil:
		data, err := json.Marshal(in.body)
		if err != nil {
			return nil, fmt.Errorf("cannot encode the request of %s %s: %v", in.method, in.path, err)
		}
		body = bytes.NewReader(data)
	}
	target := c.base.JoinPath(in.path)
	target.RawQuery = in.query.Encode()
	req, err := http.NewRequestWithContext(ctx, in.method, target.String(), body)
	if err != nil {
		return nil, fmt.Errorf("cannot make the request of %s %s: %v", in.method, in.path, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	req.Header.Set("User-Agent", c.agent)
	return req, nil
}

// Version asks which server this is. It needs no token.
func (c *Client) Version(ctx context.Context) (api.Version, error) {
	return ask[api.Version](ctx, c, call{method: http.MethodGet, path: "/version"})
}

// Ready reports whether the server can serve and commit: nil, or why not.
func (c *Client) Ready(ctx context.Context) error {
	return c.do(ctx, call{method: http.MethodGet, path: "/readyz"}, nil)
}

// Session tells who the token speaks for.
func (c *Client) Session(ctx context.Context) (api.Session, error) {
	return ask[api.Session](ctx, c, call{method: http.MethodGet, path: "/api/v1/session"})
}
