package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// floorFile holds the time before which no clock is believed.
const floorFile = "time.json"

// floorStep is how far the time goes on before it is written again without need.
const floorStep = time.Hour

type floorDocument struct {
	// Refreshed is the time of the last successful refresh, or the end of our own set
	// once a refresh has found that over. It is no later than the end of the metadata
	// that was verified then, so a clock that once ran ahead locks nobody out for longer
	// than that.
	Refreshed time.Time `json:"refreshed"`
}

// files are the bytes of one complete set of metadata.
type files struct {
	root, timestamp, snapshot, targets []byte
	// delegated holds the targets metadata of each delegation that has any.
	delegated map[string][]byte
}

// of returns the file of a role, or nil.
func (f *files) of(role string) []byte {
	switch role {
	case roleRoot:
		return f.root
	case roleTimestamp:
		return f.timestamp
	case roleSnapshot:
		return f.snapshot
	case roleTargets:
		return f.targets
	}
	return f.delegated[role]
}

// set puts the file of a role.
func (f *files) set(role string, data []byte) {
	switch role {
	case roleRoot:
		f.root = data
	case roleTimestamp:
		f.timestamp = data
	case roleSnapshot:
		f.snapshot = data
	case roleTargets:
		f.targets = data
	default:
		if f.delegated == nil {
			f.delegated = map[string][]byte{}
		}
		f.delegated[role] = data
	}
}

// stage is the shelf of a host's client: new roots are kept at once, and the rest
// waits in fresh until all of it is verified.
type stage struct {
	disk       disk
	old, fresh files
	// dry: nothing is kept, not even a root.
	dry bool
}

func (s *stage) kept(role string) []byte { return s.old.of(role) }

// newest returns the role's file of the set that has been verified.
func (s *stage) newest(role string) []byte {
	if fresh := s.fresh.of(role); fresh != nil {
		return fresh
	}
	return s.old.of(role)
}

func (s *stage) keep(role string, version int64, data []byte) error {
	s.fresh.set(role, data)
	if role == roleRoot && !s.dry {
		return s.disk.write(metadataFile(roleRoot, version), data)
	}
	return nil
}

// overtaken reports whether a source has a root now that came between our asking for
// one and our taking its set. That set verifies under the root before as well, if the
// online keys stayed; and as its version is the newest, nobody would look for the root
// until the next set.
func (s *stage) overtaken(ctx context.Context, source Fetcher) bool {
	if s.fresh.timestamp == nil {
		return false
	}
	root, err := readRoot(s.newest(roleRoot))
	if err != nil {
		return false
	}
	_, err = fetchAtMost(ctx, source, metadataFile(roleRoot, root.Version+1), MaxRootBytes)
	return err == nil
}

// roots follows the roots on our own disk, from the pinned one to the newest. It
// goes on from the newest that this client has followed to already.
func (c *Client) roots(now time.Time) (*trusted, []byte, error) {
	data := c.followed.Load()
	if data == nil {
		pinned, err := c.disk.read(metadataFile(roleRoot, c.anchor), MaxRootBytes)
		if err != nil {
			return nil, nil, err
		}
		data = &pinned
	}
	t, err := trustRoot(strict, *data, now)
	if err != nil {
		return nil, nil, err
	}
	for {
		next, err := c.disk.read(metadataFile(roleRoot, t.root.Version+1), MaxRootBytes)
		if errors.Is(err, fs.ErrNotExist) {
			c.followed.Store(data)
			return t, *data, nil
		}
		if err == nil {
			err = t.nextRoot(next)
		}
		if err != nil {
			return nil, nil, err
		}
		data = &next
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
	for _, role := range snapshot.delegatedNames() {
		info := snapshot.Meta[role+".json"]
		if data, err := c.disk.read(metadataFile(role, info.Version), MaxDelegatedBytes); err == nil && info.matches(data) {
			f.set(role, data)
		}
	}
	return f
}

// loadDelegated takes the delegates' metadata from a set whose targets are trusted,
// whatever its age. What does not hold any more is left out.
func (t *trusted) loadDelegated(f files) error {
	list, err := t.targets.list()
	if err != nil {
		return refused("%v", err)
	}
	for _, d := range list {
		if data := f.delegated[d.Name]; data != nil {
			if own, err := verifyDelegated(f.targets, t.targets, d.Name, data); err == nil {
				t.delegated[d.Name] = own
			}
		}
	}
	return nil
}

// neverOlder refuses targets older than those we had, as long as the publishers
// of the newest root have signed those too, and the same for each delegate. TUF
// forgets what it knew when the online keys change; whoever brought that about must
// not gain by it.
func neverOlder(s *stage, t *trusted) error {
	if s.old.targets == nil {
		return nil
	}
	if old, err := verifyTargets(s.newest(roleRoot), s.old.targets); err == nil && t.targets.Version < old.Version {
		return refused("targets metadata of version %d: we had %d", t.targets.Version, old.Version)
	}
	list, err := t.targets.list()
	if err != nil {
		return refused("%v", err)
	}
	for _, d := range list {
		data := s.old.delegated[d.Name]
		if data == nil {
			continue
		}
		old, err := verifyDelegated(s.newest(roleTargets), t.targets, d.Name, data)
		if err != nil {
			continue // its keys or its scope have changed
		}
		if fresh := t.delegated[d.Name]; fresh == nil || fresh.Version < old.Version {
			return refused("metadata of %s that is older than version %d, which we had, or none", d.Name, old.Version)
		}
	}
	return nil
}

// commit makes a verified set the trusted one. Everything it names is on disk
// before timestamp.json is. The caller holds mu.
func (c *Client) commit(t *trusted, s *stage, now, floor time.Time) error {
	for _, role := range append(t.snapshot.delegatedNames(), roleTargets, roleSnapshot) {
		data := s.fresh.of(role)
		if data == nil {
			continue
		}
		if err := c.disk.write(metadataFile(role, t.version(role)), data); err != nil {
			return err
		}
	}
	if s.fresh.timestamp != nil {
		if err := c.disk.write(timestampFile, s.fresh.timestamp); err != nil {
			return err
		}
		c.disk.prune(roleSnapshot, t.snapshot.Version, 1)
		c.disk.prune(roleTargets, t.targets.Version, 1)
		for role, own := range t.delegated {
			c.disk.prune(role, own.Version, 1)
		}
	} else if now.Sub(floor) < floorStep {
		return nil
	}
	if now.Before(floor) { // what has expired was taken; no clock goes back for it
		return nil
	}
	return c.setFloor(now)
}

// noEarlier returns the time by which expiry is judged, and the floor, before which it
// never is.
func (c *Client) noEarlier(now time.Time) (judged, floor time.Time, err error) {
	if floor, err = c.floor(); err == nil && floor.After(now) {
		now = floor
	}
	return now, floor, err
}

func (c *Client) floor() (time.Time, error) {
	data, err := c.disk.read(floorFile, 1<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err == nil {
		data, err = durable.Unseal(data)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot read %s: %w", c.disk.path(floorFile), err)
	}
	var doc floorDocument
	if err := strictjson.Unmarshal(data, &doc); err != nil {
		return time.Time{}, fmt.Errorf("cannot read %s: %w", c.disk.path(floorFile), err)
	}
	return doc.Refreshed, nil
}

// sawEnd notes that our own set is over, so that it does not come back with a clock
// that is set back. Every newer one ends later, so none is kept away.
func (c *Client) sawEnd(now, floor time.Time) {
	if v, err := c.Load(); err == nil && v.Expired(now) && v.Expires.After(floor) {
		_ = c.setFloor(v.Expires) // if that fails, the next refresh tries again
	}
}

func (c *Client) setFloor(now time.Time) error {
	text := now.UTC().Truncate(time.Second).Format(time.RFC3339)
	return c.disk.write(floorFile, durable.Seal([]byte(`{"refreshed":"`+text+`"}`)))
}
