package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/demo/host"
)

// event is one thing that happens to a host, planned or behind everybody's back.
type event struct {
	name string
	do   func(context.Context, *run, *watcher) error
}

// What the scripts share: ours is the newest level of ours in the kernel, and settled
// waits until no transition runs.
const shellWords = `ours() { for p in /sys/kernel/livepatch/hotstick_unix_ioctl_*; do [ -e "$p" ] && echo "${p##*/}"; done | sort | tail -n 1; }
settled() { n=0; while grep -qs 1 /sys/kernel/livepatch/*/transition && [ $n -lt 300 ]; do n=$((n+1)); usleep 100000; done; }
off() { settled; [ -e "/sys/kernel/livepatch/$1" ] && echo 0 >"/sys/kernel/livepatch/$1/enabled"; settled; rmmod "$1"; }
`

// shell runs a script as somebody with a root shell on the host would.
func shell(script string) func(context.Context, *run, *watcher) error {
	return func(ctx context.Context, _ *run, w *watcher) error {
		_, err := host.MustRun(ctx, w.guest, shellWords+script)
		return err
	}
}

// byHand puts a level of ours in effect, unless one is.
const byHand = `settled; m=$(ours); if [ -z "$m" ]; then rmmod hotstick_unix_ioctl_1 hotstick_unix_ioctl_4 2>/dev/null; insmod /truth/hotstick_unix_ioctl_1.ko; fi; true`

// courses are the events of each host, one after the other. They come again and again.
// Each leaves one state behind: what lasts for less than a look takes cannot be judged.
func courses() [][]event {
	return [][]event{{
		{"somebody writes 0 to enabled", shell(`settled; m=$(ours); [ -z "$m" ] || echo 0 >/sys/kernel/livepatch/$m/enabled`)},
		{"somebody unloads the module", shell(`settled; rmmod hotstick_unix_ioctl_1 hotstick_unix_ioctl_4; true`)},
		{"somebody loads a level by hand", shell(byHand)},
		{"the kernel panics", reboot("echo c >/proc/sysrq-trigger")},
		{"a level by hand after the panic", shell(byHand)},
		{"a foreign patch replaces ours", shell(`insmod /truth/hotstick_busy_target.ko && insmod /truth/hotstick_busy_1.ko`)},
		{"the replacing patch goes", shell(`off hotstick_busy_1; rmmod hotstick_busy_target`)},
		{"a level by hand after the replacing patch", shell(byHand)},
	}, {
		{"the agent is stopped, and its patch disabled meanwhile", stopAgent},
		{"reboot -f", reboot("reboot -f")},
		{"a level by hand after the reboot", shell(byHand)},
		{"a foreign patch is put above ours", shell(`insmod /truth/hotstick_foreign.ko; settled`)},
		{"the foreign patch goes", shell(`off hotstick_foreign`)},
		{"kexec into the same kernel", kexec},
	}}
}

// stopAgent stops an agent for so long that its host must be called stale, and writes 0
// to enabled in the middle of it.
func stopAgent(ctx context.Context, r *run, w *watcher) error {
	if _, err := host.MustRun(ctx, w.guest, "kill -STOP $(pidof hotstick-agent)"); err != nil {
		return err
	}
	w.stop(true)
	defer w.stop(false)
	if err := r.pause(ctx, r.rules.stale/2); err != nil {
		return err
	}
	if err := shell(`settled; m=$(ours); [ -z "$m" ] || echo 0 >/sys/kernel/livepatch/$m/enabled`)(ctx, r, w); err != nil {
		return err
	}
	if err := r.pause(ctx, r.rules.stale/2+r.allowance()+r.heartbeat); err != nil {
		return err
	}
	_, err := host.MustRun(ctx, w.guest, "kill -CONT $(pidof hotstick-agent)")
	return err
}

// reboot lets a kernel go down without a word and waits for the next one.
func reboot(how string) func(context.Context, *run, *watcher) error {
	return func(ctx context.Context, _ *run, w *watcher) error {
		boot := w.guest.BootID()
		// The answer may be lost with the kernel.
		_, _, _ = w.guest.Run(ctx, "sync; "+how)
		_, err := w.guest.WaitReboot(ctx, boot)
		return err
	}
}

// kexec starts the guest's kernel anew without the machine: it fetches the kernel and what
// the guest was booted with from the harness.
func kexec(ctx context.Context, r *run, w *watcher) error {
	from := fmt.Sprintf("http://%s/%s/", r.images, w.guest.Name())
	if err := shell(`cd /tmp && wget -q -O image `+from+`image && wget -q -O initramfs `+from+`initramfs`)(ctx, r, w); err != nil {
		return err
	}
	return reboot("/truth/kexec /tmp/image /tmp/initramfs")(ctx, r, w)
}

// rollOut rolls a level out to both hosts by a signed plan.
func rollOut(number int) event {
	name := fmt.Sprintf("level-%d", number)
	return event{"a plan brings level " + fmt.Sprint(number), func(ctx context.Context, r *run, _ *watcher) error {
		if err := r.house.Launch(ctx, name, fmt.Sprintf("%s@%d", line, number), "--probation", "5s", "--bake", "1s", "--transition", "30s", "--budget", "fleet=2"); err != nil {
			return err
		}
		return host.Until(ctx, 3*time.Minute, "the rollout "+name, func(ctx context.Context) (bool, error) {
			got, err := r.house.Client.Rollout(ctx, name)
			return err == nil && (got.Status.Over() || got.Status == hotstick.Halted), nil
		})
	}}
}

// happen lets every event happen, those of the two hosts side by side between the two
// rollouts, and goes on until enough was sampled.
func (r *run) happen(ctx context.Context) error {
	if err := r.one(ctx, rollOut(1), nil); err != nil {
		return err
	}
	if err := r.sideBySide(ctx, func() bool { return false }); err != nil {
		return err
	}
	if err := r.one(ctx, rollOut(4), nil); err != nil {
		return err
	}
	enough := func() bool { return r.judged().Samples >= r.samples }
	for !enough() {
		if err := r.sideBySide(ctx, enough); err != nil {
			return err
		}
	}
	return nil
}

// sideBySide lets each host's course happen once, or until it is enough.
func (r *run) sideBySide(ctx context.Context, enough func() bool) error {
	all := courses()
	return host.InParallel(len(all), len(all), func(i int) error {
		for _, e := range all[i] {
			if enough() {
				return nil
			}
			if err := r.one(ctx, e, r.watchers[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// one lets an event happen. After it comes the time in which screens may still lag, and
// a heartbeat more, in which they may not.
func (r *run) one(ctx context.Context, e event, w *watcher) error {
	began := r.clock()
	if err := e.do(ctx, r, w); err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	r.mu.Lock()
	r.events = append(r.events, e.name)
	fmt.Fprintf(r.course, "%6.1fs %s (%.1f s)\n", r.clock().Seconds(), e.name, (r.clock() - began).Seconds())
	r.mu.Unlock()
	return r.pause(ctx, r.allowance()+r.heartbeat)
}

// pause waits, and fails if the context ends first.
func (r *run) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
