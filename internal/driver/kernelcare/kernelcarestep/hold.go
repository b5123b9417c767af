package kernelcarestep

import (
	"context"
	"path/filepath"

	"github.com/hotstick/hotstick/internal/driver/conffile"
	"github.com/hotstick/hotstick/internal/driver/kernelcare"
)

// keys are those that are ever written here. PREFIX and PATCH_SERVER say where patches come
// from; they stay as they are.
var keys = []string{
	kernelcare.AutoUpdate, kernelcare.StickyPatch, kernelcare.StickyPatchSet, kernelcare.AutoStickyPatchSet,
	kernelcare.UpdateDelay, kernelcare.AutoUpdateDelay,
}

// pins are those of the keys that choose which patches are applied.
var pins = keys[1:]

// Held implements [driver.Scheduler].
func (s *Stepper) Held(ctx context.Context) (bool, string, error) {
	return kernelcare.Held(s.fsys)
}

// Settings implements [driver.Scheduler].
func (s *Stepper) Settings(ctx context.Context) ([]byte, error) { return s.config().Settings() }

// Hold implements [driver.Scheduler].
func (s *Stepper) Hold(ctx context.Context) error {
	f, err := s.config().Read()
	if err != nil {
		return err
	}
	f.Set("", kernelcare.AutoUpdate, "=", "False")
	return s.config().Write(f)
}

// Release implements [driver.Scheduler].
func (s *Stepper) Release(ctx context.Context, settings []byte) error {
	return s.config().Release(settings)
}

// pin has the agent stick to a patch set, and returns how it was.
func (s *Stepper) pin(patchSet string) (conffile.Saved, error) {
	f, err := s.config().Read()
	if err != nil {
		return conffile.Saved{}, err
	}
	before := f.Save("", pins...)
	if pinIn(before) == patchSet && alone(before) {
		return before, nil
	}
	for _, key := range pins {
		if key != kernelcare.StickyPatchSet {
			f.Remove("", key)
		}
	}
	f.Set("", kernelcare.StickyPatchSet, "=", patchSet)
	return before, s.config().Write(f)
}

// pinIn returns the patch set to which the agent sticks; empty if to none.
func pinIn(saved conffile.Saved) string {
	for _, k := range saved.Keys {
		if k.Name == kernelcare.StickyPatchSet {
			value, _ := k.Value()
			return value
		}
	}
	return ""
}

// alone reports whether nothing but the patch set chooses.
func alone(saved conffile.Saved) bool {
	for _, k := range saved.Keys {
		if k.Name != kernelcare.StickyPatchSet && len(k.Lines) > 0 {
			return false
		}
	}
	return true
}

// config is where the agent's configuration has the keys.
func (s *Stepper) config() conffile.Keys {
	return conffile.Keys{System: "KernelCare", Path: filepath.Join(s.root, kernelcare.Config), Names: keys}
}
