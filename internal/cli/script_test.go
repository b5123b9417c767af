package cli_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/cli"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/kernel/kmod"
	"github.com/hotstick/hotstick/internal/sim"
)

func TestMain(m *testing.M) {
	testscript.Main(patient{m}, map[string]func(){"hotstick": func() { os.Exit(cli.Main()) }})
}

// patient runs many tests at once, for scripts wait more than they work.
type patient struct{ *testing.M }

// Run implements testscript.TestingM.
func (p patient) Run() int {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	return p.M.Run()
}

// TestScripts runs the command line as a person would: every script has its own
// home, its own server as a process of its own, and simulated hosts that are real
// agents and loaders over made-up kernels.
//
// Besides testscript's own commands there are:
//
//	exits CODE COMMAND…        run it and check its exit code
//	await SECONDS RE COMMAND…  run it until it succeeds and prints what matches
//	hosts N                    run N simulated hosts, joined with hotstick host add
//	host NAME                  run one, whose name is a Go string literal
//	enrol NAME FILE            join a host with the line in FILE, and end
//	module FILE PATCH LEVEL N  write the module of a level for the Nth kernel build
//	plainmodule FILE N         write a module that is no live patch
//	shadowmodule FILE N        write one of unix-ioctl@1 that uses shadow variables
//	grow FILE BYTES            make a file longer, without content
//	howto PAGE SECTION FILE…   write the shell blocks of a section of docs/how-to
//
// The condition [ci] holds in continuous integration, where nothing that a script
// needs may be missing.
//
// Levels 1 and 4 of unix-ioctl are good; 2 makes its host ill; 3 takes it down.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "await": await, "hosts": runHosts, "host": runHost, "enrol": enrol,
			"module": writeModule, "plainmodule": writePlainModule, "shadowmodule": writeShadowModule, "grow": grow, "howto": howto,
		},
		Condition: func(name string) (bool, error) {
			if name != "ci" {
				return false, fmt.Errorf("cannot tell what %q is", name)
			}
			return os.Getenv("CI") != "", nil
		},
	})
}

func setUp(env *testscript.Env) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("ADDR", address)
	env.Setenv("PORT", address[strings.LastIndex(address, ":")+1:])
	env.Setenv("USER", "ada")
	env.Setenv("HOTSTICK_POLL_SECONDS", "1")
	for i, b := range sim.Builds() {
		env.Setenv(fmt.Sprintf("BUILD%d", i), strings.Join([]string{b.Release, b.Arch, b.BuildID}, ","))
		env.Setenv(fmt.Sprintf("RELEASE%d", i), b.Release)
	}
	return nil
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: await SECONDS RE COMMAND…")
	}
	limit, err := strconv.Atoi(args[0])
	ts.Check(err)
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	deadline := time.Now().Add(time.Duration(limit) * time.Second)
	for {
		err := ts.Exec(args[2], args[3:]...)
		out := ts.ReadFile("stdout")
		if err == nil && re.MatchString(out) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%q did not come within %d s: %v\n%s", args[1], limit, err, out)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// levels are what the simulated kernels know how to react to.
func levels() []sim.Level {
	var list []sim.Level
	for n := 1; n <= 4; n++ {
		spec := sim.LevelSpec{Name: "unix-ioctl", Level: n, Function: "unix_ioctl", Builds: sim.Builds(), Behaviour: map[hotstick.KernelBuild]fake.Behaviour{}}
		for _, b := range sim.Builds() {
			switch n {
			case 2:
				spec.Behaviour[b] = fake.Behaviour{Ill: "connect: operation not supported"}
			case 3:
				spec.Behaviour[b] = fake.Behaviour{Crash: true, CrashAfter: 700 * time.Millisecond}
			}
		}
		list = append(list, sim.NewLevel(spec))
	}
	return list
}

// newHost makes a simulated host that asks the script's server for its join line.
func newHost(ts *testscript.TestScript, m sim.Member, join func(context.Context) (agent.Join, error)) *sim.Host {
	if join == nil {
		join = func(context.Context) (agent.Join, error) {
			if err := ts.Exec("hotstick", "host", "add", "-q"); err != nil {
				return agent.Join{}, err
			}
			return sim.ParseJoin(ts.ReadFile("stdout"))
		}
	}
	dir, err := os.MkdirTemp(ts.Getenv("WORK"), "host-")
	ts.Check(err)
	h, err := sim.NewHost(sim.HostOptions{Member: m, Dir: dir, Server: "https://" + ts.Getenv("ADDR"), Join: join,
		Levels: levels(), Transition: 100 * time.Millisecond, Restart: 300 * time.Millisecond})
	ts.Check(err)
	return h
}

// start enrols the hosts and runs them until the script ends.
func start(ts *testscript.TestScript, hosts ...*sim.Host) {
	for _, h := range hosts {
		ts.Check(h.Enrol(context.Background()))
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	errs := make(chan error, len(hosts))
	for _, h := range hosts {
		running.Go(func() { errs <- h.Run(ctx) })
	}
	ts.Defer(func() {
		stop()
		running.Wait()
		for range hosts {
			if err := <-errs; err != nil {
				ts.Logf("host: %v", err)
			}
		}
	})
}

func runHosts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hosts N")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	var hosts []*sim.Host
	for _, m := range sim.Fleet(n, 1) {
		hosts = append(hosts, newHost(ts, m, nil))
	}
	start(ts, hosts...)
}

func runHost(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: host NAME")
	}
	name, err := strconv.Unquote(args[0])
	ts.Check(err)
	start(ts, newHost(ts, sim.Member{Name: name, Build: sim.Builds()[0], Distribution: "Debian", Labels: map[string]string{"role": "odd"}}, nil))
}

func enrol(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: enrol NAME FILE")
	}
	line := ts.ReadFile(args[1])
	h := newHost(ts, sim.Member{Name: args[0], Build: sim.Builds()[0]}, func(context.Context) (agent.Join, error) { return sim.ParseJoin(line) })
	err := h.Enrol(context.Background())
	if err != nil {
		ts.Logf("%v", err)
	}
	if neg != (err != nil) {
		ts.Fatalf("enrolment: %v", err)
	}
}

func writeModule(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: module FILE PATCH LEVEL N")
	}
	level, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), kmod.Compose(sim.Module(args[1], level, build(ts, args[3]))), 0o644))
}

func writePlainModule(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: plainmodule FILE N")
	}
	info := sim.Module("unix-ioctl", 1, build(ts, args[1]))
	info.Livepatch = false
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), kmod.Compose(info), 0o644))
}

func writeShadowModule(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shadowmodule FILE N")
	}
	info := sim.Module("unix-ioctl", 1, build(ts, args[1]))
	info.Marks.Shadow = true
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), kmod.Compose(info), 0o644))
}

func build(ts *testscript.TestScript, index string) hotstick.KernelBuild {
	n, err := strconv.Atoi(index)
	ts.Check(err)
	return sim.Builds()[n]
}

func grow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: grow FILE BYTES")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// howto writes the shell blocks of one section of a page, each to a file.
func howto(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: howto PAGE SECTION FILE…")
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "how-to", args[0]+".md"))
	ts.Check(err)
	_, section, found := strings.Cut(string(page), "\n## "+args[1]+"\n")
	if !found {
		ts.Fatalf("%s has no section %q", args[0], args[1])
	}
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := strings.Split(section, "\n```sh\n")[1:]
	if len(blocks) != len(args)-2 {
		ts.Fatalf("the section has %d shell blocks, want %d", len(blocks), len(args)-2)
	}
	for i, block := range blocks {
		block, _, closed := strings.Cut(block, "\n```")
		if !closed {
			ts.Fatalf("block %d does not end", i+1)
		}
		ts.Check(os.WriteFile(ts.MkAbs(args[2+i]), []byte(block+"\n"), 0o600))
	}
}
