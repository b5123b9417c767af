package house

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/demo/host"
)

// Follow tells each host's steps until the rollout satisfies done.
func (h *House) Follow(ctx context.Context, name string, limit time.Duration, note func(string, ...any), done func(api.Rollout) bool) (api.Rollout, error) {
	var last api.Rollout
	seen := map[string]string{}
	err := host.Until(ctx, limit, fmt.Sprintf("rollout %q", name), func(ctx context.Context) (bool, error) {
		r, err := h.Client.Rollout(ctx, name)
		if err != nil {
			return false, nil // the server may just have been killed; the limit bounds the wait
		}
		tell(r, seen, note)
		last = r
		return done(r), nil
	})
	return last, err
}

// tell says what changed in a rollout since the last look.
func tell(r api.Rollout, seen map[string]string, note func(string, ...any)) {
	for _, w := range r.Waves {
		for _, c := range w.Hosts {
			now := fmt.Sprint(c.State, c.Attempt)
			if seen[c.Name] == now || (seen[c.Name] == "" && c.State == hotstick.Waiting) {
				continue
			}
			seen[c.Name] = now
			text := ""
			if c.Reason != nil && c.State != hotstick.Confirmed {
				text = "  " + c.Reason.Text
			}
			note("%-12s %-8s %s%s", w.Name, c.Name, c.State, text)
		}
	}
	if status := string(r.Status); seen["\x00"] != status {
		seen["\x00"] = status
		text := ""
		if r.Reason != nil {
			text = ": " + r.Reason.Text
		}
		note("%s is %s%s", r.Name, status, text)
	}
}

// Cells lists a rollout's hosts with their states, by name.
func Cells(r api.Rollout) map[string]api.Cell {
	found := map[string]api.Cell{}
	for _, w := range r.Waves {
		for _, c := range w.Hosts {
			found[c.Name] = c
		}
	}
	return found
}

// Order lists, from the audit log, when each host of a plan was first admitted. It is for
// plans whose events fit into one page.
func (h *House) Order(ctx context.Context, r api.Rollout) ([]string, error) {
	list, err := h.Client.Events(ctx, client.EventQuery{Plan: r.Plan, Limit: 200})
	if err != nil {
		return nil, err
	}
	var names []string
	for i := len(list.Events) - 1; i >= 0; i-- {
		if e := list.Events[i]; e.State == string(hotstick.Admitted) {
			names = append(names, e.HostName)
		}
	}
	return names, nil
}
