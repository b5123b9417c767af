package ksplicestep

import (
	"context"
	"path/filepath"

	"github.com/hotstick/hotstick/internal/driver/conffile"
	"github.com/hotstick/hotstick/internal/driver/ksplice"
)

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
func (s *Stepper) Settings(ctx context.Context) ([]byte, error) { return s.config().Settings() }

// Hold implements [driver.Scheduler].
func (s *Stepper) Hold(ctx context.Context) error {
	f, err := s.config().Read()
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
	return s.config().Write(f)
}

// Release implements [driver.Scheduler].
func (s *Stepper) Release(ctx context.Context, settings []byte) error {
	return s.config().Release(settings)
}

// config is where the client's configuration has the keys.
func (s *Stepper) config() conffile.Keys {
	return conffile.Keys{System: "Ksplice", Path: filepath.Join(s.root, ksplice.Config), Section: ksplice.Section, Names: keys()}
}
