package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// Overview asks for the fleet's state in one page.
func (c *Client) Overview(ctx context.Context) (api.Overview, error) {
	return ask[api.Overview](ctx, c, call{method: http.MethodGet, path: "/api/v1/overview"})
}

// HostQuery narrows a list of hosts. Zero values do not filter.
type HostQuery struct {
	// Search matches name, ID or release, case-insensitively, as plain text.
	Search string
	// State is one of the states of [api.Host].
	State string
	// Build is a kernel build ID.
	Build string
	// Limit is the size of a page; 0 is the server's default, at most 1000.
	Limit int
	// Page is the token of the page, as the last answer gave it.
	Page string
}

// Hosts lists one page of hosts.
func (c *Client) Hosts(ctx context.Context, q HostQuery) (api.HostList, error) {
	values := url.Values{}
	add(values, "search", q.Search)
	add(values, "state", q.State)
	add(values, "build", q.Build)
	addLimit(values, q.Limit)
	add(values, "page", q.Page)
	return ask[api.HostList](ctx, c, call{method: http.MethodGet, path: "/api/v1/hosts", query: values})
}

// AllHosts lists every host that matches, page by page.
func (c *Client) AllHosts(ctx context.Context, q HostQuery) ([]api.Host, error) {
	var all []api.Host
	for {
		page, err := c.Hosts(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Hosts...)
		if page.Next == "" {
			return all, nil
		}
		q.Page = page.Next
	}
}

// Host asks for everything known of one host, by ID or unique name.
func (c *Client) Host(ctx context.Context, host string) (api.HostDetail, error) {
	return ask[api.HostDetail](ctx, c, call{method: http.MethodGet, path: hostPath(host)})
}

// Drivers asks what the fleet's hosts say of each driver.
func (c *Client) Drivers(ctx context.Context) (api.DriverList, error) {
	return ask[api.DriverList](ctx, c, call{method: http.MethodGet, path: "/api/v1/drivers"})
}

// Why asks what a host is doing, why, and what would change it.
func (c *Client) Why(ctx context.Context, host string) (api.Why, error) {
	return ask[api.Why](ctx, c, call{method: http.MethodGet, path: hostPath(host) + "/why"})
}

func hostPath(host string) string { return "/api/v1/hosts/" + url.PathEscape(host) }

// MakeJoinToken makes a token with which one host may join, or a few of a group.
func (c *Client) MakeJoinToken(ctx context.Context, req api.JoinTokenRequest) (api.JoinToken, error) {
	return ask[api.JoinToken](ctx, c, call{method: http.MethodPost, path: "/api/v1/join-tokens", body: req})
}

// JoinTokens lists the join tokens that may still be used.
func (c *Client) JoinTokens(ctx context.Context) (api.JoinTokenList, error) {
	return ask[api.JoinTokenList](ctx, c, call{method: http.MethodGet, path: "/api/v1/join-tokens"})
}

// RevokeJoinToken takes a join token back, by its ID.
func (c *Client) RevokeJoinToken(ctx context.Context, id string, req api.ActionRequest) (api.JoinTokenList, error) {
	return ask[api.JoinTokenList](ctx, c, call{method: http.MethodPost, path: "/api/v1/join-tokens/" + url.PathEscape(id) + "/revoke", body: req})
}

// EventQuery narrows the audit log. Zero values do not filter.
type EventQuery struct {
	Plan  hotstick.PlanID
	Host  hotstick.HostID
	Patch hotstick.PatchRef
	Actor string
	// Kind is a kind of event, or what it is about: the part before the dot.
	Kind string
	// Since and Until bound the time; Until itself is left out.
	Since, Until time.Time
	Limit        int
	Page         string
}

// Events lists one page of the audit log, newest first. A page may be short, even
// empty, and still have a next one: the server looks at so many events at once.
func (c *Client) Events(ctx context.Context, q EventQuery) (api.EventList, error) {
	values := url.Values{}
	add(values, "plan", string(q.Plan))
	add(values, "host", string(q.Host))
	add(values, "actor", q.Actor)
	add(values, "kind", q.Kind)
	if !q.Patch.IsZero() {
		add(values, "patch", q.Patch.String())
	}
	for key, at := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !at.IsZero() {
			add(values, key, at.UTC().Format(time.RFC3339Nano))
		}
	}
	addLimit(values, q.Limit)
	add(values, "page", q.Page)
	return ask[api.EventList](ctx, c, call{method: http.MethodGet, path: "/api/v1/events", query: values})
}

func add(values url.Values, key, value string) {
	if value != "" {
		values.Set(key, value)
	}
}

func addLimit(values url.Values, limit int) {
	if limit != 0 {
		values.Set("limit", strconv.Itoa(limit))
	}
}
