package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/hotstick/hotstick/api"
)

// CVEQuery narrows a list of CVEs. Zero values do not filter.
type CVEQuery struct {
	// Search are words that all are in the CVE's name, its title or the name of a patch that
	// closes it.
	Search string
	// Priority is act, attend, track* or track.
	Priority string
	// State is where at least one host stands with the CVE: a state of [api.HostExposure], or
	// open.
	State string
	// Limit is the size of a page; 0 is the server's default, at most 1000.
	Limit int
	// Page is the token of the page, as the last answer gave it.
	Page string
}

func (q CVEQuery) values() url.Values {
	values := url.Values{}
	add(values, "search", q.Search)
	add(values, "priority", q.Priority)
	add(values, "state", q.State)
	addLimit(values, q.Limit)
	add(values, "page", q.Page)
	return values
}

// CVEs lists one page of CVEs, the most urgent first.
func (c *Client) CVEs(ctx context.Context, q CVEQuery) (api.CVEList, error) {
	return ask[api.CVEList](ctx, c, call{method: http.MethodGet, path: "/api/v1/cves", query: q.values()})
}

// CVE asks how the fleet stands with a CVE, and what sources say of it.
func (c *Client) CVE(ctx context.Context, cve string) (api.CVEDetail, error) {
	return ask[api.CVEDetail](ctx, c, call{method: http.MethodGet, path: cvePath(cve)})
}

// CVEHosts lists one page of the hosts that stand in a state with a CVE. Of the query State,
// Limit and Page count.
func (c *Client) CVEHosts(ctx context.Context, cve string, q CVEQuery) (api.CVEHostList, error) {
	return ask[api.CVEHostList](ctx, c, call{method: http.MethodGet, path: cvePath(cve) + "/hosts", query: CVEQuery{State: q.State, Limit: q.Limit, Page: q.Page}.values()})
}

// HostCVEs lists one page of the CVEs with which a host stands in a state, the most urgent
// first.
func (c *Client) HostCVEs(ctx context.Context, host string, q CVEQuery) (api.HostCVEList, error) {
	return ask[api.HostCVEList](ctx, c, call{method: http.MethodGet, path: hostPath(host) + "/cves", query: q.values()})
}

// Exposure asks where a host stands with a CVE, why, and by whose word.
func (c *Client) Exposure(ctx context.Context, host, cve string) (api.Exposure, error) {
	return ask[api.Exposure](ctx, c, call{method: http.MethodGet, path: hostPath(host) + "/cves/" + url.PathEscape(cve)})
}

func cvePath(cve string) string { return "/api/v1/cves/" + url.PathEscape(cve) }
