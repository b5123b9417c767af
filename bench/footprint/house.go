package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/cli/found"
)

// house is a server and one host that has joined it.
type house struct {
	o      options
	dir    string
	url    string
	server *exec.Cmd
	loader *activated
	// common are the flags of every agent of the host.
	common []string
}

func newHouse(ctx context.Context, dir string, o options) (*house, error) {
	h := &house{o: o, dir: dir}
	data := filepath.Join(dir, "data")
	made, err := found.Found(ctx, found.Wish{Data: data, Keys: filepath.Join(dir, "keys"), Persons: []string{"ada", "grace"}, Approvals: 1, Admin: "ada", Now: time.Now()})
	if err != nil {
		return nil, err
	}
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	h.url = "https://" + listen
	h.server, err = h.start("server", []string{fmt.Sprintf("HOTSTICK_POLL_SECONDS=%d", int(o.interval.Seconds()))},
		filepath.Join(o.programs, "hotstick"), "server", "--data", data, "--listen", listen)
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(data, "ca", "ca.pem"))
	if err != nil {
		return nil, err
	}
	api, err := client.New(client.Options{Server: h.url, Token: made.AdminToken, Authority: authority})
	if err != nil {
		return nil, err
	}
	return h, h.join(ctx, api, authority, hotstick.NewDigest(made.Root))
}

// join lets the host join and gets its loader ready.
func (h *house) join(ctx context.Context, server *client.Client, authority []byte, root hotstick.Digest) error {
	block, _ := pem.Decode(authority)
	if block == nil {
		return errors.New("cannot read the server's authority")
	}
	config := filepath.Join(h.dir, "agent.yaml")
	if err := os.WriteFile(config, []byte("hostname: measured\n"), 0o644); err != nil {
		return err
	}
	socket, operator := filepath.Join(h.dir, "l"), filepath.Join(h.dir, "o")
	h.common = []string{"--config", config, "--state", h.agentDir(), "--socket", socket, "--server", h.url}
	token, err := patiently(ctx, func() (api.JoinToken, error) { return server.MakeJoinToken(ctx, api.JoinTokenRequest{}) })
	if err != nil {
		return err
	}
	line := append([]string{"join", "--once", "--token", token.Token, "--ca", string(hotstick.NewDigest(block.Bytes)), "--root", string(root)}, h.common...)
	if out, err := exec.CommandContext(ctx, filepath.Join(h.o.programs, "hotstick-agent"), line...).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot join: %v: %s", err, out)
	}
	h.loader, err = activate(socket, operator, filepath.Join(h.dir, "loader.log"), filepath.Join(h.o.programs, "hotstick-loader"),
		"--state", filepath.Join(h.dir, "loader"), "--agent", h.agentDir(), "--agent-user", fmt.Sprint(os.Getuid()), "--agent-config", config,
		"--socket", socket, "--operator-socket", operator, "--root", string(root), "--idle-exit", "60s", "--off-file", filepath.Join(h.dir, "off"))
	return err
}

func (h *house) agentDir() string { return filepath.Join(h.dir, "agent") }

// start starts a program with a log of its own; it dies with this one.
func (h *house) start(name string, env []string, argv ...string) (*exec.Cmd, error) {
	log, err := os.Create(filepath.Join(h.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, cmd.Start()
}

func (h *house) close() {
	end(h.server)
	h.loader.close()
}

// end ends a program and waits for its end.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = cmd.Wait()                          // and however it did
}

// freeAddress is one on which nobody listens.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// patiently repeats a call until it works, for half a minute.
func patiently[T any](ctx context.Context, call func() (T, error)) (T, error) {
	for limit := time.Now().Add(30 * time.Second); ; {
		v, err := call()
		if err == nil || time.Now().After(limit) || ctx.Err() != nil {
			return v, err
		}
		pause(ctx, 100*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// findExporter returns the peer's program: the installed one, or that of Debian's
// package, unpacked below dir.
func findExporter(dir string) (string, error) {
	if path, err := exec.LookPath("prometheus-node-exporter"); err == nil {
		return path, nil
	}
	get := exec.Command("sh", "-c", "apt-get -qq download prometheus-node-exporter && dpkg -x prometheus-node-exporter_*.deb .")
	get.Dir = dir
	if out, err := get.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot get the peer; apt-get install prometheus-node-exporter: %v: %s", err, out)
	}
	return filepath.Join(dir, "usr/bin/prometheus-node-exporter"), nil
}

// scraped asks the exporter at its pace until the context ends.
func scraped(ctx context.Context, address string, pace time.Duration) {
	for ctx.Err() == nil {
		if resp, err := http.Get("http://" + address + "/metrics"); err == nil {
			var discard bytes.Buffer
			_, _ = discard.ReadFrom(resp.Body) // what it says is not what is measured
			resp.Body.Close()
		}
		pause(ctx, pace)
	}
}
