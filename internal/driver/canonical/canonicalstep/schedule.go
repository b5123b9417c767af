package canonicalstep

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/canonical"
	"github.com/hotstick/hotstick/internal/durable"
)

// Words of the mode file.
const (
	normal  = "normal"
	noApply = "no-apply"
)

// settings are how the daemon schedules itself, as [driver.Scheduler] gives them back.
type settings struct {
	Schema        string `json:"schema"`
	CheckInterval string `json:"check_interval"`
	CutOffDate    string `json:"cutoff_date"`
	// Mode is the content of the mode file; null if there was none.
	Mode *string `json:"mode"`
}

const (
	settingsSchema = "hotstick/canonical-settings/v1"
	maxSettings    = 4 << 10
)

// Held implements [driver.Scheduler].
func (s *Stepper) Held(ctx context.Context) (bool, string, error) {
	config, err := s.Scheduling(ctx)
	if err != nil {
		return false, "", err
	}
	held, detail := canonical.Held(config, s.Mode())
	return held, detail, nil
}

// Settings implements [driver.Scheduler].
func (s *Stepper) Settings(ctx context.Context) ([]byte, error) {
	config, err := s.Config(ctx)
	if err != nil {
		return nil, err
	}
	now := settings{Schema: settingsSchema, CheckInterval: config[canonical.CheckInterval], CutOffDate: config[canonical.CutOffDate]}
	if mode := s.Mode(); mode.There {
		now.Mode = &mode.File
	}
	data, err := json.Marshal(now)
	if err != nil {
		return nil, err
	}
	if len(data) > maxSettings {
		return nil, fmt.Errorf("cannot keep settings of %d bytes", len(data))
	}
	return data, nil
}

// Hold implements [driver.Scheduler]. What runs goes on; the daemon is not started anew.
func (s *Stepper) Hold(ctx context.Context) error {
	config, err := s.Config(ctx)
	if err != nil {
		return err
	}
	// The file first: a hold that is cut short then still holds at the next boot.
	if mode := s.Mode(); (canonical.Mode{File: mode.File}).Starts() {
		if err := s.setMode(canonical.Mode{File: noApply, There: true}); err != nil {
			return err
		}
	}
	if config[canonical.CheckInterval] != "0" {
		if err := s.configure(ctx, canonical.CheckInterval, "0"); err != nil {
			return err
		}
	}
	if config, err = s.Config(ctx); err != nil {
		return err
	}
	if held, detail := canonical.Held(config, s.Mode()); !held {
		return driver.Refuse(hotstick.ReasonToolFailed, "it was put on hold, and is not: %s", detail)
	}
	return nil
}

// Release implements [driver.Scheduler]. Where the mode file changes, the daemon is started
// anew, for that is when it reads it; from then on it loads what the vendor publishes.
func (s *Stepper) Release(ctx context.Context, data []byte) error {
	want, err := readSettings(data)
	if err != nil {
		return err
	}
	config, err := s.Config(ctx)
	if err != nil {
		return err
	}
	for _, c := range []struct{ key, value string }{{canonical.CutOffDate, want.CutOffDate}, {canonical.CheckInterval, want.CheckInterval}} {
		if config[c.key] == c.value {
			continue
		}
		if err := s.configure(ctx, c.key, c.value); err != nil {
			return err
		}
	}
	before, after := s.Mode(), canonical.Mode{There: want.Mode != nil}
	if after.There {
		after.File = *want.Mode
	}
	if before.There == after.There && before.File == after.File {
		return nil
	}
	if err := s.setMode(after); err != nil {
		return err
	}
	return s.restart(ctx)
}

func readSettings(data []byte) (settings, error) {
	var s settings
	if len(data) > maxSettings {
		return s, fmt.Errorf("cannot give back settings of %d bytes", len(data))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("cannot read the settings: %w", err)
	}
	if s.Schema != settingsSchema {
		return s, fmt.Errorf("cannot use settings of the schema %.40q: want %s", s.Schema, settingsSchema)
	}
	if _, err := strconv.ParseUint(s.CheckInterval, 10, 32); err != nil {
		return s, fmt.Errorf("cannot use the check-interval %.40q", s.CheckInterval)
	}
	if strings.ContainsAny(s.CutOffDate, "\n\x00") {
		return s, fmt.Errorf("cannot use the cut-off date %.40q", s.CutOffDate)
	}
	return s, nil
}

// setMode writes the mode file, or removes it.
func (s *Stepper) setMode(mode canonical.Mode) error {
	path := filepath.Join(s.root, filepath.FromSlash(canonical.ModeFile))
	if !mode.There {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove the daemon's mode file: %w", err)
		}
		return durable.SyncDir(filepath.Dir(path))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("cannot write the daemon's mode file: %w", err)
	}
	return durable.Replace(filepath.Dir(path), filepath.Base(path), 0o644, []byte(mode.File))
}
