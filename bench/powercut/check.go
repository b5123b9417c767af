package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/sqlite"
)

// Directories on the disk.
const (
	serverDir = "server"
	agentDir  = "agent"
	loaderDir = "loader"
)

// estate is what a disk holds, read by the programs' own code.
type estate struct {
	dir string
	// facts are those acknowledged; begun are all, with what was about to become one.
	facts, begun []fact
	led          *ledger.Ledger // nil if there is none
	disk         *ledger.Dir
}

// examine holds what a disk holds against what had been acknowledged. The directory is a
// copy: some of what reads it mends it. It returns the ledger, if there is one, and what is
// lost or half there.
func examine(ctx context.Context, dir string, facts []fact) (*ledger.Ledger, []error) {
	e := &estate{dir: dir, begun: facts}
	for _, f := range facts {
		if !f.Begins {
			e.facts = append(e.facts, f)
		}
	}
	var faults []error
	note := func(what string, err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", what, err))
		}
	}
	note("the server's database", e.database(ctx))
	note("the server's catalog", e.catalog())
	note("the loader's ledger", e.ledger())
	if e.disk != nil {
		defer e.disk.Close()
	}
	note("the agent's directory", e.agent(ctx))
	return e.led, faults
}

func (e *estate) path(parts ...string) string {
	return filepath.Join(append([]string{e.dir}, parts...)...)
}

// database opens the server's database as the server does.
func (e *estate) database(ctx context.Context) error {
	file := e.path(serverDir, "hotstick.db")
	if err := whole(ctx, file); err != nil {
		return err
	}
	s, err := sqlite.Open(ctx, file, time.Now)
	if err != nil {
		return err
	}
	err = s.View(ctx, func(tx store.Tx) error {
		return errors.Join(e.auditLog(tx), e.hosts(tx), e.plans(tx), e.bans(tx))
	})
	return errors.Join(err, s.Close())
}

// whole lets SQLite look at every page.
func whole(ctx context.Context, file string) error {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	var says string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&says); err != nil {
		return errors.Join(err, db.Close())
	}
	if says != "ok" {
		err = fmt.Errorf("integrity check: %s", says)
	}
	return errors.Join(err, db.Close())
}

// auditLog recomputes the audit log, which must continue every head that was signed.
func (e *estate) auditLog(tx store.Tx) error {
	size, root, err := tx.Events().Head()
	if err != nil {
		return err
	}
	heads := []audit.Head{{Size: size, Root: root}}
	for _, f := range e.facts {
		if f.Kind == factAudit {
			heads = append(heads, f.Head)
		}
	}
	if last := slices.MaxFunc(heads, func(a, b audit.Head) int { return int(a.Size - b.Size) }); last.Size > size {
		return fmt.Errorf("the audit log has %d leaves, a head of %d was signed", size, last.Size)
	}
	return audit.VerifyLog(tx.Events(), heads...)
}

func (e *estate) hosts(tx store.Tx) error {
	var all []error
	for _, f := range e.facts {
		if f.Kind != factJoined {
			continue
		}
		if h, err := tx.Hosts().Get(f.Host); err != nil || h.Revoked {
			all = append(all, fmt.Errorf("the host joined, and is not there (%w)", err))
		}
	}
	if f, unsure := newest(e.begun, factExcluded); f != nil && !unsure {
		_, err := tx.Hosts().Exclusion(f.Host)
		switch {
		case f.On:
			all = append(all, wrong(*f, err))
		case !errors.Is(err, store.ErrNotFound):
			all = append(all, wrong(*f, fmt.Errorf("it is still excluded (%w)", err)))
		}
	}
	return errors.Join(all...)
}

// planOrder are the statuses of a plan in the order in which these plans take them.
var planOrder = []hotstick.PlanStatus{hotstick.Proposed, hotstick.Approved, hotstick.Running}

func (e *estate) plans(tx store.Tx) error {
	var all []error
	for _, f := range e.facts {
		switch f.Kind {
		case factPlan:
			p, err := tx.Plans().Get(f.Plan)
			if err == nil && !p.Status.Over() && slices.Index(planOrder, p.Status) < slices.Index(planOrder, f.Status) {
				err = fmt.Errorf("it is %s", p.Status)
			}
			if err == nil && f.Status.Over() && p.Status != f.Status {
				err = fmt.Errorf("it is %s", p.Status)
			}
			all = append(all, wrong(f, err))
		case factState:
			line, err := tx.Plans().Host(f.Plan, f.Host)
			if err == nil && (line.Attempt < f.Attempt || f.State.Terminal() && line.State != f.State) {
				err = fmt.Errorf("the server has attempt %d, %s", line.Attempt, line.State)
			}
			all = append(all, wrong(f, err))
		}
	}
	return errors.Join(all...)
}

func (e *estate) bans(tx store.Tx) error {
	var all []error
	for _, f := range e.facts {
		if f.Kind == factBanned {
			_, err := tx.Bans().Get(f.Patch)
			all = append(all, wrong(f, err))
		}
	}
	return errors.Join(all...)
}

// wrong says of which fact an error is.
func wrong(f fact, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s was acknowledged: %w", f.text(), err)
}

// repository opens the server's catalog as the server does.
func (e *estate) repository() (*catalog.Repository, error) {
	online, err := statement.LoadSigner(e.path(serverDir, "keys", "online.pem"))
	if err != nil {
		return nil, err
	}
	return catalog.OpenRepository(e.path(serverDir, "catalog"), online)
}

func (e *estate) catalog() error {
	repository, err := e.repository()
	if err != nil {
		return err
	}
	published := repository.View().Patches
	for _, f := range e.facts {
		if f.Kind == factPublished && !slices.ContainsFunc(published, func(p hotstick.Patch) bool { return p.Ref == f.Patch }) {
			err = errors.Join(err, wrong(f, errors.New("it is not in the catalog")))
		}
	}
	return err
}

// ledger opens the loader's ledger as the loader does.
func (e *estate) ledger() error {
	if _, err := os.Stat(e.path(loaderDir)); err == nil {
		if e.disk, err = ledger.OpenDir(e.path(loaderDir)); err != nil {
			return err
		}
		data, err := e.disk.Load()
		if err == nil {
			var led ledger.Ledger
			led, err = ledger.Decode(data)
			e.led = &led
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	var all []error
	for _, f := range e.facts {
		all = append(all, wrong(f, e.remembers(f)))
	}
	if f, unsure := newest(e.begun, factHeld); f != nil && !unsure && e.led != nil && (e.led.Hold != nil) != f.On {
		all = append(all, wrong(*f, fmt.Errorf("the ledger has it as %v", e.led.Hold != nil)))
	}
	return errors.Join(append(all, e.kept())...)
}

// remembers holds one fact against the ledger.
func (e *estate) remembers(f fact) error {
	led := e.led
	switch f.Kind {
	case factState, factLoaded, factGone, factHeld:
		if led == nil {
			return errors.New("there is no ledger")
		}
	default:
		return nil
	}
	switch f.Kind {
	case factState:
		record := led.Plan(f.Plan)
		switch {
		case record == nil:
			return errors.New("the ledger does not know the plan")
		case record.Attempt < f.Attempt:
			return fmt.Errorf("the ledger has attempt %d", record.Attempt)
		case f.State.Terminal() && record.State != f.State:
			return fmt.Errorf("the ledger has it as %q", record.State)
		}
	case factLoaded:
		if !slices.Contains(intended(led), f.Module) {
			return errors.New("the ledger has no intent to load it")
		}
	case factGone:
		if a := led.Attempt; a != nil && a.Level.Module == f.Module && a.Phase != hotstick.Reverting {
			return fmt.Errorf("the ledger has it as %s", a.Phase)
		}
	}
	return nil
}

// intended are the modules that a ledger knows to be loaded, or to have been.
func intended(led *ledger.Ledger) []string {
	var names []string
	add := func(l *ledger.Level) {
		if l != nil {
			names = append(names, l.Module)
		}
	}
	if led.Attempt != nil {
		add(&led.Attempt.Level)
	}
	for _, p := range led.Plans {
		add(p.Level)
	}
	for _, p := range []*ledger.Permit{led.Permit, led.Former} {
		if p != nil {
			add(&p.Level)
		}
	}
	return names
}

// kept: what the ledger needs to act without a network is there, with its bytes.
func (e *estate) kept() error {
	if e.led == nil {
		return nil
	}
	var needed []hotstick.Digest
	if e.led.Permit != nil {
		needed = append(needed, e.led.Permit.Level.Artifact)
	}
	if a := e.led.Attempt; a != nil {
		needed = append(needed, a.Level.Artifact)
		if a.Before != nil {
			needed = append(needed, a.Before.Artifact)
		}
	}
	var all []error
	for _, d := range needed {
		_, err := e.disk.Kept(d)
		all = append(all, err)
	}
	return errors.Join(all...)
}

// agent opens what the agent keeps as the agent does. Its catalog may be fetched again;
// who it is may not change.
func (e *estate) agent(ctx context.Context) error {
	if _, err := os.Stat(e.path(agentDir)); errors.Is(err, fs.ErrNotExist) {
		if f, _ := newest(e.facts, factJoined); f != nil {
			return errors.New("the host joined, and there is no agent's directory")
		}
		return nil
	}
	home, err := agent.OpenHome(e.path(agentDir))
	if err != nil {
		return err
	}
	id, err := home.Host()
	if err != nil {
		return err // also before it joined: nobody could join with this directory
	}
	_, audit := home.Audit()
	_, labels := home.Labels(nil)
	if err := errors.Join(audit, labels); err != nil {
		return err
	}
	joined, _ := newest(e.facts, factJoined)
	switch {
	case joined == nil:
		return nil
	case !home.Joined() || id != joined.Host:
		return fmt.Errorf("host %s joined; now it is %s, joined: %v", joined.Host, id, home.Joined())
	}
	return e.refreshed(ctx, home)
}

// refreshed brings the agent's catalog up to date from the server's.
func (e *estate) refreshed(ctx context.Context, home *agent.Home) error {
	root, err := home.Root()
	if err != nil {
		return err
	}
	client, err := catalog.NewClient(home.CatalogDir(), root, catalog.NewStaged(e.path(serverDir, "catalog")))
	if err != nil {
		return err
	}
	_, err = client.Refresh(ctx, time.Now())
	return err
}
