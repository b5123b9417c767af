package kernelcarestep

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
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

// maxSettings bounds what is kept in the ledger.
const maxSettings = 4 << 10

// Held implements [driver.Scheduler].
func (s *Stepper) Held(ctx context.Context) (bool, string, error) {
	return kernelcare.Held(s.fsys)
}

// Settings implements [driver.Scheduler].
func (s *Stepper) Settings(ctx context.Context) ([]byte, error) {
	f, err := s.config()
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(f.Save("", keys...))
	if err == nil && len(settings) > maxSettings {
		err = fmt.Errorf("cannot keep the settings of KernelCare: they are longer than %d bytes", maxSettings)
	}
	return settings, err
}

// Hold implements [driver.Scheduler].
func (s *Stepper) Hold(ctx context.Context) error {
	f, err := s.config()
	if err != nil {
		return err
	}
	f.Set("", kernelcare.AutoUpdate, "=", "False")
	return s.write(f)
}

// Release implements [driver.Scheduler].
func (s *Stepper) Release(ctx context.Context, settings []byte) error {
	var saved conffile.Saved
	d := json.NewDecoder(bytes.NewReader(settings))
	d.DisallowUnknownFields()
	err := d.Decode(&saved)
	if err == nil {
		err = saved.Check("", keys...)
	}
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "cannot read the settings of KernelCare: %v", err)
	}
	return s.restore(saved)
}

// pin has the agent stick to a patch set, and returns how it was.
func (s *Stepper) pin(patchSet string) (conffile.Saved, error) {
	f, err := s.config()
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
	return before, s.write(f)
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

func (s *Stepper) restore(saved conffile.Saved) error {
	f, err := s.config()
	if err != nil {
		return err
	}
	f.Restore(saved)
	return s.write(f)
}

func (s *Stepper) path() string { return filepath.Join(s.root, kernelcare.Config) }

func (s *Stepper) config() (*conffile.File, error) {
	f, err := conffile.Read(s.path())
	if err != nil {
		return nil, driver.Refuse(hotstick.ReasonToolFailed, "%v", err)
	}
	return f, nil
}

func (s *Stepper) write(f *conffile.File) error {
	if err := f.Write(s.path()); err != nil {
		return driver.Refuse(hotstick.ReasonToolFailed, "%v", err)
	}
	return nil
}
