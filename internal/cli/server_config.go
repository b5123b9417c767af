package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/strict"
	"github.com/hotstick/hotstick/internal/server"
)

// configFile is the server's configuration in its data directory.
const configFile = "server.yaml"

// serverConfig is server.yaml: what the server is told at every start. Flags win
// over it, and HOTSTICK_WEBHOOK_URL, HOTSTICK_WEBHOOK_SECRET and
// HOTSTICK_POLL_SECONDS too.
type serverConfig struct {
	Listen string `yaml:"listen,omitempty"`
	// URL is how hosts and people reach the server, if not by Listen.
	URL string `yaml:"url,omitempty"`
	// Names are further host names and addresses for its certificate.
	Names []string `yaml:"names,omitempty"`
	// PollSeconds is how often a host with nothing to do checks in.
	PollSeconds int           `yaml:"poll_seconds,omitempty"`
	Webhook     webhookConfig `yaml:"webhook,omitempty"`
}

// webhookConfig is where holds, halts, reverts and strikes are told.
type webhookConfig struct {
	URL string `yaml:"url,omitempty"`
	// Secret signs each message (Standard Webhooks): whsec_ and base 64, or text.
	Secret string `yaml:"secret,omitempty"`
}

func loadServerConfig(data string) (serverConfig, error) {
	path := filepath.Join(data, configFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return serverConfig{}, nil
	}
	if err != nil {
		return serverConfig{}, fmt.Errorf("cannot read the server's configuration: %w", err)
	}
	var c serverConfig
	if err := strict.Decode(raw, 64<<10, &c); err != nil {
		return c, fmt.Errorf("cannot use %s: %w", path, err)
	}
	return c, nil
}

func saveServerConfig(data string, c serverConfig) error {
	raw, err := yaml.Marshal(c)
	if err != nil {
		return fmt.Errorf("cannot write the server's configuration: %w", err)
	}
	return found.NewFile(filepath.Join(data, configFile), raw, 0o600)
}

// overlay lays the environment over the file.
func (c *serverConfig) overlay(getenv func(string) string) error {
	if v := getenv("HOTSTICK_WEBHOOK_URL"); v != "" {
		c.Webhook.URL = v
	}
	if v := getenv("HOTSTICK_WEBHOOK_SECRET"); v != "" {
		c.Webhook.Secret = v
	}
	if v := getenv("HOTSTICK_POLL_SECONDS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			return usage("give whole seconds, 1 to 3600", "cannot use HOTSTICK_POLL_SECONDS=%s", v)
		}
		c.PollSeconds = n
	}
	if c.PollSeconds < 0 || c.PollSeconds > 3600 {
		return usage("give whole seconds, 1 to 3600", "cannot let hosts check in every %d s", c.PollSeconds)
	}
	return nil
}

// options are what the server is made with.
func (c serverConfig) options(data string) server.Options {
	return server.Options{Dir: data, Listen: c.Listen, URL: c.URL, Names: c.Names,
		Webhook: server.Webhook{URL: c.Webhook.URL, Secret: c.Webhook.Secret},
		Limits:  server.Limits{IdleInterval: time.Duration(c.PollSeconds) * time.Second}}
}

// dialable is an address to call where a server listens: one that listens
// everywhere is called here.
func dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
