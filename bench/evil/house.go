package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/server"
	"github.com/hotstick/hotstick/internal/statement"
)

// Persons of the run: one author, two approvers.
const author = "ada"

var approvers = []string{"grace", "edsger"}

// catalogLife is the life of all that publishers sign before the theft. It is longer
// than the run, and shorter than the leap of the hosts' clocks (see ahead).
const catalogLife = 6 * time.Hour

// house is what its owner has: the server, and the keys that are not on it.
type house struct {
	dir     string
	keys    map[string]statement.Signer
	second  statement.Signer // another key of the first approver
	root    []byte           // the first
	admin   string           // the API token of the first administrator
	kernels []kernelpkg.Kernel
	modules modules

	server *server.Server
	client *client.Client
	// stop ends the server and returns how it ended.
	stop func() error
}

func (h *house) data() string { return filepath.Join(h.dir, "data") }

func (h *house) onlineKey() string { return filepath.Join(h.data(), "keys", "online.pem") }

// build makes the data directory, all keys and an empty catalog.
func (h *house) build(ctx context.Context) error {
	w := found.Wish{Data: h.data(), Keys: filepath.Join(h.dir, "keys"), Persons: append([]string{author}, approvers...),
		Approvals: len(approvers), Admin: author, Now: time.Now()}
	made, err := found.Found(ctx, w)
	if err != nil {
		return err
	}
	h.root, h.admin, h.keys = made.Root, made.AdminToken, map[string]statement.Signer{}
	for _, role := range w.Roles() {
		if h.keys[role], err = statement.LoadSigner(w.KeyFile(role)); err != nil {
			return err
		}
	}
	h.second, err = statement.GenerateKey(rand.Reader)
	return err
}

// open starts the server on the data directory.
func (h *house) open(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("cannot listen on loopback: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(h.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Join(fmt.Errorf("cannot open the server's log: %w", err), listener.Close())
	}
	h.server, err = server.New(ctx, server.Options{Dir: h.data(), Listener: listener, Log: slog.New(slog.NewJSONHandler(log, nil)),
		Limits: server.Limits{IdleInterval: 400 * time.Millisecond, StaleAfter: time.Minute}})
	if err != nil {
		return errors.Join(err, log.Close())
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- h.server.Run(running) }()
	h.stop = func() error {
		h.stop = func() error { return nil }
		cancel()
		h.client.Close()
		return errors.Join(<-done, log.Close())
	}
	h.client, err = client.New(client.Options{Server: h.server.URL(), Token: h.admin, Authority: h.server.Authority()})
	return err
}

// publish signs levels into the catalog, one after the other.
func (h *house) publish(ctx context.Context, life time.Duration, levels ...int) error {
	for _, level := range levels {
		for build, bytes := range h.modules {
			if err := h.client.UploadArtifact(ctx, h.modules.artifact(level, build).Digest, bytes[level]); err != nil {
				return err
			}
		}
		root, targets, err := h.newest(ctx)
		if err != nil {
			return err
		}
		next, err := catalog.Publish(catalog.Publication{Root: root, Targets: targets, Patch: h.modules.patch(level, h.kernels),
			Read:  func(a hotstick.Artifact) ([]byte, error) { return h.modules[a.Build][level], nil },
			Check: func(hotstick.Patch, hotstick.Artifact, []byte) error { return nil }, // renamed looked into them
			Now:   time.Now(), Expires: found.End(time.Now(), life)}, h.keys[found.PublisherKey])
		if err != nil {
			return err
		}
		if _, err := h.client.Publish(ctx, api.PublishRequest{Targets: next}); err != nil {
			return err
		}
	}
	return nil
}

// recall signs a recall of a level into the catalog.
func (h *house) recall(ctx context.Context, level int) error {
	root, targets, err := h.newest(ctx)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	next, err := catalog.Revise(catalog.Revision{Root: root, Targets: targets, Expires: found.End(now, catalogLife),
		Recalls: []hotstick.Recall{{Patch: ref(level), Action: hotstick.RecallBlock, Reason: "it was found to be bad", Issued: now}}}, h.keys[found.PublisherKey])
	if err != nil {
		return err
	}
	_, err = h.client.Publish(ctx, api.PublishRequest{Targets: next})
	return err
}

func (h *house) newest(ctx context.Context) (root, targets []byte, err error) {
	if root, err = h.client.CatalogFile(ctx, "root.json"); err != nil {
		return nil, nil, err
	}
	targets, err = h.client.CatalogFile(ctx, "targets.json")
	return root, targets, err
}

// nextRoot signs the root that follows: a new epoch, and what change says.
func (h *house) nextRoot(root []byte, change func(*catalog.RootSpec)) ([]byte, error) {
	spec, _, err := catalog.ReadRoot(root)
	if err != nil {
		return nil, err
	}
	spec.Trust.Epoch++
	change(&spec)
	return catalog.NextRoot(root, spec, h.keys[found.RootKey])
}

// nextEpoch begins another epoch, in which the first approver has a second key.
func (h *house) nextEpoch(ctx context.Context) error {
	root, _, err := h.newest(ctx)
	if err != nil {
		return err
	}
	next, err := h.nextRoot(root, func(spec *catalog.RootSpec) {
		for i, p := range spec.Trust.Persons {
			if p.Person == hotstick.Person(approvers[0]) {
				spec.Trust.Persons[i].Keys = append(p.Keys, hotstick.TrustedKey(h.second.Public()))
			}
		}
	})
	if err != nil {
		return err
	}
	_, err = h.client.Root(ctx, api.RootRequest{Root: next})
	return err
}

// epoch is the one that the catalog's root says.
func (h *house) epoch(ctx context.Context) (uint64, error) {
	root, _, err := h.newest(ctx)
	if err != nil {
		return 0, err
	}
	spec, _, err := catalog.ReadRoot(root)
	return spec.Trust.Epoch, err
}

// takeBack is docs/how-to/server-was-stolen.md in short: the server stops; a root in a
// new epoch names another online key; the server starts with that, and publishers sign
// the catalog anew with one level more.
func (h *house) takeBack(ctx context.Context) error {
	root, _, err := h.newest(ctx)
	if err != nil {
		return err
	}
	if err := h.stop(); err != nil {
		return err
	}
	online, err := statement.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	public := []hotstick.TrustedKey{hotstick.TrustedKey(online.Public())}
	next, err := h.nextRoot(root, func(spec *catalog.RootSpec) { spec.OnlineKeys, spec.Trust.ServerKeys = public, public })
	if err != nil {
		return err
	}
	if err := errors.Join(os.Remove(h.onlineKey()), online.Save(h.onlineKey())); err != nil {
		return err
	}
	repository, err := catalog.OpenRepository(filepath.Join(h.data(), "catalog"), online)
	if err != nil {
		return err
	}
	if _, err := repository.AcceptRoot(next, nil, time.Now()); err != nil {
		return err
	}
	if err := h.open(ctx); err != nil {
		return err
	}
	return h.publish(ctx, found.TargetsLife, returnLevel)
}
