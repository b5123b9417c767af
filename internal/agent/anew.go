package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// anewDir is where a new identity is made while the old one still serves.
const anewDir = "new-identity"

// EnrolAnew gives the host's identity up: it joins with a new one, and only then
// forgets the old. A host is never without the one or the other: after a failure or a
// crash it may be repeated, and goes on where it was.
func (h *Home) EnrolAnew(ctx context.Context, join Join, hostname string) error {
	fresh, err := OpenHome(h.path(anewDir))
	if err != nil {
		return err
	}
	if !fresh.Joined() {
		if err := fresh.Enrol(ctx, join, hostname); err != nil {
			return err
		}
	}
	return h.adopt(fresh)
}

// adopt moves a new identity's files into place. Without its certificate a host has
// not joined, so that goes first and comes last.
func (h *Home) adopt(fresh *Home) error {
	if err := os.Remove(h.path("tls.pem")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot forget the old certificate: %w", err)
	}
	if err := os.Remove(h.path(epochFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot forget the old server's epoch: %w", err)
	}
	for _, name := range []string{"identity.pub", "ca.pem", "root.json", "labels.json", "identity.key", "tls.pem"} {
		data, err := os.ReadFile(fresh.path(name))
		if err != nil {
			return fmt.Errorf("cannot read the new identity: %w", err)
		}
		mode := fs.FileMode(0o644)
		if name == "identity.key" || name == "tls.pem" {
			mode = 0o600
		}
		if err := h.write(name, data, mode); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(fresh.dir); err != nil {
		return fmt.Errorf("cannot clear %s away: %w", filepath.Base(fresh.dir), err)
	}
	return nil
}
