package loadercmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/loader"
)

// ownCatalog is the loader's catalog client. Before the agent has enrolled there
// is no root to pin, so the client is opened when it first can be.
type ownCatalog struct {
	dir    string // the loader's own
	agent  string // the agent's directory
	root   hotstick.Digest
	client *catalog.Client
}

var _ loader.Catalog = (*ownCatalog)(nil)

// open returns the client. The agent brings the root's bytes once, the loader's own
// configuration says which root they must be.
func (c *ownCatalog) open() (*catalog.Client, error) {
	if c.client != nil {
		return c.client, nil
	}
	pinned, err := c.pinned()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the catalog's directory: %w", err)
	}
	client, err := catalog.NewClient(c.dir, pinned, catalog.NewStaged(filepath.Join(c.agent, "catalog")))
	if err != nil {
		return nil, err
	}
	c.client = client
	return client, nil
}

// pinned returns the root that the loader was told to trust: its own copy if it has
// been given one before, so that no agent can take it away again, or else the agent's.
func (c *ownCatalog) pinned() ([]byte, error) {
	kept, err := filepath.Glob(filepath.Join(c.dir, "*.root.json"))
	if err != nil {
		return nil, fmt.Errorf("cannot look for the catalog's root: %w", err)
	}
	for _, path := range kept {
		if data, err := durable.ReadUntrusted(path, catalog.MaxRootBytes); err == nil && hotstick.NewDigest(data) == c.root {
			return data, nil
		}
	}
	data, err := durable.ReadUntrusted(filepath.Join(c.agent, "root.json"), catalog.MaxRootBytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalog's root that the agent enrolled with: %w", err)
	}
	if hotstick.NewDigest(data) != c.root {
		return nil, errors.New("cannot trust the catalog root that the agent enrolled with: the loader was told another one (--root)")
	}
	return data, nil
}

// Refresh implements loader.Catalog.
func (c *ownCatalog) Refresh(ctx context.Context, now time.Time) (catalog.View, error) {
	client, err := c.open()
	if err != nil {
		return catalog.View{}, err
	}
	return client.Refresh(ctx, now)
}

// Load implements loader.Catalog.
func (c *ownCatalog) Load() (catalog.View, error) {
	client, err := c.open()
	if err != nil {
		return catalog.View{}, err
	}
	return client.Load()
}

// Artifact implements loader.Catalog.
func (c *ownCatalog) Artifact(ctx context.Context, digest hotstick.Digest) ([]byte, error) {
	client, err := c.open()
	if err != nil {
		return nil, err
	}
	data, err := client.Artifact(ctx, digest)
	if errors.Is(err, catalog.ErrRefused) && errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	return data, err
}
