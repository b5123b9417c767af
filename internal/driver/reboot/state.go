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
	// Earlier are the levels that were kept before this one, newest first. Whatever becomes
	// of this one, the way back from those is not forgotten.
	Earlier []Kept `json:"earlier,omitempty"`
}

// Kept is a level that a host has kept: the kernel build that it led to, and the one
// before it.
type Kept struct {
	From   hotstick.KernelBuild `json:"from"`
	Target hotstick.KernelBuild `json:"target"`
}

// MaxEarlier bounds how many are remembered. Hosts do not keep the packages of as many
// kernels.
const MaxEarlier = 8

// Then is the state of a reboot that begins now: it leads from one build to another, and
// owes what the one before it owes still.
func (s *State) Then(boot string, from, to hotstick.KernelBuild) State {
	n := State{Schema: StateSchema, Phase: Preparing, Boot: boot, From: from, Target: to}
	if s == nil {
		return n
	}
	n.Hooks, n.NewEntry, n.Earlier = s.Hooks, s.NewEntry, s.Earlier
	if s.Phase == Settled || s.Target == from {
		n.Earlier = append([]Kept{{From: s.From, Target: s.Target}}, s.Earlier...)
	}
	n.Earlier = n.Earlier[:min(len(n.Earlier), MaxEarlier)]
	return n
}

// Before is the state once this reboot has come to nothing; nil if nothing was kept before
// it.
func (s *State) Before(boot string) *State {
	if len(s.Earlier) == 0 {
		return nil
	}
	k := s.Earlier[0]
	return &State{Schema: StateSchema, Phase: Settled, Boot: boot, From: k.From, Target: k.Target, Loader: s.Loader, Earlier: s.Earlier[1:]}
}

// Of is the state as the level sees it that leads to a build: the state itself, or an
// earlier level's, which owes what the newest one owes. Nil if the build is none of ours.
func (s *State) Of(target hotstick.KernelBuild) *State {
	if s == nil || s.Target == target {
		return s
	}
	i := slices.IndexFunc(s.Earlier, func(k Kept) bool { return k.Target == target })
	if i < 0 {
		return nil
	}
	k := s.Earlier[i]
	return &State{Schema: StateSchema, Phase: Settled, Boot: s.Boot, From: k.From, Target: k.Target, Hooks: s.Hooks,
		Loader: s.Loader, NewEntry: s.NewEntry, Earlier: s.Earlier[i+1:]}
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
	if len(s.Earlier) > MaxEarlier {
		return fmt.Errorf("cannot read what the reboot driver does: it has %d earlier levels, at most %d are kept", len(s.Earlier), MaxEarlier)
	}
	for _, k := range append([]Kept{{From: s.From, Target: s.Target}}, s.Earlier...) {
		if err := errors.Join(k.From.Validate(), k.Target.Validate()); err != nil {
			return fmt.Errorf("cannot read what the reboot driver does: %w", err)
		}
	}
	return nil
}

// listed is what a state lists on a kernel build in a boot: the level that it is about, and
// an earlier one that runs.
func listed(s *State, running hotstick.KernelBuild, boot string) []hotstick.LoadedPatch {
	if s == nil {
		return nil
	}
	var patches []hotstick.LoadedPatch
	if is := effect(s, running, boot); is != "" {
		patches = append(patches, hotstick.LoadedPatch{Module: Module(s.Target), Driver: Name, State: is})
	}
	if s.Target != running && s.Of(running) != nil {
		patches = append(patches, hotstick.LoadedPatch{Module: Module(running), Driver: Name, State: hotstick.InEffect})
	}
	return patches
}

// effect is what a state means on a kernel build in a boot; empty if the target is not
// listed at all.
func effect(s *State, running hotstick.KernelBuild, boot string) hotstick.Effect {
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
