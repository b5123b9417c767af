package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
)

// Names of a memory's files.
const (
	keptFile    = "checkpoint"
	historyDir  = "history"
	conflictDir = "conflicts"
)

const (
	// maxHistory bounds the older checkpoints that are kept. When there are as many,
	// every second one goes: what is long ago needs less precision.
	maxHistory = 64
	// maxConflicts bounds the evidence that is kept; the first ones stay.
	maxConflicts = 16
)

// Memory is where somebody keeps the newest checkpoint of a log that he has seen,
// durably, and the evidence where a later one did not follow from it. A server
// that forgets or rewrites what it signed is found by whoever remembers.
//
// Its directory holds
//
//	checkpoint       the newest checkpoint that followed
//	history/SIZE     older ones, if they are kept: they tell where a log was rewritten
//	conflicts/DIGEST two notes that cannot both be true, one after the other
//
// It is safe for use by several goroutines, not by several processes.
type Memory struct {
	dir string
	// history: older checkpoints are kept, too.
	history bool

	mu       sync.Mutex
	note     []byte
	kept     Checkpoint
	conflict *Conflict
}

// OpenMemory opens the directory and makes it if it is not there. A damaged
// memory is an error: to begin anew is for a person to decide.
func OpenMemory(dir string) (*Memory, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot remember checkpoints: %w", err)
	}
	m := &Memory{dir: dir}
	data, err := os.ReadFile(filepath.Join(dir, keptFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		data, err = durable.Unseal(data)
	}
	if err == nil {
		m.kept, err = ParseCheckpoint(data)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the remembered checkpoint in %s: %w", filepath.Join(dir, keptFile), err)
	}
	m.note = data
	return m, nil
}

// OpenHistory opens a memory that keeps older checkpoints as well, for who reads
// the leaves.
func OpenHistory(dir string) (*Memory, error) {
	if err := os.MkdirAll(filepath.Join(dir, historyDir), 0o700); err != nil {
		return nil, fmt.Errorf("cannot remember checkpoints: %w", err)
	}
	m, err := OpenMemory(dir)
	if err == nil {
		m.history = true
	}
	return m, err
}

// Dir is the memory's directory.
func (m *Memory) Dir() string { return m.dir }

// Kept returns the newest checkpoint that followed, and whether there is one.
func (m *Memory) Kept() (Checkpoint, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept, m.note != nil
}

// Conflict returns what the newest offer proved, or nil if it followed.
func (m *Memory) Conflict() *Conflict {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conflict
}

// Take verifies an offered checkpoint, follows it from the one that is kept, and
// keeps it. One that does not follow is a [*Conflict]: both notes are kept as
// evidence, and the kept one stays. An offer that is not signed, or of another
// epoch than the trust, changes nothing.
func (m *Memory) Take(offer []byte, trust hotstick.Trust, proof []Hash) (Step, error) {
	offered, err := OpenCheckpoint(offer, trust)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	step := StepFirst
	if m.note != nil {
		step, err = Follow(m.kept, offered, proof)
	}
	if conflict, forked := errors.AsType[*Conflict](err); forked {
		conflict.Kept, conflict.Offered = slices.Clone(m.note), slices.Clone(offer)
		m.conflict = conflict
		return "", errors.Join(conflict, m.saveConflict(conflict))
	}
	m.conflict = nil
	if step == StepSame {
		return step, nil
	}
	if err := m.keep(offer, offered); err != nil {
		return "", err
	}
	return step, nil
}

// keep makes the offer the kept checkpoint, and the kept one history.
func (m *Memory) keep(offer []byte, offered Checkpoint) error {
	if m.history && m.note != nil {
		if err := durable.Replace(filepath.Join(m.dir, historyDir), historyName(m.kept), 0o600, durable.Seal(m.note)); err != nil {
			return err
		}
	}
	if err := durable.Replace(m.dir, keptFile, 0o600, durable.Seal(offer)); err != nil {
		return err
	}
	m.note, m.kept = slices.Clone(offer), offered
	if !m.history {
		return nil
	}
	return m.thin()
}

// historyName sorts as epochs and sizes do.
func historyName(c Checkpoint) string { return fmt.Sprintf("%020d-%020d", c.Epoch, c.Size) }

// thin removes every second checkpoint of a full history.
func (m *Memory) thin() error {
	names, err := m.names(historyDir)
	if err != nil || len(names) < maxHistory {
		return err
	}
	for i := 1; i < len(names); i += 2 {
		if err := os.Remove(filepath.Join(m.dir, historyDir, names[i])); err != nil {
			return fmt.Errorf("cannot forget an old checkpoint: %w", err)
		}
	}
	return nil
}

// names lists the finished files of one of the memory's directories, sorted.
func (m *Memory) names(sub string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(m.dir, sub))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the remembered checkpoints: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.Name()[0] != '.' {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Heads returns every kept head of the newest epoch, for a verification that says
// between which of them a log was rewritten.
func (m *Memory) Heads() ([]Head, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.note == nil {
		return nil, nil
	}
	names, err := m.names(historyDir)
	if err != nil {
		return nil, err
	}
	var heads []Head
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(m.dir, historyDir, name))
		if err != nil {
			return nil, fmt.Errorf("cannot read the remembered checkpoints: %w", err)
		}
		if data, err = durable.Unseal(data); err != nil {
			return nil, fmt.Errorf("cannot read the remembered checkpoints: %w", err)
		}
		c, err := ParseCheckpoint(data)
		if err != nil {
			return nil, fmt.Errorf("cannot read the remembered checkpoint %s: %w", filepath.Join(m.dir, historyDir, name), err)
		}
		if c.Epoch == m.kept.Epoch {
			heads = append(heads, c.Head)
		}
	}
	return append(heads, m.kept.Head), nil
}

// saveConflict keeps both notes in a file that is named after the offer, so that
// the same offer again is kept once.
func (m *Memory) saveConflict(c *Conflict) error {
	names, err := m.names(conflictDir)
	name := hotstick.NewDigest(c.Offered).Short()
	if err != nil || len(names) >= maxConflicts || slices.Contains(names, name) {
		return err
	}
	dir := filepath.Join(m.dir, conflictDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot keep evidence: %w", err)
	}
	return durable.Replace(dir, name, 0o600, slices.Concat(c.Kept, []byte("\n"), c.Offered))
}
