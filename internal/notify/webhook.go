package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Limits of one try.
const (
	tryTimeout   = 10 * time.Second
	maxBodyBytes = 256 << 10
	maxAnswer    = 64 << 10
	// Tolerance is how old or new a timestamp may be for [Verify].
	Tolerance = 5 * time.Minute
)

// Webhook posts messages to one URL.
type Webhook struct {
	url    string
	secret []byte
	http   *http.Client
}

// NewWebhook checks the URL and the secret. A secret that starts with whsec_ is
// base64; any other is used as it is written.
func NewWebhook(address, secret string) (*Webhook, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return nil, fmt.Errorf("cannot use the webhook's URL: want http or https and a host")
	}
	key, err := secretKey(secret)
	if err != nil {
		return nil, err
	}
	return &Webhook{url: address, secret: key, http: &http.Client{
		Timeout: tryTimeout,
		// A redirect would hand the message to somebody who was not configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func secretKey(secret string) ([]byte, error) {
	if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(key) < 16 {
			return nil, fmt.Errorf("cannot use the webhook's secret: want base64 of at least 16 bytes after whsec_")
		}
		return key, nil
	}
	if len(secret) < 16 {
		return nil, fmt.Errorf("cannot use the webhook's secret: want at least 16 characters")
	}
	return []byte(secret), nil
}

// Send makes one try. An error means that the message must be tried again.
func (w *Webhook) Send(ctx context.Context, id string, body []byte, now time.Time) error {
	if len(body) > maxBodyBytes {
		return fmt.Errorf("cannot send a notification of %d bytes: the limit is %d", len(body), maxBodyBytes)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("cannot send the notification: %v", err)
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "hotstick")
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", timestamp)
	req.Header.Set("webhook-signature", "v1,"+sign(w.secret, id, timestamp, body))
	resp, err := w.http.Do(req)
	if err != nil {
		return fmt.Errorf("cannot send the notification: %v", withoutURL(err))
	}
	defer resp.Body.Close()
	// Read a little, so that the connection can be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("cannot send the notification: the receiver answered %d", resp.StatusCode)
	}
	return nil
}

// withoutURL is the cause of a failed request alone: the URL may hold a secret.
func withoutURL(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

func sign(secret []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Verify checks a received message as a receiver must: one of the signatures is
// right and the timestamp is not far from now.
func Verify(secret string, header http.Header, body []byte, now time.Time) error {
	key, err := secretKey(secret)
	if err != nil {
		return err
	}
	timestamp := header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return fmt.Errorf("cannot trust the message: its timestamp is malformed")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Tolerance {
		return fmt.Errorf("cannot trust the message: it was signed %s ago", age.Round(time.Second))
	}
	want := sign(key, header.Get("webhook-id"), timestamp, body)
	for _, s := range strings.Fields(header.Get("webhook-signature")) {
		if sig, ok := strings.CutPrefix(s, "v1,"); ok && hmac.Equal([]byte(sig), []byte(want)) {
			return nil
		}
	}
	return fmt.Errorf("cannot trust the message: its signature is wrong")
}
