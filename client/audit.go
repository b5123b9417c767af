package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/hotstick/hotstick/api"
)

// AuditCheckpoint asks for the newest signed checkpoint of the audit log. It is
// worth what whoever checks its signature makes of it.
func (c *Client) AuditCheckpoint(ctx context.Context) (api.AuditCheckpoint, error) {
	return ask[api.AuditCheckpoint](ctx, c, call{method: http.MethodGet, path: "/api/v1/audit/checkpoint"})
}

// AuditGrowth asks for the proof that the log of to leaves begins with the log of
// from leaves.
func (c *Client) AuditGrowth(ctx context.Context, from, to int64) (api.AuditProof, error) {
	return ask[api.AuditProof](ctx, c, call{method: http.MethodGet, path: "/api/v1/audit/growth",
		query: url.Values{"from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)}}})
}

// AuditLeaves asks for leaves from one on, at most limit; 0 is the server's choice.
func (c *Client) AuditLeaves(ctx context.Context, from int64, limit int) (api.AuditLeaves, error) {
	return ask[api.AuditLeaves](ctx, c, call{method: http.MethodGet, path: "/api/v1/audit/leaves",
		query: url.Values{"from": {strconv.FormatInt(from, 10)}, "limit": {strconv.Itoa(limit)}}})
}

// AuditLeaf asks for a leaf with the proof that the log of size leaves has it; size
// 0 is that of the newest checkpoint.
func (c *Client) AuditLeaf(ctx context.Context, seq, size int64) (api.AuditInclusion, error) {
	return ask[api.AuditInclusion](ctx, c, call{method: http.MethodGet, path: "/api/v1/audit/leaves/" + strconv.FormatInt(seq, 10),
		query: url.Values{"size": {strconv.FormatInt(size, 10)}}})
}

// Reconcile allows starts again on a server whose database was put back.
func (c *Client) Reconcile(ctx context.Context, req api.ReconcileRequest) (api.ReconcileResult, error) {
	return ask[api.ReconcileResult](ctx, c, call{method: http.MethodPost, path: "/api/v1/reconcile", body: req})
}
