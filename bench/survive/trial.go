package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

const (
	// hostName is the one host of a trial, planName its one rollout.
	hostName = "node-1"
	planName = "survive"
	// illFile makes the host's own probe fail while it is there.
	illFile = "/run/ill"
	// patience bounds every wait. A guest on a busy machine may be five times as slow
	// as on an idle one.
	patience = 4 * time.Minute
	// probeLimit, in seconds, is longer than a probe takes on such a machine.
	probeLimit = 10
	// afterwards is how long a host is watched by its own clock after a crash, so that
	// whatever would load the patch again has its time: the settle time and some
	// check-ins.
	afterwards = 30 * time.Second
)

// trial is one attempt on one guest with a server of its own.
type trial struct {
	scenario
	dir     string
	kernel  kernelpkg.Kernel
	busybox string
	files   built
	house   *house.House
	guest   *guest.Guest
	// boot is the ID of the boot in which the plan starts, after that of the one after
	// a crash.
	boot, after string
	// lifted is when a stalled transition was freed, by the kernel's clock.
	lifted time.Duration
	// stalled is when the harness first saw that the transition runs, and told when the
	// server knew.
	stalled, told time.Time
	// traceCut: the disk with the loader's trace was full.
	traceCut bool
}

// run does everything and returns what came of it. The error says why it came to no
// end.
func (t *trial) run(ctx context.Context) (verdict, error) {
	defer t.close()
	if t.probation == 0 {
		t.probation = usualProbation
	}
	if t.transition == 0 {
		t.transition = usualTransition
	}
	for _, step := range []func(context.Context) error{t.found, t.start, t.join, t.launch} {
		if err := step(ctx); err != nil {
			return verdict{}, err
		}
	}
	if err := t.happen(ctx, t); err != nil {
		return verdict{}, t.explain(err)
	}
	if err := t.settle(ctx); err != nil {
		return verdict{}, t.explain(err)
	}
	s, err := t.look(ctx)
	if err != nil {
		return verdict{}, t.explain(err)
	}
	return judge(t.want, s), nil
}

// explain adds the end of what agent and loader wrote to an error.
func (t *trial) explain(err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, _, failed := t.guest.Run(ctx, "tail -n 8 "+guest.LogDir+"/*.log; cut -c1-300 <"+host.LedgerFile+" | head -n 60")
	if failed != nil {
		out = failed.Error()
	}
	return fmt.Errorf("%w\n%s", err, out)
}

func (t *trial) close() {
	if t.guest != nil {
		t.guest.Kill()
	}
	if t.house != nil {
		t.house.KillServer()
	}
}

// found makes a server with keys and publishes the patch.
func (t *trial) found(ctx context.Context) error {
	listen, err := house.PickAddress("127.0.0.1:0")
	if err != nil {
		return err
	}
	t.house.Dir, t.house.Listen = filepath.Join(t.dir, "house"), listen
	if err := os.MkdirAll(t.house.Dir, 0o700); err != nil {
		return fmt.Errorf("cannot make a server's directory: %w", err)
	}
	if err := t.house.Init(ctx); err != nil {
		return err
	}
	if err := t.house.StartServer(ctx); err != nil {
		return err
	}
	return t.house.Publish(ctx, t.files.folder(t.patch), []kernelpkg.Kernel{t.kernel}, []string{t.files.module(t.patch, t.kernel)})
}

// start boots the guest.
func (t *trial) start(ctx context.Context) error {
	files, err := host.Files(hostName, t.house.GuestURL(), t.house.HostPrograms(),
		agent.ProbeFile{Name: "well", Command: []string{"/bin/sh", "-c", "! [ -e " + illFile + " ]"}, TimeoutSeconds: probeLimit},
		agent.ProbeFile{Name: "gateway", Command: []string{"/bin/sh", "-c", gatewayProbe}, TimeoutSeconds: probeLimit})
	if err != nil {
		return err
	}
	root, err := t.house.Root()
	if err != nil {
		return err
	}
	t.guest, err = guest.Start(ctx, guest.Config{Name: hostName, Dir: filepath.Join(t.dir, "guest"), Kernel: t.kernel, Busybox: t.busybox,
		Disk: filepath.Join(t.dir, "guest", "disk.img"), Network: true, SkipIdle: t.skipIdle, Cmdline: t.cmdline,
		Files:    append(files, guest.File{Path: "/survive/hotstick_busy_target.ko", Source: t.files.module("busy-target", t.kernel)}),
		Services: host.Services(root)})
	if err != nil {
		return err
	}
	if t.boot, err = t.guest.WaitBoot(ctx); err != nil {
		return err
	}
	if t.skipIdle {
		if err := t.brake(ctx, true); err != nil {
			return err
		}
	}
	if t.target != "" {
		if err := t.do(ctx, t.target); err != nil {
			return err
		}
	}
	return t.setClock(ctx, 0)
}

// gatewayProbe asks the card for its carrier and the kernel for the way out: what is
// gone when a network card goes down, and stays when the server does.
const gatewayProbe = "read -r up </sys/class/net/eth0/carrier && [ \"$up\" = 1 ] && grep -q '^eth0.00000000' /proc/net/route"

func (t *trial) join(ctx context.Context) error {
	line, err := t.house.JoinLine(ctx)
	if err != nil {
		return err
	}
	if err := host.Join(ctx, t.guest, line); err != nil {
		return err
	}
	return t.until(ctx, "the host's facts", func(ctx context.Context) (bool, error) {
		h, err := t.house.Client.Host(ctx, hostName)
		return err == nil && h.Facts != nil, nil
	})
}

func (t *trial) launch(ctx context.Context) error {
	return t.house.Launch(ctx, planName, refOf(t.patch),
		"--probation", t.probation.String(), "--transition", t.transition.String(), "--bake", "1s", "--budget", "fleet=1")
}

// settle waits until whatever would load the patch again has had its time, and until
// the server has heard of the end.
func (t *trial) settle(ctx context.Context) error {
	if t.want.reboots > 0 {
		err := t.until(ctx, "the host to have had its time after the crash", func(ctx context.Context) (bool, error) {
			uptime, err := t.uptime(ctx)
			return uptime > afterwards, err
		})
		if err != nil {
			return err
		}
	}
	return t.until(ctx, "the server to hear of the end", func(ctx context.Context) (bool, error) {
		state, _, err := t.shown(ctx)
		return err == nil && state.Terminal(), nil
	})
}

func (t *trial) until(ctx context.Context, what string, cond func(context.Context) (bool, error)) error {
	return host.Until(ctx, patience, what, cond)
}

// uptime is the kernel's clock.
func (t *trial) uptime(ctx context.Context) (time.Duration, error) {
	out, err := host.MustRun(ctx, t.guest, "cut -d' ' -f1 /proc/uptime")
	if err != nil {
		return 0, err
	}
	seconds, err := strconv.ParseFloat(out, 64)
	if err != nil {
		return 0, fmt.Errorf("cannot read the uptime from %q", out)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// ledger reads the loader's ledger from the guest's disk.
func (t *trial) ledger(ctx context.Context) (ledger.Ledger, error) {
	out, err := host.MustRun(ctx, t.guest, "cat "+host.LedgerFile)
	if err != nil {
		return ledger.Ledger{}, err
	}
	return ledger.Decode([]byte(out))
}

// ended is where the plan's attempt stands by the ledger: its phase, or its end.
func ended(l ledger.Ledger) hotstick.HostState {
	switch {
	case l.Attempt != nil:
		return l.Attempt.Phase
	case len(l.Plans) > 0:
		return l.Plans[0].State
	}
	return ""
}

// errOther says that an attempt took another way than the scenario needs.
var errOther = errors.New("the attempt took another way")

// reaches waits until the ledger has the attempt in a phase, or at that end.
func (t *trial) reaches(ctx context.Context, want hotstick.HostState) error {
	return t.until(ctx, "the attempt to be "+string(want), func(ctx context.Context) (bool, error) {
		l, err := t.ledger(ctx)
		if err != nil {
			return false, nil // there is none yet, or it is being replaced
		}
		now := ended(l)
		if now.Terminal() && now != want {
			return false, fmt.Errorf("waiting for %s: it is %s: %w", want, now, errOther)
		}
		return now == want, nil
	})
}

// load is the newest load of the patch by the kernel's log.
func (t *trial) load() (load, error) {
	text, err := t.guest.ConsoleLog()
	if err != nil {
		return load{}, err
	}
	loads := readConsole(text).of(t.module())
	if len(loads) == 0 {
		return load{}, nil
	}
	return loads[len(loads)-1], nil
}
