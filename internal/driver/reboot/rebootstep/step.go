// Package rebootstep boots a host into another kernel build, so that it falls back to the
// one before by itself unless somebody says in time that the new one stays.
//
// Apply: refuse what the host does not want now or would not come back from (package
// reboot's NoFallback; inhibitors; people who are logged in; packages that are held back),
// install exactly the recipe's packages, look into the new kernel's file for its build
// ID, run the hooks that empty the host, make the running kernel the boot loader's
// default and the new one its choice for one boot, write that down, and restart. Up to
// the restart everything is undone if a later part fails.
//
// Remove: in the kernel before, undo what is prepared; in the new one, restart, for the
// kernel before is the default still, or is made it again.
//
// Settle: once the boot has been judged. Keep makes the new kernel the default; the hooks
// that let work come back are run in either case.
//
// Nothing is ever removed: neither a package nor a boot entry.
package rebootstep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/reboot"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/kernel"
)

// Step changes a host. Only step units make one.
type Step struct {
	reboot.Driver
	root     string
	fsys     fs.FS
	commands driver.Commands
	machine  Machine
}

var (
	_ driver.Stepper = (*Step)(nil)
	_ driver.Settler = (*Step)(nil)
)

// New returns the stepper of the host with this root, which is / but in tests.
func New(root string, commands driver.Commands, machine Machine) *Step {
	fsys := os.DirFS(root)
	return &Step{Driver: reboot.New(fsys), root: root, fsys: fsys, commands: commands, machine: machine}
}

// now is the running kernel and its boot.
func (s *Step) now() (hotstick.KernelBuild, string, error) {
	boot, err := kernel.BootID(s.fsys)
	if err != nil {
		return hotstick.KernelBuild{}, "", err
	}
	build, err := kernel.Build(s.fsys, kernel.Machine())
	return build, boot, err
}

// Apply implements driver.Stepper. It returns nil once the machine is told to restart.
func (s *Step) Apply(ctx context.Context, recipe hotstick.Recipe) error {
	running, boot, err := s.now()
	if err != nil {
		return err
	}
	state, err := reboot.ReadState(s.fsys)
	if err != nil {
		return err
	}
	switch {
	case running == recipe.Target && state.Of(running) != nil:
		return nil
	case running != recipe.Build:
		return driver.Refuse(hotstick.ReasonWrongBuild, "%s is running, the recipe is for %s", running, recipe.Build)
	}
	set, err := reboot.ReadSettings(s.fsys)
	if err != nil {
		return driver.Refuse(hotstick.ReasonUnsupported, "%v", err)
	}
	if state != nil && state.Boot == boot && (state.Phase == reboot.Ordered || state.Phase == reboot.Returning) {
		if state.Phase == reboot.Returning || state.Target != recipe.Target {
			return later(hotstick.ReasonTransitionBusy, "the machine is about to restart, for %s", state.Target.Release)
		}
		return s.restart(ctx, *state, set, recipe.Target) // it was told before, and is here still
	}
	if err := s.preflight(ctx, set); err != nil {
		return err
	}
	chosen, err := s.chooser(ctx)
	if err != nil {
		return err
	}
	if err := chosen.ready(ctx); err != nil {
		return err
	}
	next := state.Then(boot, recipe.Build, recipe.Target)
	next.Loader = chosen.name()
	return s.prepare(ctx, recipe, set, chosen, next)
}

// prepare does all that comes before the restart, and undoes it if a part of it fails.
func (s *Step) prepare(ctx context.Context, recipe hotstick.Recipe, set reboot.Settings, chosen chooser, state reboot.State) error {
	if err := s.write(state); err != nil {
		return err
	}
	err := s.arrange(ctx, recipe, set, chosen, &state)
	if err == nil {
		if err = s.restart(ctx, state, set, recipe.Target); err == nil {
			return nil
		}
	}
	// The order to stop may be why, and undoing must not depend on it.
	after := context.WithoutCancel(ctx)
	if undo := s.undo(after, state, set); undo != nil {
		err = errors.Join(err, undo)
	}
	return err
}

// arrange installs the kernel, empties the host, and arms the boot.
func (s *Step) arrange(ctx context.Context, recipe hotstick.Recipe, set reboot.Settings, chosen chooser, state *reboot.State) error {
	var err error
	if state.OldEntry, err = chosen.entry(ctx, recipe.Build.Release); err != nil {
		return err
	}
	// First of all, for installing a kernel may make it the default.
	if err := chosen.setDefault(ctx, state.OldEntry); err != nil {
		return err
	}
	if err := s.install(ctx, recipe); err != nil {
		return err
	}
	old, target := s.image(recipe.Build), s.image(recipe.Target)
	if _, err := os.Stat(old); err != nil {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "the running kernel's file %s is gone, so there would be no falling back", old)
	}
	if err := s.carries(ctx, target, recipe.Target); err != nil {
		return err
	}
	if state.NewEntry, err = chosen.entry(ctx, recipe.Target.Release); err != nil {
		return err
	}
	// Before it is chosen: whoever finds the state half-way knows what to take back.
	if err := s.write(*state); err != nil {
		return err
	}
	if err := s.empty(ctx, recipe, set.HookLimit, s.owe(state)); err != nil {
		return err
	}
	// It may have taken hours: is it still wanted?
	if err := s.preflight(ctx, set); err != nil {
		return err
	}
	if err := chosen.setDefault(ctx, state.OldEntry); err != nil {
		return err
	}
	if set.Kexec {
		return s.loadKernel(recipe.Target)
	}
	return chosen.setOnce(ctx, state.NewEntry)
}

// owe writes down that a hook is about to empty the host.
func (s *Step) owe(state *reboot.State) func(hook string) error {
	return func(hook string) error {
		if !slices.Contains(state.Hooks, hook) {
			state.Hooks = append(slices.Clone(state.Hooks), hook)
		}
		return s.write(*state)
	}
}

// restart writes down that the reboot was ordered, and orders it.
func (s *Step) restart(ctx context.Context, state reboot.State, set reboot.Settings, to hotstick.KernelBuild) error {
	before := state
	state.Phase = reboot.Ordered
	if to == state.From {
		state.Phase = reboot.Returning
	}
	if err := s.write(state); err != nil {
		return err
	}
	if err := s.machine.Restart(ctx, set.Kexec && to == state.Target); err != nil {
		return errors.Join(driver.Refuse(hotstick.ReasonToolFailed, "%v", err), s.write(before))
	}
	return nil
}

// undo takes back what was prepared in the kernel before: the choice for the next boot,
// and what the hooks did.
func (s *Step) undo(ctx context.Context, state reboot.State, set reboot.Settings) error {
	var failed error
	if state.NewEntry != "" {
		chosen, err := s.chooser(ctx)
		if err == nil {
			err = chosen.setOnce(ctx, "")
		}
		failed = errors.Join(err, s.machine.UnloadKernel())
	}
	if len(state.Hooks) > 0 {
		failed = errors.Join(failed, s.fill(ctx, set.HookLimit, afterNothing, state.Target.Release))
	}
	if failed != nil {
		return failed // what is owed is written still
	}
	return s.forget(state)
}

// Remove implements driver.Stepper.
func (s *Step) Remove(ctx context.Context, recipe hotstick.Recipe) error {
	running, boot, err := s.now()
	if err != nil {
		return err
	}
	state, err := reboot.ReadState(s.fsys)
	if state = state.Of(recipe.Target); err != nil || state == nil {
		return err // it is not ours, or not there
	}
	set, err := reboot.ReadSettings(s.fsys)
	if err != nil {
		set = reboot.Settings{HookLimit: reboot.DefaultHookLimit} // the way back does not wait for an administrator
	}
	switch running {
	case state.From:
		return s.undo(ctx, *state, set)
	case state.Target:
	default:
		return driver.Refuse(hotstick.ReasonWrongBuild, "%s is running", running)
	}
	if state.Phase == reboot.Returning && state.Boot == boot {
		return s.restart(ctx, *state, set, state.From)
	}
	chosen, err := s.chooser(ctx)
	if err != nil {
		return err
	}
	if _, err := os.Stat(s.image(state.From)); err != nil {
		return driver.Refuse(hotstick.ReasonNoWayBack, "the kernel before is gone: %s", s.image(state.From))
	}
	entry, err := chosen.entry(ctx, state.From.Release)
	if err != nil {
		return err
	}
	if err := errors.Join(chosen.setDefault(ctx, entry), chosen.setOnce(ctx, ""), s.machine.UnloadKernel()); err != nil {
		return err
	}
	if len(state.Hooks) == 0 { // work has come back since
		if err := s.empty(ctx, recipe, set.HookLimit, s.owe(state)); err != nil {
			return err
		}
	}
	state.Boot, state.OldEntry = boot, entry
	return s.restart(ctx, *state, set, state.From)
}

// Settle implements driver.Settler.
func (s *Step) Settle(ctx context.Context, recipe hotstick.Recipe, keep bool) error {
	running, boot, err := s.now()
	if err != nil {
		return err
	}
	state, err := reboot.ReadState(s.fsys)
	if err != nil || state == nil || state.Target != recipe.Target {
		return err
	}
	set, err := reboot.ReadSettings(s.fsys)
	if err != nil {
		return driver.Refuse(hotstick.ReasonUnsupported, "%v", err)
	}
	if running != state.Target || !keep {
		return s.settleOld(ctx, *state, set, boot, running == state.From, keep)
	}
	chosen, err := s.chooser(ctx)
	if err != nil {
		return err
	}
	entry, err := chosen.entry(ctx, state.Target.Release)
	if err != nil {
		return err
	}
	if err := chosen.setDefault(ctx, entry); err != nil {
		return err
	}
	if len(state.Hooks) > 0 {
		if err := s.fill(ctx, set.HookLimit, afterSettled, state.Target.Release); err != nil {
			return err
		}
	}
	state.Phase, state.Boot, state.Hooks, state.NewEntry = reboot.Settled, boot, nil, ""
	state.Earlier = slices.DeleteFunc(state.Earlier, func(k reboot.Kept) bool { return k.Target == state.Target })
	return s.write(*state)
}

// settleOld ends a reboot that came to nothing. A machine that was told to restart in this
// boot is about to. A level that is to be kept although its kernel does not run is one that
// an administrator has left: it counts again in its kernel.
func (s *Step) settleOld(ctx context.Context, state reboot.State, set reboot.Settings, boot string, fellBack, keep bool) error {
	if fellBack && state.Boot == boot && state.Phase == reboot.Preparing {
		// No step runs and no attempt is open, or nobody would settle: a part of undoing
		// failed, and is tried again.
		return s.undo(ctx, state, set)
	}
	if state.Boot == boot && state.Phase != reboot.Settled {
		return later(hotstick.ReasonTransitionBusy, "the machine is about to restart")
	}
	kept := state.Phase == reboot.Settled && (keep || !fellBack)
	if kept && len(state.Hooks) == 0 {
		return nil
	}
	chosen, err := s.chooser(ctx)
	if err == nil {
		err = chosen.setOnce(ctx, "")
	}
	if err != nil {
		return err
	}
	if len(state.Hooks) > 0 {
		if err := s.fill(ctx, set.HookLimit, afterFallback, state.Target.Release); err != nil {
			return err
		}
		state.Hooks = nil
		if err := s.write(state); err != nil {
			return err
		}
	}
	if !fellBack || kept {
		return nil
	}
	return s.forget(state)
}

// chooser finds what starts kernels on this host: systemd-boot where it says so itself, for
// files of GRUB may be left over there; else GRUB.
func (s *Step) chooser(ctx context.Context) (chooser, error) {
	if (bootctl{s}).started() {
		return bootctl{s}, nil
	}
	for _, g := range []grub{{s, "grub", "boot/grub"}, {s, "grub2", "boot/grub2"}} {
		if _, err := os.Stat(g.file("grub.cfg")); err == nil {
			return g, nil
		}
	}
	ran, err := s.commands.Run(ctx, "bootctl", "is-installed")
	if err == nil && ran.Code == 0 && strings.TrimSpace(ran.Stdout) == "yes" {
		return bootctl{s}, nil
	}
	return nil, driver.Refuse(hotstick.ReasonUnsupported, "there is neither GRUB nor systemd-boot, so nothing could choose a kernel for one boot")
}

// image is where a kernel's file lies.
func (s *Step) image(build hotstick.KernelBuild) string {
	name := filepath.Join(s.root, "boot", "vmlinuz-"+build.Release)
	if _, err := os.Stat(name); err == nil {
		return name
	}
	if inTree := filepath.Join(s.root, "usr/lib/modules", build.Release, "vmlinuz"); exists(inTree) {
		return inTree
	}
	return name
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// loadKernel readies the target to be started by the running kernel.
func (s *Step) loadKernel(target hotstick.KernelBuild) error {
	if said, err := readBounded(filepath.Join(s.root, "proc/sys/kernel/kexec_load_disabled")); err == nil && strings.TrimSpace(said) == "1" {
		return driver.Refuse(hotstick.ReasonUnsupported, "the running kernel starts no other one (kernel.kexec_load_disabled)")
	}
	initrd := ""
	for _, name := range []string{"initrd.img-" + target.Release, "initramfs-" + target.Release + ".img", "initrd-" + target.Release} {
		if path := filepath.Join(s.root, "boot", name); exists(path) {
			initrd = path
			break
		}
	}
	if initrd == "" {
		return driver.Refuse(hotstick.ReasonVerificationFailed, "there is no initramfs for %s in /boot", target.Release)
	}
	line, err := readBounded(filepath.Join(s.root, "proc/cmdline"))
	if err != nil {
		return err
	}
	var words []string
	for word := range strings.FieldsSeq(line) {
		if !strings.HasPrefix(word, "BOOT_IMAGE=") && !strings.HasPrefix(word, "initrd=") {
			words = append(words, word)
		}
	}
	if err := s.machine.LoadKernel(s.image(target), initrd, strings.Join(words, " ")); err != nil {
		// Secure Boot and lockdown: the kernel takes what it trusts, and says so.
		return driver.Refuse(hotstick.ReasonUnsupported, "%v", err)
	}
	return nil
}

// write replaces the state.
func (s *Step) write(state reboot.State) error {
	data, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(s.root, reboot.StateFile)
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot keep what the reboot driver does: %w", err)
	}
	if err := durable.Replace(dir, filepath.Base(name), 0o644, append(data, '\n')); err != nil {
		return err
	}
	// Whatever the unit's umask is: the agent, which is not root, looks here.
	return errors.Join(os.Chmod(dir, 0o755), os.Chmod(name, 0o644))
}

// forget drops the state, but for what was kept before it.
func (s *Step) forget(state reboot.State) error {
	if before := state.Before(state.Boot); before != nil {
		return s.write(*before)
	}
	if err := os.Remove(filepath.Join(s.root, reboot.StateFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot drop what the reboot driver did: %w", err)
	}
	return durable.SyncDir(filepath.Dir(filepath.Join(s.root, reboot.StateFile)))
}
