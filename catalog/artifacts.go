package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
)

// Artifact returns the verified bytes of an artifact of the last trusted view,
// from the state directory or else from the source.
func (c *Client) Artifact(ctx context.Context, digest hotstick.Digest) ([]byte, error) {
	a, err := c.listed(digest)
	if err != nil {
		return nil, err
	}
	if data, err := c.disk.read(ArtifactFile(digest), a.SizeBytes); err == nil && checkArtifact(a, data) == nil {
		return data, nil
	}
	if c.source == nil {
		return nil, fmt.Errorf("cannot fetch artifact %s without a source: %w", digest.Short(), fs.ErrNotExist)
	}
	return fetchArtifact(ctx, c.source, a)
}

// Keep makes sure that the artifact is in the state directory, durably, and
// returns the path of its file. It verifies the bytes again each time. They come from
// the source or, if it does not give them, from the first of the others that does;
// each has its share of the context's time. From an [Opener] they never are in memory
// as a whole.
func (c *Client) Keep(ctx context.Context, digest hotstick.Digest, others ...Fetcher) (string, error) {
	a, err := c.listed(digest)
	if err != nil {
		return "", err
	}
	name := ArtifactFile(digest)
	if c.holds(a) {
		return c.disk.path(name), nil
	}
	sources := others
	if c.source != nil {
		sources = slices.Concat([]Fetcher{c.source}, others)
	}
	failed := fmt.Errorf("cannot fetch artifact %s without a source: %w", digest.Short(), fs.ErrNotExist)
	for i, source := range sources {
		failed = c.keepFrom(ctx, source, a, len(sources)-i)
		if failed == nil {
			return c.disk.path(name), nil
		}
	}
	return "", failed
}

// keepFrom fetches an artifact from a source that shares the time left with others.
func (c *Client) keepFrom(ctx context.Context, source Fetcher, a hotstick.Artifact, shares int) error {
	if end, ok := ctx.Deadline(); ok {
		share, cancel := context.WithTimeout(ctx, time.Until(end)/time.Duration(shares))
		defer cancel()
		ctx = share
	}
	if source, ok := source.(Opener); ok {
		return c.stream(ctx, source, a)
	}
	data, err := fetchArtifact(ctx, source, a)
	if err != nil {
		return err
	}
	return c.disk.write(ArtifactFile(a.Digest), data)
}

// holds reports whether the artifact is in the state directory, whole and unchanged.
func (c *Client) holds(a hotstick.Artifact) bool {
	file, err := c.disk.open(ArtifactFile(a.Digest), a.SizeBytes)
	if err != nil {
		return false
	}
	defer file.Close()
	return copyArtifact(io.Discard, file, a) == nil
}

// stream brings an artifact from the source to the state directory. It gets its
// name only once its bytes have been verified.
func (c *Client) stream(ctx context.Context, source Opener, a hotstick.Artifact) error {
	name := ArtifactFile(a.Digest)
	body, err := source.Open(ctx, name, a.SizeBytes)
	if err != nil {
		return fmt.Errorf("cannot fetch %s: %w", name, err)
	}
	defer body.Close()
	temp, err := c.disk.stage(name)
	if err != nil {
		return err
	}
	return c.disk.finish(temp, name, copyArtifact(temp, body, a))
}

// copyArtifact copies the artifact's bytes, and says if they were others.
func copyArtifact(to io.Writer, from io.Reader, a hotstick.Artifact) error {
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(from, a.SizeBytes+1))
	if err != nil {
		return err
	}
	if n != a.SizeBytes || hex.EncodeToString(sum.Sum(nil)) != a.Digest.Hex() {
		return unlike(a)
	}
	return nil
}

func (c *Client) listed(digest hotstick.Digest) (hotstick.Artifact, error) {
	v, err := c.current()
	if err != nil {
		return hotstick.Artifact{}, err
	}
	_, a, ok := v.ByArtifact(digest)
	if !ok {
		return hotstick.Artifact{}, refused("the catalog does not list artifact %s", digest.Short())
	}
	return a, nil
}

func fetchArtifact(ctx context.Context, source Fetcher, a hotstick.Artifact) ([]byte, error) {
	data, err := fetchAtMost(ctx, source, ArtifactFile(a.Digest), a.SizeBytes)
	if err != nil {
		return nil, err
	}
	return data, checkArtifact(a, data)
}

func checkArtifact(a hotstick.Artifact, data []byte) error {
	if int64(len(data)) != a.SizeBytes || hotstick.NewDigest(data) != a.Digest {
		return unlike(a)
	}
	return nil
}

func unlike(a hotstick.Artifact) error {
	return refused("the bytes of artifact %s are not what the catalog signed", a.Digest.Short())
}

// Prune removes all kept artifacts but these.
func (c *Client) Prune(keep ...hotstick.Digest) error {
	entries, err := os.ReadDir(c.disk.path(targetsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot prune the catalog: %w", err)
	}
	for _, e := range entries {
		name := targetsDir + "/" + e.Name()
		if digest, ok := artifactOf(name); ok && !slices.Contains(keep, digest) {
			if err := os.Remove(c.disk.path(name)); err != nil {
				return fmt.Errorf("cannot prune the catalog: %w", err)
			}
		}
	}
	return nil
}
