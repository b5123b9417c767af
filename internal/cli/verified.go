package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/settings"
)

// verified reads the catalog over the API and verifies it here, against the root
// that this person was given. What the server says of persons and patches is not
// believed where something is signed.
func (a *app) verified(ctx context.Context, c *client.Client) (catalog.View, *catalog.Client, error) {
	chosen, err := a.settings()
	if err != nil {
		return catalog.View{}, nil, err
	}
	files, unlock, err := a.catalogFiles(ctx, chosen, c)
	if err != nil {
		return catalog.View{}, nil, err
	}
	defer unlock()
	view, err := files.Refresh(ctx, a.env.Now())
	switch {
	case errors.Is(err, catalog.ErrExpired):
		return view, nil, fail(exitRefused, "it must be signed anew: hotstick catalog export DIR, then renew and push it", "cannot use the catalog: %v", err)
	case errors.Is(err, catalog.ErrRefused):
		return view, nil, fail(exitRefused, "the server's catalog does not follow from the root that you were given; ask its owner before you sign anything", "cannot use the catalog: %v", err)
	}
	if err != nil {
		return view, nil, err
	}
	// Nothing is signed on the word of a server that forgot what it had signed.
	seen, err := a.followWith(ctx, chosen, c, view.Trust)
	if err == nil && seen.dispute != "" {
		a.note(fmt.Sprintf("warning: host %s holds a checkpoint that the server's audit log does not continue: hotstick audit verify", seen.dispute))
	}
	return view, files, err
}

// catalogFiles opens this person's own verified copy of the catalog's metadata, and
// keeps other commands of the same person out of it until it is unlocked.
func (a *app) catalogFiles(ctx context.Context, chosen settings.Context, c *client.Client) (_ *catalog.Client, unlock func(), err error) {
	state, err := stateDir(a.env.Getenv)
	if err != nil {
		return nil, nil, err
	}
	var given []byte
	if chosen.Root != "" {
		if given, err = os.ReadFile(chosen.Root); err != nil {
			return nil, nil, fmt.Errorf("cannot read the root that this person was given: %w", err)
		}
	}
	// One directory for each server and root, so that two catalogs never mix.
	dir := filepath.Join(state, "catalog", hotstick.NewDigest(append([]byte(c.Server()+"\n"), given...)).Short())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("cannot keep the verified catalog: %w", err)
	}
	if unlock, err = lock(dir + ".lock"); err != nil {
		return nil, nil, err
	}
	pinned, err := a.pinnedRoot(ctx, dir, given, c)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	files, err := catalog.NewClient(dir, pinned, apiFetcher{c})
	if err != nil {
		unlock()
	}
	return files, unlock, err
}

// lock waits until no other process holds the file's lock, which goes with the
// process that holds it.
func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the verified catalog: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot lock the verified catalog: %w", err)
	}
	return func() { file.Close() }, nil
}

// pinnedRoot is the root of trust: the one that the context names, or the one that
// was kept before, or, the first time and with a warning, the server's.
func (a *app) pinnedRoot(ctx context.Context, dir string, given []byte, c *client.Client) ([]byte, error) {
	if given != nil {
		return given, nil
	}
	kept, err := os.ReadDir(dir)
	if err == nil && len(kept) > 0 {
		return nil, nil
	}
	root, err := c.CatalogFile(ctx, "1.root.json")
	if err != nil {
		return nil, err
	}
	a.note(fmt.Sprintf("warning: nobody gave you the catalog's root; taking the server's this once (%s)", hotstick.NewDigest(root)),
		"hint: get root.json from its owner, and name it as root in your context or in HOTSTICK_ROOT")
	return root, nil
}

// stateDir is where this program keeps what must outlive it, after the XDG rules.
func stateDir(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "hotstick"), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", errors.New("cannot tell where to keep state: neither XDG_STATE_HOME nor HOME is set")
	}
	return filepath.Join(home, ".local", "state", "hotstick"), nil
}

// apiFetcher fetches catalog files through the operator API.
type apiFetcher struct{ client *client.Client }

// Fetch implements [catalog.Fetcher].
func (f apiFetcher) Fetch(ctx context.Context, name string, maxBytes int64) ([]byte, error) {
	data, err := f.client.CatalogFile(ctx, name)
	var problem *client.Error
	if errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		return nil, fmt.Errorf("cannot fetch %s: %w", name, fs.ErrNotExist)
	}
	if err == nil && int64(len(data)) > maxBytes {
		return nil, fmt.Errorf("%w: %s is longer than %d bytes", catalog.ErrRefused, name, maxBytes)
	}
	return data, err
}
