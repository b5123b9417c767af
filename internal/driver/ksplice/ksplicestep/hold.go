package ksplicestep

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/conffile"
	"github.com/hotstick/hotstick/internal/driver/ksplice"
)

// maxSettings bounds what is kept in the ledger.
const maxSettings = 4 << 10

func keys() []string {
	var keys []string
	for _, w := range ksplice.Switches() {
		keys = append(keys, w.Key)
	}
	return keys
}

// Held implements [driver.Scheduler].
func (s *Stepper) Held(ctx context.Context) (bool, string, error) {
	return ksplice.Held(s.fsys)
}

// Settings implements [driver.Scheduler].
func (s *Stepper) Settings(ctx context.Context) ([]byte, error) {
	f, err := s.config()
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(f.Save(ksplice.Section, keys()...))
	if err == nil && len(settings) > maxSettings {
		err = fmt.Errorf("cannot keep the settings of Ksplice: they are longer than %d bytes", maxSettings)
	}
	return settings, err
}

// Hold implements [driver.Scheduler].
func (s *Stepper) Hold(ctx context.Context) error {
	f, err := s.config()
	if err != nil {
		return err
	}
	for _, w := range ksplice.Switches() {
		value := "no"
		if w.Held {
			value = "yes"
		}
		f.Set(ksplice.Section, w.Key, " = ", value)
	}
	return s.write(f)
}

// Release implements [driver.Scheduler].
func (s *Stepper) Release(ctx context.Context, settings []byte) error {
	var saved conffile.Saved
	d := json.NewDecoder(bytes.NewReader(settings))
	d.DisallowUnknownFields()
	err := d.Decode(&saved)
	if err == nil {
		err = saved.Check(ksplice.Section, keys()...)
	}
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "cannot read the settings of Ksplice: %v", err)
	}
	f, err := s.config()
	if err != nil {
		return err
	}
	f.Restore(saved)
	return s.write(f)
}

func (s *Stepper) path() string { return filepath.Join(s.root, ksplice.Config) }

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
