package guest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

func goodConfig(t *testing.T) Config {
	return Config{Name: "g1", Dir: t.TempDir(), Busybox: "/b", Kernel: kernelpkg.Kernel{Image: "/k"}}
}

func TestAConfigThatCannotWorkIsRefused(t *testing.T) {
	for _, tt := range []struct {
		says  string
		spoil func(*Config)
	}{
		{"is no host name", func(c *Config) { c.Name = "" }},
		{"is no host name", func(c *Config) { c.Name = "a b" }},
		{"is no host name", func(c *Config) { c.Name = "<script>" }},
		{"needs a directory", func(c *Config) { c.Dir = "" }},
		{"needs a directory, a kernel", func(c *Config) { c.Kernel.Image = "" }},
		{"64 MB of memory are too little", func(c *Config) { c.MemoryMB = 64 }},
		{"must be absolute and clean", func(c *Config) { c.Files = []File{{Path: "etc/x", Data: []byte{}}} }},
		{"must be absolute and clean", func(c *Config) { c.Files = []File{{Path: "/etc/../x", Data: []byte{}}} }},
		{"either a source or data", func(c *Config) { c.Files = []File{{Path: "/x"}} }},
		{"has a line break", func(c *Config) { c.Cmdline = []string{"a\nb"} }},
		{"is no service name", func(c *Config) { c.Services = []Service{{Name: "a/b", Argv: []string{"/a"}}} }},
		{"needs a program with an absolute path", func(c *Config) { c.Services = []Service{{Name: "a", Argv: []string{"a"}}} }},
		{"needs a program", func(c *Config) { c.Services = []Service{{Name: "a"}} }},
		{"is given twice", func(c *Config) {
			c.Services = []Service{{Name: "a", Argv: []string{"/a"}}, {Name: "a", Argv: []string{"/a"}}}
		}},
		{"has user ID -1", func(c *Config) { c.Services = []Service{{Name: "a", Argv: []string{"/a"}, UID: -1}} }},
		{"would be taken for its disk", func(c *Config) { c.Drives = []string{"/b"} }},
		{"no port leads to it", func(c *Config) { c.Ports = []int{8443} }},
		{"only emulation (tcg) counts instructions", func(c *Config) { c.SkipIdle, c.Accel = true, AccelKVM }},
		{"its services are units", func(c *Config) { c.Debian, c.Services = "/image", []Service{{Name: "a", Argv: []string{"/a"}}} }},
		{"which is not KEY=VALUE", func(c *Config) {
			c.Services = []Service{{Name: "a", Argv: []string{"/a"}, Env: []string{"oops"}}}
		}},
	} {
		c := goodConfig(t)
		tt.spoil(&c)
		if _, err := c.complete(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("want %q, got %v", tt.says, err)
		}
	}
	if c, err := goodConfig(t).complete(); err != nil || c.MemoryMB != defaultMemoryMB || c.Accel != AccelTCG {
		t.Errorf("a good one: got %+v, %v", c, err)
	}
}

func TestQEMUIsToldToEmulateInTheWayThatMakesNoFalseOops(t *testing.T) {
	c := goodConfig(t)
	c.Disk, c.Network, c.Cmdline = "/tmp/a,b.disk", true, []string{"quiet"}
	c, err := c.complete()
	if err != nil {
		t.Fatal(err)
	}
	args := commandLine(c, "/run/s")
	for _, pair := range [][2]string{
		{"-accel", "tcg,thread=single"},
		{"-cpu", "Nehalem,-cx16"},
		{"-append", "console=ttyS0 panic=1 no_timer_check pti=off memmap=0x100000$0xa000000 quiet"},
		{"-drive", "if=virtio,format=raw,cache=unsafe,file=/tmp/a,,b.disk"},
		{"-netdev", "user,id=net"},
	} {
		if i := slices.Index(args, pair[0]); i < 0 || args[i+1] != pair[1] {
			t.Errorf("want %s %s in %q", pair[0], pair[1], args)
		}
	}
	c.SkipIdle = true
	if args := commandLine(c, "/run/s"); !slices.Contains(args, "shift=3,sleep=off") {
		t.Errorf("a guest that skips idle time is not told so: %q", args)
	}
	c.SkipIdle = false
	c.Accel = AccelKVM
	if args := commandLine(c, "/run/s"); !slices.Contains(args, "kvm") || slices.Contains(args, "tcg,thread=single") {
		t.Errorf("with KVM: %q", args)
	}
}

func TestADebianIsSharedAndNeverWrittenTo(t *testing.T) {
	c := goodConfig(t)
	c.Debian = "/images/a,b.img"
	c, err := c.complete()
	if err != nil {
		t.Fatal(err)
	}
	if args := commandLine(c, "/run/s"); !slices.Contains(args, "if=virtio,format=raw,snapshot=on,cache=unsafe,file=/images/a,,b.img") {
		t.Errorf("QEMU is told %q", args)
	}
	c.Disk = "/own"
	if args := commandLine(c, "/run/s"); !slices.Contains(args, "if=virtio,format=raw,cache=unsafe,file=/own") || strings.Contains(strings.Join(args, " "), "a,,b") {
		t.Errorf("with a disk of its own QEMU is told %q", args)
	}
}

func TestOnlyTheFirmwareCanWriteToTheVariablesOfSecureBoot(t *testing.T) {
	c := goodConfig(t)
	c.Firmware = &kernelpkg.Firmware{Code: "/code.fd", Vars: "/vars.fd"}
	c, err := c.complete()
	if err != nil {
		t.Fatal(err)
	}
	args := commandLine(c, "/run/s")
	for _, want := range []string{"q35,smm=on", "driver=cfi.pflash01,property=secure,value=on",
		"if=pflash,format=raw,unit=0,readonly=on,file=/code.fd", "if=pflash,format=raw,unit=1,file=" + filepath.Join(c.Dir, varsName)} {
		if !slices.Contains(args, want) {
			t.Errorf("QEMU is not told %s: %q", want, args)
		}
	}
}

func TestAMissingProgramIsNamedWithThePackageThatHasIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	c := goodConfig(t)
	_, err := startQEMU(c, nil)
	var p *kernelpkg.Problem
	if !errors.As(err, &p) || !strings.Contains(p.Hint(), "apt-get install qemu-system-x86") {
		t.Errorf("got %v", err)
	}
}

func TestKVMIsUsedOnlyAfterAGuestBootedUnderIt(t *testing.T) {
	works := func(context.Context, Config) error { return nil }
	hangs := func(context.Context, Config) error {
		return errors.New("cannot use KVM: /dev/kvm is there but no guest boots")
	}
	for _, tt := range []struct {
		ask   Accel
		probe func(context.Context, Config) error
		want  Accel
		note  string
	}{
		{AccelTCG, hangs, AccelTCG, ""},
		{AccelKVM, hangs, AccelKVM, ""},
		{AccelAuto, works, AccelKVM, ""},
		{AccelAuto, hangs, AccelTCG, "using software emulation: cannot use KVM: /dev/kvm is there but no guest boots"},
	} {
		accel, note, err := chooseAccel(context.Background(), Config{Name: "g", Accel: tt.ask}, tt.probe)
		if err != nil || accel != tt.want || note != tt.note {
			t.Errorf("%s: got %s, %q, %v", tt.ask, accel, note, err)
		}
	}
	if _, _, err := chooseAccel(context.Background(), Config{Name: "g", Accel: "hvf"}, works); err == nil {
		t.Error("an unknown way was accepted")
	}
	if err := probeKVM(context.Background(), Config{}, filepath.Join(t.TempDir(), "kvm")); err == nil || !strings.Contains(err.Error(), "cannot use KVM") {
		t.Errorf("without a device: got %v", err)
	}
}

func TestADiskIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, []byte("already here"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := makeDisk(context.Background(), path); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "already here" {
		t.Errorf("the disk was overwritten: %q, %v", data, err)
	}
}

func TestASocketsNameIsNeverTooLong(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), strings.Repeat("long", 30))} {
		name, err := socketName(dir)
		if err == nil && !strings.HasPrefix(name, dir) {
			t.Cleanup(func() { os.Remove(filepath.Dir(name)) })
		}
		if err != nil || len(name) > 107 {
			t.Errorf("%s: got %q, %v", dir, name, err)
		}
	}
}

func TestDrivesAndPortsLeadIntoTheGuest(t *testing.T) {
	c := goodConfig(t)
	c.Disk, c.Drives, c.Network, c.Ports = "/a", []string{"/b", "/c"}, true, []int{8443, 9000}
	c, err := c.complete()
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Join(commandLine(c, "/run/s"), " ")
	for _, want := range []string{"file=/a -drive if=virtio,format=raw,cache=unsafe,file=/b -drive if=virtio,format=raw,cache=unsafe,file=/c ",
		"user,id=net,hostfwd=tcp:127.0.0.1:8443-:8443,hostfwd=tcp:127.0.0.1:9000-:9000"} {
		if !strings.Contains(line, want) {
			t.Errorf("want %q in %s", want, line)
		}
	}
}
