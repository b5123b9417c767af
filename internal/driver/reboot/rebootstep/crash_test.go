package rebootstep

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/reboot"
)

// running is the build that runs.
func (h *host) running() hotstick.KernelBuild {
	h.t.Helper()
	build, _, err := h.step.now()
	if err != nil {
		h.t.Fatal(err)
	}
	return build
}

// goesDown restarts the machine: by kexec if a step has said so and the power has not gone.
func (h *host) goesDown(power bool) {
	h.t.Helper()
	build := map[string]hotstick.KernelBuild{"first": firstBuild, "old": oldBuild, "new": newBuild}[strings.Split(h.chooses(), ",")[0]]
	if kexec := len(h.restarts) > 0 && h.restarts[len(h.restarts)-1] == "kexec"; kexec && !power && strings.Contains(h.loaded, newBuild.Release) {
		build = newBuild
	} else {
		delete(h.env, "next_entry")
	}
	h.loaded, h.restarts = "", nil
	h.boot++
	h.boots(build, fmt.Sprintf("%08d-2222-2222-2222-222222222222", h.boot))
}

// survives runs what a step does, and reports whether it lived through it.
func (h *host) survives(does func()) (lived bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, is := r.(died); !is {
				panic(r)
			}
			lived = false
		}
	}()
	does()
	return true
}

// listed are all levels that are listed.
func (h *host) listed() string {
	h.t.Helper()
	patches, err := h.step.Observe(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	var all []string
	for _, p := range patches {
		all = append(all, p.Module+" "+string(p.State))
	}
	return strings.Join(all, ", ")
}

// comesBack does what the loader has steps do until nothing is left of a reboot.
func (h *host) comesBack(recipe hotstick.Recipe) {
	h.t.Helper()
	for range 5 {
		if h.running() != recipe.Target && !strings.Contains(h.listed(), recipe.Module) {
			break
		}
		if err := h.step.Remove(h.t.Context(), recipe); err != nil {
			h.t.Fatalf("the way back: %v", err)
		}
		if len(h.restarts) > 0 {
			h.goesDown(false)
		}
	}
	if err := h.step.Settle(h.t.Context(), recipe, false); err != nil {
		h.t.Fatalf("to settle it: %v", err)
	}
}

// newTwice is a host that was rebooted into the old kernel, and keeps it.
func newTwice(t *testing.T) *host {
	h := newHost(t)
	if err := os.Remove(h.root + "/boot/vmlinuz-" + oldBuild.Release); err != nil {
		t.Fatal(err)
	}
	h.write("boot/vmlinuz-"+firstBuild.Release, h.image(firstBuild))
	h.write("boot/grub/grub.cfg", menu(firstBuild.Release))
	h.boots(firstBuild, "00000000-2222-2222-2222-222222222222")
	h.hook("before", "drain", "")
	h.hook("after", "uncordon", "")
	if err := h.step.Apply(t.Context(), firstRecipe); err != nil {
		t.Fatal(err)
	}
	h.goesDown(false)
	if err := h.step.Settle(t.Context(), firstRecipe, true); err != nil {
		t.Fatal(err)
	}
	if got := h.listed() + "; " + h.chooses(); got != "kernel_6_1_0_47_amd64 in_effect; old" {
		t.Fatalf("the first reboot: %s", got)
	}
	if err := os.Remove(h.root + "/hooks"); err != nil {
		t.Fatal(err)
	}
	h.acts = 0
	return h
}

// goesTo brings the host to where a reboot is undone from.
func (h *host) goesTo(kernel string) {
	h.t.Helper()
	if kernel == "old kernel" {
		return
	}
	h.mustApply()
	h.goesDown(false)
	if kernel == "kept kernel" {
		if err := h.step.Settle(h.t.Context(), recipe, true); err != nil {
			h.t.Fatal(err)
		}
	}
}

// mustBeAsBefore checks that nothing of a reboot from the old kernel is left, and that the
// one before it can still be undone.
func (h *host) mustBeAsBefore() {
	h.t.Helper()
	if got := h.running().Release + ": " + h.listed() + "; " + h.chooses(); got != oldBuild.Release+": kernel_6_1_0_47_amd64 in_effect; old" {
		h.t.Fatalf("after a reboot that came to nothing: %s; state %s", got, h.read(reboot.StateFile))
	}
	if hooks := strings.TrimSpace(h.read("hooks")); strings.Contains(hooks, "drain") && !strings.HasPrefix(hooks[strings.LastIndex(hooks, "\n")+1:], "uncordon ") {
		h.t.Errorf("work does not come back: the hooks did\n%s", hooks)
	}
	if state := h.read(reboot.StateFile); strings.Contains(state, newBuild.Release) {
		h.t.Errorf("it is remembered still: %s", state)
	}
	if h.loaded != "" {
		h.t.Errorf("a kernel is loaded still: %s", h.loaded)
	}
	h.comesBack(firstRecipe)
	if got := h.running().Release + ": " + h.listed() + "; " + h.chooses(); got != firstBuild.Release+": ; first" || h.read(reboot.StateFile) != "" {
		h.t.Errorf("the first reboot is undone: %s; state %s", got, h.read(reboot.StateFile))
	}
}

// TestNothingIsForgottenWhereverASecondRebootDies lets the step, or the whole machine, die
// before each single thing that it does, on the way forth and on the way back.
func TestNothingIsForgottenWhereverASecondRebootDies(t *testing.T) {
	if _, err := os.Stat("/dev/shm"); err == nil {
		t.Setenv("TMPDIR", "/dev/shm") // each of some thousand writes is synced
	}
	deaths := 0
	for _, c := range []struct {
		method, from string
		power, hooks bool
	}{
		{"firmware", "old kernel", false, true}, {"firmware", "old kernel", true, true}, {"firmware", "old kernel", false, false},
		{"firmware", "old kernel", true, false}, {"firmware", "new kernel", false, true}, {"firmware", "new kernel", true, true},
		{"firmware", "kept kernel", false, true}, {"firmware", "kept kernel", true, true},
		{"kexec", "old kernel", false, true}, {"kexec", "old kernel", true, true}, {"kexec", "old kernel", false, false},
		{"kexec", "new kernel", false, true}, {"kexec", "kept kernel", true, true},
	} {
		for at := 1; ; at++ {
			h := newTwice(t)
			h.write(reboot.SettingsFile, "method = "+c.method+"\n")
			if !c.hooks {
				os.RemoveAll(h.root + "/etc/hotstick/reboot.d")
			}
			h.goesTo(c.from)
			h.acts, h.dies = 0, at
			lived := h.survives(func() {
				if c.from == "old kernel" {
					h.mustApply()
					h.goesDown(false)
				}
				h.comesBack(recipe)
			})
			h.dies = 0
			if !lived {
				deaths++
				if c.power || len(h.restarts) > 0 {
					h.goesDown(c.power)
				}
				h.comesBack(recipe)
			}
			h.mustBeAsBefore()
			if t.Failed() {
				t.Fatalf("%+v: it died before act %d", c, at)
			}
			if lived {
				break
			}
		}
	}
	if deaths < 100 {
		t.Errorf("it died %d times only", deaths)
	}
	t.Logf("it died %d times", deaths)
}

// TestASecondRebootThatIsRefusedLeavesTheFirst is the same for every refusal.
func TestASecondRebootThatIsRefusedLeavesTheFirst(t *testing.T) {
	for name, edit := range map[string]func(*host){
		"the drain fails":        func(h *host) { h.hook("before", "drain", "exit 1") },
		"apt-get does nothing":   func(h *host) { h.broken = []string{"apt-get"} },
		"GRUB does nothing":      func(h *host) { h.broken = []string{"grub-reboot"} },
		"another kernel comes":   func(h *host) { h.wrongKernel = true },
		"it cannot be restarted": func(h *host) { h.noRestart = true },
		"somebody is logged in":  func(h *host) { h.sessions = []string{"user/ann"} },
	} {
		t.Run(name, func(t *testing.T) {
			h := newTwice(t)
			edit(h)
			if err := h.step.Apply(t.Context(), recipe); err == nil {
				t.Fatal("it was not refused")
			}
			if err := h.step.Settle(t.Context(), recipe, false); err != nil {
				t.Fatal(err)
			}
			h.noRestart, h.sessions, h.broken = false, nil, nil
			h.hook("before", "drain", "")
			h.mustBeAsBefore()
		})
	}
}

// TestWhatAFailedRebootOwesTheNextOneOwes: the hook that lets work come back fails, and the
// host is tried again before somebody mends it.
func TestWhatAFailedRebootOwesTheNextOneOwes(t *testing.T) {
	h := newTwice(t)
	h.hook("before", "e-check", "exit 1")
	h.hook("after", "uncordon", "exit 1")
	if err := h.step.Apply(t.Context(), recipe); err == nil {
		t.Fatal("a reboot went on after a hook that failed")
	}
	h.write("hooks", "drain before\n")
	h.broken = []string{"apt-get"} // so the second one is refused before it empties the host
	h.installed = map[string]string{}
	if err := h.step.Apply(t.Context(), recipe); err == nil {
		t.Fatal("it was not refused")
	}
	h.broken = nil
	h.hook("before", "e-check", "")
	h.hook("after", "uncordon", "")
	if err := h.step.Settle(t.Context(), recipe, false); err != nil {
		t.Fatal(err)
	}
	h.mustBeAsBefore()
}

// Two kernels are kept one after the other, and undone one after the other.
func TestTwoRebootsAreUndoneOneAfterTheOther(t *testing.T) {
	h := newTwice(t)
	h.mustApply()
	if got := h.listed(); got != "kernel_6_1_0_56_amd64 transition_in, kernel_6_1_0_47_amd64 in_effect" {
		t.Errorf("before the machine restarts: %s", got)
	}
	h.goesDown(false)
	if err := h.step.Settle(t.Context(), recipe, true); err != nil {
		t.Fatal(err)
	}
	if got := h.listed() + "; " + h.chooses(); got != "kernel_6_1_0_56_amd64 in_effect; new" {
		t.Fatalf("after the second reboot: %s", got)
	}
	h.comesBack(recipe)
	h.mustBeAsBefore()
}
