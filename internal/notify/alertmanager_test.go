package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
)

var (
	noon  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	patch = hotstick.PatchRef{Name: "p", Level: 1}
	plan  = hotstick.NewDigest([]byte("plan"))
)

func ago(d time.Duration) *time.Time {
	t := noon.Add(-d)
	return &t
}

func TestWhatLastsOfAPlan(t *testing.T) {
	count := func(pairs ...any) map[hotstick.HostState]int {
		states := map[hotstick.HostState]int{}
		for i := 0; i < len(pairs); i += 2 {
			states[pairs[i].(hotstick.HostState)] = pairs[i+1].(int)
		}
		return states
	}
	superseded := &hotstick.Reason{Code: hotstick.ReasonSuperseded}
	tests := []struct {
		name   string
		plan   store.Plan
		states map[hotstick.HostState]int
		want   string
	}{
		{"proposed", store.Plan{Status: hotstick.Proposed}, nil, "info HotstickApprovalWanted"},
		{"approved", store.Plan{Status: hotstick.Approved}, nil, ""},
		{"running", store.Plan{Status: hotstick.Running}, count(hotstick.Waiting, 3), ""},
		{"running, with struck hosts", store.Plan{Status: hotstick.Running}, count(hotstick.Quarantined, 1), "warning HotstickHostStruck"},
		{"on hold", store.Plan{Status: hotstick.Held}, nil, "warning HotstickRolloutHeld"},
		{"one host went back by itself", store.Plan{Status: hotstick.Running}, count(hotstick.Reverting, 1), ""},
		{"halted a moment ago", store.Plan{Status: hotstick.Halted, Ended: ago(time.Minute)}, nil, "critical HotstickRolloutHalted"},
		{"halted long ago", store.Plan{Status: hotstick.Halted, Ended: ago(2 * time.Hour)}, count(hotstick.Quarantined, 1), ""},
		{"halted long ago, and still going back", store.Plan{Status: hotstick.Halted, Reverting: true, Ended: ago(2 * time.Hour)}, count(hotstick.Reverting, 1),
			"critical HotstickRolloutHalted, critical HotstickRolloutReverting"},
		{"taken over by a newer plan", store.Plan{Status: hotstick.Halted, Reason: superseded, Ended: ago(time.Minute)}, nil, ""},
		{"completed a moment ago", store.Plan{Status: hotstick.Completed, Ended: ago(time.Minute)}, count(hotstick.Confirmed, 4), "info HotstickRolloutFinished"},
		{"completed an hour ago", store.Plan{Status: hotstick.Completed, Ended: ago(time.Hour)}, nil, ""},
		{"expired a moment ago", store.Plan{Status: hotstick.Expired, Ended: ago(time.Minute)}, nil, "info HotstickRolloutFinished"},
	}
	for _, tt := range tests {
		tt.plan.ID, tt.plan.Patch, tt.plan.Name, tt.plan.Created = plan, patch, "kernel fix", noon.Add(-3*time.Hour)
		var got []string
		for _, c := range Conditions(Standing{tt.plan, tt.states}, noon) {
			got = append(got, c.Severity+" "+c.Name)
			if c.Since.IsZero() || c.Since.After(noon) || !strings.HasPrefix(c.Summary, `The rollout "kernel fix" of p@1 `) || !strings.HasPrefix(c.Description, c.Summary) {
				t.Errorf("%s: %+v", tt.name, c)
			}
		}
		if have := strings.Join(got, ", "); have != tt.want {
			t.Errorf("%s: %q; want %q", tt.name, have, tt.want)
		}
	}
}

// manager is an Alertmanager that checks what it is sent against the documented
// schema (api/v2/openapi.yaml, postableAlerts) and keeps the last of each alert.
type manager struct {
	*testing.T
	*httptest.Server
	status int
	pushes int
	last   map[string]Alert
}

func newManager(t *testing.T) *manager {
	m := &manager{T: t, status: http.StatusOK, last: map[string]Alert{}}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

// ServeHTTP implements http.Handler.
func (m *manager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.pushes++
	w.WriteHeader(m.status)
	if m.status != http.StatusOK {
		return
	}
	if r.Method != "POST" || r.URL.Path != "/am/api/v2/alerts" || r.Header.Get("Content-Type") != "application/json" {
		m.Errorf("%s %s as %s", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	var alerts []Alert
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&alerts); err != nil {
		m.Error(err)
	}
	for _, a := range alerts {
		for name, value := range a.Labels {
			if !labelName(name) || value == "" {
				m.Errorf("the label %q is %q", name, value)
			}
		}
		if a.StartsAt.IsZero() || a.EndsAt.Before(a.StartsAt) || !strings.HasPrefix(a.GeneratorURL, "https://") {
			m.Errorf("alert %+v", a)
		}
		m.last[a.Labels["alertname"]] = a
	}
}

// alerting is an alerter over conditions that the test sets.
type alerting struct {
	*Alerter
	now    time.Time
	lasts  []Condition
	window bool
}

func newAlerting(t *testing.T, address string, quiet Quiet) *alerting {
	t.Helper()
	w := &alerting{now: noon}
	var err error
	w.Alerter, err = NewAlerter(AlertOptions{URL: address, Labels: map[string]string{"cluster": "prod"}, Quiet: quiet,
		Store:      memory.Open(func() time.Time { return w.now }),
		Conditions: func(context.Context) ([]Condition, error) { return w.lasts, nil },
		Page:       func(plan string) string { return "https://hotstick/rollouts/" + plan },
		Window:     func(store.Tx, Condition, time.Time) (bool, error) { return w.window, nil },
		Log:        slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// at looks again after a while, with what lasts then.
func (w *alerting) after(d time.Duration, due bool, lasts ...Condition) error {
	w.now, w.lasts = w.now.Add(d), lasts
	return w.round(context.Background(), due)
}

func condition(name, severity string) Condition {
	return Condition{Name: name, Severity: severity, Plan: plan, Patch: patch, Since: noon, Summary: "s", Description: "d"}
}

func TestAnAlertIsPushedForAsLongAsItLastsAndThenEnds(t *testing.T) {
	m := newManager(t)
	w := newAlerting(t, m.URL+"/am/", Quiet{})
	held := condition(AlertHeld, Warning)
	for _, err := range []error{w.after(0, true, held), w.after(time.Second, false, held), w.after(time.Minute, true, held)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := m.last[AlertHeld]
	if m.pushes != 2 || !got.EndsAt.Equal(w.now.Add(4*time.Minute)) {
		t.Errorf("%d pushes, the last until %s; want 2, four minutes on", m.pushes, got.EndsAt)
	}
	want := map[string]string{"alertname": AlertHeld, "severity": Warning, "patch": "p@1", "plan": plan.Short(), "cluster": "prod"}
	if !maps.Equal(got.Labels, want) {
		t.Errorf("labels %v; want %v", got.Labels, want)
	}
	m.status = http.StatusServiceUnavailable
	if err := w.after(time.Second, false); err == nil {
		t.Error("a push that was refused counts as made")
	}
	m.status = http.StatusOK
	if err := w.after(time.Second, false); err != nil || m.last[AlertHeld].EndsAt.After(w.now) {
		t.Errorf("after its end the alert lasts until %s: %v", m.last[AlertHeld].EndsAt, err)
	}
	if err := w.after(time.Hour, true); err != nil || m.pushes != 4 {
		t.Errorf("%d pushes: %v; an end is told once", m.pushes, err)
	}
}

func TestQuietTimesKeepNewAlertsButNotCriticalOnes(t *testing.T) {
	m := newManager(t)
	w := newAlerting(t, m.URL+"/am", Quiet{Windows: true})
	told := func() string { return strings.Join(slices.Sorted(maps.Keys(w.firing)), ",") }
	before, after, halt := condition("Before", Warning), condition("During", Info), condition(AlertHalted, Critical)
	_ = w.after(0, true, before)
	w.window = true
	_ = w.after(time.Minute, true, before, after, halt)
	if got := told(); strings.Contains(got, "During") || !strings.Contains(got, AlertHalted) || !strings.Contains(got, "Before") {
		t.Errorf("in the window these fire: %s", got)
	}
	w.window = false
	_ = w.after(time.Minute, false, before, after, halt)
	if got := told(); !strings.Contains(got, "During") {
		t.Errorf("after the window these fire: %s", got)
	}
}

func TestAlertmanagersThatAreRefused(t *testing.T) {
	for _, o := range []AlertOptions{{URL: ""}, {URL: "am:9093"}, {URL: "ftp://am"}, {URL: "http://am?x=1"},
		{URL: "http://am", Labels: map[string]string{"plan": "x"}}, {URL: "http://am", Labels: map[string]string{"a-b": "x"}},
		{URL: "http://am", Labels: map[string]string{"__a": "x"}}, {URL: "http://am", Labels: map[string]string{"": "x"}}} {
		if _, err := NewAlerter(o); err == nil {
			t.Errorf("%q with %v was accepted", o.URL, o.Labels)
		}
	}
}

// TestARealAlertmanagerTakesIt pushes to Debian's prometheus-alertmanager and asks
// it what it knows.
func TestARealAlertmanagerTakesIt(t *testing.T) {
	if testing.Short() {
		t.Skip("runs an Alertmanager; run without -short")
	}
	address := runAlertmanager(t)
	w := newAlerting(t, address, Quiet{})
	w.now = time.Now()
	held := condition(AlertHeld, Warning)
	held.Since = w.now.Add(-time.Minute)
	if err := w.after(0, true, held); err != nil {
		t.Fatal(err)
	}
	if got := knownTo(t, address); got != "HotstickRolloutHeld prod p@1 active" {
		t.Errorf("it knows %q", got)
	}
	if err := w.after(time.Since(w.now), false); err != nil {
		t.Fatal(err)
	}
	if got := knownTo(t, address); got != "" {
		t.Errorf("after the end it knows %q", got)
	}
}

// knownTo lists the alerts that last in an Alertmanager.
func knownTo(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get(address + "/api/v2/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list []struct {
		Labels map[string]string
		Status struct{ State string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range list {
		out = append(out, fmt.Sprintf("%s %s %s %s", a.Labels["alertname"], a.Labels["cluster"], a.Labels["patch"],
			strings.Replace(a.Status.State, "unprocessed", "active", 1)))
	}
	return strings.Join(out, "\n")
}

// runAlertmanager runs Debian's Alertmanager, fetched if it is not installed, and
// returns its address. Without Debian's archive the test is skipped.
func runAlertmanager(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run := []string{"prometheus-alertmanager"}
	if _, err := exec.LookPath(run[0]); err != nil {
		fetch := exec.Command("sh", "-c", "apt-get download -q prometheus-alertmanager && dpkg -x prometheus-alertmanager_*.deb .")
		fetch.Dir = dir
		if out, err := fetch.CombinedOutput(); err != nil {
			t.Skipf("Debian's prometheus-alertmanager is not to be had here: %v\n%s", err, out)
		}
		// It reads its templates from /usr/share, so that is the package's for it alone.
		run = []string{"unshare", "-rm", "sh", "-c", `mount --bind usr/share /usr/share && exec usr/bin/prometheus-alertmanager "$@"`, "sh"}
	}
	config := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(config, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	run = append(run, "--config.file="+config, "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--cluster.listen-address=")
	var log bytes.Buffer
	cmd := exec.Command(run[0], run[1:]...)
	cmd.Dir, cmd.Stderr = dir, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		if resp, err := http.Get("http://" + address + "/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return "http://" + address
			}
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	t.Fatalf("the Alertmanager did not come up in 20 s:\n%s", &log)
	return ""
}
