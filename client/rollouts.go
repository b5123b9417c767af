package client

import (
	"context"
	"net/http"
	"net/url"

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
func (c *Client) Revert(ctx context.Context, plan string, req api.ActionRequest) (api.Rollout, error) {
	return c.act(ctx, plan, "revert", req)
}

func (c *Client) act(ctx context.Context, plan, action string, req api.ActionRequest) (api.Rollout, error) {
	return ask[api.Rollout](ctx, c, call{method: http.MethodPost, path: rolloutPath(plan) + "/" + action, body: req})
}

// Stop halts every rollout and blocks new starts, or lifts that block.
func (c *Client) Stop(ctx context.Context, req api.StopRequest) (api.StopResult, error) {
	return ask[api.StopResult](ctx, c, call{method: http.MethodPost, path: "/api/v1/stop", body: req})
}

func rolloutPath(plan string) string { return "/api/v1/rollouts/" + url.PathEscape(plan) }
