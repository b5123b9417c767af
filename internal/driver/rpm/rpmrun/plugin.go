package rpmrun

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// Plugin is a command of dnf, `auto` or `manual`, that decides whether live patches are
// installed by themselves. It is the part of a [driver.Scheduler] that holds. What a plugin
// says of itself is never asked: its file is read.
type Plugin struct {
	Manager Manager
	// Driver is the driver's name, and Command the plugin's.
	Driver, Command string
	// Auto reads the plugin's file; no plugin is not automatic.
	Auto func() (bool, error)
	// Look is what Held returns: the plugin's file, and everything else that installs
	// updates by itself.
	Look func() (held bool, detail string, err error)
}

// maxSettings bounds what [Plugin.Release] reads, in bytes.
const maxSettings = 4 << 10

// settings is what [Plugin.Settings] returns.
type settings struct {
	Driver string `json:"driver"`
	// Auto: the plugin was automatic.
	Auto bool `json:"auto"`
}

// Held is as [driver.Scheduler] has it.
func (p Plugin) Held(ctx context.Context) (bool, string, error) {
	if err := ctx.Err(); err != nil {
		return false, "", err
	}
	return p.Look()
}

// Settings is as [driver.Scheduler] has it.
func (p Plugin) Settings(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	auto, err := p.Auto()
	if err != nil {
		return nil, err
	}
	return json.Marshal(settings{p.Driver, auto})
}

// Hold is as [driver.Scheduler] has it. What else installs updates by itself it does not
// touch, and says so.
func (p Plugin) Hold(ctx context.Context) error {
	auto, err := p.Auto()
	if err != nil {
		return err
	}
	if auto {
		if _, err := p.Manager.Verb(ctx, p.Command, "manual"); err != nil {
			return err
		}
	}
	held, detail, err := p.Held(ctx)
	if err == nil && !held {
		return driver.Refuse(hotstick.ReasonToolFailed, "it is not on hold: %s", detail)
	}
	return err
}

// Release is as [driver.Scheduler] has it. To make the plugin automatic again would install
// the newest level at once; that is left to the next run of dnf.
func (p Plugin) Release(ctx context.Context, given []byte) error {
	var was settings
	if err := strictjson.Decode(bytes.NewReader(given), maxSettings, &was); err != nil {
		return err
	}
	if was.Driver != p.Driver {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "these are no settings of %s", p.Driver)
	}
	auto, err := p.Auto()
	if err != nil || auto == was.Auto {
		return err
	}
	if was.Auto {
		err = p.Manager.Announce(ctx, p.Command, "auto")
	} else {
		_, err = p.Manager.Verb(ctx, p.Command, "manual")
	}
	if err != nil {
		return err
	}
	if auto, err = p.Auto(); err == nil && auto != was.Auto {
		return driver.Refuse(hotstick.ReasonToolFailed, "%s said that it is done, and its setting is as it was", p.Manager.Program)
	}
	return err
}
