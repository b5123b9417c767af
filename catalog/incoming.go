package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/statement"
)

// incomingDir holds artifacts that no targets metadata lists yet.
const incomingDir = "incoming"

// maxIncoming bounds the artifacts that wait there; the oldest give way.
const maxIncoming = 256

// AddArtifact takes the bytes of an artifact, at most hotstick.MaxArtifactBytes,
// before the targets metadata that lists it. It is not served until
// [Repository.Accept].
func (r *Repository) AddArtifact(data io.Reader) (hotstick.Digest, error) {
	temp, err := r.disk.stage(incomingDir + "/new")
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(temp, sum), io.LimitReader(data, hotstick.MaxArtifactBytes+1))
	switch {
	case err != nil:
	case n == 0:
		err = errors.New("it is empty")
	case n > hotstick.MaxArtifactBytes:
		err = fmt.Errorf("it has more than %d bytes", hotstick.MaxArtifactBytes)
	}
	digest := hotstick.Digest("sha256:" + hex.EncodeToString(sum.Sum(nil)))
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		err = r.makeRoom()
	}
	if err := r.disk.finish(temp, incomingFile(digest), err); err != nil {
		return "", err
	}
	return digest, nil
}

func incomingFile(digest hotstick.Digest) string { return incomingDir + "/" + targetName(digest) }

// makeRoom removes the oldest waiting artifacts above the limit. The caller holds mu.
func (r *Repository) makeRoom() error {
	entries, err := os.ReadDir(r.disk.path(incomingDir))
	if err != nil {
		return err
	}
	var waiting []os.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.Name()[0] != tempPrefix[0] {
			waiting = append(waiting, info)
		}
	}
	slices.SortFunc(waiting, func(a, b os.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for len(waiting) >= maxIncoming {
		if err := os.Remove(filepath.Join(r.disk.path(incomingDir), waiting[0].Name())); err != nil {
			return err
		}
		waiting = waiting[1:]
	}
	return nil
}

// place moves the artifacts of new targets metadata to where they are served. All
// must be there before the first is moved. The caller holds mu.
func (r *Repository) place(patches []hotstick.Patch) error {
	var moves []hotstick.Artifact
	for _, p := range patches {
		for _, a := range p.Files() {
			if r.holds(ArtifactFile(a.Digest), a) == nil {
				continue
			}
			if err := r.holds(incomingFile(a.Digest), a); err != nil {
				return refused("%s: %v", p.Ref, err)
			}
			moves = append(moves, a)
		}
	}
	if len(moves) == 0 {
		return nil
	}
	if err := r.disk.subdir(targetsDir); err != nil {
		return err
	}
	for _, a := range moves {
		if err := os.Rename(r.disk.path(incomingFile(a.Digest)), r.disk.path(ArtifactFile(a.Digest))); err != nil {
			return fmt.Errorf("cannot take an artifact: %w", err)
		}
	}
	failpoint.Here(failpoint.CatalogArtifactsPlaced)
	if err := durable.SyncDir(r.disk.path(targetsDir)); err != nil {
		return fmt.Errorf("cannot take an artifact: %w", err)
	}
	return nil
}

// signSnapshot signs a snapshot that names these files.
func signSnapshot(version int64, files map[string]metaInfo, now time.Time, online statement.Signer) ([]byte, error) {
	meta := metadata.Snapshot(now.UTC().Truncate(time.Second).Add(SnapshotLife))
	meta.Signed.Version = version
	meta.Signed.Meta = map[string]*metadata.MetaFiles{}
	for name, info := range files {
		named, err := info.wire()
		if err != nil {
			return nil, err
		}
		meta.Signed.Meta[name] = named
	}
	return sign(meta, []statement.Signer{online})
}

// signTimestamp signs a timestamp that names one snapshot file.
func signTimestamp(version, snapshotVersion int64, snapshot []byte, now time.Time, online statement.Signer) ([]byte, error) {
	meta := metadata.Timestamp(now.UTC().Truncate(time.Second).Add(TimestampLife))
	meta.Signed.Version = version
	named, err := infoOf(snapshotVersion, snapshot).wire()
	if err != nil {
		return nil, err
	}
	meta.Signed.Meta = map[string]*metadata.MetaFiles{roleSnapshot + ".json": named}
	return sign(meta, []statement.Signer{online})
}

// infoOf returns what is said of a file by the metadata that names it.
func infoOf(version int64, data []byte) metaInfo {
	return metaInfo{Version: version, Length: int64(len(data)), Hashes: hashes{hotstick.NewDigest(data).Hex()}}
}

func (i metaInfo) wire() (*metadata.MetaFiles, error) {
	sum, err := hex.DecodeString(i.Hashes.SHA256)
	if err != nil {
		return nil, fmt.Errorf("cannot name a file: %w", err)
	}
	return &metadata.MetaFiles{Version: i.Version, Length: i.Length, Hashes: metadata.Hashes{"sha256": sum}}, nil
}
