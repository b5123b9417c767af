package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// Rollouts lists all rollouts, newest first.
func (c *Client) Rollouts(ctx context.Context) (api.RolloutList, error) {
	return ask[api.RolloutList](ctx, c, call{method: http.MethodGet, path: "/api/v1/rollouts"})
}

// Draft asks the planner for a plan to sign. Nothing is stored.
func (c *Client) Draft(ctx context.Context, req api.DraftRequest) (api.Draft, error) {
	return ask[api.Draft](ctx, c, call{method: http.MethodPost, path: "/api/v1/rollouts/draft", body: req})
}

// Submit hands in a plan that its author signed.
func (c *Client) Submit(ctx context.Context, req api.SubmitRequest) (api.Rollout, error) {
	return ask[api.Rollout](ctx, c, call{method: http.MethodPost, path: "/api/v1/rollouts", body: req})
}

// Rollout asks for one rollout with its wave track. The plan is a digest, a
// unique prefix of its hexadecimal digits, or a unique name; so in every method
// that takes one.
func (c *Client) Rollout(ctx context.Context, plan string) (api.Rollout, error) {
	return ask[api.Rollout](ctx, c, call{method: http.MethodGet, path: rolloutPath(plan)})
}

// Bundle fetches what an approver checks and signs.
func (c *Client) Bundle(ctx context.Context, plan string) (api.Bundle, error) {
	return ask[api.Bundle](ctx, c, call{method: http.MethodGet, path: rolloutPath(plan) + "/bundle"})
}

// Approve hands in the plan's envelope with one more signature.
func (c *Client) Approve(ctx context.Context, plan string, req api.ApprovalRequest) (api.Rollout, error) {
	return ask[api.Rollout](ctx, c, call{method: http.MethodPost, path: rolloutPath(plan) + "/approvals", body: req})
}

// CellQuery narrows the hosts of a rollout. Zero values do not filter.
type CellQuery struct {
	// Wave is a wave's index, counted from 0.
	Wave  *int
	State hotstick.HostState
	// Build is a kernel build ID.
	Build string
	// Search is part of a host's name.
	Search string
	Limit  int
	Page   string
}

// RolloutHosts asks for one page of a rollout's hosts.
func (c *Client) RolloutHosts(ctx context.Context, plan string, q CellQuery) (api.CellList, error) {
	values := url.Values{}
	if q.Wave != nil {
		values.Set("wave", strconv.Itoa(*q.Wave))
	}
	add(values, "state", string(q.State))
	add(values, "build", q.Build)
	add(values, "search", q.Search)
	addLimit(values, q.Limit)
	add(values, "page", q.Page)
	return ask[api.CellList](ctx, c, call{method: http.MethodGet, path: rolloutPath(plan) + "/hosts", query: values})
}

// Uncovered asks on which hosts nothing closes the CVE of a plan, and why.
func (c *Client) Uncovered(ctx context.Context, plan string) (api.Uncovered, error) {
	return ask[api.Uncovered](ctx, c, call{method: http.MethodGet, path: rolloutPath(plan) + "/uncovered"})
}

// WhyRollout asks why a rollout, its waves and its lanes do not move.
func (c *Client) WhyRollout(ctx context.Context, plan string) (api.RolloutWhy, error) {
	return ask[api.RolloutWhy](ctx, c, call{method: http.MethodGet, path: rolloutPath(plan) + "/why"})
}

// Rehearse plays a plan on simulated copies of its hosts, within the server's
// bounds. Nothing starts.
func (c *Client) Rehearse(ctx context.Context, plan string, req api.RehearsalRequest) (api.Rehearsal, error) {
	return ask[api.Rehearsal](ctx, c, call{method: http.MethodPost, path: rolloutPath(plan) + "/rehearsal", body: req})
}

// Start announces an approved plan and lets its first wave begin.
func (c *Client) Start(ctx context.Context, plan string) (api.Rollout, error) {
	return c.act(ctx, plan, "start", api.ActionRequest{})
}

// Hold stops promoting and starting until the rollout is resumed.
func (c *Client) Hold(ctx context.Context, plan string, req api.ActionRequest) (api.Rollout, error) {
	return c.act(ctx, plan, "hold", req)
}

// Resume lets a held rollout go on.
func (c *Client) Resume(ctx context.Context, plan string, req api.ActionRequest) (api.Rollout, error) {
	return c.act(ctx, plan, "resume", req)
}

// Halt ends a rollout's starts for good.
func (c *Client) Halt(ctx context.Context, plan string, req api.ActionRequest) (api.Rollout, error) {
	return c.act(ctx, plan, "halt", req)
}

// Revert halts a rollout and sends hosts that took the patch back to the level
// before.
//
// With a wave or hosts only those go back, and the rollout goes on.
func (c *Client) Revert(ctx context.Context, plan string, req api.RevertRequest) (api.Rollout, error) {
	return c.act(ctx, plan, "revert", req)
}

// NextWave gives an operator's word for the next wave that waits for one.
func (c *Client) NextWave(ctx context.Context, plan string, req api.ActionRequest) (api.Rollout, error) {
	return c.act(ctx, plan, "next-wave", req)
}

// Retry gives hosts a new attempt.
func (c *Client) Retry(ctx context.Context, plan string, req api.RetryRequest) (api.Rollout, error) {
	return c.act(ctx, plan, "retry", req)
}

// Dismiss lets go of a host that ended badly: it no longer holds its lane, and the
// rollout does not patch it.
func (c *Client) Dismiss(ctx context.Context, plan string, req api.DismissRequest) (api.Rollout, error) {
	return c.act(ctx, plan, "dismiss", req)
}

func (c *Client) act(ctx context.Context, plan, action string, req any) (api.Rollout, error) {
	return ask[api.Rollout](ctx, c, call{method: http.MethodPost, path: rolloutPath(plan) + "/" + action, body: req})
}

// Stop halts every rollout and blocks new starts, or lifts that block.
func (c *Client) Stop(ctx context.Context, req api.StopRequest) (api.StopResult, error) {
	return ask[api.StopResult](ctx, c, call{method: http.MethodPost, path: "/api/v1/stop", body: req})
}

func rolloutPath(plan string) string { return "/api/v1/rollouts/" + url.PathEscape(plan) }
