package loadercmd

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/hostcmd"
	"github.com/hotstick/hotstick/internal/driver/reboot/rebootstep"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/loader/operate"
	"github.com/hotstick/hotstick/internal/statement"
)

// The tests in this file run inside a guest, as its services; TestARealHostIsRebooted
// carries them there.

const insideVariable = "HOTSTICK_REBOOT_INSIDE"

// Files by which the host inside and the test outside meet. All are on the guest's disk.
const (
	wishFile   = "/var/lib/hotstick/wish"    // LEVEL ATTEMPT: what to grant next; or revert
	reportFile = "/var/lib/hotstick/reports" // a line for each report and refusal
)

// seeded is a key that every boot has.
func seeded(t *testing.T, n byte) *statement.Key {
	t.Helper()
	k, err := statement.NewKey([]byte(strings.Repeat(string(rune('a'+n)), 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// insideHost is a host with a real kernel: the loader, its ledger on the guest's disk, the
// driver with real programs, and an agent and a server that the test plays.
type insideHost struct {
	t                                  *testing.T
	author, approver, server, identity *statement.Key
	recipe                             []byte
	view                               catalog.View
	loader                             *loader.Loader
	step                               *rebootstep.Step
	nonce                              string
	acked                              uint64
}

// TestInsideTheRebootingHost is the guest's loader and agent, in every boot.
func TestInsideTheRebootingHost(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		t.Skip("reboots the machine; TestARealHostIsRebooted runs it inside a guest")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for exists("/run/chosen") != nil {
		<-tick.C
	}
	h := &insideHost{t: t, author: seeded(t, 1), approver: seeded(t, 2), server: seeded(t, 3), identity: seeded(t, 4),
		step: rebootstep.New("/", hostcmd.Host{}, rebootstep.This{})}
	h.open()
	done := make(chan error, 1)
	go func() { done <- h.loader.Run(ctx) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		case <-tick.C:
			h.serve()
		}
	}
}

func exists(name string) error {
	_, err := os.Stat(name)
	return err
}

func (h *insideHost) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// open starts the loader on what the disk holds.
func (h *insideHost) open() {
	data, err := os.ReadFile("/rig/recipe.json")
	h.must(err)
	recipe, err := hotstick.ReadRecipe(data)
	h.must(err)
	h.recipe = data
	key := func(k *statement.Key) []hotstick.TrustedKey { return []hotstick.TrustedKey{k.Public()} }
	trust := hotstick.Trust{Approvals: 1, Epoch: 1, ServerKeys: key(h.server), Persons: []hotstick.TrustedPerson{
		{Person: "ann", Keys: key(h.author)}, {Person: "bob", Keys: key(h.approver)}}}
	a := hotstick.Artifact{Build: recipe.Build, Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Module: recipe.Module}
	var patches []hotstick.Patch
	for level := 1; level <= 3; level++ {
		patches = append(patches, hotstick.Patch{Ref: hotstick.PatchRef{Name: "debian-kernel", Level: level}, Driver: "reboot",
			Reversibility: hotstick.ReversibleReboot, Replace: true, Artifacts: []hotstick.Artifact{a}})
	}
	h.view = catalog.NewView(1, time.Now().Add(month), trust, patches)
	disk, err := ledger.OpenDir("/var/lib/hotstick/loader")
	h.must(err)
	running, err := newRunning(os.DirFS("/"), "/dev/kmsg")
	h.must(err)
	h.loader, err = loader.New(loader.Config{Drivers: driver.Set{stepping{h.step}}, Clock: clock{}, Disk: disk, Kernel: running, Catalog: h,
		Identity: func() (ed25519.PublicKey, error) { return ed25519.PublicKey(h.identity.Public()), nil },
		Limits:   loader.Limits{AgentSilence: time.Minute, Settle: time.Second, Busy: 10 * time.Second},
		Ordered: func() (string, hotstick.KernelBuild) {
			boot, to, err := h.step.Ordered()
			if err != nil {
				h.note("cannot tell what was ordered: %v", err)
			}
			return boot, to
		},
		Log: slog.New(slog.NewJSONHandler(os.Stderr, nil))})
	h.must(err)
}

// Refresh, Load and Artifact implement loader.Catalog.
func (h *insideHost) Refresh(context.Context, time.Time) (catalog.View, error) { return h.view, nil }
func (h *insideHost) Load() (catalog.View, error)                              { return h.view, nil }
func (h *insideHost) Artifact(context.Context, hotstick.Digest) ([]byte, error) {
	return h.recipe, nil
}

// stepping stands in for the step unit: the loader's thread itself does the step.
type stepping struct{ *rebootstep.Step }

func (s stepping) Load(ctx context.Context, load driver.Load) error {
	recipe, err := recipeOf(load)
	if err != nil {
		return err
	}
	return s.Apply(ctx, recipe)
}

func (s stepping) Settle(ctx context.Context, load driver.Load, keep bool) error {
	recipe, err := recipeOf(load)
	if err != nil {
		return err
	}
	return s.Step.Settle(ctx, recipe, keep)
}

func recipeOf(load driver.Load) (hotstick.Recipe, error) {
	data, err := io.ReadAll(io.NewSectionReader(load.File, 0, hotstick.MaxRecipeBytes))
	if err != nil {
		return hotstick.Recipe{}, err
	}
	return hotstick.ReadRecipe(data)
}

func (s stepping) Disable(ctx context.Context, _ string) error {
	data, err := os.ReadFile("/rig/recipe.json")
	if err != nil {
		return err
	}
	recipe, err := hotstick.ReadRecipe(data)
	if err != nil {
		return err
	}
	return s.Remove(ctx, recipe)
}

func (stepping) Unload(context.Context, string) error { return nil }

// note writes a line for the test outside.
func (h *insideHost) note(format string, args ...any) {
	f, err := os.OpenFile(reportFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	h.must(err)
	defer f.Close()
	_, err = fmt.Fprintf(f, format+"\n", args...)
	h.must(errors.Join(err, f.Sync()))
}

// serve is a call of the agent, and what the server answers to it.
func (h *insideHost) serve() {
	var documents []json.RawMessage
	if wish, err := os.ReadFile(wishFile); err == nil && h.nonce != "" {
		documents = h.grant(strings.Fields(string(wish)))
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.t.Fatal(err)
	}
	resp, err := h.loader.Exchange(context.Background(), link.Request{Catalog: true, Acknowledged: h.acked, Documents: documents,
		Readings: []hotstick.Reading{{Probe: "web", Healthy: true}}})
	if err != nil {
		return // it is being stopped
	}
	h.nonce = resp.Nonce
	for _, r := range resp.Refusals {
		h.note("refused %s %s", r.Reason.Code, r.Reason.Detail)
	}
	for _, r := range resp.Reports {
		if r.Seq <= h.acked {
			continue
		}
		h.acked = r.Seq
		reason := ""
		if r.Reason != nil {
			reason = " " + string(r.Reason.Code) + " " + r.Reason.Detail
		}
		h.note("%s #%d %s%s", r.Patch, r.Attempt, r.State, reason)
		for _, e := range r.Evidence {
			h.note("evidence %s: %s", e.Kind, strings.Split(e.Text, "\n")[0])
		}
	}
}

// grant signs a plan for a level, once, and a grant for an attempt of it.
func (h *insideHost) grant(wish []string) []json.RawMessage {
	if len(wish) == 1 && wish[0] == "revert" {
		h.must(os.Remove(wishFile))
		answer := h.loader.Operate(context.Background(), operate.Caller{Name: "root"}, operate.Request{Action: operate.Revert, Reason: "a test"})
		if answer.Refused != nil {
			h.note("refused %s %s", answer.Refused.Code, answer.Refused.Detail)
		}
		return nil
	}
	if len(wish) != 2 {
		h.t.Fatalf("the wish is %q", wish)
	}
	level, err := strconv.Atoi(wish[0])
	h.must(err)
	attempt, err := strconv.Atoi(wish[1])
	h.must(err)
	p := h.view.Patches[level-1]
	a := p.Artifacts[0]
	hosts := []hotstick.PlanHost{{Host: hotstick.NewHostID(h.identity.Public()), Name: "n1", Identity: hotstick.NewFingerprint(h.identity.Public()), Build: a.Build}}
	kept := "/var/lib/hotstick/plan-" + wish[0]
	raw, err := os.ReadFile(kept)
	var documents []json.RawMessage
	if errors.Is(err, fs.ErrNotExist) {
		root, err := statement.HostsRoot(hosts)
		h.must(err)
		now := time.Now().UTC().Truncate(time.Second)
		plan := hotstick.Plan{Schema: hotstick.PlanSchema, Name: "reboot " + wish[0], Patch: p.Ref, Author: "ann", Epoch: 1,
			CreatedAt: now.Add(-time.Minute), NotAfter: now.Add(24 * time.Hour), HostCount: 1, HostsRoot: root,
			Lanes: []hotstick.Lane{{Build: a.Build, Driver: p.Driver, Artifact: a.Digest, Module: a.Module, RevertTo: []hotstick.RevertTarget{{}}}},
			Waves: []hotstick.Wave{{Name: "all", Hosts: 1}}, Budgets: []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 1}},
			ProbationSeconds: 2, TransitionSeconds: 300}
		raw, err = statement.Sign(statement.KindPlan, plan, h.author, h.approver)
		h.must(err)
		h.must(os.WriteFile(kept, raw, 0o644))
		documents = append(documents, raw)
		resp, err := h.loader.Exchange(context.Background(), link.Request{Catalog: true, Acknowledged: h.acked, Documents: documents})
		h.must(err)
		h.nonce = resp.Nonce
	}
	parsed, err := statement.ParsePlan(raw)
	h.must(err)
	proof, err := statement.ProveHost(hosts, 0)
	h.must(err)
	g, err := statement.Sign(statement.KindGrant, statement.Grant{Plan: parsed.ID, Host: hosts[0].Host, Identity: hosts[0].Identity, Build: a.Build,
		Attempt: attempt, Index: 0, Proof: proof, Nonce: h.nonce, Epoch: 1, Generation: 1, TTLSeconds: 60}, h.server)
	h.must(err)
	h.must(os.Remove(wishFile))
	unix.Sync()
	return []json.RawMessage{g}
}
