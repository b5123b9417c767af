package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// Catalog asks for the catalog as the server trusts it.
func (c *Client) Catalog(ctx context.Context) (api.Catalog, error) {
	return ask[api.Catalog](ctx, c, call{method: http.MethodGet, path: "/api/v1/catalog"})
}

// CatalogFile fetches one signed metadata file, such as root.json, byte for byte.
func (c *Client) CatalogFile(ctx context.Context, name string) ([]byte, error) {
	return c.bytes(ctx, call{method: http.MethodGet, path: "/api/v1/catalog/files/" + url.PathEscape(name)})
}

// UploadArtifact stores an artifact's bytes under their digest. They can be
// loaded nowhere until signed metadata lists them.
func (c *Client) UploadArtifact(ctx context.Context, digest hotstick.Digest, data []byte) error {
	return c.do(ctx, call{method: http.MethodPut, path: "/api/v1/catalog/artifacts/" + url.PathEscape(string(digest)), raw: data}, nil)
}

// Publish hands in signed metadata of the publishers or of delegates, whose artifacts
// were uploaded before.
func (c *Client) Publish(ctx context.Context, req api.PublishRequest) (api.Catalog, error) {
	return ask[api.Catalog](ctx, c, call{method: http.MethodPost, path: "/api/v1/catalog/targets", body: req})
}

// Root hands in the root that follows the current one, signed by its owners.
func (c *Client) Root(ctx context.Context, req api.RootRequest) (api.Catalog, error) {
	return ask[api.Catalog](ctx, c, call{method: http.MethodPost, path: "/api/v1/catalog/root", body: req})
}

// Patch asks for one level of a patch.
func (c *Client) Patch(ctx context.Context, ref hotstick.PatchRef) (api.Patch, error) {
	return ask[api.Patch](ctx, c, call{method: http.MethodGet, path: patchPath(ref)})
}

// Ban forbids a patch level fleet-wide, for a reason.
func (c *Client) Ban(ctx context.Context, ref hotstick.PatchRef, req api.BanRequest) (api.Ban, error) {
	return ask[api.Ban](ctx, c, call{method: http.MethodPost, path: patchPath(ref) + "/ban", body: req})
}

func patchPath(ref hotstick.PatchRef) string {
	return "/api/v1/patches/" + url.PathEscape(ref.Name) + "/" + strconv.Itoa(ref.Level)
}
