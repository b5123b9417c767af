// Package loadercmd is the program hotstick-loader: it reads the command line,
// puts the loader together for the running kernel, and serves its agent.
//
// The loader has no configuration file of its own, and reads only the host's labels
// from the agent's, because they decide about late hosts. Every setting is a flag, or
// else the
// variable HOTSTICK_LOADER_NAME of the environment, such as
// HOTSTICK_LOADER_AGENT_USER for --agent-user. Its digest of the catalog's root
// comes from here and not from the agent, which it does not trust.
//
// Recalls that no server tells a host of are put into the directory recalls of the
// loader's state, as the file targets.json, or a delegate's, of any catalog that has
// them; the loader takes them within half a minute.
package loadercmd

import (
	"context"
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/klp/klpchange"
	"github.com/hotstick/hotstick/internal/flagenv"
	"github.com/hotstick/hotstick/internal/kernel/ftrace"
	"github.com/hotstick/hotstick/internal/loader"
	"github.com/hotstick/hotstick/internal/loader/inbox"
	"github.com/hotstick/hotstick/internal/loader/journal"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/link"
	"github.com/hotstick/hotstick/internal/loader/operate"
	"github.com/hotstick/hotstick/internal/trace"
	"github.com/hotstick/hotstick/internal/version"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
	// exitIdle: there was nothing to do. Its unit does not start it again then.
	exitIdle = 100
)

// gcPercent trades a little time for memory, and memoryLimit more where somebody makes
// the loader read much: below the MemoryMax of its unit, which would end it.
const (
	gcPercent   = 25
	memoryLimit = 256 << 20
)

// settings are the loader's flags.
type settings struct {
	state     string
	agent     string
	agentUser string
	socket    string
	operator  string
	root      string
	kmsg      string
	config    string
	trace     string
	limits    loader.Limits
	waking    klpchange.Waking
	// anew: pin the agent's identity anew, and end. newRoot: pin the catalog's root
	// anew, and end.
	anew, newRoot bool
	// steps is how what needs more rights than the loader has is started.
	steps string
	// off is the file that switches Hotstick off. markClean: write the mark of a clean
	// stop, and end.
	off       string
	markClean bool
}

// Main runs the program and returns its exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	runtime.GOMAXPROCS(2) // one to watch the kernel, one for the agent's calls
	log := slog.New(slog.NewJSONHandler(stderr, nil)).With("program", "hotstick-loader")
	if len(args) > 0 && args[0] == "step" {
		return step(args[1:], stderr, log)
	}
	s, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "hotstick-loader:", err)
		return exitUsage
	}
	if s == nil {
		fmt.Fprintln(stdout, version.Version)
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err = run(ctx, *s, log)
	if errors.Is(err, loader.ErrIdle) {
		log.Info("nothing to do; the next call starts a loader again")
		return exitIdle
	}
	if err != nil {
		log.Error("the loader ends", "error", err)
		return exitFailed
	}
	return 0
}

// parse reads the command line; it returns nil settings for --version.
func parse(args []string, stderr io.Writer) (*settings, error) {
	var s settings
	flags := flag.NewFlagSet("hotstick-loader", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.state, "state", "/var/lib/hotstick/loader", "directory of the ledger, written by the loader only")
	flags.StringVar(&s.agent, "agent", "/var/lib/hotstick/agent", "directory of the agent, from which catalog and identity are read")
	flags.StringVar(&s.agentUser, "agent-user", defaultUser, "user, by name or number, whose agent is heard besides root's")
	flags.StringVar(&s.socket, "socket", "/run/hotstick/loader.sock", "socket to listen on")
	flags.StringVar(&s.operator, "operator-socket", "", "socket to listen on for root on this host, for hotstick-agent status, revert, hold and adopt (default: operator.sock beside --socket)")
	flags.StringVar(&s.root, "root", "", "digest of the catalog's first root, as in the join line (sha256:…)")
	flags.StringVar(&s.kmsg, "kmsg", "/dev/kmsg", "the kernel's log")
	flags.StringVar(&s.config, "agent-config", "/etc/hotstick/agent.yaml", "the agent's configuration file, from which the host's labels are read; the agent must not be able to write it")
	flags.StringVar(&s.trace, "trace", "", "file to append what the loader does to, as docs/reference/trace.md says")
	flags.DurationVar(&s.limits.AgentSilence, "agent-silence", loader.DefaultLimits.AgentSilence, "how long the agent may be silent during an attempt")
	flags.DurationVar(&s.limits.Settle, "settle", loader.DefaultLimits.Settle, "how old a boot must be before anything is loaded")
	flags.DurationVar(&s.limits.TransitionWait, "transition-wait", loader.DefaultLimits.TransitionWait, "how long a transition is left to the kernel before it counts as stalled, is reported, and is helped")
	flags.DurationVar(&s.limits.TransitionHelp, "transition-help", loader.DefaultLimits.TransitionHelp, "how long a stalled transition is helped before it is reversed; a plan's own limit holds where it is the shorter one")
	flags.DurationVar(&s.limits.Idle, "idle-exit", loader.DefaultLimits.Idle, "end, with exit code 100, when there was nothing to do and nobody called for so long; a grant lives for 60s and is refused by another loader than the one that asked for it; 0 never ends")
	flags.StringVar(&s.off, "off-file", "/etc/hotstick/off", "file that switches Hotstick off on this host as long as it is there")
	flags.BoolVar(&s.markClean, "mark-clean", false, "write that the machine goes down cleanly, where no loader runs, and end; for the unit that is stopped at shutdown")
	wake := flags.String("wake", "on", "keep CPUs awake while a transition begins, which makes it fast: on, off, or isolated for those too that isolcpus or nohz_full keep apart")
	flags.BoolVar(&s.anew, "new-identity", false, "pin the agent's identity in the place of the old one, and end; after hotstick-agent join --new-identity, while no other loader runs")
	flags.BoolVar(&s.newRoot, "new-root", false, "pin the root that --root names in the place of the old one, and end; after that root was put into the agent's directory as root.json, while no other loader runs")
	flags.StringVar(&s.steps, "steps", "", "how steps that need more rights than the loader has are started: systemd, as hotstick-step@.service, or direct, as a child; systemd where that runs, if not given")
	s.limits.Busy = loader.DefaultLimits.Busy
	showVersion := flags.Bool("version", false, "print the version")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if *showVersion {
		return nil, nil
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("cannot use the argument %q: there are flags only", flags.Arg(0))
	}
	if err := flagenv.Fill(flags, "HOTSTICK_LOADER_", os.LookupEnv); err != nil {
		return nil, err
	}
	if s.operator == "" {
		s.operator = filepath.Join(filepath.Dir(s.socket), "operator.sock")
	}
	switch *wake {
	case "on":
	case "off":
		s.waking.Off = true
	case "isolated":
		s.waking.Isolated = true
	default:
		return nil, fmt.Errorf("cannot use --wake=%s: it is on, off or isolated", *wake)
	}
	switch s.steps {
	case "", stepsSystemd, stepsDirect:
	default:
		return nil, fmt.Errorf("cannot use --steps=%s: it is systemd or direct", s.steps)
	}
	if err := hotstick.Digest(s.root).Validate(); err != nil && !s.markClean {
		return nil, fmt.Errorf("cannot start without the digest of the catalog's root: give --root from the join line (%v)", err)
	}
	if s.limits.AgentSilence < time.Second || s.limits.Settle < 0 || s.limits.Idle < 0 || s.limits.TransitionWait < time.Second || s.limits.TransitionHelp < time.Second {
		return nil, errors.New("cannot use these limits: --agent-silence, --transition-wait and --transition-help are at least 1s, --settle and --idle-exit are not negative")
	}
	return &s, nil
}

// run puts the loader together and serves until the context ends, or until there is
// nothing to do.
func run(ctx context.Context, s settings, log *slog.Logger) (failed error) {
	if s.markClean {
		return markClean(s, log)
	}
	bell := link.NewBell(s.socket, log)
	bell.Ring("") // what an earlier loader said is not said of one that may not come up
	entrances := newDoors(s, inherited(os.Getenv))
	users, err := agentUsers(s.agentUser)
	if err != nil {
		return err
	}
	disk, err := ledger.OpenDir(s.state)
	if err != nil {
		return err
	}
	defer disk.Close()
	tree, changer := underneath(s.waking)
	kernel, err := newRunning(tree, s.kmsg)
	if err != nil {
		return err
	}
	sink := trace.Discard
	if s.trace != "" {
		w, err := trace.AppendSynced(s.trace)
		if err != nil {
			return err
		}
		defer func() { failed = errors.Join(failed, w.Close()) }()
		sink = w
	}
	build, err := kernel.Build()
	if err != nil {
		return err
	}
	own := s.ownCatalog()
	drivers, err := changers(changer, steppers, tree, newDesk(s), func() (ledger.Ledger, error) { return ledger.Peek(s.state) })
	if err != nil {
		return err
	}
	box := inbox.NewDrops(filepath.Join(s.state, "recalls"), own, log)
	l, err := loader.New(loader.Config{
		Drivers: drivers, Clock: clock{}, Disk: disk, Kernel: kernel,
		Catalog: own, Root: own.Root, Dropped: box.Take,
		Identity: func() (ed25519.PublicKey, error) { return inbox.Identity(s.agent) },
		Labels:   func() (map[string]string, error) { return ownLabels(s.config) },
		Off:      newOffSwitch(s.off, os.DirFS("/")).state,
		Tracing:  func() hotstick.TracingFacts { return ftrace.Read(tree) },
		Keys:     kernel.keys(), Model: kernel.model(), Tasks: newTaskWatch(os.DirFS("/")),
		Others: others{os.DirFS("/"), build.Release}, Journal: journal.Open(s.state),
		Limits: s.limits, Rest: debug.FreeOSMemory, Log: log, Trace: sink,
		Touch: newStepper(s), Bell: bell.Ring, Ordered: rebootOrdered(tree, log),
	})
	if err != nil {
		return err
	}
	if s.anew {
		return l.PinAnew()
	}
	if s.newRoot {
		return pinRoot(l, own)
	}
	for {
		err := serve(ctx, l, entrances, users, log)
		if left, may := l.Idle(); !errors.Is(err, loader.ErrIdle) || may && left <= 0 {
			return err
		} // a call came while the socket was being closed: there is something to do again
	}
}

// serve listens to the agent, and to root, and runs the loader until the context ends, or
// until the loader has nothing to do. No call is under way when it returns.
func serve(ctx context.Context, l *loader.Loader, entrances doors, users []uint32, log *slog.Logger) error {
	listener, err := entrances.agent.open()
	if err != nil {
		return err
	}
	operators, err := entrances.operator.open()
	if err != nil {
		listener.Close()
		return err
	}
	log.Info("the loader is ready", "version", version.Version, "socket", entrances.agent.path, "operator", entrances.operator.path)
	serving := make(chan error, 2)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel() // without its agent the loader is of no use; let it be restarted
		serving <- link.NewServer(l, users, log).Serve(ctx, listener)
	}()
	go func() {
		defer cancel()
		serving <- operate.Serve(ctx, operators, l, log)
	}()
	err = l.Run(ctx)
	cancel()
	return errors.Join(err, <-serving, <-serving)
}

// defaultUser is the user that packages make for the agent.
const defaultUser = "hotstick"

// agentUsers resolves the agent's user. Only the default one need not exist: on a
// host whose agent runs as root there may be no other.
func agentUsers(name string) ([]uint32, error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return []uint32{uint32(n)}, nil
	}
	u, err := user.Lookup(name)
	if err != nil && name == defaultUser {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot find the agent's user: %w", err)
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("cannot use the user ID %q of %s", u.Uid, name)
	}
	return []uint32{uint32(n)}, nil
}
