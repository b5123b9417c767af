package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Client reads the catalog on a host, or anywhere else where the source is not
// trusted. It keeps what it has verified in its own directory, whose files have
// the names and form of the source's, so that another client can read them as
// its source. It is safe for concurrent use; two clients on one directory are not.
type Client struct {
	disk   disk
	source Fetcher
	// anchor is the version of the root from which trust starts.
	anchor int64
	// followed is the newest root to which the chain on disk has been verified.
	followed atomic.Pointer[[]byte]

	// refreshing is held during a whole refresh, which may wait for the network.
	refreshing sync.Mutex
	// mu guards view, and the set on disk while it is replaced or read.
	mu   sync.Mutex
	view *View
}

// NewClient opens a client with its state directory, which must exist and be
// writable by its owner only. pinned is the root that the host was given when it
// enrolled, of whatever version; it may be nil if the directory holds one already.
// source may be nil for a client that only calls [Client.Load].
func NewClient(dir string, pinned []byte, source Fetcher) (*Client, error) {
	c := &Client{disk: disk{dir: dir}, source: source}
	if err := c.disk.clean(targetsDir); err != nil {
		return nil, err
	}
	if pinned == nil {
		kept, err := c.disk.versions(roleRoot)
		if err != nil {
			return nil, err
		}
		if len(kept) == 0 {
			return nil, fmt.Errorf("cannot read a catalog without its root: %w", fs.ErrNotExist)
		}
		c.anchor = slices.Min(kept)
		return c, nil
	}
	_, version, err := ReadRoot(pinned)
	if err != nil {
		return nil, err
	}
	c.anchor = version
	kept, err := c.disk.read(metadataFile(roleRoot, version), MaxRootBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, c.disk.write(metadataFile(roleRoot, version), pinned)
	case err != nil:
		return nil, err
	case string(kept) != string(pinned):
		return nil, refused("%s holds another root of version %d than the one that was pinned", dir, version)
	}
	return c, nil
}

// Refresh brings the client up to date with its source. On any error the last
// trusted view stays as it was. Errors wrap [ErrExpired] or [ErrRefused] where
// the source gave something that is not acceptable, and fs.ErrNotExist where it
// lacks a file. If the source is a directory that has recalls beside its metadata,
// these are learned whatever becomes of the rest; if they are all that is new, Refresh
// returns the last trusted view with them.
func (c *Client) Refresh(ctx context.Context, now time.Time) (View, error) {
	if c.source == nil {
		return View{}, errors.New("cannot refresh a catalog without a source")
	}
	v, _, err := c.refresh(ctx, now, c.source)
	if dir, ok := c.source.(*Staged); ok && c.learnBeside(ctx, dir) {
		if with, loadErr := c.Load(); loadErr == nil {
			return with, nil
		}
	}
	return v, err
}

// RefreshEnded is [Client.Refresh] for whoever signs the catalog anew: it also takes what
// has expired. No host may call it.
func (c *Client) RefreshEnded(ctx context.Context) (View, error) {
	if c.source == nil {
		return View{}, errors.New("cannot refresh a catalog without a source")
	}
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	floor, err := c.floor()
	if err != nil {
		return View{}, err
	}
	v, _, err := c.bring(ctx, time.Time{}, floor, c.source)
	return v, err
}

// refresh follows one source. The workflow that it returns may have ended at any
// step; it is nil if it did not begin.
func (c *Client) refresh(ctx context.Context, now time.Time, source Fetcher) (View, *workflow, error) {
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	now, floor, err := c.noEarlier(now)
	if err != nil {
		return View{}, nil, err
	}
	return c.bring(ctx, now, floor, source)
}

// bring brings the client to where a source is, by expiry as of now. The caller holds
// refreshing.
func (c *Client) bring(ctx context.Context, now, floor time.Time, source Fetcher) (View, *workflow, error) {
	w, kept, err := c.settle(ctx, now, source)
	if err != nil {
		if errors.Is(err, ErrExpired) {
			c.sawEnd(now, floor)
		}
		return View{}, w, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known, err := c.learn(w.recalls())
	if err != nil {
		return View{}, w, err
	}
	v, err := w.view(known)
	if err != nil {
		return View{}, w, err
	}
	if err := c.commit(w.trusted, kept, now, floor); err != nil {
		return View{}, w, err
	}
	v.Refreshed = now
	if floor.After(now) {
		v.Refreshed = floor
	}
	c.view = &v
	return v, w, nil
}

// rounds bounds how often one refresh begins anew because a root came meanwhile.
const rounds = 3

// settle verifies what a source has, and begins anew if a root came meanwhile.
func (c *Client) settle(ctx context.Context, now time.Time, source Fetcher) (w *workflow, kept *stage, err error) {
	for range rounds {
		kept = &stage{disk: c.disk}
		if w, err = c.verify(ctx, now, source, kept); err != nil || !kept.overtaken(ctx, source) {
			break
		}
	}
	return w, kept, err
}

// verify follows a source from what is on our own disk to its newest set. That is in
// kept then, which is empty before; only new roots are on disk already.
func (c *Client) verify(ctx context.Context, now time.Time, source Fetcher, kept *stage) (*workflow, error) {
	t, root, err := c.roots(now)
	if err != nil {
		return nil, err
	}
	kept.old = c.kept()
	kept.old.root = root
	w := &workflow{trusted: t, shelf: kept, source: source}
	if err := w.refresh(ctx); err != nil {
		return w, err
	}
	if err := w.followDelegates(ctx); err != nil {
		return w, err
	}
	return w, neverOlder(kept, t)
}

// Load returns the last trusted view from the state directory, even if it has
// expired, without asking the source. The publishers' signatures must hold under
// the newest root that was seen; if only those of the online keys do not (the
// server's key has changed since), the view comes back as expired. The error
// wraps fs.ErrNotExist if there is no view.
func (c *Client) Load() (View, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, root, err := c.roots(time.Time{})
	if err != nil {
		return View{}, err
	}
	f := c.kept()
	if f.timestamp == nil || f.snapshot == nil || f.targets == nil {
		return View{}, fmt.Errorf("cannot load the catalog from %s: %w", c.disk.dir, fs.ErrNotExist)
	}
	if t.targets, err = verifyTargets(root, f.targets); err != nil {
		return View{}, err
	}
	if t.timestamp, err = readTimestamp(f.timestamp); err != nil {
		return View{}, err
	}
	if t.snapshot, err = readSnapshot(f.snapshot); err != nil {
		return View{}, err
	}
	if err := t.loadDelegated(f); err != nil {
		return View{}, err
	}
	known, err := c.seenRecalls()
	if err != nil {
		return View{}, err
	}
	v, err := t.view(known)
	if err != nil {
		return View{}, err
	}
	if v.Refreshed, err = c.floor(); err != nil || verifyLinks(root, f.timestamp, f.snapshot) != nil {
		v.Expires = time.Time{}
	}
	c.view = &v
	return v, nil
}

// Metadata returns the newest trusted root and targets metadata from the state
// directory, which a publisher extends and signs.
func (c *Client) Metadata() (root, targets []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, root, err = c.roots(time.Time{}); err != nil {
		return nil, nil, err
	}
	if targets = c.kept().targets; targets == nil {
		return nil, nil, fmt.Errorf("cannot load the catalog from %s: %w", c.disk.dir, fs.ErrNotExist)
	}
	return root, targets, delegate(root, roleTargets, metadata.Targets(), targets)
}

// current returns the last trusted view, from disk if need be.
func (c *Client) current() (View, error) {
	c.mu.Lock()
	v := c.view
	c.mu.Unlock()
	if v != nil {
		return *v, nil
	}
	return c.Load()
}
