package ksplice

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hotstick/hotstick/internal/driver"
)

// Client is how the vendor's programs are called on one host.
type Client struct {
	// Name is the program with its version; opaque.
	Name    string
	install []string
	remove  []string
	all     []string
}

// FindClient finds the vendor's client. uptrack-install and uptrack-remove are taken
// where they are: the ksplice client's package has them as well, and they alone install
// an update by its name. Without them updates are taken out by ksplice, and none can be put
// in by name. The error wraps [driver.ErrNoProgram] where there is neither.
func FindClient(ctx context.Context, run driver.Commands) (Client, error) {
	for _, c := range []Client{
		{Name: "uptrack-install", install: []string{"uptrack-install"}, remove: []string{"uptrack-remove"}, all: []string{"uptrack-remove", "--all"}},
		{Name: "ksplice", remove: []string{"ksplice", "kernel", "undo"}, all: []string{"ksplice", "kernel", "remove", "--all"}},
	} {
		ran, err := run.Run(ctx, c.Name, "--version")
		if errors.Is(err, driver.ErrNoProgram) {
			continue
		}
		if err != nil {
			return Client{}, fmt.Errorf("cannot ask Ksplice's client: %w", err)
		}
		version, _, _ := strings.Cut(strings.TrimSpace(ran.Stdout), "\n")
		c.Name = strings.TrimSpace(c.Name + " " + version[:min(len(version), 60)])
		return c, nil
	}
	return Client{}, fmt.Errorf("%w: neither uptrack-install nor ksplice", driver.ErrNoProgram)
}

// Mode is whether a client does something or says what it would do.
type Mode string

// The clients answer their own question so.
const (
	Do      Mode = "-y"
	Pretend Mode = "-n"
)

// Install is the command that puts updates in; nil if this client cannot.
func (c Client) Install(mode Mode, ids []string) []string { return c.command(c.install, mode, ids) }

// Remove is the command that takes updates out.
func (c Client) Remove(mode Mode, ids []string) []string { return c.command(c.remove, mode, ids) }

// RemoveAll is the command that takes all updates out.
func (c Client) RemoveAll(mode Mode) []string { return c.command(c.all, mode, nil) }

func (c Client) command(words []string, mode Mode, ids []string) []string {
	if words == nil {
		return nil
	}
	argv := append([]string{words[0], string(mode)}, words[1:]...)
	return append(argv, ids...)
}
