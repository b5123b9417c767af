package server

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/sqlite"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// Limits of a backup that is read.
const (
	maxBackupFiles    = 1_000_000
	maxBackupManifest = 256 << 20
)

// Restore makes a data directory from a backup. It refuses one that was cut off or
// changed, and one whose audit log is not that of its checkpoint; and it never
// writes over a server. A restored server grants nothing until it is reconciled.
func Restore(ctx context.Context, dir string, r io.Reader, now func() time.Time) (audit.Checkpoint, error) {
	return restore(ctx, dir, r, now, func(string) error { return nil })
}

// restore is Restore; finish changes the directory before it gets its name.
func restore(ctx context.Context, dir string, r io.Reader, now func() time.Time, finish func(temp string) error) (audit.Checkpoint, error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return audit.Checkpoint{}, fmt.Errorf("cannot restore into %s: it is not empty; name another directory with --data, or move it away", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return audit.Checkpoint{}, explainDir(dir, err)
	}
	temp := strings.TrimSuffix(dir, string(filepath.Separator)) + ".restoring"
	if err := os.RemoveAll(temp); err != nil {
		return audit.Checkpoint{}, explainDir(dir, err)
	}
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return audit.Checkpoint{}, explainDir(dir, err)
	}
	defer os.RemoveAll(temp)
	place := func(name string, r io.Reader) (string, error) { return unpackFile(r, filepath.Join(temp, name)) }
	if err := unpack(r, place); err != nil {
		return audit.Checkpoint{}, err
	}
	c, err := markRestored(ctx, temp, now)
	if err == nil {
		err = finish(temp)
	}
	if err != nil {
		return audit.Checkpoint{}, err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return audit.Checkpoint{}, explainDir(dir, err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return audit.Checkpoint{}, explainDir(dir, err)
	}
	return c, nil
}

// belongs reports whether a backup may have a file of this name.
func belongs(name string) bool {
	if !filepath.IsLocal(name) || name != filepath.ToSlash(filepath.Clean(name)) {
		return false
	}
	top, below, nested := strings.Cut(name, "/")
	switch top {
	case databaseFile, backupCheckpoint, backupManifest, configuration:
		return !nested
	case caDir, keysDir, catalogDir:
		return nested && below != ""
	}
	return false
}

// unpack hands the files of a backup to place, which returns their digests, and
// compares them with its manifest.
func unpack(r io.Reader, place func(name string, r io.Reader) (sum string, err error)) error {
	var found []manifestedFile
	var listed []byte
	in := tar.NewReader(r)
	for listed == nil {
		header, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return errors.New("cannot restore: the backup was cut off")
		case err != nil:
			return fmt.Errorf("cannot restore: the backup cannot be read: %w", err)
		case header.Typeflag != tar.TypeReg || !belongs(header.Name) || len(found) >= maxBackupFiles:
			return fmt.Errorf("cannot restore: the backup has %.200q, which no backup has", header.Name)
		case header.Name == backupManifest:
			if listed, err = io.ReadAll(io.LimitReader(in, maxBackupManifest)); err != nil {
				return fmt.Errorf("cannot restore: the backup cannot be read: %w", err)
			}
			continue
		}
		sum, err := place(header.Name, in)
		if err != nil {
			return err
		}
		found = append(found, manifestedFile{Name: header.Name, Size: header.Size, SHA256: sum})
	}
	var m manifest
	if err := strictjson.Decode(bytes.NewReader(listed), maxBackupManifest, &m); err != nil {
		return fmt.Errorf("cannot restore: the backup's list of files cannot be read: %w", err)
	}
	if !slices.Equal(m.Files, found) {
		return errors.New("cannot restore: the backup was changed: its files are not those of its list")
	}
	return nil
}

// unpackFile writes one file, which must not be there, and syncs it.
func unpackFile(r io.Reader, path string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("cannot restore: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("cannot restore: %w", err)
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(file, sum), r)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", fmt.Errorf("cannot restore: %w", err)
	}
	return digestOf(sum), nil
}

// markRestored verifies a restored database against the backup's checkpoint, and
// makes it one that grants nothing until it is reconciled.
func markRestored(ctx context.Context, dir string, now func() time.Time) (audit.Checkpoint, error) {
	metadata, err := readMetadata(filepath.Join(dir, catalogDir))
	if err != nil {
		return audit.Checkpoint{}, err
	}
	root, err := newestRoot(metadata)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	note, err := os.ReadFile(filepath.Join(dir, backupCheckpoint))
	if err != nil {
		return audit.Checkpoint{}, fmt.Errorf("cannot restore: the backup has no checkpoint: %w", err)
	}
	c, err := audit.OpenCheckpoint(note, root.Trust)
	if err != nil {
		return c, fmt.Errorf("cannot restore: %w", err)
	}
	s, err := sqlite.Open(ctx, filepath.Join(dir, databaseFile), now)
	if err != nil {
		return c, err
	}
	err = s.Update(ctx, func(tx store.Tx) error {
		size, _, err := tx.Events().Head()
		if err != nil {
			return err
		}
		if size != c.Size {
			return fmt.Errorf("cannot restore: the backup's audit log has %d leaves, and its checkpoint %d", size, c.Size)
		}
		if err := audit.VerifyLog(tx.Events(), c.Head); err != nil {
			return fmt.Errorf("cannot restore: %w", err)
		}
		_, err = tx.Events().Append(store.Event{Kind: inventory.ServerRestored, Actor: consoleActor,
			Evidence: []hotstick.Evidence{{Kind: "checkpoint", Text: string(note)}}})
		if err != nil {
			return err
		}
		return tx.Events().SetMark(inventory.MarkRestored, tx.Now().Format(time.RFC3339Nano))
	})
	if err := errors.Join(err, s.Close()); err != nil {
		return c, err
	}
	return c, os.Remove(filepath.Join(dir, backupCheckpoint))
}
