package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/notify"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

func TestTheStreamTellsEveryChangeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan api.Change, 1000)
	ended := make(chan error, 1)
	go func() {
		ended <- w.client(identity.Viewer).Stream(ctx, func(c api.Change) error {
			changes <- c
			return nil
		})
	}()
	// Changes count from when the stream is open; make some until one arrives.
	var first api.Change
	deadline := time.After(20 * time.Second)
	for first.Kind == "" {
		w.joinToken()
		select {
		case first = <-changes:
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatal("no change arrived")
		}
	}
	_, err := w.admin.Stop(t.Context(), api.StopRequest{Reason: "x"})
	w.must(err)
	last := first.Seq
	for {
		select {
		case c := <-changes:
			if c.Seq != last+1 {
				t.Fatalf("after change %d came %d", last, c.Seq)
			}
			last = c.Seq
			if c.Kind == inventory.FleetStopped {
				cancel()
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Errorf("the stream ended with %v", err)
				}
				return
			}
		case <-deadline:
			t.Fatal("the stop did not arrive")
		}
	}
}

// A host that falls silent is no event, so whoever listens must read again now and then:
// as often as hosts check in, and before a quiet line is taken for a dead one.
func TestTheStreamBeatsAsHostsDo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ idle, want time.Duration }{
		{3 * time.Second, 3 * time.Second},
		{15 * time.Second, 15 * time.Second},
		{5 * time.Minute, 15 * time.Second},
		{10 * time.Millisecond, time.Second},
	} {
		if got := (Limits{IdleInterval: tt.idle}).pingEvery(); got != tt.want {
			t.Errorf("hosts check in every %s: it beats every %s, want %s", tt.idle, got, tt.want)
		}
	}
	w := newWorld(t, nil) // its hosts check in ten times a second
	s := w.mustStream("Authorization", w.bearer(identity.Viewer))
	s.beatsWithin(20 * time.Second)
}

func TestTheStreamEndsWithTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	open, ended := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		ended <- w.client(identity.Viewer).Stream(t.Context(), func(api.Change) error {
			once.Do(func() { close(open) })
			return nil
		})
	}()
	deadline := time.After(20 * time.Second)
	for waiting := true; waiting; {
		w.joinToken()
		select {
		case <-open:
			waiting = false
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatal("the stream did not open")
		}
	}
	start := time.Now()
	w.stop()
	var gone *client.Unreachable
	if err := <-ended; !errors.As(err, &gone) {
		t.Errorf("the stream ended with %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the server took %s to end", took)
	}
}

// receiver is a webhook that checks signatures and fails as often as it is told.
type receiver struct {
	secret string
	mu     sync.Mutex
	fail   int
	ids    []string
	bodies []inventory.Notification
	forged int
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := notify.Verify(r.secret, req.Header, body, time.Now()); err != nil {
		r.forged++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.ids = append(r.ids, req.Header.Get("webhook-id"))
	if r.fail > 0 {
		r.fail--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var n inventory.Notification
	_ = json.Unmarshal(body, &n)
	r.bodies = append(r.bodies, n)
}

func (r *receiver) kinds() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var kinds []string
	for _, b := range r.bodies {
		kinds = append(kinds, b.Type)
	}
	return kinds
}

// alertmanager notes the names of the alerts that it is told of.
type alertmanager struct {
	mu    sync.Mutex
	names []string
}

// ServeHTTP implements http.Handler.
func (m *alertmanager) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var alerts []notify.Alert
	if r.URL.Path != "/api/v2/alerts" || json.NewDecoder(r.Body).Decode(&alerts) != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range alerts {
		m.names = append(m.names, a.Labels["alertname"])
	}
}

// kinds returns them.
func (m *alertmanager) kinds() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.names)
}

func TestPeopleAreToldOfAHaltAStrikeAndARevert(t *testing.T) {
	t.Parallel()
	r := &receiver{secret: "a webhook's secret", fail: 1}
	hook := httptest.NewServer(r)
	defer hook.Close()
	w := newWorld(t, memory.Open(time.Now))
	w.stop()
	m := &alertmanager{}
	pushed := httptest.NewServer(m)
	defer pushed.Close()
	w.options.Notify = Notify{Webhook: Webhook{URL: hook.URL, Secret: r.secret}, Alertmanager: Alertmanager{URL: pushed.URL}, Group: 100 * time.Millisecond}
	w.start()
	w.admin = w.client(identity.Admin)
	hosts := w.fleetOfFour()
	for _, h := range hosts {
		h.mu.Lock()
		h.fates[1] = kills
		h.mu.Unlock()
	}
	plan := w.running(w.publish(1), quick).Plan
	w.until(plan, "it is halted", is(hotstick.Halted))
	want := []string{inventory.NotifyApproval, inventory.NotifyStrike, inventory.NotifyHalt, inventory.NotifyRevert,
		notify.AlertHalted, notify.AlertStruck}
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got := append(r.kinds(), m.kinds()...)
		if !slices.ContainsFunc(want, func(k string) bool { return !slices.Contains(got, k) }) {
			break
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("told of %v; want %v", got, want)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.forged > 0 {
		t.Errorf("%d messages had a wrong signature", r.forged)
	}
	if !slices.Contains(r.ids[1:], r.ids[0]) {
		t.Errorf("the message that failed first was not sent again under its ID: %v", r.ids)
	}
}

func TestWhatAServerSaysWhenItCannotStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	tests := []struct {
		name   string
		change func(*Options)
		says   []string
	}{
		{"the port is in use", func(o *Options) { o.Listen = w.server.Addr().String() }, []string{"port is in use", "--listen"}},
		{"there is no directory", func(o *Options) { o.Dir = filepath.Join(w.dir, "nothing") }, []string{"not initialised", "hotstick init"}},
		{"the directory is empty", func(o *Options) { o.Dir = t.TempDir() }, []string{"not initialised", "hotstick init"}},
		{"the URL is not one", func(o *Options) { o.URL = "http://x" }, []string{"want https://"}},
		{"the webhook is not one", func(o *Options) { o.Notify.Webhook.URL = "ftp://x" }, []string{"webhook"}},
		{"the Alertmanager is not one", func(o *Options) { o.Notify.Alertmanager.URL = "am:9093" }, []string{"Alertmanager"}},
		{"the secret is short", func(o *Options) { o.Notify.Webhook = Webhook{URL: "https://x", Secret: "short"} }, []string{"at least 16"}},
	}
	for _, tt := range tests {
		o := w.options
		o.Listen = "127.0.0.1:0"
		tt.change(&o)
		s, err := New(t.Context(), o)
		if err == nil {
			t.Errorf("%s: the server started", tt.name)
			s.serving.listener.Close()
			continue
		}
		for _, say := range tt.says {
			if !strings.Contains(err.Error(), say) {
				t.Errorf("%s: %q does not say %q", tt.name, err, say)
			}
		}
	}
}

func TestADirectoryIsInitialisedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := Initialise(t.Context(), dir, InitOptions{Admin: alice, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(first.AdminToken, "hs_api_") || len(first.OnlineKey) != 32 {
		t.Errorf("made %q and a key of %d bytes", first.AdminToken, len(first.OnlineKey))
	}
	for _, name := range []string{"ca/ca.key", "keys/online.pem", "hotstick.db"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v; want mode 0600", name, info, err)
		}
	}
	if _, err := Initialise(t.Context(), dir, InitOptions{Now: time.Now()}); err == nil || !strings.Contains(err.Error(), "initialised before") {
		t.Errorf("a second time: %v", err)
	}
}

func TestADirectoryThatCannotBeWrittenIsNamedAndLeftAsItWas(t *testing.T) {
	t.Parallel()
	for cause, says := range map[error]string{syscall.EROFS: "read-only", syscall.EACCES: "read-only", syscall.ENOSPC: "full", syscall.ENOENT: "hotstick init"} {
		err := explainDir("/data", &os.PathError{Op: "open", Path: "/data/x", Err: cause})
		if !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "/data") || !errors.Is(err, cause) {
			t.Errorf("%v: %q does not say %q", cause, err, says)
		}
	}
	// The kernel lets nobody make a directory here, not even root.
	if _, err := Initialise(t.Context(), "/sys/hotstick", InitOptions{Now: time.Now()}); err == nil || !strings.Contains(err.Error(), "/sys/hotstick") {
		t.Errorf("a directory that cannot be made: %v", err)
	}
	// A directory where the online key should be lets the middle of it fail.
	dir := t.TempDir()
	block := filepath.Join(dir, keysDir)
	if err := os.WriteFile(block, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Initialise(t.Context(), dir, InitOptions{Now: time.Now()}); err == nil {
		t.Fatal("it was initialised over a file")
	}
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	if _, err := Initialise(t.Context(), dir, InitOptions{Now: time.Now()}); err != nil {
		t.Errorf("a second try, after the cause was mended: %v", err)
	}
}

// broken is a store whose disk is full: it still reads.
type broken struct{ store.Store }

// Check implements store.Store.
func (broken) Check(context.Context) error { return errors.New("no space left on device") }

func TestReadinessFailsWhenTheDatabaseDoesNotCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, broken{memory.Open(time.Now)})
	a := w.ask("GET", "/readyz", "")
	if a.status != http.StatusServiceUnavailable || a.problem().Code != codeUnavailable || strings.Contains(a.body, "no space") {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if a := w.ask("GET", "/healthz", ""); a.status != http.StatusOK {
		t.Errorf("the process is alive but healthz says %d", a.status)
	}
}
