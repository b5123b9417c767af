package windowsstep

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hotstick/hotstick/internal/driver/windows"
	"github.com/hotstick/hotstick/internal/kernel/nt"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// Policy changes the policy of automatic updates, the key [nt.KeyAutoUpdate].
type Policy interface {
	// Set sets a number. The key is made if it is not there.
	Set(name string, value uint32) error
	// Delete removes a value; one that is not there is none.
	Delete(name string) error
}

// settings is how Windows Update schedules itself; nil where the policy says nothing.
type settings struct {
	NoAutoUpdate *uint32 `json:"no_auto_update"`
	AUOptions    *uint32 `json:"au_options"`
}

// Held implements [driver.Scheduler].
func (s *Stepper) Held(context.Context) (held bool, detail string, err error) {
	held, detail = windows.Held(s.Registry)
	return held, detail, nil
}

// Settings implements [driver.Scheduler].
func (s *Stepper) Settings(context.Context) ([]byte, error) {
	read := func(name string) *uint32 {
		value, ok := s.Registry.Number(nt.KeyAutoUpdate, name)
		if !ok || value > 1<<32-1 {
			return nil
		}
		return new(uint32(value))
	}
	return json.Marshal(settings{read(windows.NoAutoUpdate), read(windows.AUOptions)})
}

// Hold implements [driver.Scheduler]. Windows Update then searches, downloads and installs
// only what is asked of it. A group policy that says otherwise comes back by itself; that
// shows as a hold that was lifted.
func (s *Stepper) Hold(context.Context) error {
	if err := s.Policy.Set(windows.NoAutoUpdate, 1); err != nil {
		return err
	}
	if held, why := windows.Held(s.Registry); !held {
		return fmt.Errorf("cannot put Windows Update on hold: %s", why)
	}
	return nil
}

// Release implements [driver.Scheduler].
func (s *Stepper) Release(_ context.Context, kept []byte) error {
	var was settings
	if err := strictjson.Unmarshal(kept, &was); err != nil {
		return fmt.Errorf("cannot read how Windows Update was set: %w", err)
	}
	for name, value := range map[string]*uint32{windows.NoAutoUpdate: was.NoAutoUpdate, windows.AUOptions: was.AUOptions} {
		err := error(nil)
		if value == nil {
			err = s.Policy.Delete(name)
		} else {
			err = s.Policy.Set(name, *value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
