package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
)

// artifactsDir holds the bytes of artifacts that pending metadata lists and the
// catalog does not have.
const artifactsDir = pendingDir + "/artifacts"

func artifactFile(digest hotstick.Digest) string { return digest.Hex() + ".ko" }

// KeepArtifact puts the bytes of an artifact where [Artifact] finds them, durably.
func (f *Folder) KeepArtifact(digest hotstick.Digest, data []byte) error {
	dir := filepath.Join(f.dir, filepath.FromSlash(artifactsDir))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot keep an artifact: %w", err)
	}
	return durable.Replace(dir, artifactFile(digest), 0o644, data)
}

// Artifact reads the bytes of an artifact that is pending in a directory, and
// verifies them.
func Artifact(dir string, a hotstick.Artifact) ([]byte, error) {
	file, err := os.Open(filepath.Join(dir, filepath.FromSlash(artifactsDir), artifactFile(a.Digest)))
	if err != nil {
		return nil, fmt.Errorf("cannot read the artifact for %s: %w", a.Build, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, hotstick.MaxArtifactBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the artifact for %s: %w", a.Build, err)
	}
	if int64(len(data)) != a.SizeBytes || hotstick.NewDigest(data) != a.Digest {
		return nil, fmt.Errorf("cannot use the artifact for %s: %w", a.Build, ErrDamaged)
	}
	return data, nil
}

// NewArtifacts lists the artifacts that a role's pending metadata brings, and the
// vendors' signatures over them.
func (f *Folder) NewArtifacts(role string) []hotstick.Artifact {
	had := map[hotstick.Digest]bool{}
	for _, p := range f.View.Patches {
		for _, a := range p.Files() {
			had[a.Digest] = true
		}
	}
	var list []hotstick.Artifact
	for _, p := range f.pending[role].Patches {
		for _, a := range p.Files() {
			if !had[a.Digest] {
				had[a.Digest] = true
				list = append(list, a)
			}
		}
	}
	return list
}

// Tidy removes artifacts that nothing pending lists.
func (f *Folder) Tidy() error {
	dir := filepath.Join(f.dir, filepath.FromSlash(artifactsDir))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot tidy up: %w", err)
	}
	wanted := map[string]bool{}
	for _, role := range f.Roles(true) {
		for _, a := range f.NewArtifacts(role) {
			wanted[artifactFile(a.Digest)] = true
		}
	}
	for _, e := range entries {
		if wanted[e.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("cannot tidy up: %w", err)
		}
	}
	return nil
}
