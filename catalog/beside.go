package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/hotstick/hotstick"
)

// besideDir holds targets metadata beside a catalog, out of which only recalls are
// taken. A publisher puts it on a mirror when the server does not take it; a client
// keeps it there for the client that reads its directory.
const besideDir = "recalls"

// maxBeside bounds the files in it, which are numbered from 1 on.
const maxBeside = 4

func besideFile(n int) string { return besideDir + "/" + strconv.Itoa(n) + ".json" }

// besides is what a source offers beyond the set that a client can trust.
type besides struct {
	files [][]byte
	// err says why what it offers could not be had, or not be taken.
	err error
}

// beside fetches what a mirror has beyond its set. If the set could not be taken,
// that may be the targets metadata that it names: a thief of the online keys who
// counted their versions up keeps whole catalogs away, but no recall. Nothing of it
// is verified yet.
func (c *Client) beside(ctx context.Context, source Fetcher, taken bool) besides {
	var b besides
	for n := 1; n <= maxBeside; n++ {
		data, err := fetchAtMost(ctx, source, besideFile(n), MaxTargetsBytes)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			b.err = err
			break
		}
		b.files = append(b.files, data)
	}
	if taken {
		return b
	}
	// The refresh has said already what is wrong with the set.
	newer, _ := c.newer(ctx, source)
	b.files = append(b.files, newer...)
	return b
}

// newer fetches the targets metadata that a source's snapshot names in a newer
// version than ours, whoever has signed that snapshot.
func (c *Client) newer(ctx context.Context, source Fetcher) ([][]byte, error) {
	data, err := fetchAtMost(ctx, source, timestampFile, MaxTimestampBytes)
	if err != nil {
		return nil, err
	}
	timestamp, err := readTimestamp(data)
	if err != nil {
		return nil, err
	}
	want := timestamp.snapshot()
	if data, err = fetchAtMost(ctx, source, metadataFile(roleSnapshot, want.Version), want.limit(MaxSnapshotBytes)); err != nil {
		return nil, err
	}
	theirs, err := readSnapshot(data)
	if err != nil {
		return nil, err
	}
	roles, limit := []string{roleTargets}, int64(MaxTargetsBytes)
	ours, err := readSnapshot(c.kept().snapshot)
	if err != nil {
		ours = &linkSigned{} // we have none: all is newer
	}
	if view, err := c.current(); err == nil {
		for _, d := range view.Delegations {
			roles = append(roles, d.Name)
		}
	}
	var files [][]byte
	for _, role := range roles {
		info, there := theirs.Meta[role+".json"]
		if !there || info.Version <= ours.Meta[role+".json"].Version {
			continue
		}
		if role != roleTargets {
			limit = MaxDelegatedBytes
		}
		data, err := fetchAtMost(ctx, source, metadataFile(role, info.Version), info.limit(limit))
		if err != nil {
			return files, err
		}
		files = append(files, data)
	}
	return files, nil
}

// takeBeside takes the recalls out of what a mirror offered, and returns how many the
// trusted set lacks. The files that have these are kept for the client that reads our
// directory, which no set tells them.
func (c *Client) takeBeside(b besides) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, root, err := c.roots(time.Time{})
	if err != nil {
		return 0, err
	}
	kept := c.kept()
	told := t.toldBy(root, kept)
	shelf := c.shelf(root, kept, told)
	var lacking []hotstick.Recall
	failed := b.err
	for _, file := range b.files {
		recalls, err := recallsIn(root, kept, file)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("cannot take recalls from beside the catalog: %w", err))
			continue
		}
		extra := without(recalls, told)
		if len(extra) == 0 {
			continue
		}
		lacking = mergeRecalls(lacking, extra)
		if err := c.learnNew(recalls); err != nil {
			return 0, err
		}
		shelf = placeBeside(shelf, placed{file, mergeRecalls(extra)})
	}
	return len(lacking), errors.Join(failed, c.keepBeside(shelf))
}

// placed is a file beside our own set, with the recalls in it that the set lacks.
type placed struct {
	data    []byte
	lacking []hotstick.Recall
}

// shelf returns the files beside our own set that still say something new.
func (c *Client) shelf(root []byte, kept files, told []hotstick.Recall) []placed {
	var shelf []placed
	for n := 1; n <= maxBeside; n++ {
		data, err := c.disk.read(besideFile(n), MaxTargetsBytes)
		if err != nil {
			continue
		}
		if recalls, err := recallsIn(root, kept, data); err == nil && len(without(recalls, told)) > 0 {
			shelf = append(shelf, placed{data, mergeRecalls(without(recalls, told))})
		}
	}
	return shelf
}

// placeBeside adds a file, in the place of one that says no more than it does.
func placeBeside(shelf []placed, p placed) []placed {
	for i, old := range shelf {
		if len(without(p.lacking, old.lacking)) == 0 {
			return shelf
		}
		if len(without(old.lacking, p.lacking)) == 0 {
			shelf[i] = p
			return shelf
		}
	}
	if len(shelf) == maxBeside {
		return shelf // our own memory has its recalls
	}
	return append(shelf, p)
}

// keepBeside brings the files on disk to what they are to be. The caller holds mu.
func (c *Client) keepBeside(shelf []placed) error {
	for i, p := range shelf {
		old, err := c.disk.read(besideFile(i+1), MaxTargetsBytes)
		if err == nil && slices.Equal(old, p.data) {
			continue
		}
		if err := c.disk.write(besideFile(i+1), p.data); err != nil {
			return err
		}
	}
	for n := len(shelf) + 1; n <= maxBeside; n++ {
		if err := os.Remove(c.disk.path(besideFile(n))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove %s of the catalog: %w", besideFile(n), err)
		}
	}
	return nil
}

// learnBeside learns the recalls that a directory has beside its set, and reports
// whether there were any that this client had not seen.
func (c *Client) learnBeside(ctx context.Context, dir *Staged) bool {
	fresh := false
	for n := 1; n <= maxBeside; n++ {
		data, err := fetchAtMost(ctx, dir, besideFile(n), MaxTargetsBytes)
		if err != nil {
			continue
		}
		recalls, err := c.TakeRecalls(data)
		fresh = fresh || err == nil && len(recalls) > 0
	}
	return fresh
}
