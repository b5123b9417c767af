package rebootstep

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
	"github.com/hotstick/hotstick/internal/driver/hostcmd"
)

var (
	// firstBuild is what ran before the old kernel.
	firstBuild = hotstick.KernelBuild{Release: "6.1.0-40-amd64", Arch: "x86_64", BuildID: strings.Repeat("12", 20)}
	oldBuild   = hotstick.KernelBuild{Release: "6.1.0-47-amd64", Arch: "x86_64", BuildID: strings.Repeat("ab", 20)}
	newBuild   = hotstick.KernelBuild{Release: "6.1.0-56-amd64", Arch: "x86_64", BuildID: strings.Repeat("cd", 20)}
	recipe     = hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "reboot", Build: oldBuild, Module: "kernel_6_1_0_56_amd64", Target: newBuild,
		Packages: []hotstick.Package{{Name: "linux-image-6.1.0-56-amd64", Version: "6.1.192-1"}}}
	firstRecipe = hotstick.Recipe{Schema: hotstick.RecipeSchema, Driver: "reboot", Build: firstBuild, Module: "kernel_6_1_0_47_amd64", Target: oldBuild,
		Packages: []hotstick.Package{{Name: "linux-image-6.1.0-47-amd64", Version: "6.1.170-1"}}}
)

// offered is what the archive has, by the package's name.
var offered = map[string]struct {
	version string
	brings  hotstick.KernelBuild
}{"linux-image-6.1.0-47-amd64": {"6.1.170-1", oldBuild}, "linux-image-6.1.0-56-amd64": {"6.1.192-1", newBuild}}

// host is a Debian with GRUB in a directory. It works: what its programs are told has the
// effect that their documentation says, on files. Hooks are real programs.
type host struct {
	t    *testing.T
	root string
	step *Step
	// env is GRUB's environment block, which grub-editenv shows.
	env       map[string]string
	installed map[string]string
	held      []string
	// sessions are those of people, and inhibitors as busctl prints them.
	sessions   []string
	inhibitors string
	// broken are programs that say that they are done and do nothing, and busy is what
	// apt-get says of its lock.
	broken []string
	busy   bool
	// restarts are what the machine was told, and ran all that was run.
	restarts []string
	ran      []string
	// wrongKernel: the package brings another build than it should.
	wrongKernel bool
	noRestart   bool
	loaded      string
	// acts counts what was done to the host, and the step dies before the one with the
	// number dies; 0 for never.
	acts, dies int
	boot       int
}

// died is the panic of a step that dies.
type died struct{}

// act is called before anything is done to the host.
func (h *host) act() {
	if h.acts++; h.acts == h.dies {
		panic(died{})
	}
}

func newHost(t *testing.T) *host {
	h := &host{t: t, root: t.TempDir(), env: map[string]string{"saved_entry": "whatever"}, installed: map[string]string{}, inhibitors: "[[]]"}
	h.write("proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 ro panic=10\n")
	h.write("proc/self/mounts", "/dev/vda1 / ext4 rw 0 0\n")
	h.write("usr/bin/apt-get", "")
	h.write("boot/vmlinuz-"+oldBuild.Release, h.image(oldBuild))
	h.write("boot/grub/grub.cfg", menu(oldBuild.Release))
	h.boots(oldBuild, "11111111-1111-1111-1111-111111111111")
	h.step = New(h.root, h, h)
	return h
}

// boots is what the kernel says once a build runs.
func (h *host) boots(build hotstick.KernelBuild, boot string) {
	n, err := note(build.BuildID)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write("proc/sys/kernel/osrelease", build.Release+"\n")
	h.write("proc/sys/kernel/arch", build.Arch+"\n")
	h.write("sys/kernel/notes", string(n))
	h.write("proc/sys/kernel/random/boot_id", boot+"\n")
}

func (h *host) image(build hotstick.KernelBuild) string {
	n, err := note(build.BuildID)
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.Repeat("code", 1000) + string(n) + "rest"
}

// menu is what update-grub writes on Debian, shortened.
func menu(releases ...string) string {
	text := "if [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\nelse\n   set default=\"${saved_entry}\"\nfi\n" +
		"menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1234' {\n\tif [ x$feature = xy ]; then\n\t\tinsmod ext2\n\tfi\n" +
		"\tlinux\t/boot/vmlinuz-" + releases[0] + " root=UUID=1234 ro\n}\nsubmenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-1234' {\n"
	for _, r := range releases {
		for _, kind := range []string{"advanced", "recovery"} {
			text += "\tmenuentry 'Debian, with Linux " + r + "' --class debian $menuentry_id_option 'gnulinux-" + r + "-" + kind + "-1234' {\n\t\tlinux\t/boot/vmlinuz-" + r +
				" root=UUID=1234 ro\n\t\tinitrd\t/boot/initrd.img-" + r + "\n\t}\n"
		}
	}
	return text + "}\n"
}

func (h *host) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(text, "#!") {
		mode = 0o755
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) read(name string) string {
	data, err := os.ReadFile(filepath.Join(h.root, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
	return string(data)
}

// hook is a real program that notes that it ran.
func (h *host) hook(side, name, does string) {
	h.write("etc/hotstick/reboot.d/"+side+"/"+name, "#!/bin/sh\necho \""+name+" $1\" >>"+filepath.Join(h.root, "hooks")+"\n"+does+"\n")
}

// Run implements driver.Commands.
func (h *host) Run(ctx context.Context, argv ...string) (driver.Ran, error) {
	h.act()
	h.ran = append(h.ran, strings.Join(argv, " "))
	if strings.HasPrefix(argv[0], h.root) {
		return hostcmd.Host{}.Run(ctx, argv...)
	}
	works := !slices.Contains(h.broken, argv[0])
	last := argv[len(argv)-1]
	switch argv[0] {
	case "apt-mark":
		if !works {
			return driver.Ran{Code: 100, Stderr: "E: The package cache file is corrupted"}, nil
		}
		return driver.Ran{Stdout: strings.Join(h.held, "\n") + "\n"}, nil
	case "dpkg-query":
		if v := h.installed[last]; v != "" {
			return driver.Ran{Stdout: "installed " + v}, nil
		}
		return driver.Ran{Stderr: "dpkg-query: no packages found matching " + last, Code: 1}, nil
	case "apt-get":
		return h.install(argv, works)
	case "busctl":
		return driver.Ran{Stdout: `{"type":"a(ssssuu)","data":` + h.inhibitors + "}\n"}, nil
	case "loginctl":
		return h.loginctl(argv)
	case "bootctl":
		return h.bootctl(argv)
	case "grub-set-default", "grub-reboot":
		name := map[string]string{"grub-set-default": "saved_entry", "grub-reboot": "next_entry"}[argv[0]]
		if works {
			h.env[name] = last
		}
		return driver.Ran{}, nil
	case "grub-editenv":
		if argv[2] == "unset" {
			delete(h.env, last)
			return driver.Ran{}, nil
		}
		out := ""
		for k, v := range h.env {
			out += k + "=" + v + "\n"
		}
		return driver.Ran{Stdout: out}, nil
	}
	return driver.Ran{}, driver.ErrNoProgram
}

// efi writes one of the variables of systemd-boot; empty drops it.
func (h *host) efi(name, value string) {
	h.t.Helper()
	file := "sys/firmware/efi/efivars/" + name + "-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
	if value == "" {
		if err := os.Remove(filepath.Join(h.root, file)); err != nil && !errors.Is(err, os.ErrNotExist) {
			h.t.Fatal(err)
		}
		return
	}
	data := "\x07\x00\x00\x00" // the variable's attributes
	for _, unit := range utf16.Encode([]rune(value + "\x00")) {
		data += string([]byte{byte(unit), byte(unit >> 8)})
	}
	h.write(file, data)
}

// bootctl does to the variables what systemd's program does.
func (h *host) bootctl(argv []string) (driver.Ran, error) {
	variable := map[string]string{"set-default": "LoaderEntryDefault", "set-oneshot": "LoaderEntryOneShot"}[argv[1]]
	switch {
	case argv[1] == "is-installed":
		return driver.Ran{Stdout: "yes\n"}, nil
	case variable != "" && !slices.Contains(h.broken, argv[1]):
		h.efi(variable, argv[2])
	}
	return driver.Ran{}, nil
}

// install is apt-get install, with the postinst that runs update-grub.
func (h *host) install(argv []string, works bool) (driver.Ran, error) {
	if !slices.Contains(argv, "--no-remove") {
		h.t.Error("apt-get may remove packages")
	}
	name, version, _ := strings.Cut(argv[len(argv)-1], "=")
	switch {
	case h.busy:
		return driver.Ran{Code: 100, Stderr: "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1234 (unattended-upgr)"}, nil
	case version != offered[name].version:
		return driver.Ran{Code: 100, Stderr: "E: Version '" + version + "' for '" + name + "' was not found"}, nil
	case !works:
		return driver.Ran{}, nil
	}
	h.installed[name] = version
	brings := offered[name].brings
	release := brings.Release
	if h.wrongKernel {
		brings.BuildID = strings.Repeat("00", 20)
	}
	h.write("boot/vmlinuz-"+release, h.image(brings))
	h.write("boot/initrd.img-"+release, "initrd")
	h.write("boot/grub/grub.cfg", menu(h.kernels()...))
	h.entryFile(release)
	return driver.Ran{}, nil
}

// entryFile is what kernel-install writes for systemd-boot.
func (h *host) entryFile(release string) {
	h.write("boot/loader/entries/1234-"+release+".conf", "title Debian\nversion "+release+"\nlinux /1234/"+release+"/linux\n")
}

// kernels are the releases in /boot, the newest first.
func (h *host) kernels() []string {
	files, err := filepath.Glob(filepath.Join(h.root, "boot/vmlinuz-*"))
	if err != nil {
		h.t.Fatal(err)
	}
	slices.Sort(files)
	slices.Reverse(files)
	for i, f := range files {
		files[i] = strings.TrimPrefix(filepath.Base(f), "vmlinuz-")
	}
	return files
}

func (h *host) loginctl(argv []string) (driver.Ran, error) {
	if argv[1] == "list-sessions" {
		out := ""
		for i, s := range h.sessions {
			out += string(rune('1'+i)) + " 1000 " + s + " - pts/0\n"
		}
		return driver.Ran{Stdout: out}, nil
	}
	class, name, _ := strings.Cut(h.sessions[argv[2][0]-'1'], "/")
	return driver.Ran{Stdout: "Name=" + name + "\nClass=" + class + "\nState=active\n"}, nil
}

// Unpack implements Machine.
func (h *host) Unpack(context.Context, string, io.Reader, io.Writer) error {
	return driver.ErrNoProgram
}

// LoadKernel implements Machine.
func (h *host) LoadKernel(kernel, initrd, line string) error {
	h.act()
	h.loaded = strings.ReplaceAll(strings.Join([]string{kernel, initrd, line}, " "), h.root, "")
	return nil
}

// UnloadKernel implements Machine.
func (h *host) UnloadKernel() error { h.act(); h.loaded = ""; return nil }

// Restart implements Machine.
func (h *host) Restart(_ context.Context, loaded bool) error {
	h.act()
	defer h.act() // after it too
	if h.noRestart {
		return errors.New("cannot restart the machine: Transport endpoint is not connected")
	}
	what := "firmware"
	if loaded {
		what = "kexec"
	}
	h.restarts = append(h.restarts, what)
	return nil
}

// entry is GRUB's name for a release.
func entry(build hotstick.KernelBuild) string {
	return "gnulinux-advanced-1234>gnulinux-" + build.Release + "-advanced-1234"
}

// chooses is what GRUB would start next, and what after that.
func (h *host) chooses() string {
	name := func(e string) string {
		switch e {
		case entry(firstBuild):
			return "first"
		case entry(oldBuild):
			return "old"
		case entry(newBuild):
			return "new"
		}
		return e
	}
	if once := h.env["next_entry"]; once != "" {
		return name(once) + ", then " + name(h.env["saved_entry"])
	}
	return name(h.env["saved_entry"])
}

// lists is what the driver lists, in a word.
func (h *host) lists() string {
	h.t.Helper()
	patches, err := h.step.Observe(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	if len(patches) == 0 {
		return ""
	}
	return string(patches[0].State)
}

// restart lets GRUB start what it would.
func (h *host) restart(boot string) {
	build := oldBuild
	if strings.HasPrefix(h.chooses(), "new") {
		build = newBuild
	}
	delete(h.env, "next_entry")
	h.boots(build, strings.Repeat(boot, 8)+"-1111-1111-1111-111111111111")
}
