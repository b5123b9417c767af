package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/audit"
	"github.com/hotstick/hotstick/internal/cli/settings"
)

// disputedHint says what to do about a log that was rewritten or put back.
const disputedHint = "start nothing, and keep both notes; if somebody restored a backup, reconcile the server; if nobody did, treat it as stolen"

// auditTrust is what checkpoints are verified against: the catalog's root, which
// this person was given. A catalog whose signatures have expired still says whose
// key signs the log.
func (a *app) auditTrust(ctx context.Context, chosen settings.Context, c *client.Client) (hotstick.Trust, error) {
	files, unlock, err := a.catalogFiles(ctx, chosen, c)
	if err != nil {
		return hotstick.Trust{}, err
	}
	defer unlock()
	view, err := files.Refresh(ctx, a.env.Now())
	switch {
	case errors.Is(err, catalog.ErrExpired):
		a.note(fmt.Sprintf("warning: %v", err))
		err = nil
	case errors.Is(err, catalog.ErrRefused):
		err = fail(exitRefused, "the server's catalog does not follow from the root that you were given", "cannot tell whose key signs the audit log: %v", err)
	}
	return view.Trust, err
}

// checked is a checkpoint that followed what this person remembers.
type checked struct {
	audit.Checkpoint
	note []byte
	// heads are all that is remembered, the checkpoint's last.
	heads []audit.Head
	step  audit.Step
	trust hotstick.Trust
	// dispute is a host's evidence against the log; nil if there is none.
	dispute string
}

// follow fetches the newest checkpoint and takes it into this person's memory of
// the server.
func (a *app) follow(ctx context.Context, c *client.Client) (checked, error) {
	chosen, err := a.settings()
	if err != nil {
		return checked{}, err
	}
	trust, err := a.auditTrust(ctx, chosen, c)
	if err != nil {
		return checked{}, err
	}
	return a.followWith(ctx, chosen, c, trust)
}

// followWith is follow for who knows the trust already.
func (a *app) followWith(ctx context.Context, chosen settings.Context, c *client.Client, trust hotstick.Trust) (checked, error) {
	dir, err := a.auditDir(chosen, c)
	if err != nil {
		return checked{}, err
	}
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return checked{}, err
	}
	defer unlock()
	memory, err := audit.OpenHistory(dir)
	if err != nil {
		return checked{}, err
	}
	got, err := c.AuditCheckpoint(ctx)
	if err != nil {
		return checked{}, err
	}
	out := checked{note: []byte(got.Checkpoint), trust: trust}
	if out.Checkpoint, err = audit.OpenCheckpoint(out.note, trust); err != nil {
		return out, fail(exitRefused, "somebody answers in the server's place, or its key is not the one in the catalog's root", "%v", err)
	}
	var proof []audit.Hash
	if kept, there := memory.Kept(); there && kept.Size <= out.Size {
		answer, err := c.AuditGrowth(ctx, kept.Size, out.Size)
		if err != nil {
			return out, err
		}
		proof = toHashes(answer.Hashes)
	}
	out.step, err = memory.Take(out.note, trust, proof)
	if errors.Is(err, audit.ErrForked) {
		return out, fail(exitRefused, disputedHint+"; both are in "+memory.Dir()+", which you may move away once you know why", "%v", err)
	}
	if err != nil {
		return out, err
	}
	if out.step == audit.StepAnew {
		a.note("warning: the audit log began anew with a new epoch of the catalog")
	}
	if got.Disputed != nil {
		out.dispute = string(got.Disputed.Host)
	}
	out.heads, err = memory.Heads()
	return out, err
}

// auditDir is where this person's memory of a server's log is: one for each server
// and root.
func (a *app) auditDir(chosen settings.Context, c *client.Client) (string, error) {
	state, err := stateDir(a.env.Getenv)
	if err != nil {
		return "", err
	}
	var given []byte
	if chosen.Root != "" {
		if given, err = os.ReadFile(chosen.Root); err != nil {
			return "", fmt.Errorf("cannot read the root that this person was given: %w", err)
		}
	}
	dir := filepath.Join(state, "audit", hotstick.NewDigest(append([]byte(c.Server()+"\n"), given...)).Short())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot remember checkpoints: %w", err)
	}
	return dir, nil
}

func toHashes(raw [][]byte) []audit.Hash {
	out := make([]audit.Hash, len(raw))
	for i, h := range raw {
		copy(out[i][:], h)
	}
	return out
}
