package conffile

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// maxSettings bounds what is kept in the ledger.
const maxSettings = 4 << 10

// Keys are those by which a system schedules itself, in one section of its file.
type Keys struct {
	// System is what the system is called in words for people.
	System        string
	Path, Section string
	Names         []string
}

// Read reads the file, whose errors are refusals.
func (k Keys) Read() (*File, error) {
	f, err := Read(k.Path)
	if err != nil {
		return nil, driver.Refuse(hotstick.ReasonToolFailed, "%v", err)
	}
	return f, nil
}

// Write writes the file, whose errors are refusals.
func (k Keys) Write(f *File) error {
	if err := f.Write(k.Path); err != nil {
		return driver.Refuse(hotstick.ReasonToolFailed, "%v", err)
	}
	return nil
}

// Settings are the keys as they stand now, for [Keys.Release]; see [driver.Scheduler].
func (k Keys) Settings() ([]byte, error) {
	f, err := k.Read()
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(f.Save(k.Section, k.Names...))
	if err == nil && len(settings) > maxSettings {
		err = fmt.Errorf("cannot keep the settings of %s: they are longer than %d bytes", k.System, maxSettings)
	}
	return settings, err
}

// Release gives back what Settings returned.
func (k Keys) Release(settings []byte) error {
	var saved Saved
	d := json.NewDecoder(bytes.NewReader(settings))
	d.DisallowUnknownFields()
	err := d.Decode(&saved)
	if err == nil {
		err = saved.Check(k.Section, k.Names...)
	}
	if err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "cannot read the settings of %s: %v", k.System, err)
	}
	return k.Restore(saved)
}

// Restore puts back keys of the section as they were saved.
func (k Keys) Restore(saved Saved) error {
	f, err := k.Read()
	if err != nil {
		return err
	}
	f.Restore(saved)
	return k.Write(f)
}
