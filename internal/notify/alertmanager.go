package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick/internal/store"
)

// Pace of the pushes to Alertmanager.
const (
	// resend is how often what lasts is pushed again, as Prometheus does: an
	// Alertmanager that was restarted learns of it again.
	resend = time.Minute
	// missed is after how many pushes that did not come an alert ends by itself.
	missed = 4
	// settle bounds how often changes lead to a push.
	settle = time.Second
	// again is when a push that failed is made again.
	again = 10 * time.Second
	// maxAlerts bounds one push.
	maxAlerts = 1000
)

// Alert is what Alertmanager takes (POST /api/v2/alerts, its OpenAPI type
// postableAlert).
type Alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// AlertOptions are what an alerter works with. All but Quiet, Window and Labels are
// needed.
type AlertOptions struct {
	// URL is Alertmanager's base URL, such as http://127.0.0.1:9093.
	URL string
	// Labels are added to every alert, such as cluster: prod.
	Labels map[string]string
	Store  store.Store
	// Conditions tells what lasts now.
	Conditions func(ctx context.Context) ([]Condition, error)
	// Page is the address of a plan's page on the console.
	Page  func(plan string) string
	Quiet Quiet
	// Window tells until when a maintenance window of the condition's plan is open.
	Window func(tx store.Tx, c Condition, now time.Time) (open bool, err error)
	Log    *slog.Logger
}

// Alerter keeps an Alertmanager up to date. It keeps nothing that is needed: after
// a restart it pushes what lasts, and what ended meanwhile ends by itself.
type Alerter struct {
	o        AlertOptions
	endpoint string
	http     *http.Client
	// firing are the alerts that Alertmanager was told of and that last, ended those
	// whose end it was not told of yet.
	firing, ended map[string]Alert
}

// NewAlerter checks the options.
func NewAlerter(o AlertOptions) (*Alerter, error) {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("cannot use the Alertmanager's URL: want http or https and a host")
	}
	for name := range o.Labels {
		if !labelName(name) || slices.Contains([]string{"alertname", "severity", "patch", "plan"}, name) {
			return nil, fmt.Errorf("cannot add %q as a label of alerts: want letters, digits and _, and none of alertname, severity, patch and plan", name)
		}
	}
	return &Alerter{o: o, endpoint: u.JoinPath("api/v2/alerts").String(), firing: map[string]Alert{}, ended: map[string]Alert{},
		http: &http.Client{Timeout: tryTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// labelName reports whether a name may be that of a Prometheus label.
func labelName(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != "" && !strings.HasPrefix(s, "__")
}

// Run pushes until the context ends.
func (a *Alerter) Run(ctx context.Context) error {
	changes, stop := a.o.Store.Changes()
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var looked, pushed time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-changes:
			if !open {
				return nil
			}
			timer.Reset(max(0, settle-time.Since(looked)))
		case <-timer.C:
			looked = time.Now()
			due := looked.Sub(pushed) >= resend
			err := a.round(ctx, due)
			switch {
			case err != nil && ctx.Err() == nil:
				a.o.Log.Warn("cannot tell Alertmanager yet", "error", err)
				timer.Reset(again)
			case due:
				pushed = looked
				timer.Reset(resend)
			default:
				timer.Reset(max(settle, resend-looked.Sub(pushed)))
			}
		}
	}
}

// round pushes what began and what ended, and, when it is due, all that lasts.
func (a *Alerter) round(ctx context.Context, due bool) error {
	conditions, now, err := a.loud(ctx)
	if err != nil {
		return err
	}
	push := map[string]Alert{}
	lasting := map[string]bool{}
	for _, c := range conditions {
		id, alert := a.alert(c, now)
		lasting[id] = true
		if _, told := a.firing[id]; !told || due {
			push[id] = alert
		}
		delete(a.ended, id)
	}
	for id, alert := range a.firing {
		if !lasting[id] {
			alert.EndsAt = now
			a.ended[id] = alert
			delete(a.firing, id)
		}
	}
	maps.Copy(push, a.ended)
	if len(push) == 0 {
		return nil
	}
	if err := a.post(ctx, push); err != nil {
		return err
	}
	for id := range push {
		if lasting[id] {
			a.firing[id] = push[id]
		}
	}
	clear(a.ended)
	return nil
}

// loud are the conditions that people want to hear of now. One that they were told
// of before a quiet time began goes on: ending it would be a message too.
func (a *Alerter) loud(ctx context.Context) ([]Condition, time.Time, error) {
	all, err := a.o.Conditions(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	var out []Condition
	var now time.Time
	err = a.o.Store.View(ctx, func(tx store.Tx) error {
		now = tx.Now()
		_, night := a.o.Quiet.hours(now)
		for _, c := range all {
			quiet := night
			if !quiet && a.o.Quiet.Windows && a.o.Window != nil {
				if quiet, err = a.o.Window(tx, c, now); err != nil {
					return err
				}
			}
			id, _ := a.alert(c, now)
			if _, told := a.firing[id]; told || !quiet || c.Severity == Critical {
				out = append(out, c)
			}
		}
		return nil
	})
	return out, now, err
}

// alert makes the alert of a condition, with what identifies it.
func (a *Alerter) alert(c Condition, now time.Time) (string, Alert) {
	labels := maps.Clone(a.o.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels["alertname"], labels["severity"], labels["patch"], labels["plan"] = c.Name, c.Severity, c.Patch.String(), c.Plan.Short()
	return c.Name + " " + string(c.Plan), Alert{Labels: labels, StartsAt: c.Since, EndsAt: now.Add(missed * resend),
		Annotations: map[string]string{"summary": c.Summary, "description": c.Description}, GeneratorURL: a.o.Page(string(c.Plan))}
}

// post hands the alerts over, the critical ones first.
func (a *Alerter) post(ctx context.Context, push map[string]Alert) error {
	ids := slices.SortedFunc(maps.Keys(push), func(x, y string) int {
		return cmp.Or(cmp.Compare(push[x].Labels["severity"], push[y].Labels["severity"]), cmp.Compare(x, y))
	})
	for chunk := range slices.Chunk(ids, maxAlerts) {
		alerts := make([]Alert, len(chunk))
		for i, id := range chunk {
			alerts[i] = push[id]
		}
		body, err := json.Marshal(alerts)
		if err != nil {
			return fmt.Errorf("cannot encode the alerts: %v", err)
		}
		if err := a.send(ctx, body); err != nil {
			return err
		}
	}
	return nil
}

func (a *Alerter) send(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("cannot push alerts: %v", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "hotstick")
	resp, err := a.http.Do(req)
	if err != nil {
		return fmt.Errorf("cannot push alerts: %v", withoutURL(err))
	}
	defer resp.Body.Close()
	// Read a little, so that the connection can be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("cannot push alerts: Alertmanager answered %d", resp.StatusCode)
	}
	return nil
}
