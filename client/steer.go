package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/hotstick/hotstick/api"
)

// Exclude keeps a host out of every rollout until a time. The host is an ID or a
// unique name; so in every method that takes one.
func (c *Client) Exclude(ctx context.Context, host string, req api.ExcludeRequest) (api.HostDetail, error) {
	return ask[api.HostDetail](ctx, c, call{method: http.MethodPost, path: hostPath(host) + "/exclude", body: req})
}

// Include ends a host's exclusion.
func (c *Client) Include(ctx context.Context, host string, req api.ActionRequest) (api.HostDetail, error) {
	return ask[api.HostDetail](ctx, c, call{method: http.MethodPost, path: hostPath(host) + "/include", body: req})
}

// Exclusions lists the hosts that are kept out of rollouts now.
func (c *Client) Exclusions(ctx context.Context) (api.ExclusionList, error) {
	return ask[api.ExclusionList](ctx, c, call{method: http.MethodGet, path: "/api/v1/exclusions"})
}

// ChangeAuthority announces the server's next certificate authority, or puts it in
// the old one's place.
func (c *Client) ChangeAuthority(ctx context.Context, req api.AuthorityRequest) (api.Authority, error) {
	return ask[api.Authority](ctx, c, call{method: http.MethodPost, path: "/api/v1/authority", body: req})
}

// Unclone ends the quarantine of a host whose identity two machines used.
func (c *Client) Unclone(ctx context.Context, host string, req api.ActionRequest) (api.HostDetail, error) {
	return ask[api.HostDetail](ctx, c, call{method: http.MethodPost, path: hostPath(host) + "/unclone", body: req})
}

// WriteOff gives a host up for good: its identity ends and its slots are free.
func (c *Client) WriteOff(ctx context.Context, host string, req api.ActionRequest) (api.WriteOffResult, error) {
	return ask[api.WriteOffResult](ctx, c, call{method: http.MethodPost, path: hostPath(host) + "/write-off", body: req})
}

// Freeze sets a time in which nothing starts.
func (c *Client) Freeze(ctx context.Context, req api.FreezeRequest) (api.Freeze, error) {
	return ask[api.Freeze](ctx, c, call{method: http.MethodPost, path: "/api/v1/freezes", body: req})
}

// Freezes lists the freezes that hold or are to come.
func (c *Client) Freezes(ctx context.Context) (api.FreezeList, error) {
	return ask[api.FreezeList](ctx, c, call{method: http.MethodGet, path: "/api/v1/freezes"})
}

// Crashes lists the levels that are stopped on a kind of machine that crashed.
func (c *Client) Crashes(ctx context.Context) (api.CrashStopList, error) {
	return ask[api.CrashStopList](ctx, c, call{method: http.MethodGet, path: "/api/v1/crashes"})
}

// Unfreeze removes a freeze by its ID.
func (c *Client) Unfreeze(ctx context.Context, id string, req api.ActionRequest) (api.FreezeList, error) {
	return ask[api.FreezeList](ctx, c, call{method: http.MethodPost, path: "/api/v1/freezes/" + url.PathEscape(id) + "/remove", body: req})
}

// Clear hands in a signed clear, which lifts a ban or strikes.
func (c *Client) Clear(ctx context.Context, req api.ClearRequest) (api.ClearResult, error) {
	return ask[api.ClearResult](ctx, c, call{method: http.MethodPost, path: "/api/v1/clears", body: req})
}

// Policies lists the policies that the server knows.
func (c *Client) Policies(ctx context.Context) (api.PolicyList, error) {
	return ask[api.PolicyList](ctx, c, call{method: http.MethodGet, path: "/api/v1/policies"})
}

// Policy asks for one of the server's policies with its document.
func (c *Client) Policy(ctx context.Context, name string) (api.Policy, error) {
	return ask[api.Policy](ctx, c, call{method: http.MethodGet, path: "/api/v1/policies/" + url.PathEscape(name)})
}
