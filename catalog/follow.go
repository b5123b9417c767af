package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/hotstick/hotstick/internal/strictjson"
)

// floorFile holds the time of the last successful refresh.
const floorFile = "time.json"

// floorStep is how far the time goes on before it is written again without need.
const floorStep = time.Hour

type floorDocument struct {
	// Refreshed is no later than the end of the metadata that was verified then,
	// so a clock that once ran ahead locks nobody out for longer than that.
	Refreshed time.Time `json:"refreshed"`
}

// files are the bytes of one complete set of metadata.
type files struct{ root, timestamp, snapshot, targets []byte }

// roots follows the roots on our own disk, from the pinned one to the newest.
func (c *Client) roots(now time.Time) (*trusted, []byte, error) {
	data, err := c.disk.read(metadataFile(roleRoot, c.anchor), MaxRootBytes)
	if err != nil {
		return nil, nil, err
	}
	t, err := trustRoot(data, now)
	if err != nil {
		return nil, nil, err
	}
	for {
		next, err := c.disk.read(metadataFile(roleRoot, t.root.Version+1), MaxRootBytes)
		if errors.Is(err, fs.ErrNotExist) {
			return t, data, nil
		}
		if err == nil {
			err = t.nextRoot(next)
		}
		if err != nil {
			return nil, nil, err
		}
		data = next
	}
}

// kept reads the set of which timestamp.json on our own disk is the head. What is
// missing is nil.
func (c *Client) kept() files {
	var f files
	var err error
	if f.timestamp, err = c.disk.read(timestampFile, MaxTimestampBytes); err != nil {
		return files{}
	}
	timestamp, err := readTimestamp(f.timestamp)
	if err != nil {
		return files{}
	}
	if f.snapshot, err = c.disk.read(metadataFile(roleSnapshot, timestamp.snapshot().Version), MaxSnapshotBytes); err != nil || !timestamp.snapshot().matches(f.snapshot) {
		f.snapshot = nil
		return f
	}
	snapshot, err := readSnapshot(f.snapshot)
	if err != nil {
		f.snapshot = nil
		return f
	}
	if f.targets, err = c.disk.read(metadataFile(roleTargets, snapshot.targets().Version), MaxTargetsBytes); err != nil || !snapshot.targets().matches(f.targets) {
		f.targets = nil
	}
	return f
}

// followRoots takes every root that the source has after ours. Each is kept at
// once: a root that took a stolen key away must never be forgotten.
func (c *Client) followRoots(ctx context.Context, t *trusted, newest []byte) ([]byte, error) {
	for range maxRootsPerRefresh {
		name := metadataFile(roleRoot, t.root.Version+1)
		data, err := c.fetch(ctx, name, MaxRootBytes)
		if errors.Is(err, fs.ErrNotExist) {
			return newest, nil
		}
		if err == nil {
			err = t.nextRoot(data)
		}
		if err == nil {
			err = c.disk.write(name, data)
		}
		if err != nil {
			return nil, err
		}
		newest = data
	}
	return nil, refused("more than %d new roots at once", maxRootsPerRefresh)
}

// follow takes timestamp, snapshot and targets. Ours go first, so that nothing
// older than they are is taken; errors about them say only that they do not help.
func (c *Client) follow(ctx context.Context, t *trusted, old files) (files, error) {
	var f files
	if old.timestamp != nil && t.setTimestamp(old.timestamp) == nil {
		f.timestamp = old.timestamp
	}
	data, err := c.fetch(ctx, timestampFile, MaxTimestampBytes)
	if err != nil {
		return files{}, err
	}
	before := t.timestamp
	if err := t.setTimestamp(data); err != nil {
		return files{}, err
	}
	if t.timestamp != before {
		f.timestamp = data
	} else {
		f.timestamp = old.timestamp
	}

	want := t.timestamp.snapshot()
	if old.snapshot != nil && t.setSnapshot(old.snapshot, true) == nil && want.matches(old.snapshot) {
		f.snapshot = old.snapshot
	} else {
		if f.snapshot, err = c.fetch(ctx, metadataFile(roleSnapshot, want.Version), want.Length); err != nil {
			return files{}, err
		}
		if err := t.setSnapshot(f.snapshot, false); err != nil {
			return files{}, err
		}
	}

	want = t.snapshot.targets()
	if old.targets != nil && want.matches(old.targets) {
		f.targets = old.targets
	} else if f.targets, err = c.fetch(ctx, metadataFile(roleTargets, want.Version), want.Length); err != nil {
		return files{}, err
	}
	return f, t.setTargets(f.targets)
}

// neverOlder refuses targets older than those we had, as long as the publishers
// of the newest root have signed those too. TUF forgets what it knew when the
// online keys change; whoever brought that about must not gain by it.
func neverOlder(root, ours []byte, fresh *targetsSigned) error {
	if ours == nil {
		return nil
	}
	old, err := verifyTargets(root, ours)
	if err != nil {
		return nil // the publishers' keys have changed
	}
	if fresh.Version < old.Version {
		return refused("targets metadata of version %d: we had %d", fresh.Version, old.Version)
	}
	return nil
}

// commit makes a verified set the trusted one. Everything it names is on disk
// before timestamp.json is. The caller holds mu.
func (c *Client) commit(t *trusted, old, fresh files, now, floor time.Time) error {
	if string(fresh.timestamp) != string(old.timestamp) {
		if string(fresh.targets) != string(old.targets) {
			if err := c.disk.write(metadataFile(roleTargets, t.targets.Version), fresh.targets); err != nil {
				return err
			}
		}
		if string(fresh.snapshot) != string(old.snapshot) {
			if err := c.disk.write(metadataFile(roleSnapshot, t.snapshot.Version), fresh.snapshot); err != nil {
				return err
			}
		}
		if err := c.disk.write(timestampFile, fresh.timestamp); err != nil {
			return err
		}
		c.disk.prune(roleSnapshot, t.snapshot.Version, 1)
		c.disk.prune(roleTargets, t.targets.Version, 1)
	} else if now.Sub(floor) < floorStep {
		return nil
	}
	return c.setFloor(now)
}

func (c *Client) floor() (time.Time, error) {
	data, err := c.disk.read(floorFile, 1<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	var doc floorDocument
	if err := strictjson.Unmarshal(data, &doc); err != nil {
		return time.Time{}, fmt.Errorf("cannot read %s: %w", c.disk.path(floorFile), err)
	}
	return doc.Refreshed, nil
}

func (c *Client) setFloor(now time.Time) error {
	text := now.UTC().Truncate(time.Second).Format(time.RFC3339)
	return c.disk.write(floorFile, []byte(`{"refreshed":"`+text+`"}`+"\n"))
}

// fetch asks the source and holds it to the limit.
func (c *Client) fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	data, err := c.source.Fetch(ctx, name, limit)
	if err != nil {
		return nil, fmt.Errorf("cannot fetch %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, refused("%s has %d bytes: the limit is %d", name, len(data), limit)
	}
	return data, nil
}
