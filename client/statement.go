package client

import (
	"context"
	"net/http"

	"github.com/hotstick/hotstick/api"
)

// Downgrade hands in a signed downgrade.
func (c *Client) Downgrade(ctx context.Context, req api.StatementRequest) (api.Downgrade, error) {
	return ask[api.Downgrade](ctx, c, call{method: http.MethodPost, path: "/api/v1/downgrades", body: req})
}

// Downgrades lists the downgrades that hold.
func (c *Client) Downgrades(ctx context.Context) (api.DowngradeList, error) {
	return ask[api.DowngradeList](ctx, c, call{method: http.MethodGet, path: "/api/v1/downgrades"})
}

// Waiver hands in a signed waiver.
func (c *Client) Waiver(ctx context.Context, req api.StatementRequest) (api.Waiver, error) {
	return ask[api.Waiver](ctx, c, call{method: http.MethodPost, path: "/api/v1/waivers", body: req})
}

// Waivers lists the waivers that were handed in.
func (c *Client) Waivers(ctx context.Context) (api.WaiverList, error) {
	return ask[api.WaiverList](ctx, c, call{method: http.MethodGet, path: "/api/v1/waivers"})
}

// Evidence hands in signed evidence about an artifact of the catalog.
func (c *Client) Evidence(ctx context.Context, req api.StatementRequest) (api.EvidenceResult, error) {
	return ask[api.EvidenceResult](ctx, c, call{method: http.MethodPost, path: "/api/v1/evidence", body: req})
}
