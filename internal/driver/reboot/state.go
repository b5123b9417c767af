package reboot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// StateFile is where the driver remembers what it does, below the root.
const StateFile = "var/lib/hotstick/reboot/state.json"

// StateSchema is the only format of it that this version reads or writes.
const StateSchema = "hotstick/reboot/v1"

// maxState bounds the file, in bytes.
const maxState = 64 << 10

// Phase is how far a reboot has come. The set is closed.
type Phase string

// The phases, as the package's documentation says.
const (
	Preparing Phase = "preparing"
	Ordered   Phase = "ordered"
	Settled   Phase = "settled"
	Returning Phase = "returning"
)

// State is what the driver remembers.
type State struct {
	Schema string `json:"schema"`
	Phase  Phase  `json:"phase"`
	// Boot is the boot in which this was written.
	Boot string `json:"boot"`
	// From and Target are the kernel builds before and after.
	From   hotstick.KernelBuild `json:"from"`
	Target hotstick.KernelBuild `json:"target"`
	// Hooks are the hooks that emptied the host, in their order, and are owed their undoing.
	Hooks []string `json:"hooks,omitempty"`
	// Loader is what starts kernels here; OldEntry and NewEntry are its names for the two.
	Loader   string `json:"loader,omitempty"`
	OldEntry string `json:"old_entry,omitempty"`
	NewEntry string `json:"new_entry,omitempty"`
}

// ReadState returns the state; nil if there is none.
func ReadState(fsys fs.FS) (*State, error) {
	f, err := fsys.Open(StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read what the reboot driver does: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read what the reboot driver does: %w", err)
	}
	if len(data) > maxState {
		return nil, fmt.Errorf("cannot read what the reboot driver does: /%s is longer than %d bytes", StateFile, maxState)
	}
	var s State
	if err := strictjson.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("cannot read what the reboot driver does: %w", err)
	}
	return &s, s.validate()
}

func (s *State) validate() error {
	if s.Schema != StateSchema {
		return fmt.Errorf("cannot read what the reboot driver does: its schema is %.40q, want %s", s.Schema, StateSchema)
	}
	if !slices.Contains([]Phase{Preparing, Ordered, Settled, Returning}, s.Phase) {
		return fmt.Errorf("cannot read what the reboot driver does: there is no phase %.40q", string(s.Phase))
	}
	if err := s.From.Validate(); err != nil {
		return err
	}
	return s.Target.Validate()
}

// effect is what a state means on a kernel build in a boot; empty if the target is not
// listed at all.
func effect(s *State, running hotstick.KernelBuild, boot string) hotstick.Effect {
	if s == nil {
		return ""
	}
	now := s.Boot == boot
	switch {
	case running == s.Target && s.Phase == Returning && now:
		return hotstick.TransitionOut
	case running == s.Target && (s.Phase != Preparing || !now):
		return hotstick.InEffect
	case running != s.Target && now && (s.Phase == Preparing || s.Phase == Ordered):
		return hotstick.TransitionIn
	}
	return ""
}
