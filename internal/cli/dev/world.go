package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/settings"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/server"
	"github.com/hotstick/hotstick/internal/sim"
	"github.com/hotstick/hotstick/internal/statement"
	"github.com/hotstick/hotstick/internal/store/memory"
)

// The persons of the made-up organisation: one author and two approvers.
const author = "ada"

var approvers = []string{"grace", "edsger"}

// world is a whole Hotstick in one process.
type world struct {
	options Options
	wish    found.Wish
	levels  []sim.Level
	server  *server.Server
	client  *client.Client
	hosts   []*sim.Host
	ready   Ready
}

// open founds the server if the directory is new, and opens it.
func open(ctx context.Context, o Options) (*world, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &world{options: o, levels: levels(o.Bad), wish: found.Wish{
		Data: filepath.Join(o.Dir, "data"), Keys: filepath.Join(o.Dir, "keys"),
		Persons: append([]string{author}, approvers...), Approvals: len(approvers), Now: time.Now(),
	}}
	if _, err := os.Stat(filepath.Join(w.wish.Data, "ca")); errors.Is(err, fs.ErrNotExist) {
		if _, err := found.Found(ctx, w.wish); err != nil {
			return nil, err
		}
	}
	l, err := listen(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	if err := w.openServer(ctx, l); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return w, nil
}

func (w *world) openServer(ctx context.Context, l net.Listener) error {
	o := server.Options{Dir: w.wish.Data, Listener: l, Log: w.options.Log, Limits: server.Limits{IdleInterval: w.options.idleInterval()}}
	if !w.options.Keep {
		o.Store = memory.Open(time.Now)
	}
	var err error
	if w.server, err = server.New(ctx, o); err != nil {
		return err
	}
	token, err := w.server.AddAPIToken(ctx, identity.Admin, author)
	if err != nil {
		return err
	}
	w.client, err = client.New(client.Options{Server: w.server.URL(), Token: token, Authority: w.server.Authority(), UserAgent: "hotstick-dev"})
	if err != nil {
		return err
	}
	w.ready = Ready{URL: w.server.URL(), Token: token, Keys: w.wish.Keys, Config: filepath.Join(w.options.Dir, "config.yaml")}
	return w.saveContext()
}

// saveContext lets hotstick commands in other terminals find this server.
func (w *world) saveContext() error {
	f, err := settings.Load(w.ready.Config)
	if err != nil {
		return err
	}
	f.Put(settings.Context{Name: "dev", Server: w.ready.URL, CA: filepath.Join(w.wish.Data, "ca", identity.CertificateFile),
		Token: w.ready.Token, Root: filepath.Join(w.wish.Keys, found.RootFile)})
	return settings.Save(w.ready.Config, f)
}

// makeHosts makes the fleet; nothing runs yet.
func (w *world) makeHosts() error {
	run := fmt.Sprintf(" run %d", time.Now().UnixNano())
	for _, m := range sim.Fleet(w.options.Hosts, w.options.Seed) {
		o := sim.HostOptions{Member: m, Dir: filepath.Join(w.options.Dir, "hosts", m.Name), Server: w.server.URL(),
			Join: w.join, Levels: w.levels, Transition: transition, Run: run, Log: w.options.Log.With("host", m.Name)}
		if w.options.Keep {
			disk, err := ledger.OpenDir(filepath.Join(o.Dir, "ledger"))
			if err != nil {
				return err
			}
			o.Ledger = disk
		}
		h, err := sim.NewHost(o)
		if err != nil {
			return err
		}
		w.hosts = append(w.hosts, h)
	}
	return nil
}

// join asks for a join token, as hotstick host add does.
func (w *world) join(ctx context.Context) (agent.Join, error) {
	token, err := w.client.MakeJoinToken(ctx, api.JoinTokenRequest{})
	if err != nil {
		return agent.Join{}, err
	}
	return sim.ParseJoin(token.Command)
}

// key opens the private key of a role or a person.
func (w *world) key(name string) (statement.Signer, error) {
	return statement.LoadSigner(w.wish.KeyFile(name))
}
