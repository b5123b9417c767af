package notify

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

const secret = "a secret of some length"

func TestASignedMessageVerifiesAndAForgedOneDoesNot(t *testing.T) {
	now := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	var header http.Header
	var body []byte
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
	}))
	defer hook.Close()
	w, err := NewWebhook(hook.URL, secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Send(t.Context(), "msg_1", []byte(`{"type":"x"}`), now); err != nil {
		t.Fatal(err)
	}
	with := func(key, value string) http.Header {
		h := header.Clone()
		h.Set(key, value)
		return h
	}
	tests := []struct {
		name   string
		secret string
		header http.Header
		body   string
		at     time.Time
		good   bool
	}{
		{"as it was sent", secret, header, string(body), now, true},
		{"with several signatures", secret, with("webhook-signature", "v1,AAAA "+header.Get("webhook-signature")), string(body), now, true},
		{"with another body", secret, header, "{}", now, false},
		{"with another secret", "another secret of some length", header, string(body), now, false},
		{"with another ID", secret, with("webhook-id", "msg_2"), string(body), now, false},
		{"with another timestamp", secret, with("webhook-timestamp", "1"), string(body), time.Unix(1, 0), false},
		{"replayed much later", secret, header, string(body), now.Add(6 * time.Minute), false},
		{"from the future", secret, header, string(body), now.Add(-6 * time.Minute), false},
		{"without a signature", secret, with("webhook-signature", ""), string(body), now, false},
		{"of another version", secret, with("webhook-signature", strings.Replace(header.Get("webhook-signature"), "v1", "v2", 1)), string(body), now, false},
	}
	for _, tt := range tests {
		if err := Verify(tt.secret, tt.header, []byte(tt.body), tt.at); (err == nil) != tt.good {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestTheSignatureIsTheStandards compares with the example of the Standard
// Webhooks specification's reference libraries.
func TestTheSignatureIsTheStandards(t *testing.T) {
	key, err := secretKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %s; want %s", got, want)
	}
}

func TestWhatIsNoDelivery(t *testing.T) {
	followed := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer elsewhere.Close()
	tests := []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"a fault of the receiver", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		{"a refusal", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}},
	}
	for _, tt := range tests {
		hook := httptest.NewServer(tt.answer)
		w, err := NewWebhook(hook.URL+"/path-with-a-secret", secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Send(t.Context(), "msg_1", []byte("{}"), time.Now()); err == nil {
			t.Errorf("%s was taken for a delivery", tt.name)
		}
		hook.Close()
		if err := w.Send(t.Context(), "msg_1", []byte("{}"), time.Now()); err == nil || strings.Contains(err.Error(), "path-with-a-secret") {
			t.Errorf("a receiver that is gone: %v", err)
		}
	}
	if followed {
		t.Error("the redirect was followed")
	}
}

// flaky fails until it has been tried often enough.
type flaky struct {
	failures int
	ids      []string
	at       []time.Time
}

// Send implements Sender.
func (f *flaky) Send(_ context.Context, id string, _ []byte, now time.Time) error {
	f.ids, f.at = append(f.ids, id), append(f.at, now)
	if len(f.ids) <= f.failures {
		return errors.New("not now")
	}
	return nil
}

// deliver runs a deliverer over one message for a while of fake time.
func deliver(t *testing.T, f *flaky, while time.Duration) []store.Message {
	var left []store.Message
	synctest.Test(t, func(t *testing.T) {
		s := memory.Open(time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		d := NewDeliverer(Options{Store: s, Sender: f, Log: slog.New(slog.DiscardHandler)})
		go func() {
			defer close(done)
			_ = d.Run(ctx)
		}()
		err := s.Update(ctx, func(tx store.Tx) error {
			if _, err := tx.Events().Append(store.Event{Kind: "x"}); err != nil {
				return err
			}
			_, err := tx.Outbox().Add(store.Message{Kind: "x", Body: []byte("{}"), Created: tx.Now(), Due: tx.Now()})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(while)
		cancel()
		<-done
		_ = s.View(t.Context(), func(tx store.Tx) error {
			left, err = tx.Outbox().Due(tx.Now().Add(365*24*time.Hour), 0)
			return err
		})
	})
	return left
}

func TestAMessageIsTriedWithGrowingPausesUntilItIsTaken(t *testing.T) {
	f := &flaky{failures: 4}
	if left := deliver(t, f, 10*time.Minute); len(left) != 0 {
		t.Errorf("%d messages are left", len(left))
	}
	if len(f.ids) != 5 {
		t.Fatalf("%d tries; want 5", len(f.ids))
	}
	for i := range f.ids[1:] {
		if f.ids[i] != f.ids[i+1] {
			t.Errorf("the message's ID changed: %v", f.ids)
		}
		if pause, want := f.at[i+1].Sub(f.at[i]), firstPause<<i; pause < want || pause > want+time.Second {
			t.Errorf("pause %d was %s; want %s", i+1, pause, want)
		}
	}
}

func TestAMessageThatNobodyTakesIsGivenUp(t *testing.T) {
	f := &flaky{failures: 1 << 30}
	if left := deliver(t, f, 7*24*time.Hour); len(left) != 0 || len(f.ids) != MaxAttempts {
		t.Errorf("%d tries, %d messages left; want %d and none", len(f.ids), len(left), MaxAttempts)
	}
}

func TestWebhooksThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ url, secret string }{
		{"ftp://example.com", secret}, {"https://", secret}, {"://", secret},
		{"https://example.com", ""}, {"https://example.com", "short"}, {"https://example.com", "whsec_!!"}, {"https://example.com", "whsec_AAAA"},
	} {
		if _, err := NewWebhook(tt.url, tt.secret); err == nil {
			t.Errorf("%q with %q was accepted", tt.url, tt.secret)
		}
	}
}
