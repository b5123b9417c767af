package server

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/sqlite"
	"github.com/hotstick/hotstick/internal/version"
)

// Names in a backup beside those of the data directory.
const (
	backupCheckpoint = "checkpoint"
	// backupManifest is the last file: without it the backup was cut off.
	backupManifest = "manifest.json"
	configuration  = "server.yaml"
)

// manifest lists the files of a backup.
type manifest struct {
	Version string           `json:"version"`
	Made    time.Time        `json:"made"`
	Files   []manifestedFile `json:"files"`
}

type manifestedFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Backup writes everything that a server needs to go on into w, as a tar archive:
// the database as it is at one moment, authority, keys, catalog, configuration, and
// a checkpoint over the database's audit log. The server may be running. The backup
// holds the server's keys and must be kept as they are.
func Backup(ctx context.Context, dir string, w io.Writer, now time.Time) (audit.Checkpoint, error) {
	temp, err := os.MkdirTemp(dir, ".backup-")
	if err != nil {
		return audit.Checkpoint{}, explainDir(dir, err)
	}
	defer os.RemoveAll(temp)
	database := filepath.Join(temp, databaseFile)
	if err := sqlite.Snapshot(ctx, filepath.Join(dir, databaseFile), database); err != nil {
		return audit.Checkpoint{}, err
	}
	failpoint.Here(failpoint.BackupSnapshotMade)
	metadata, err := readMetadata(filepath.Join(dir, catalogDir))
	if err != nil {
		return audit.Checkpoint{}, err
	}
	checkpoint, note, err := checkpointOf(ctx, dir, database, metadata, now)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	out := &archive{tar: tar.NewWriter(w), manifest: manifest{Version: version.Version, Made: now.UTC()}}
	if err := out.copy(databaseFile, database); err != nil {
		return checkpoint, err
	}
	failpoint.Here(failpoint.BackupDatabaseCopied)
	if err := out.add(backupCheckpoint, note); err != nil {
		return checkpoint, err
	}
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		if err := out.add(catalogDir+"/"+name, metadata[name]); err != nil {
			return checkpoint, err
		}
	}
	if err := out.tree(dir, caDir, keysDir, catalogDir+"/targets", configuration); err != nil {
		return checkpoint, err
	}
	failpoint.Here(failpoint.BackupManifestBefore)
	return checkpoint, out.close()
}

// readMetadata reads the catalog's metadata as one generation: while it is read
// somebody may publish.
func readMetadata(dir string) (map[string][]byte, error) {
	for range 10 {
		files := map[string][]byte{}
		names, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil {
			return nil, fmt.Errorf("cannot read the catalog: %w", err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("cannot read the catalog: %w", err)
			}
			files[filepath.Base(name)] = data
		}
		again, err := os.ReadFile(filepath.Join(dir, "timestamp.json"))
		if err == nil && string(again) == string(files["timestamp.json"]) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the catalog: %w", err)
		}
	}
	return nil, errors.New("cannot read the catalog: it changes all the time; try again")
}

// newestRoot is the newest root of the catalog's metadata.
func newestRoot(metadata map[string][]byte) (catalog.RootSpec, error) {
	newest := int64(0)
	for name := range metadata {
		n, err := strconv.ParseInt(strings.TrimSuffix(name, ".root.json"), 10, 64)
		if err == nil && strings.HasSuffix(name, ".root.json") {
			newest = max(newest, n)
		}
	}
	spec, _, err := catalog.ReadRoot(metadata[fmt.Sprintf("%d.root.json", newest)])
	return spec, err
}

// checkpointOf signs the head of a copied database's audit log.
func checkpointOf(ctx context.Context, dir, database string, metadata map[string][]byte, now time.Time) (audit.Checkpoint, []byte, error) {
	root, err := newestRoot(metadata)
	if err != nil {
		return audit.Checkpoint{}, nil, err
	}
	key, err := statement.LoadSigner(filepath.Join(dir, keysDir, onlineKey))
	if err != nil {
		return audit.Checkpoint{}, nil, explainDir(dir, err)
	}
	s, err := sqlite.Open(ctx, database, func() time.Time { return now })
	if err != nil {
		return audit.Checkpoint{}, nil, err
	}
	c := audit.Checkpoint{Epoch: root.Trust.Epoch, At: now.UTC().Truncate(time.Second)}
	err = s.View(ctx, func(tx store.Tx) error {
		size, head, err := tx.Events().Head()
		c.Head = audit.Head{Size: size, Root: head}
		return err
	})
	if err := errors.Join(err, s.Close()); err != nil {
		return audit.Checkpoint{}, nil, err
	}
	note, err := audit.SignCheckpoint(c, key)
	return c, note, err
}

// archive is a backup that is being written.
type archive struct {
	tar      *tar.Writer
	manifest manifest
}

func (a *archive) add(name string, data []byte) error {
	return a.write(name, int64(len(data)), strings.NewReader(string(data)))
}

func (a *archive) copy(name, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot back up %s: %w", name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("cannot back up %s: %w", name, err)
	}
	return a.write(name, info.Size(), file)
}

func (a *archive) write(name string, size int64, r io.Reader) error {
	err := a.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: a.manifest.Made, Format: tar.FormatPAX})
	sum := sha256.New()
	if err == nil {
		_, err = io.CopyN(io.MultiWriter(a.tar, sum), r, size)
	}
	if err != nil {
		return fmt.Errorf("cannot back up %s: %w", name, err)
	}
	a.manifest.Files = append(a.manifest.Files, manifestedFile{Name: name, Size: size, SHA256: digestOf(sum)})
	return nil
}

func digestOf(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }

// tree adds the regular files at and below names. What is not there is left out.
func (a *archive) tree(dir string, names ...string) error {
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(dir, name), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") {
				return err
			}
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			return a.copy(filepath.ToSlash(rel), path)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) close() error {
	data, err := json.MarshalIndent(a.manifest, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot end the backup: %w", err)
	}
	if err := a.add(backupManifest, data); err != nil {
		return err
	}
	if err := a.tar.Close(); err != nil {
		return fmt.Errorf("cannot end the backup: %w", err)
	}
	return nil
}
