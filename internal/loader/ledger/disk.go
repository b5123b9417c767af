package ledger

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/failpoint"
)

// Dir keeps a ledger and the loader's own copies of signed bytes in a directory
// that only the loader may write:
//
//	ledger.json   the ledger
//	kept/HEX      bytes by their SHA-256 digest: plans and artifacts
//	lock          held while a loader uses the directory
type Dir struct {
	path string
	lock *os.File
}

// OpenDir makes the directory if needed and locks it, so that two loaders never
// work on one ledger. The lock goes with the process, also when it is killed:
// whoever gets it knows that no earlier load call is still running.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(filepath.Join(path, "kept"), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the ledger's directory: %w", err)
	}
	lock, err := lockFile(filepath.Join(path, "lock"))
	if err != nil {
		return nil, fmt.Errorf("cannot lock the ledger in %s: is another loader running? %w", path, err)
	}
	return &Dir{path: path, lock: lock}, nil
}

// Close gives the lock back.
func (d *Dir) Close() error { return d.lock.Close() }

// Peek reads the ledger in a directory that a loader uses. It has no lock: what it
// returns was the ledger at some moment of the call.
func Peek(path string) (Ledger, error) {
	data, err := (&Dir{path: path}).Load()
	if err != nil {
		return Ledger{}, err
	}
	return Decode(data)
}

// PeekKept reads kept bytes in a directory that a loader uses.
func PeekKept(path string, digest hotstick.Digest) ([]byte, error) {
	return (&Dir{path: path}).Kept(digest)
}

// sealBytes bounds the line that seals a ledger.
const sealBytes = 128

// Load returns the ledger's bytes; the error is fs.ErrNotExist if there is none.
func (d *Dir) Load() ([]byte, error) {
	return readBounded(filepath.Join(d.path, "ledger.json"), MaxBytes+sealBytes)
}

// Save replaces the ledger durably.
func (d *Dir) Save(data []byte) error {
	return durable.Replace(d.path, "ledger.json", 0o600, data)
}

// Keep stores bytes durably under their digest, which it checks.
func (d *Dir) Keep(digest hotstick.Digest, data []byte) error {
	if hotstick.NewDigest(data) != digest {
		return fmt.Errorf("cannot keep %s: the bytes have another digest", digest.Short())
	}
	return durable.Replace(filepath.Join(d.path, "kept"), digest.Hex(), 0o600, data)
}

// Kept returns kept bytes after checking their digest again; the error is
// fs.ErrNotExist if they are not there or not intact.
func (d *Dir) Kept(digest hotstick.Digest) ([]byte, error) {
	if err := digest.Validate(); err != nil {
		return nil, err
	}
	data, err := readBounded(filepath.Join(d.path, "kept", digest.Hex()), hotstick.MaxArtifactBytes)
	if err != nil {
		return nil, err
	}
	if hotstick.NewDigest(data) != digest {
		return nil, fmt.Errorf("cannot use the kept bytes of %s: they were changed: %w", digest.Short(), fs.ErrNotExist)
	}
	return data, nil
}

// Sweep drops every kept file that is not wanted any more.
func (d *Dir) Sweep(wanted map[hotstick.Digest]bool) error {
	entries, err := os.ReadDir(filepath.Join(d.path, "kept"))
	if err != nil {
		return fmt.Errorf("cannot list the kept bytes: %w", err)
	}
	for _, e := range entries {
		if wanted[hotstick.Digest("sha256:"+e.Name())] {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, "kept", e.Name())); err != nil {
			return fmt.Errorf("cannot drop kept bytes: %w", err)
		}
		failpoint.Here(failpoint.LoaderSweepOneGone)
	}
	return nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("cannot read %s: it is larger than %d bytes", path, limit)
	}
	return data, nil
}

// Memory is a ledger's disk in memory, for simulated hosts. The zero value is an
// empty disk. It is safe for concurrent use.
type Memory struct {
	mu     sync.Mutex
	ledger []byte
	kept   map[hotstick.Digest][]byte
}

// Load returns the ledger's bytes; the error is fs.ErrNotExist if there is none.
func (m *Memory) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ledger == nil {
		return nil, fs.ErrNotExist
	}
	return m.ledger, nil
}

// Save replaces the ledger.
func (m *Memory) Save(data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ledger = append([]byte{}, data...)
	return nil
}

// Keep stores bytes under their digest; the caller must not change them later.
func (m *Memory) Keep(digest hotstick.Digest, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = map[hotstick.Digest][]byte{}
	}
	m.kept[digest] = data
	return nil
}

// Kept returns kept bytes; the error is fs.ErrNotExist if there are none.
func (m *Memory) Kept(digest hotstick.Digest) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.kept[digest]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

// Sweep drops what is not wanted any more.
func (m *Memory) Sweep(wanted map[hotstick.Digest]bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for d := range m.kept {
		if !wanted[d] {
			delete(m.kept, d)
		}
	}
	return nil
}
