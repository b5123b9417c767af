package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
)

// workflow is TUF's client workflow (section 5.3 to 5.6 of its specification), the
// only one there is: the hosts' [Client] and the [Generic] one differ in what they
// refuse beyond TUF (profile) and in how they keep what is verified (shelf).
type workflow struct {
	*trusted
	shelf  shelf
	source Fetcher
	// forked: the source has another timestamp of the version that we had.
	forked bool
}

// shelf holds what was trusted before, and takes what has been verified.
type shelf interface {
	// kept returns the newest trusted file of a role, or nil.
	kept(role string) []byte
	// keep takes a file that has just been verified.
	keep(role string, version int64, data []byte) error
}

// refresh brings the top-level roles up to date.
func (w *workflow) refresh(ctx context.Context) error {
	if err := w.followRoots(ctx); err != nil {
		return err
	}
	if err := w.followTimestamp(ctx); err != nil {
		return err
	}
	if err := w.followSnapshot(ctx); err != nil {
		return err
	}
	return w.followTargets(ctx, roleTargets, roleRoot)
}

// followRoots takes every root that the source has after ours. Each is kept at
// once: a root that took a stolen key away must never be forgotten.
func (w *workflow) followRoots(ctx context.Context) error {
	for range maxRootsPerRefresh {
		version := w.root.Version + 1
		data, err := w.fetch(ctx, metadataFile(roleRoot, version), MaxRootBytes)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = w.nextRoot(data)
		}
		if err == nil {
			err = w.shelf.keep(roleRoot, version, data)
		}
		if err != nil {
			return err
		}
	}
	return refused("more than %d new roots at once", maxRootsPerRefresh)
}

// followTimestamp takes the newest timestamp. Ours goes first, here and below, so
// that nothing older is taken; an error about it says only that it does not help.
func (w *workflow) followTimestamp(ctx context.Context) error {
	kept := w.shelf.kept(roleTimestamp)
	if kept != nil {
		_ = w.setTimestamp(kept)
	}
	data, err := w.fetch(ctx, timestampFile, MaxTimestampBytes)
	if err != nil {
		return err
	}
	before := w.timestamp
	if err := w.setTimestamp(data); err != nil || w.timestamp == before {
		w.forked = err == nil && !bytes.Equal(data, kept)
		return err
	}
	return w.shelf.keep(roleTimestamp, w.timestamp.Version, data)
}

func (w *workflow) followSnapshot(ctx context.Context) error {
	want := w.timestamp.snapshot()
	if kept := w.shelf.kept(roleSnapshot); kept != nil && w.setSnapshot(kept, true) == nil && want.matches(kept) {
		return nil
	}
	data, err := w.fetch(ctx, w.file(roleSnapshot, want.Version), want.limit(MaxSnapshotBytes))
	if err != nil {
		return err
	}
	if err := w.setSnapshot(data, false); err != nil {
		return err
	}
	return w.shelf.keep(roleSnapshot, w.snapshot.Version, data)
}

// followTargets takes the targets metadata of a role that parent delegates to. It
// is verified against this parent each time, whoever else has vouched for it.
func (w *workflow) followTargets(ctx context.Context, role, parent string) error {
	want, ok := w.snapshot.Meta[role+".json"]
	if !ok {
		return refused("the snapshot does not name %.80q", role)
	}
	if kept := w.shelf.kept(role); kept != nil && want.matches(kept) && w.setTargets(role, parent, kept) == nil {
		return nil
	}
	limit := w.profile.delegatedBytes
	if role == roleTargets {
		limit = MaxTargetsBytes
	}
	data, err := w.fetch(ctx, w.file(role, want.Version), want.limit(limit))
	if err != nil {
		return err
	}
	if err := w.setTargets(role, parent, data); err != nil {
		return err
	}
	return w.shelf.keep(role, want.Version, data)
}

// followDelegates takes the metadata of every delegate that has published. One that
// the snapshot does not name has not yet.
func (w *workflow) followDelegates(ctx context.Context) error {
	list, err := w.targets.list()
	if err != nil {
		return refused("%v", err)
	}
	for _, d := range list {
		if _, named := w.snapshot.Meta[d.Name+".json"]; !named {
			continue
		}
		if err := w.followTargets(ctx, d.Name, roleTargets); err != nil {
			return err
		}
	}
	return nil
}

// file returns the name of a role's file in the source.
func (w *workflow) file(role string, version int64) string {
	if !w.root.ConsistentSnapshot {
		return url.PathEscape(role) + ".json"
	}
	return strconv.FormatInt(version, 10) + "." + url.PathEscape(role) + ".json"
}

// fetch asks the source and holds it to the limit.
func (w *workflow) fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	return fetchAtMost(ctx, w.source, name, limit)
}

func fetchAtMost(ctx context.Context, source Fetcher, name string, limit int64) ([]byte, error) {
	data, err := source.Fetch(ctx, name, limit)
	if err != nil {
		return nil, fmt.Errorf("cannot fetch %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, refused("%s has %d bytes: the limit is %d", name, len(data), limit)
	}
	return data, nil
}
