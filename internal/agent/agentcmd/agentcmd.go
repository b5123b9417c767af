// Package agentcmd is the program hotstick-agent: it reads the command line and
// the configuration file, enrols the host if it has not joined, and runs the
// agent.
//
//	hotstick-agent join --server URL --token TOKEN --ca sha256:… --root sha256:…
//	hotstick-agent run
//
// With --new-identity a host that has joined gives its identity up and joins as a
// new host: for one of two machines that were made from one disk. Its loader is
// stopped before, told with hotstick-loader --new-identity, and started again.
//
// Both run the agent; join first enrols a host that has not joined yet, and may
// therefore be repeated. With --once it ends after the enrolment. A flag that is
// not given is taken from the environment (HOTSTICK_SERVER for --server, and so
// on), then from the configuration file.
package agentcmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/catalog"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/agent/probe"
	"github.com/hotstick/hotstick/internal/flagenv"
	"github.com/hotstick/hotstick/internal/version"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// gcPercent trades a little time for memory: the heap is some hundred kilobytes.
const gcPercent = 25

// softMemory is a hint to the garbage collector; an agent needs far less.
const softMemory = 24 << 20

// Run runs the agent, as the command line says, until the context ends. It returns the
// program's exit code.
func Run(ctx context.Context, args []string, stderr io.Writer, on Assemble) int {
	s, err := parse(args[0], args[1:], stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "hotstick-agent:", err)
		return exitUsage
	}
	s.assemble = on
	log := slog.New(slog.NewJSONHandler(stderr, nil)).With("program", "hotstick-agent")
	if err := run(ctx, s, log); err != nil && ctx.Err() == nil {
		log.Error("the agent ends", "error", err)
		return exitFailed
	}
	return 0
}

// settings are the command line, the environment and the file, put together.
type settings struct {
	join agent.Join
	file agent.File
	// joining: the command is join, which must not wait for another one. anew: the
	// host gives its identity up and joins with a new one.
	joining, anew bool
	once          bool
	// config is the path of the configuration file.
	config   string
	assemble Assemble
}

func parse(command string, args []string, stderr io.Writer) (settings, error) {
	s := settings{joining: command == "join"}
	var ca, root string
	flags := flag.NewFlagSet("hotstick-agent "+command, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.config, "config", defaultConfig(), "configuration file")
	flags.StringVar(&s.join.Server, "server", "", "the server's address, https://HOST:PORT")
	flags.StringVar(&s.join.Token, "token", "", "join token, good for one host")
	flags.StringVar(&ca, "ca", "", "digest of the server's CA certificate (sha256:…)")
	flags.StringVar(&root, "root", "", "digest of the catalog's root (sha256:…)")
	state := flags.String("state", "", "the agent's directory (default "+defaultState()+")")
	more := ownFlags(flags, &s)
	hostname := flags.String("hostname", "", "name of this host (default: the kernel's)")
	if command == "join" {
		flags.BoolVar(&s.once, "once", false, "end after the enrolment")
		flags.BoolVar(&s.anew, "new-identity", false, "give the host's identity up and join as a new host: for one of two machines that share one")
		flags.Func("label", "a label that the host has from now on, such as site=a; may be repeated", s.addLabel)
	}
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("cannot use the argument %q", flags.Arg(0))
	}
	if err := flagenv.Fill(flags, "HOTSTICK_", os.LookupEnv); err != nil {
		return s, err
	}
	s.join.Authority, s.join.Root = hotstick.Digest(ca), hotstick.Digest(root)
	if err := s.readFile(s.config); err != nil {
		return s, err
	}
	prefer(&s.file.State, *state, defaultState())
	more()
	prefer(&s.file.Hostname, *hostname, "")
	prefer(&s.file.Server, s.join.Server, "")
	s.file.Server = strings.TrimSuffix(s.file.Server, "/")
	s.join.Server, s.join.Configured = s.file.Server, s.file.Labels
	return s, nil
}

// addLabel takes one --label.
func (s *settings) addLabel(text string) error {
	label, value, ok := strings.Cut(text, "=")
	if _, twice := s.join.Labels[label]; !ok || twice {
		return fmt.Errorf("cannot use the label %q: want KEY=VALUE, each key once", text)
	}
	if s.join.Labels == nil {
		s.join.Labels = map[string]string{}
	}
	s.join.Labels[label] = value
	return nil
}

func (s *settings) readFile(path string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && path == defaultConfig() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read the configuration: %w", err)
	}
	s.file, err = agent.ReadFile(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// prefer sets what the file says to what was given, or to the default where
// nothing says anything.
func prefer(setting *string, given, fallback string) {
	switch {
	case given != "":
		*setting = given
	case *setting == "":
		*setting = fallback
	}
}

// run enrols if needed and runs the agent until the context ends.
func run(ctx context.Context, s settings, log *slog.Logger) error {
	home, err := agent.OpenHome(s.file.State)
	if err != nil {
		return err
	}
	if err := enrol(ctx, home, s, log); err != nil || s.once {
		return err
	}
	labels, err := home.Labels(s.file.Labels)
	if err != nil {
		return err
	}
	session, err := agent.NewSession(home, s.file.Server, time.Now, log)
	if err != nil {
		return err
	}
	host, err := home.Host()
	if err != nil {
		return err
	}
	root, err := home.Root()
	if err != nil {
		return fmt.Errorf("cannot read the catalog's root: %w", err)
	}
	if err := os.MkdirAll(home.CatalogDir(), 0o700); err != nil {
		return fmt.Errorf("cannot make the catalog's directory: %w", err)
	}
	source, err := session.Catalog()
	if err != nil {
		return err
	}
	client, err := catalog.NewClient(home.CatalogDir(), root, source)
	if err != nil {
		return err
	}
	mirrors, err := s.file.Sources()
	if err != nil {
		return err
	}
	session.Follow(client.Trust)
	session.Learn(func(ctx context.Context, roots catalog.Fetcher) {
		// Newer roots are kept at once; that there is no more at this place is no news.
		_, _, err := client.Follow(ctx, time.Now(), catalog.Mirror{Name: "roots", Source: roots})
		log.Debug("asked a server for newer roots", "error", err)
	})
	remembered, err := home.Audit()
	if err != nil {
		// A host must be patched all the same; other hosts keep the server honest.
		log.Error("cannot keep the server honest: what was remembered of its audit log is damaged", "error", err)
	}
	on, err := s.assemble(Place{State: s.file.State, Socket: s.file.Socket, Config: s.config, Hostname: s.file.Hostname, Labels: labels,
		Withheld: s.file.Facts.Withheld(), Log: log})
	if err != nil {
		return err
	}
	defer on.Close()
	log.Info("the agent is ready", "version", version.Version, "host", host, "server", s.file.Server, "mirrors", len(mirrors))
	probes, lacking := s.file.Asked(probe.Machine{Root: on.Machine, Dir: s.file.State, Uptime: on.Uptime})
	if len(lacking) > 0 {
		log.Info("some built-in probes are not asked: this kernel does not show what they read", "probes", lacking)
	}
	return agent.New(agent.Config{
		Host: host, Server: s.file.Server, Transport: session.Transport(), Loader: on.Loader, Bell: on.Bell, Catalog: client, Mirrors: mirrors,
		Observer: on.Observer, Probes: probes, Uptime: on.Uptime, Upkeep: session.Upkeep, Rest: on.Rest, Audit: remembered, Log: log,
		Told: telling(home, s.file.Server, agent.TextfileAt(s.file.Textfile), log),
	}).Run(ctx)
}

// telling keeps what people and node_exporter on the host want to know. What cannot be
// written is said once, and again when it is another cause.
func telling(home *agent.Home, server, textfile string, log *slog.Logger) func(agent.Told) {
	said := ""
	return func(t agent.Told) {
		t.Contact.Server = server
		err := home.SaveContact(t.Contact)
		if textfile != "" {
			err = errors.Join(err, agent.SaveTextfile(textfile, t))
		}
		if err == nil {
			said = ""
		} else if err.Error() != said {
			said = err.Error()
			log.Warn("cannot tell people on the host", "error", err)
		}
	}
}

// enrol joins a host that has not joined yet. A server that is away is tried
// again: a host may boot before its server. Anything the server says against the
// token is final.
func enrol(ctx context.Context, home *agent.Home, s settings, log *slog.Logger) error {
	if home.Joined() && !s.anew {
		return nil
	}
	if s.join.Token == "" && !s.joining {
		return awaitJoin(ctx, home, log)
	}
	if err := s.join.Validate(); err != nil {
		return err
	}
	hostname := s.file.Hostname
	if hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("cannot read the host's name: %w", err)
		}
		hostname = name
	}
	join := home.Enrol
	if s.anew {
		join = home.EnrolAnew
	}
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		err := join(ctx, s.join, hostname)
		var status *agent.StatusError
		if err == nil {
			log.Info("the host has joined", "server", s.join.Server)
			return nil
		}
		if errors.As(err, &status) && status.Status < 500 && status.Status != 429 || errors.Is(err, agent.ErrEnrolment) {
			return err
		}
		log.Warn("cannot join yet", "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// awaitJoin waits until somebody runs the join line on this host.
func awaitJoin(ctx context.Context, home *agent.Home, log *slog.Logger) error {
	log.Info("this host has not joined; waiting for 'hotstick-agent join'")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for !home.Joined() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
