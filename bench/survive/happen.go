package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/guest"
)

// comesDown waits for the boot after a crash.
func comesDown(ctx context.Context, t *trial) error {
	_, err := t.guest.WaitReboot(ctx, t.boot)
	return err
}

// comesDownLate takes the server away while the guest's clock leaps: whoever waits for
// an answer over a network while time leaps, waits for years.
func comesDownLate(ctx context.Context, t *trial) error {
	if err := t.reaches(ctx, hotstick.Probation); err != nil {
		return err
	}
	t.house.KillServer()
	if err := t.brake(ctx, false); err != nil {
		return err
	}
	boot, err := t.guest.WaitReboot(ctx, t.boot)
	if err != nil {
		return err
	}
	if err := t.brake(ctx, true); err != nil {
		return err
	}
	if err := t.setClock(ctx, 0); err != nil {
		return err
	}
	t.after = boot
	return t.house.StartServer(ctx)
}

// goesBack waits until the kernel says that the patch is out of effect.
func goesBack(ctx context.Context, t *trial) error {
	return t.until(ctx, "the patch to be out of effect", func(context.Context) (bool, error) {
		if t.want.keeper != "" {
			t.watchStall(ctx)
		}
		if led, err := t.ledger(ctx); err == nil && ended(led) == hotstick.Confirmed {
			return false, fmt.Errorf("waiting for its way back: it is confirmed: %w", errOther)
		}
		l, err := t.load()
		return l.back > 0, err
	})
}

func loseNetwork(ctx context.Context, t *trial) error {
	if err := t.reaches(ctx, hotstick.Probation); err != nil {
		return err
	}
	if err := t.do(ctx, "ip link set eth0 down"); err != nil {
		return err
	}
	if err := goesBack(ctx, t); err != nil {
		return err
	}
	return t.do(ctx, "ip link set eth0 up; route add default gw "+guest.HostAddress)
}

// revertBadly lets a probe fail and keeps a task in the new code, frees it a while
// after the way back has begun, and waits for its end.
func revertBadly(ctx context.Context, t *trial) error {
	if err := t.reaches(ctx, hotstick.Probation); err != nil {
		return err
	}
	if err := t.do(ctx, "cat /dev/hotstick_busy >/dev/null 2>&1 & echo $! >/run/reader; touch "+illFile); err != nil {
		return err
	}
	if err := t.reaches(ctx, hotstick.Reverting); err != nil {
		return err
	}
	began := time.Now()
	if err := t.until(ctx, "the way back to stall", func(context.Context) (bool, error) {
		t.watchStall(ctx)
		stood := time.Since(began)
		return stood > stallFor && !t.told.IsZero() || stood > stallLimit, nil
	}); err != nil {
		return err
	}
	if l, err := t.load(); err != nil || l.back > 0 {
		return fmt.Errorf("cannot prove anything: the way back did not stall (%v)", err)
	}
	uptime, err := t.uptime(ctx)
	if err != nil {
		return err
	}
	t.lifted = uptime
	if err := t.do(ctx, "kill -9 $(cat /run/reader); rm "+illFile); err != nil {
		return err
	}
	return goesBack(ctx, t)
}

// stallFor is longer than a transition may take. The stall goes on until the server has
// named who keeps it, or should have.
const stallFor = 25 * time.Second

// ballast leaves little room on the disk that the ledger is on, so that it is full
// quickly.
const ballast = "dd if=/dev/zero of=" + guest.StateDir + "/ballast bs=1M count=40 2>/dev/null && sync"

// fillDisk fills the disk that the ledger is on, and makes room again when the patch
// is out of effect.
func fillDisk(ctx context.Context, t *trial) error {
	if err := t.reaches(ctx, hotstick.Probation); err != nil {
		return err
	}
	fill := guest.StateDir + "/fill"
	if err := t.do(ctx, "dd if=/dev/zero of="+fill+" bs=64k 2>/dev/null; dd if=/dev/zero of="+fill+"2 bs=1k 2>/dev/null; ! echo x 2>/dev/null >"+fill+"3"); err != nil {
		return err
	}
	t.traceCut = true
	if err := goesBack(ctx, t); err != nil {
		return err
	}
	return t.do(ctx, "rm -f "+fill+"* "+guest.StateDir+"/ballast")
}

// leapClock sets the wall clock ten years ahead, then ten years back, then right.
func leapClock(ctx context.Context, t *trial) error {
	if err := t.reaches(ctx, hotstick.Probation); err != nil {
		return err
	}
	const years = 10 * 365 * 24 * time.Hour
	for _, leap := range []time.Duration{years, -years} {
		if err := t.setClock(ctx, leap); err != nil {
			return err
		}
		from, err := t.uptime(ctx)
		if err != nil {
			return err
		}
		if err := t.until(ctx, "the host to live with that clock", func(ctx context.Context) (bool, error) {
			now, err := t.uptime(ctx)
			return now-from > t.probation/3, err
		}); err != nil {
			return err
		}
	}
	if err := t.setClock(ctx, 0); err != nil {
		return err
	}
	return t.reaches(ctx, hotstick.Confirmed)
}

// loseServer kills the server and starts it when the host has decided for itself.
func loseServer(ctx context.Context, t *trial) error {
	if err := t.reaches(ctx, hotstick.Probation); err != nil {
		return err
	}
	t.house.KillServer()
	if err := t.reaches(ctx, hotstick.Confirmed); err != nil {
		return err
	}
	return t.house.StartServer(ctx)
}

// loseAgent takes the agent's program away, so that it stays dead until the host has
// helped itself.
func loseAgent(ctx context.Context, t *trial) error {
	if err := t.reaches(ctx, hotstick.Probation); err != nil {
		return err
	}
	if err := t.do(ctx, "mv /usr/sbin/hotstick-agent /root/ && kill -9 $(pidof hotstick-agent)"); err != nil {
		return err
	}
	if err := goesBack(ctx, t); err != nil {
		return err
	}
	return t.do(ctx, "mv /root/hotstick-agent /usr/sbin/")
}

// do runs a command on the serial line.
func (t *trial) do(ctx context.Context, command string) error {
	_, err := host.MustRun(ctx, t.guest, command)
	return err
}

// brake keeps a guest that skips idle time from idling, or lets it idle.
func (t *trial) brake(ctx context.Context, on bool) error {
	if on {
		return t.do(ctx, "touch /run/brake; nice -n 19 sh -c 'while [ -e /run/brake ]; do :; done' >/dev/null 2>&1 &")
	}
	return t.do(ctx, "rm /run/brake")
}

// setClock sets the guest's wall clock to a time after this machine's.
func (t *trial) setClock(ctx context.Context, ahead time.Duration) error {
	return t.do(ctx, fmt.Sprintf("date -s @%d", time.Now().Add(ahead).Unix()))
}
