package inbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/loader"
)

// Catalog is the loader's catalog client. Before the agent has enrolled there
// is no root to pin, so the client is opened when it first can be.
type Catalog struct {
	// Dir is the loader's own, and Agent the agent's directory, from which is read what
	// the agent has staged.
	Dir, Agent string
	// Root is the digest of the root that the loader was told to trust.
	Root   hotstick.Digest
	client *catalog.Client
}

var _ loader.Catalog = (*Catalog)(nil)

// open returns the client. The agent brings the root's bytes once, the loader's own
// configuration says which root they must be.
func (c *Catalog) open() (*catalog.Client, error) {
	if c.client != nil {
		return c.client, nil
	}
	pinned, err := c.Pinned()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the catalog's directory: %w", err)
	}
	client, err := catalog.NewClient(c.Dir, pinned, catalog.NewStaged(filepath.Join(c.Agent, "catalog")))
	if err != nil {
		return nil, err
	}
	c.client = client
	return client, nil
}

// Pinned returns the root that the loader was told to trust: its own copy if it has
// been given one before, so that no agent can take it away again, or else the agent's.
func (c *Catalog) Pinned() ([]byte, error) {
	kept, err := filepath.Glob(filepath.Join(c.Dir, "*.root.json"))
	if err != nil {
		return nil, fmt.Errorf("cannot look for the catalog's root: %w", err)
	}
	for _, path := range kept {
		if data, err := durable.ReadUntrusted(path, catalog.MaxRootBytes); err == nil && hotstick.NewDigest(data) == c.Root {
			return data, nil
		}
	}
	data, err := durable.ReadUntrusted(filepath.Join(c.Agent, "root.json"), catalog.MaxRootBytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalog's root that the agent enrolled with: %w", err)
	}
	if hotstick.NewDigest(data) != c.Root {
		return nil, errors.New("cannot trust the catalog root that the agent enrolled with: the loader was told another one (--root)")
	}
	return data, nil
}

// Refresh implements [loader.Catalog].
func (c *Catalog) Refresh(ctx context.Context, now time.Time) (catalog.View, error) {
	client, err := c.open()
	if err != nil {
		return catalog.View{}, err
	}
	return client.Refresh(ctx, now)
}

// Load implements [loader.Catalog].
func (c *Catalog) Load() (catalog.View, error) {
	client, err := c.open()
	if err != nil {
		return catalog.View{}, err
	}
	return client.Load()
}

// Artifact implements [loader.Catalog].
func (c *Catalog) Artifact(ctx context.Context, digest hotstick.Digest) ([]byte, error) {
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

// Newest is the highest version of a root in the loader's own directory, 0 if there is
// none.
func (c *Catalog) Newest() (int64, error) {
	entries, err := os.ReadDir(c.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("cannot read the roots that this host has verified: %w", err)
	}
	newest := int64(0)
	for _, e := range entries {
		number, isRoot := strings.CutSuffix(e.Name(), ".root.json")
		if n, err := strconv.ParseInt(number, 10, 64); isRoot && err == nil {
			newest = max(newest, n)
		}
	}
	return newest, nil
}
