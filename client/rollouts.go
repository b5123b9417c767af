package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/hotstick/hotstick/api"
)

// Rollouts lists all rollouts, newest first.
func (c *Client) Rollouts(ctx context.Context) (api.RolloutList, error) {
	var out api.RolloutList
	return out, c.do(ctx, call{method: http.MethodGet, path: "/api/v1/rollouts"}, &out)
}

// Draft asks the planner for a plan to sign. Nothing is stored.
func (c *Client) Draft(ctx context.Context, req api.DraftRequest) (api.Draft, error) {
	var out api.Draft
	return out, c.do(ctx, call{method: http.MethodPost, path: "/api/v1/rollouts/draft", body: req}, &out)
}

// Submit hands in a plan that its author signed.
func (c *Client) Submit(ctx context.Context, req api.SubmitRequest) (api.Rollout, error) {
	var out api.Rollout
	return out, c.do(ctx, call{method: http.MethodPost, path: "/api/v1/rollouts", body: req}, &out)
}

// Rollout asks for one rollout with its wave track. The plan is a digest, a
// unique prefix of its hexadecimal digits, or a unique name; so in every method
// that takes one.
func (c *Client) Rollout(ctx context.Context, plan string) (api.Rollout, error) {
	var out api.Rollout
	return out, c.do(ctx, call{method: http.MethodGet, path: rolloutPath(plan)}, &out)
}

// Bundle fetches what an approver checks and signs.
func (c *Client) Bundle(ctx context.Context, plan string) (api.Bundle, error) {
	var out api.Bundle
	return out, c.do(ctx, call{method: http.MethodGet, path: rolloutPath(plan) + "/bundle"}, &out)
}

// Approve hands in the plan's envelope with one more signature.
func (c *Client) Approve(ctx context.Context, plan string, req api.ApprovalRequest) (api.Rollout, error) {
	var out api.Rollout
	return out, c.do(ctx, call{method: http.MethodPost, path: rolloutPath(plan) + "/approvals", body: req}, &out)
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
	var out api.Rollout
	return out, c.do(ctx, call{method: http.MethodPost, path: rolloutPath(plan) + "/" + action, body: req}, &out)
}

// Stop halts every rollout and blocks new starts, or lifts that block.
func (c *Client) Stop(ctx context.Context, req api.StopRequest) (api.StopResult, error) {
	var out api.StopResult
	return out, c.do(ctx, call{method: http.MethodPost, path: "/api/v1/stop", body: req}, &out)
}

func rolloutPath(plan string) string { return "/api/v1/rollouts/" + url.PathEscape(plan) }
