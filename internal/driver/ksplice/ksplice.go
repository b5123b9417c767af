// Package ksplice observes Oracle's Ksplice, through what its modules show in sysfs.
//
// It only reads. Its other half, which changes a host, is package ksplicestep.
//
// Ksplice is not the kernel's own live patching: nothing of it is in
// /sys/kernel/livepatch. Each update is a module of its own with a name of eight letters
// and digits, and shows how far it is in one of two places, as the vendor's own client
// reads them:
//
//	/sys/module/ksplice_ID/ksplice/stage
//	/sys/kernel/ksplice/ID/stage
//
// "applied" is in effect; "preparing" and "reversed" are not. A level is an exact set of
// updates, and is listed as one patch under the name that [hotstick.UpdateSet] gives the
// set. An update whose stage cannot be read makes the set unknown.
package ksplice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/conffile"
)

// Name is the driver's name as catalogs and plans write it.
const Name = "ksplice"

// Truth names what decides.
const Truth = "/sys/module/ksplice_*/ksplice/stage and /sys/kernel/ksplice/*/stage"

// Observer reads sysfs. The stage of an update is readable by root only.
type Observer struct {
	fsys fs.FS
	run  driver.Commands
}

var (
	_ driver.Rooted = (*Observer)(nil)
	_ driver.Asking = (*Observer)(nil)
)

// NewObserver returns an observer of the machine whose root is fsys and whose programs run
// runs; those are asked for their versions only.
func NewObserver(fsys fs.FS, run driver.Commands) *Observer {
	return &Observer{fsys: fsys, run: run}
}

// Name implements [driver.Observer].
func (o *Observer) Name() string { return Name }

// NeedsRoot implements [driver.Rooted].
func (o *Observer) NeedsRoot() bool { return true }

// Programs implements [driver.Asking].
func (o *Observer) Programs() []string { return []string{"uptrack-install", "ksplice"} }

// Observe implements [driver.Observer].
func (o *Observer) Observe(ctx context.Context) ([]hotstick.LoadedPatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now, err := Read(o.fsys)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(now.Applied, now.Unknown)
	if len(all) == 0 {
		return nil, nil
	}
	state := hotstick.InEffect
	if len(now.Unknown) > 0 {
		state = hotstick.EffectUnknown
	}
	return []hotstick.LoadedPatch{{Module: hotstick.UpdateSet(all), Driver: Name, State: state}}, nil
}

// Updates are those that the kernel has, each list sorted.
type Updates struct {
	Applied []string
	// Unknown are there, and how far they are cannot be read.
	Unknown []string
}

// MaxUpdates bounds the updates that are read.
const MaxUpdates = 4096

// Read reads which updates the kernel has.
func Read(fsys fs.FS) (Updates, error) {
	if _, err := fs.Stat(fsys, "sys/module"); err != nil {
		return Updates{}, errors.New("cannot read Ksplice's updates: /sys/module is not there")
	}
	stages := map[string]string{} // update to stage
	modules, err := list(fsys, "sys/module")
	if err != nil {
		return Updates{}, err
	}
	for _, name := range modules {
		if id, ok := strings.CutPrefix(name, "ksplice_"); ok && isID(id) {
			stages[id] = stage(fsys, path.Join("sys/module", name, "ksplice/stage"))
		}
	}
	integrated, err := list(fsys, "sys/kernel/ksplice")
	if err != nil {
		return Updates{}, err
	}
	for _, id := range integrated {
		if isID(id) {
			stages[id] = stage(fsys, path.Join("sys/kernel/ksplice", id, "stage"))
		}
	}
	if len(stages) > MaxUpdates {
		return Updates{}, fmt.Errorf("cannot read Ksplice's updates: there are more than %d", MaxUpdates)
	}
	var u Updates
	for id, stage := range stages {
		switch stage {
		case "applied":
			u.Applied = append(u.Applied, id)
		case "preparing", "reversed":
		default:
			u.Unknown = append(u.Unknown, id)
		}
	}
	slices.Sort(u.Applied)
	slices.Sort(u.Unknown)
	return u, nil
}

func list(fsys fs.FS, dir string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read Ksplice's updates: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// stage returns the word in an update's file; empty if it cannot be read.
func stage(fsys fs.FS, name string) string {
	f, err := fsys.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// Capabilities implements [driver.Observer].
func (o *Observer) Capabilities(ctx context.Context) hotstick.Capabilities {
	c := hotstick.Capabilities{
		Driver: Name, TrustClass: hotstick.ClassOf(Name), Truth: Truth,
		Rollback: []hotstick.Reversibility{hotstick.ReversibleLive, hotstick.ReversibleDowngrade, hotstick.ReversibleReboot},
		Undo:     hotstick.UndoUpdate, Schedules: true, Pinnable: true,
	}
	if held, _, err := Held(o.fsys); err == nil {
		c.Held = held
	}
	if refusal := o.usable(ctx, &c); refusal != nil {
		c.Reason = &refusal.Reason
		return c
	}
	c.Available = true
	return c
}

func (o *Observer) usable(ctx context.Context, c *hotstick.Capabilities) *driver.Refusal {
	client, err := FindClient(ctx, o.run)
	if err != nil {
		return driver.Unasked(err)
	}
	c.Tool = client.Name
	return Off(o.fsys)
}

// Off returns why the vendor's clients refuse to change anything here; nil if they are not
// switched off. That is not a hold: they then do nothing for us either.
func Off(fsys fs.FS) *driver.Refusal {
	if _, err := fs.Stat(fsys, DisableFile); err == nil {
		return driver.Refuse(hotstick.ReasonNotEntitled, "Ksplice is switched off by /%s", DisableFile)
	}
	cmdline, err := conffile.ReadFS(fsys, "proc/cmdline")
	if err == nil && slices.Contains(strings.Fields(string(cmdline.Bytes())), "nouptrack") {
		return driver.Refuse(hotstick.ReasonNotEntitled, "Ksplice is switched off by nouptrack on the kernel's command line")
	}
	return nil
}
