package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/failpoint"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// host is a simulated machine with the real agent and the real loader on it.
type host struct {
	name, dir string
	id        hotstick.HostID
	identity  hotstick.Fingerprint
	machine   *machine
	agent     *process
	loader    *process
}

func (x *host) trace() string { return filepath.Join(x.dir, "loader.jsonl") }

// authorityDigest is what a join line says of the server's authority.
func authorityDigest(text []byte) (hotstick.Digest, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return "", errors.New("cannot read the server's authority")
	}
	return hotstick.NewDigest(block.Bytes), nil
}

// join makes a machine and lets it join, whose agent may be killed meanwhile.
func (r *run) join(ctx context.Context, name string, enrol *pool) (*host, error) {
	x := &host{name: name, dir: filepath.Join(r.dir, name)}
	if err := os.MkdirAll(filepath.Join(x.dir, "agent"), 0o755); err != nil {
		return nil, err
	}
	// A socket's path is short, and the loader puts a second one beside that of the agent:
	// each host has a directory of its own for them.
	sockets := filepath.Join(r.sockets, name)
	if err := os.Mkdir(sockets, 0o755); err != nil {
		return nil, err
	}
	kernel, socket := filepath.Join(sockets, "k"), filepath.Join(sockets, "l")
	var err error
	if x.machine, err = newMachine(x.dir, name, kernel); err != nil {
		return nil, err
	}
	r.machines = append(r.machines, x.machine)
	config := fmt.Sprintf("hostname: %s\nprobes:\n  - name: well\n    command: [/usr/bin/test, '!', -e, %s]\n", name, x.machine.ill)
	files := map[string]string{"agent.yaml": config, "kmsg": ""}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(x.dir, file), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	var token api.JoinToken
	err = r.house.again(ctx, "join token", func(ctx context.Context) error {
		var err error
		token, err = r.house.client.MakeJoinToken(ctx, api.JoinTokenRequest{})
		return err
	})
	if err != nil {
		return nil, err
	}
	env := []string{"HOTSTICK_LAB_KERNEL=" + kernel, "HOTSTICK_PLANTED=" + r.planted}
	common := []string{"--config", filepath.Join(x.dir, "agent.yaml"), "--state", filepath.Join(x.dir, "agent"), "--socket", socket, "--server", "https://" + r.house.listen}
	agentFile := filepath.Join(r.programs, "hotstick-agent")
	line := append([]string{agentFile, "join", "--once", "--token", token.Token, "--ca", string(r.house.ca), "--root", string(r.house.root)}, common...)
	if x.agent, err = r.process(x.dir, failpoint.Agent, "the agent is ready", env, line); err != nil {
		return nil, err
	}
	if x.loader, err = r.process(x.dir, failpoint.Loader, "the loader is ready", env, []string{filepath.Join(r.programs, "hotstick-loader"),
		"--state", filepath.Join(x.dir, "loader"), "--agent", filepath.Join(x.dir, "agent"), "--agent-user", fmt.Sprint(os.Getuid()), "--socket", socket,
		"--root", string(r.house.root), "--kmsg", filepath.Join(x.dir, "kmsg"), "--agent-config", filepath.Join(x.dir, "agent.yaml"),
		"--settle", "0s", "--agent-silence", "30s", "--trace", x.trace()}); err != nil {
		return nil, err
	}
	x.agent.once = true
	if err := x.agent.start(enrol); err != nil {
		return nil, err
	}
	select {
	case <-x.agent.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.back(x.agent)
	if err := x.agent.trouble(); err != nil {
		return nil, fmt.Errorf("%s cannot join: %w", name, err)
	}
	public, err := agent.LoadIdentity(filepath.Join(x.dir, "agent"))
	if err != nil {
		return nil, err
	}
	x.id, x.identity = hotstick.NewHostID(public), hotstick.NewFingerprint(public)
	x.agent.once, x.agent.argv = false, append([]string{agentFile, "run"}, common...)
	r.house.ack("enrol "+name, func(ctx context.Context) error {
		_, err := r.house.client.Host(ctx, string(x.id))
		return err
	})
	return x, nil
}

// process prepares a program with its log.
func (r *run) process(dir, program, ready string, env, argv []string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, program+".log"))
	p := &process{name: filepath.Base(dir) + "/" + program, program: program, argv: argv, env: env, ready: ready, log: log}
	r.processes = append(r.processes, p)
	return p, err
}

// up starts agent and loader.
func (x *host) up(agents, loaders *pool) error {
	return errors.Join(x.loader.start(loaders), x.agent.start(agents))
}

// down ends both; the loader by this signal, which tells a clean end from a crash.
func (x *host) down(loader syscall.Signal) error {
	return errors.Join(x.loader.end(loader), x.agent.end(syscall.SIGKILL))
}

// ledger is the loader's as it lies on the disk.
func (x *host) ledger() (ledger.Ledger, error) {
	data, err := os.ReadFile(filepath.Join(x.dir, "loader", "ledger.json"))
	if err != nil {
		return ledger.Ledger{}, err
	}
	return ledger.Decode(data)
}

// runs reports whether a module, and no other live patch, is in effect.
func (x *host) runs(ctx context.Context, module string) error {
	patches, err := x.machine.kernel.Observe(ctx)
	if err != nil {
		return err
	}
	effective := ""
	for _, p := range patches {
		switch p.State {
		case hotstick.InEffect:
			effective += p.Module
		case hotstick.TransitionIn, hotstick.TransitionOut:
			return fmt.Errorf("%s: %s is in transition", x.name, p.Module)
		}
	}
	if effective != module {
		return fmt.Errorf("%s runs %q and not %q", x.name, effective, module)
	}
	return nil
}
