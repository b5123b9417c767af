package server

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/hotstick/hotstick/internal/decide/rollout"
	"github.com/hotstick/hotstick/internal/notify"
	"github.com/hotstick/hotstick/internal/steady"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/trace"
)

// Options say where a server keeps its data and how it serves.
type Options struct {
	// Dir is the data directory, as [Initialise] made it.
	Dir string
	// Listen is the TCP address to serve on, such as 127.0.0.1:8443.
	Listen string
	// Listener serves on an open listener instead of Listen.
	Listener net.Listener
	// URL is how hosts and people reach the server; empty means https:// and the
	// address it listens on. Its host name goes into the server's certificate.
	URL string
	// Names are further host names and IP addresses for the certificate.
	Names []string
	// Proxies are those before the server; none if it is empty.
	Proxies Proxies
	// Store serves from an open store instead of hotstick.db; the caller closes it.
	Store store.Store
	// Notify says who is told of holds, halts, reverts and strikes, of approvals that
	// are wanted and of rollouts that are finished.
	Notify Notify
	Limits Limits
	// Trace takes what the server commits, for the checkers; nil means nowhere.
	Trace trace.Sink
	// Log takes the server's log; nil means slog.Default.
	Log *slog.Logger
	// Now is the clock; nil means the machine's, which then does not jump (see package
	// steady).
	Now func() time.Time
	// clock is behind Now unless the caller brought one.
	clock *steady.Clock
	// times bound how long clients may take; tests shorten them.
	times times
}

// Notify is who is told, and when not.
type Notify struct {
	Webhook      Webhook
	Alertmanager Alertmanager
	// Quiet says when people do not want to be told of what can wait.
	Quiet notify.Quiet
	// Group is how long what can wait is collected before it is told; 0 means
	// [notify.DefaultGroup].
	Group time.Duration
}

// Alertmanager is where alerts are pushed; an empty URL means nowhere.
type Alertmanager struct {
	URL string
	// Labels are added to every alert.
	Labels map[string]string
}

// Webhook is where notifications go; an empty URL means nowhere.
type Webhook struct {
	URL string
	// Secret is the key of the signature (Standard Webhooks): whsec_ and base 64,
	// or plain text.
	Secret string
}

// Limits are the server's limits; zero means the default.
type Limits struct {
	// IdleInterval is how often a host with nothing to do checks in: 15 s.
	IdleInterval time.Duration
	// StaleAfter is how old a report may be before screens call it stale: three
	// idle intervals and 15 s.
	StaleAfter time.Duration
	// Rates bound what one identity may ask.
	Rates Rates
	// Rollout limits what the decider waits for.
	Rollout rollout.Limits
}

// DefaultListen is where a server listens if nothing is said.
const DefaultListen = "127.0.0.1:8443"

func (o Options) withDefaults() Options {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		began := time.Now()
		o.clock = steady.New(time.Now, func() time.Duration { return time.Since(began) })
		o.Now = o.clock.Now
	}
	if o.times == (times{}) {
		o.times = defaultTimes
	}
	o.Limits = o.Limits.withDefaults()
	return o
}

func (l Limits) withDefaults() Limits {
	if l.IdleInterval == 0 {
		l.IdleInterval = 15 * time.Second
	}
	if l.StaleAfter == 0 {
		l.StaleAfter = 3*l.IdleInterval + 15*time.Second
	}
	l.Rates = l.Rates.withDefaults()
	if l.Rollout.SilentAfter == 0 {
		l.Rollout.SilentAfter = rollout.DefaultLimits.SilentAfter
	}
	if l.Rollout.GrantLife == 0 {
		l.Rollout.GrantLife = rollout.DefaultLimits.GrantLife
	}
	return l
}

// names lists what the server's certificate must be valid for.
func (o Options) names() ([]string, error) {
	names := append([]string{"localhost", "127.0.0.1", "::1"}, o.Names...)
	if o.URL != "" {
		u, err := url.Parse(o.URL)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" {
			return nil, fmt.Errorf("cannot use %q as the server's URL: want https://HOST:PORT", o.URL)
		}
		names = append(names, u.Hostname())
	}
	if host, _, err := net.SplitHostPort(o.Listen); err == nil && host != "" {
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			names = append(names, host)
		}
	}
	return names, nil
}
