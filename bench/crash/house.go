package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/statement"
)

// Persons of the run.
const (
	author   = "ada"
	approver = "grace"
)

// house is what its owner has: the server's process, its directory, and the keys.
type house struct {
	dir     string
	listen  string
	keys    map[string]statement.Signer
	root    hotstick.Digest
	ca      hotstick.Digest
	admin   string
	client  *client.Client
	process *process
	// acked are the mutations that the server said yes to, each with what must be so
	// for ever after.
	acked []mutation
	// meanwhile is called while the server is away.
	meanwhile func()
	// shelf are the levels that were published, oldest first.
	shelf []published
}

// maxBefore bounds the levels to which a plan may go back.
const maxBefore = 16

type mutation struct {
	what string
	so   func(context.Context) error
}

func (h *house) data() string  { return filepath.Join(h.dir, "data") }
func (h *house) trace() string { return filepath.Join(h.dir, "server.jsonl") }

func newHouse(ctx context.Context, dir, programs string) (*house, error) {
	h := &house{dir: dir, keys: map[string]statement.Signer{}}
	w := found.Wish{Data: h.data(), Keys: filepath.Join(dir, "keys"), Persons: []string{author, approver}, Approvals: 1, Admin: author, Now: time.Now()}
	made, err := found.Found(ctx, w)
	if err != nil {
		return nil, err
	}
	h.root, h.admin = hotstick.NewDigest(made.Root), made.AdminToken
	for _, role := range w.Roles() {
		if h.keys[role], err = statement.LoadSigner(w.KeyFile(role)); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // for a free port
	if err != nil {
		return nil, err
	}
	h.listen = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, err
	}
	h.process = &process{name: "server", program: failpoint.Server, log: log, ready: "serving", env: []string{"HOTSTICK_POLL_SECONDS=1"},
		argv: []string{filepath.Join(programs, "hotstick"), "server", "--data", h.data(), "--listen", h.listen, "--trace", h.trace()}}
	authority, err := os.ReadFile(filepath.Join(h.data(), "ca", "ca.pem"))
	if err != nil {
		return nil, err
	}
	h.ca, err = authorityDigest(authority)
	if err != nil {
		return nil, err
	}
	h.client, err = client.New(client.Options{Server: "https://" + h.listen, Token: h.admin, Authority: authority})
	return h, err
}

// patience is how long nothing at all may happen in a house before what is waited for
// counts as lost: agents wait for a minute at most before they try their server again.
const patience = 100 * time.Second

// longest is how long one thing is waited for, whatever happens meanwhile.
const longest = 10 * time.Minute

// again repeats a call while the server is away, as people do. A server that said no is
// asked no more, unless already says that it had done so before it died.
func (h *house) again(ctx context.Context, what string, call func(context.Context) error) error {
	deaths, at := h.process.deaths(), time.Now()
	for {
		err := call(ctx)
		if err == nil {
			return nil
		}
		var said *client.Error
		if errors.As(err, &said) && said.Status != http.StatusTooManyRequests && said.Status < 500 {
			return fmt.Errorf("%s: %w", what, err)
		}
		if now := h.process.deaths(); now != deaths { // a server that is killed lives
			deaths, at = now, time.Now()
		}
		if trouble := h.process.trouble(); trouble != nil || ctx.Err() != nil || time.Since(at) > patience {
			return errors.Join(fmt.Errorf("%s: %w", what, err), trouble)
		}
		if h.meanwhile != nil {
			h.meanwhile()
		}
		pause(ctx, 50*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// ref and module name a level. A bad one makes its host ill, by its module's name.
func ref(level int) hotstick.PatchRef { return hotstick.PatchRef{Name: "fix", Level: level} }

// published is a level with its bytes.
type published struct {
	kind  string
	patch hotstick.Patch
	data  []byte
}

func newLevel(level int, kind string) published {
	module := fmt.Sprintf("fix_%s_%d", kind, level)
	data := kmod.Compose(kmod.Info{Name: module, License: "GPL", Livepatch: true, Arch: build.Arch, Vermagic: build.Release + " SMP preempt mod_unload modversions "})
	return published{kind: kind, data: data, patch: hotstick.Patch{Ref: ref(level), Driver: "klp", Summary: "closes it", Reversibility: hotstick.ReversibleLive, Replace: true,
		Functions: []string{"vmlinux:unix_ioctl"},
		Artifacts: []hotstick.Artifact{{Build: build, Digest: hotstick.NewDigest(data), SizeBytes: int64(len(data)), Module: module}}}}
}

func (p published) module() string { return p.patch.Artifacts[0].Module }

// publish signs a new level into the catalog.
func (h *house) publish(ctx context.Context, kind string) (published, error) {
	p := newLevel(len(h.shelf)+1, kind)
	err := h.again(ctx, "upload", func(ctx context.Context) error {
		return h.client.UploadArtifact(ctx, p.patch.Artifacts[0].Digest, p.data)
	})
	if err != nil {
		return p, err
	}
	err = h.revise(ctx, func(root, targets []byte) ([]byte, error) {
		return catalog.Publish(catalog.Publication{Root: root, Targets: targets, Patch: p.patch, Now: time.Now(), Expires: found.End(time.Now(), found.TargetsLife),
			Read:  func(hotstick.Artifact) ([]byte, error) { return p.data, nil },
			Check: func(hotstick.Patch, hotstick.Artifact, []byte) error { return nil }}, h.keys[found.PublisherKey])
	})
	if err != nil {
		return p, err
	}
	h.shelf = append(h.shelf, p)
	h.ack("publish "+p.patch.Ref.String(), func(ctx context.Context) error {
		_, err := h.client.Patch(ctx, p.patch.Ref)
		return err
	})
	return p, nil
}

func (h *house) ack(what string, so func(context.Context) error) {
	h.acked = append(h.acked, mutation{what, so})
}

// revise signs the catalog's next targets metadata, once, and hands it in until it is
// taken.
func (h *house) revise(ctx context.Context, sign func(root, targets []byte) ([]byte, error)) error {
	var root, targets []byte
	err := h.again(ctx, "read the catalog", func(ctx context.Context) error {
		var err, err2 error
		root, err = h.client.CatalogFile(ctx, "root.json")
		targets, err2 = h.client.CatalogFile(ctx, "targets.json")
		return errors.Join(err, err2)
	})
	if err != nil {
		return err
	}
	next, err := sign(root, targets)
	if err != nil {
		return err
	}
	return h.again(ctx, "publish", func(ctx context.Context) error {
		_, err := h.client.Publish(ctx, api.PublishRequest{Targets: next})
		return err
	})
}

// recall signs a recall that sends nobody back.
func (h *house) recall(ctx context.Context, level hotstick.PatchRef) error {
	now := time.Now().UTC().Truncate(time.Second)
	return h.revise(ctx, func(root, targets []byte) ([]byte, error) {
		return catalog.Revise(catalog.Revision{Root: root, Targets: targets, Expires: found.End(now, found.TargetsLife),
			Recalls: []hotstick.Recall{{Patch: level, Action: hotstick.RecallBlock, Reason: "it was found to be bad", Issued: now}}}, h.keys[found.PublisherKey])
	})
}

// roll hands a plan for a level in, has it approved and starts it.
func (h *house) roll(ctx context.Context, p published, hosts []*host) (hotstick.PlanID, error) {
	raw, listed, err := h.write(p, hosts)
	if err != nil {
		return "", err
	}
	plan, err := statement.IDOf(raw)
	if err != nil {
		return "", err
	}
	name := string(plan)
	err = h.again(ctx, "submit", func(ctx context.Context) error {
		if _, err := h.client.Rollout(ctx, name); err == nil {
			return nil // it was taken before the server died
		}
		_, err := h.client.Submit(ctx, api.SubmitRequest{Envelope: raw, Hosts: listed})
		return err
	})
	if err != nil {
		return plan, err
	}
	if raw, err = statement.AddSignature(raw, h.keys[approver]); err != nil {
		return plan, err
	}
	err = h.again(ctx, "approve", func(ctx context.Context) error {
		if r, err := h.client.Rollout(ctx, name); err != nil || r.Status != hotstick.Proposed {
			return err
		}
		_, err := h.client.Approve(ctx, name, api.ApprovalRequest{Envelope: raw})
		return err
	})
	if err != nil {
		return plan, err
	}
	err = h.again(ctx, "start", func(ctx context.Context) error {
		if r, err := h.client.Rollout(ctx, name); err != nil || r.Status != hotstick.Approved {
			return err
		}
		_, err := h.client.Start(ctx, name)
		return err
	})
	if err != nil {
		return plan, err
	}
	h.ack("start "+plan.Short(), func(ctx context.Context) error {
		r, err := h.client.Rollout(ctx, name)
		if err == nil && (len(r.Approvals) < 2 || r.Started == nil) {
			err = fmt.Errorf("it is %s with %d approvals", r.Status, len(r.Approvals))
		}
		return err
	})
	return plan, nil
}

// write writes a plan: one host first, then all others.
func (h *house) write(p published, hosts []*host) ([]byte, []hotstick.PlanHost, error) {
	now := time.Now().UTC().Truncate(time.Second)
	lane := hotstick.Lane{Build: build, Driver: "klp", Artifact: p.patch.Artifacts[0].Digest, Module: p.module(), RevertTo: []hotstick.RevertTarget{{}}}
	for _, before := range h.shelf[max(0, len(h.shelf)-maxBefore):] {
		if before.patch.Ref.Level < p.patch.Ref.Level {
			lane.RevertTo = append(lane.RevertTo, hotstick.RevertTarget{Patch: before.patch.Ref, Artifact: before.patch.Artifacts[0].Digest, Module: before.module()})
		}
	}
	body := hotstick.Plan{Schema: hotstick.PlanSchema, Name: p.module(), Patch: p.patch.Ref, Author: author, Epoch: 1, CreatedAt: now, NotAfter: now.Add(24 * time.Hour),
		Lanes: []hotstick.Lane{lane}, Budgets: []hotstick.Budget{{Domain: hotstick.FleetDomain, Max: 8}}, ProbationSeconds: 1, TransitionSeconds: 2,
		Waves: []hotstick.Wave{{Name: "canary", Hosts: 1}}}
	var listed []hotstick.PlanHost
	for i, x := range hosts {
		place := hotstick.PlanHost{Host: x.id, Name: x.name, Identity: x.identity, Build: build}
		if i > 0 {
			place.Wave = 1
		}
		listed = append(listed, place)
	}
	if len(hosts) > 1 {
		body.Waves = append(body.Waves, hotstick.Wave{Name: "rest", Hosts: len(hosts) - 1})
	}
	body.HostCount = len(listed)
	var err error
	if body.HostsRoot, err = statement.HostsRoot(listed); err != nil {
		return nil, nil, err
	}
	raw, err := statement.Sign(statement.KindPlan, body, h.keys[author])
	return raw, listed, err
}
