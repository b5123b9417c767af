// Package house is a server as its owner has it: a data directory, the keys of its
// persons, the server as a process of its own, and the command line. The demo and the
// proofs on real guests use it.
package house

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/client"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// Author writes all plans, and Approvers, who are other persons, sign them.
const Author = "ada"

// Approvers returns the persons who sign plans.
func Approvers() []string { return []string{"grace", "edsger"} }

// House is one server with its owner's keys. Fill the first fields in and call Init.
type House struct {
	Dir      string // holds data, keys, the command line's configuration and the server's log
	Listen   string // the server's address; see PickAddress
	Programs Programs
	// ServerEnv is added to the server's environment, as KEY=VALUE.
	ServerEnv []string
	// Ran is told each command before it runs; nil if nobody wants to know.
	Ran func(line string)

	// Client and Token are the first administrator's, set by Init.
	Client *client.Client
	Token  string

	server *serverProcess
}

// Init makes authority, keys, persons and an empty catalog. Nothing listens yet.
func (h *House) Init(ctx context.Context) error {
	args := []string{"init", "--data", h.DataDir(), "--keys", filepath.Join(h.Dir, "keys"), "--listen", h.Listen, "--url", h.GuestURL(), "--approvals", "2"}
	for _, p := range append([]string{Author}, Approvers()...) {
		args = append(args, "--person", p)
	}
	if _, err := h.Must(ctx, args...); err != nil {
		return err
	}
	return h.connect()
}

// connect reads the context that init wrote, as any client would.
func (h *House) connect() error {
	token, err := os.ReadFile(filepath.Join(h.DataDir(), "admin.token"))
	if err != nil {
		return fmt.Errorf("cannot read the admin token: %v", err)
	}
	h.Token = string(token)
	authority, err := h.Authority()
	if err != nil {
		return err
	}
	h.Client, err = client.New(client.Options{Server: "https://" + h.Listen, Token: h.Token, Authority: authority})
	return err
}

// DataDir is the server's.
func (h *House) DataDir() string { return filepath.Join(h.Dir, "data") }

// ServerTrace is the file of the server's trace.
func (h *House) ServerTrace() string { return filepath.Join(h.Dir, "server-trace.jsonl") }

// Key is the file of a person's or a role's private key.
func (h *House) Key(name string) string { return filepath.Join(h.Dir, "keys", name+".pem") }

// GuestURL is the server as the guests see it.
func (h *House) GuestURL() string {
	_, port, _ := net.SplitHostPort(h.Listen)
	return "https://" + net.JoinHostPort(guest.HostAddress, port)
}

// Authority is the certificate that Init made, as PEM.
func (h *House) Authority() ([]byte, error) {
	pem, err := os.ReadFile(filepath.Join(h.DataDir(), "ca", "ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the server's CA: %v", err)
	}
	return pem, nil
}

// Root is the catalog's first root.
func (h *House) Root() ([]byte, error) {
	root, err := os.ReadFile(filepath.Join(h.Dir, "keys", "root.json"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalog's root: %v", err)
	}
	return root, nil
}

// HostPrograms are the files of agent and loader.
func (h *House) HostPrograms() host.Programs {
	return host.Programs{Agent: h.Programs.Agent, Loader: h.Programs.Loader}
}

// JoinLine returns a line that a new host runs.
func (h *House) JoinLine(ctx context.Context) (string, error) {
	r, err := h.Must(ctx, "host", "add", "-o", "json")
	if err != nil {
		return "", err
	}
	return joinLine(r.Out)
}

func joinLine(out string) (string, error) {
	var token api.JoinToken
	if err := json.Unmarshal([]byte(out), &token); err != nil || !strings.HasPrefix(token.Command, "hotstick-agent join ") {
		return "", fmt.Errorf("cannot read the join line from %q", out)
	}
	return token.Command, nil
}

// Publish signs a patch folder into the catalog with the publisher's key. artifacts are
// the module's files, in the order of kernels.
func (h *House) Publish(ctx context.Context, folder string, kernels []kernelpkg.Kernel, artifacts []string) error {
	args := []string{"patch", "publish", folder, "--key", h.Key("publisher")}
	for i, k := range kernels {
		args = append(args, "--artifact", fmt.Sprintf("%s=%s,%s,%s", artifacts[i], k.Release, "x86_64", k.BuildID))
	}
	_, err := h.Must(ctx, args...)
	return err
}

// Propose plans a rollout of PATCH@LEVEL to every host, signed by the author. wishes
// are further flags of hotstick rollout plan.
func (h *House) Propose(ctx context.Context, name, ref string, wishes ...string) (Result, error) {
	return h.Hotstick(ctx, append([]string{"rollout", "plan", ref, "--name", name, "--select", "true", "--author", Author,
		"--key", h.Key(Author), "--yes"}, wishes...)...)
}

// Launch plans a rollout of PATCH@LEVEL, has it approved, and starts it.
func (h *House) Launch(ctx context.Context, name, ref string, wishes ...string) error {
	r, err := h.Propose(ctx, name, ref, wishes...)
	if err != nil {
		return err
	}
	if r.Code != 0 {
		return fmt.Errorf("cannot plan the rollout %q: %s", name, r.Say())
	}
	for _, person := range Approvers() {
		if _, err := h.Must(ctx, "rollout", "approve", name, "--key", h.Key(person), "--yes"); err != nil {
			return err
		}
	}
	_, err = h.Must(ctx, "rollout", "start", name)
	return err
}
