package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/hotstick/hotstick/api"
)

// Feeds lists the feeds of advisories.
func (c *Client) Feeds(ctx context.Context) (api.FeedList, error) {
	return ask[api.FeedList](ctx, c, call{method: http.MethodGet, path: "/api/v1/feeds"})
}

// Feed returns a feed with the documents that could not be read.
func (c *Client) Feed(ctx context.Context, name string) (api.FeedDetail, error) {
	return ask[api.FeedDetail](ctx, c, call{method: http.MethodGet, path: "/api/v1/feeds/" + url.PathEscape(name)})
}

// PutFeed names a feed of advisories, or says something else of one.
func (c *Client) PutFeed(ctx context.Context, req api.FeedRequest) (api.FeedDetail, error) {
	return ask[api.FeedDetail](ctx, c, call{method: http.MethodPost, path: "/api/v1/feeds", body: req})
}

// RemoveFeed takes a feed out, with all that it said.
func (c *Client) RemoveFeed(ctx context.Context, name string, req api.ActionRequest) (api.FeedList, error) {
	return ask[api.FeedList](ctx, c, call{method: http.MethodPost, path: "/api/v1/feeds/" + url.PathEscape(name) + "/remove", body: req})
}
