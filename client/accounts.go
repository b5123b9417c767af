package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// Accounts lists who may sign in, and with which roles.
func (c *Client) Accounts(ctx context.Context) (api.AccountList, error) {
	return ask[api.AccountList](ctx, c, call{method: http.MethodGet, path: "/api/v1/accounts"})
}

// MakeAccount lets a person sign in.
func (c *Client) MakeAccount(ctx context.Context, req api.AccountRequest) (api.Account, error) {
	return ask[api.Account](ctx, c, call{method: http.MethodPost, path: "/api/v1/accounts", body: req})
}

// Disable ends a person's tokens and sessions.
func (c *Client) Disable(ctx context.Context, person hotstick.Person, req api.ActionRequest) (api.Account, error) {
	return c.onAccount(ctx, person, "disable", req)
}

// Enable lets a person in again.
func (c *Client) Enable(ctx context.Context, person hotstick.Person, req api.ActionRequest) (api.Account, error) {
	return c.onAccount(ctx, person, "enable", req)
}

// SetRoles gives a person other roles.
func (c *Client) SetRoles(ctx context.Context, person hotstick.Person, req api.RolesRequest) (api.Account, error) {
	return c.onAccount(ctx, person, "roles", req)
}

// SetOwnPassword sets the password of the caller, who knows the current one.
func (c *Client) SetOwnPassword(ctx context.Context, req api.OwnPasswordRequest) (api.Account, error) {
	return ask[api.Account](ctx, c, call{method: http.MethodPost, path: "/api/v1/session/password", body: req})
}

// SetPassword sets the password of anybody.
func (c *Client) SetPassword(ctx context.Context, person hotstick.Person, req api.PasswordRequest) (api.Account, error) {
	return c.onAccount(ctx, person, "password", req)
}

func (c *Client) onAccount(ctx context.Context, person hotstick.Person, verb string, body any) (api.Account, error) {
	return ask[api.Account](ctx, c, call{method: http.MethodPost, path: "/api/v1/accounts/" + url.PathEscape(string(person)) + "/" + verb, body: body})
}

// Tokens lists the API tokens that may be used: the own ones, or all for whoever
// has the right audit.
func (c *Client) Tokens(ctx context.Context) (api.TokenList, error) {
	return ask[api.TokenList](ctx, c, call{method: http.MethodGet, path: "/api/v1/tokens"})
}

// MakeToken makes an API token with no more rights than the caller has.
func (c *Client) MakeToken(ctx context.Context, req api.TokenRequest) (api.Token, error) {
	return ask[api.Token](ctx, c, call{method: http.MethodPost, path: "/api/v1/tokens", body: req})
}

// RevokeToken takes an API token back, by its ID, with what was signed in with it.
func (c *Client) RevokeToken(ctx context.Context, id string, req api.ActionRequest) (api.TokenList, error) {
	return ask[api.TokenList](ctx, c, call{method: http.MethodPost, path: "/api/v1/tokens/" + url.PathEscape(id) + "/revoke", body: req})
}
