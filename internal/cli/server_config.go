package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/hotstick/hotstick/internal/cli/found"
	"github.com/hotstick/hotstick/internal/cli/strict"
	"github.com/hotstick/hotstick/internal/notify"
	"github.com/hotstick/hotstick/internal/server"
)

// configFile is the server's configuration in its data directory.
const configFile = "server.yaml"

// serverConfig is server.yaml: what the server is told at every start. Flags win
// over it, and HOTSTICK_WEBHOOK_URL, HOTSTICK_WEBHOOK_SECRET,
// HOTSTICK_ALERTMANAGER_URL and HOTSTICK_POLL_SECONDS too.
type serverConfig struct {
	Listen string `yaml:"listen,omitempty"`
	// URL is how hosts and people reach the server, if not by Listen.
	URL string `yaml:"url,omitempty"`
	// Names are further host names and addresses for its certificate.
	Names []string `yaml:"names,omitempty"`
	// PollSeconds is how often a host with nothing to do checks in.
	PollSeconds  int                `yaml:"poll_seconds,omitempty"`
	Webhook      webhookConfig      `yaml:"webhook,omitempty"`
	Alertmanager alertmanagerConfig `yaml:"alertmanager,omitempty"`
	Quiet        quietConfig        `yaml:"quiet,omitempty"`
	// TrustedProxies are the networks of proxies whose word is taken for whom they
	// speak for, such as 10.1.0.0/24; a single address is a network of one.
	TrustedProxies []string `yaml:"trusted_proxies,omitempty"`
	// ProxyHeader is the header that they write: X-Forwarded-For, or Forwarded.
	ProxyHeader string `yaml:"proxy_header,omitempty"`
	// RequestsPerSecond is how much one identity may ask.
	RequestsPerSecond ratesConfig `yaml:"requests_per_second,omitempty"`
}

// ratesConfig is how many requests a second are answered in the long run; 0 is the
// default.
type ratesConfig struct {
	// Person is for each token and each console session.
	Person float64 `yaml:"person,omitempty"`
	Host   float64 `yaml:"host,omitempty"`
	// Address is for each address of whoever is nobody yet, such as hosts that join.
	Address float64 `yaml:"address,omitempty"`
}

// rates reads how much one identity may ask.
func (c ratesConfig) rates() (server.Rates, error) {
	for _, n := range []float64{c.Person, c.Host, c.Address} {
		if n != 0 && (n < 1 || n > 100_000) {
			return server.Rates{}, usage("give 1 to 100000", "cannot limit anybody to %g requests per second", n)
		}
	}
	return server.Rates{Person: server.Rate{PerSecond: c.Person}, Host: server.Rate{PerSecond: c.Host}, Address: server.Rate{PerSecond: c.Address}}, nil
}

// proxies reads which proxies are trusted.
func (c serverConfig) proxies() (server.Proxies, error) {
	p := server.Proxies{Header: c.ProxyHeader}
	for _, text := range c.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if address, single := netip.ParseAddr(text); single == nil {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return p, usage("write a network such as 10.1.0.0/24, or an address", "cannot trust %q as a proxy", text)
		}
		p.Trusted = append(p.Trusted, network.Masked())
	}
	return p, nil
}

// alertmanagerConfig is where alerts are pushed.
type alertmanagerConfig struct {
	URL string `yaml:"url,omitempty"`
	// Labels are added to every alert.
	Labels map[string]string `yaml:"labels,omitempty"`
}

// quietConfig is when people do not want to be told of what can wait.
type quietConfig struct {
	// Hours are times of the week, such as "22:00-06:00" or "sat,sun 00:00-24:00".
	Hours []string `yaml:"hours,omitempty"`
	// Zone is the time zone of Hours, such as Europe/Berlin; UTC if it is empty.
	Zone string `yaml:"zone,omitempty"`
	// Windows: also while a maintenance window of the rollout is open.
	Windows bool `yaml:"windows,omitempty"`
	// GroupSeconds is how long what can wait is collected before it is told.
	GroupSeconds int `yaml:"group_seconds,omitempty"`
}

func (c quietConfig) quiet() (notify.Quiet, error) {
	q := notify.Quiet{Windows: c.Windows, Zone: time.UTC}
	if c.Zone != "" {
		zone, err := time.LoadLocation(c.Zone)
		if err != nil || c.Zone == "Local" {
			return q, usage("name it as the time zone database does, such as Europe/Berlin", "cannot find the time zone %q of the quiet hours", c.Zone)
		}
		q.Zone = zone
	}
	for _, text := range c.Hours {
		span, err := notify.ParseSpan(text)
		if err != nil {
			return q, usage("the days are mon to sun", "%v", err)
		}
		q.Hours = append(q.Hours, span)
	}
	if c.GroupSeconds < 0 || c.GroupSeconds > 3600 {
		return q, usage("give whole seconds, 1 to 3600", "cannot collect notifications for %d s", c.GroupSeconds)
	}
	return q, nil
}

// webhookConfig is where what happened is told, message by message.
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
	if v := getenv("HOTSTICK_ALERTMANAGER_URL"); v != "" {
		c.Alertmanager.URL = v
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
func (c serverConfig) options(data string) (server.Options, error) {
	quiet, err1 := c.Quiet.quiet()
	proxies, err2 := c.proxies()
	rates, err3 := c.RequestsPerSecond.rates()
	return server.Options{Dir: data, Listen: c.Listen, URL: c.URL, Names: c.Names, Proxies: proxies,
		Notify: server.Notify{Webhook: server.Webhook{URL: c.Webhook.URL, Secret: c.Webhook.Secret},
			Alertmanager: server.Alertmanager{URL: c.Alertmanager.URL, Labels: c.Alertmanager.Labels},
			Quiet:        quiet, Group: time.Duration(c.Quiet.GroupSeconds) * time.Second},
		Limits: server.Limits{IdleInterval: time.Duration(c.PollSeconds) * time.Second, Rates: rates}}, cmp.Or(err1, err2, err3)
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
