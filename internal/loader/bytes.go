package loader

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/trace"
)

// causeAgain is the cause of a load that was asked for before in this attempt, where nothing
// has changed by that: it is the same load.
const causeAgain = "again"

// hand gives the kept bytes of an attempt's level, or of the level before, to the
// driver: copied into a sealed file, hashed there, and loaded from there.
func (l *Loader) hand(ctx context.Context, a ledger.Attempt, level ledger.Level, replaces []string, cause string) error {
	changer, ok := l.cfg.Drivers.Of(level.Driver)
	if !ok {
		return driver.Refuse(hotstick.ReasonUnsupported, "there is no driver %s", level.Driver)
	}
	file, err := l.sealed(level)
	if err != nil {
		return err
	}
	defer file.Close()
	if cause != causeAgain {
		l.tellAct(trace.KindLoad, a, level.Module, cause)
	}
	failpoint.Here(failpoint.LoaderLoadBefore)
	err = changer.Load(ctx, driver.Load{Module: level.Module, File: file, Replaces: replaces, Build: level.Build, Promised: level.Reversibility})
	failpoint.Here(failpoint.LoaderLoadAfter)
	return err
}

// sealed copies a level's kept bytes into a sealed file, and hashes them there.
func (l *Loader) sealed(level ledger.Level) (*os.File, error) {
	data, err := l.cfg.Disk.Kept(level.Artifact)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, driver.Refuse(hotstick.ReasonNoArtifact, "the kept bytes of %s are gone", level.Patch)
	}
	if err != nil {
		return nil, err
	}
	file, err := seal(level.Module, data)
	if err != nil {
		return nil, err
	}
	digest, err := digestOf(file)
	if err == nil && digest != level.Artifact && !planted.Bug("bytes-unchecked") {
		err = driver.Refuse(hotstick.ReasonDigestMismatch, "the sealed bytes of %s", level.Patch)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// digestOf hashes a file from its start and leaves it there.
func digestOf(f *os.File) (hotstick.Digest, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("cannot hash the sealed file: %w", err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("cannot hash the sealed file: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("cannot hash the sealed file: %w", err)
	}
	return hotstick.Digest("sha256:" + hex.EncodeToString(h.Sum(nil))), nil
}

// take copies an artifact to the loader's own disk, if the agent has staged it
// and its bytes are what the catalog lists. What is there already is not read
// again. The caller holds mu.
func (l *Loader) take(ctx context.Context, digest hotstick.Digest) error {
	if l.holds(digest) {
		return nil
	}
	data, err := l.cfg.Catalog.Artifact(ctx, digest)
	if err != nil {
		return err
	}
	if hotstick.NewDigest(data) != digest && !planted.Bug("bytes-unchecked") {
		return fmt.Errorf("cannot take the staged artifact %s: its bytes differ from what the catalog signed", digest.Short())
	}
	if err := l.cfg.Disk.Keep(digest, data); err != nil {
		return err
	}
	l.held[digest] = true
	failpoint.Here(failpoint.LoaderArtifactKept)
	return nil
}

// holds reports whether the bytes are on the loader's own disk. Their digest is
// checked once per process; it is checked again in the sealed file before each
// load. The caller holds mu.
func (l *Loader) holds(digest hotstick.Digest) bool {
	if l.held[digest] {
		return true
	}
	if _, err := l.cfg.Disk.Kept(digest); err != nil {
		return false
	}
	l.held[digest] = true
	return true
}
