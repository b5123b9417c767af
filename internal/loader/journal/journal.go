// Package journal keeps what happened to a host's kernel for people to read: the steps
// of attempts, strikes, bans, holds, reverts, and what was adopted. Nothing is decided
// by it; what must never be forgotten is in the ledger.
//
// # Format
//
// The file has one JSON object a line, the oldest first. Lines are appended, and synced
// whenever an attempt has ended or somebody on the host has done something. A line that
// a power cut has torn, or that somebody has damaged, is passed over. When the file has
// [fileEntries] lines, the newest [MaxEntries] replace it as a whole.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// MaxEntries is how many entries are kept at least, and shown at most.
const MaxEntries = 200

const (
	// fileEntries is how many lines a file has at most.
	fileEntries = 2 * MaxEntries
	// maxText bounds the opaque texts of one entry, in bytes each.
	maxText  = 512
	maxBytes = 1 << 20
	name     = "journal.jsonl"
)

// Kind says what an entry tells. The set is closed.
type Kind string

// The kinds.
const (
	KindAttempt Kind = "attempt"
	KindStrike  Kind = "strike"
	KindBan     Kind = "ban"
	KindHalt    Kind = "halt"
	KindClear   Kind = "clear"
	KindHold    Kind = "hold"
	KindUnhold  Kind = "unhold"
	KindRevert  Kind = "revert"
	KindAdopt   Kind = "adopt"
	KindRelease Kind = "release"
	// KindReleased: a system schedules itself again as before its adoption. KindLifted: one
	// that was on hold is not any more, and KindHeldAgain: it is again.
	// KindForgotten: a person has given up giving one its settings back.
	KindReleased  Kind = "released"
	KindForgotten Kind = "forgotten"
	KindLifted    Kind = "hold_lifted"
	KindHeldAgain Kind = "on_hold"
	KindBoot      Kind = "boot"
)

// Entry is one thing that happened.
type Entry struct {
	// At is the host's wall clock, whole seconds.
	At   time.Time `json:"at"`
	Boot string    `json:"boot"`
	Kind Kind      `json:"kind"`
	// Seq is the number of the report that says the same; 0 if none does.
	Seq     uint64              `json:"seq,omitempty"`
	Plan    hotstick.PlanID     `json:"plan,omitempty"`
	Patch   hotstick.PatchRef   `json:"patch,omitzero"`
	Attempt int                 `json:"attempt,omitempty"`
	State   hotstick.HostState  `json:"state,omitempty"`
	Code    hotstick.ReasonCode `json:"code,omitempty"`
	// By is the account of the person on the host who did it; empty if nobody there did.
	By string `json:"by,omitempty"`
	// Text is why, in the words of whoever did it, or the detail of the reason; opaque.
	Text string `json:"text,omitempty"`
}

// File is a journal on disk. It is safe for concurrent use.
type File struct {
	dir string

	// mu guards the file.
	mu sync.Mutex
	// lines is how many lines the file has; -1 if that is not known.
	lines int
}

// Open returns the journal in a directory. The file is made by the first entry.
func Open(dir string) *File { return &File{dir: dir, lines: -1} }

// Append writes entries; with sync they are durable when it returns.
func (f *File) Append(sync bool, entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lines < 0 {
		if err := f.mend(); err != nil {
			return err
		}
	}
	added, err := encode(entries)
	if err != nil {
		return err
	}
	if f.lines+len(entries) > fileEntries {
		return f.replace(entries)
	}
	out, err := os.OpenFile(filepath.Join(f.dir, name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write the journal: %w", err)
	}
	_, err = out.Write(added)
	if err == nil && sync {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		f.lines = -1 // a part may be there
		return fmt.Errorf("cannot write the journal: %w", err)
	}
	f.lines += len(entries)
	return nil
}

// mend counts the lines, and drops what is no whole entry.
func (f *File) mend() error {
	kept, whole, err := f.read()
	if err != nil {
		return err
	}
	f.lines = len(kept)
	if whole {
		return nil
	}
	return f.replace(nil)
}

// replace writes the newest entries and the added ones in the place of the file.
func (f *File) replace(added []Entry) error {
	kept, _, err := f.read()
	if err != nil {
		return err
	}
	kept = append(kept, added...)
	kept = kept[max(0, len(kept)-MaxEntries):]
	data, err := encode(kept)
	if err != nil {
		return err
	}
	f.lines = -1
	if err := durable.Replace(f.dir, name, 0o600, data); err != nil {
		return err
	}
	f.lines = len(kept)
	return nil
}

// Entries returns the newest entries, oldest first, at most MaxEntries.
func (f *File) Entries() ([]Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	entries, _, err := f.read()
	return entries[max(0, len(entries)-MaxEntries):], err
}

// read returns all entries that can be read, and whether every line is one.
func (f *File) read() (entries []Entry, whole bool, err error) {
	info, err := os.Stat(filepath.Join(f.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot read the journal: %w", err)
	}
	if info.Size() > maxBytes {
		return nil, false, nil // somebody else's doing: it begins anew
	}
	data, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		return nil, false, fmt.Errorf("cannot read the journal: %w", err)
	}
	whole = len(data) == 0 || data[len(data)-1] == '\n'
	for line := range bytes.Lines(data) {
		var e Entry
		if err := strictjson.Unmarshal(line, &e); err != nil || e.Kind == "" {
			whole = false
			continue
		}
		entries = append(entries, e)
	}
	return entries, whole, nil
}

func encode(entries []Entry) ([]byte, error) {
	var out bytes.Buffer
	for _, e := range entries {
		e.At = e.At.UTC().Truncate(time.Second)
		e.By, e.Text = clip(e.By), clip(e.Text)
		line, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("cannot encode an entry of the journal: %w", err)
		}
		out.Write(append(line, '\n'))
	}
	return out.Bytes(), nil
}

// clip shortens a text without cutting a character in two.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return string(bytes.ToValidUTF8([]byte(s[:maxText]), nil))
}
