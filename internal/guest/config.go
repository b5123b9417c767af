package guest

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// Config says what guest to boot. The zero value of every field but Name, Dir,
// Kernel and Busybox is usable.
type Config struct {
	Name    string           // host name; letters, digits and dashes
	Dir     string           // directory on this machine for sockets, log and initramfs; made if missing
	Kernel  kernelpkg.Kernel // the kernel build to boot
	Busybox string           // static busybox, see kernelpkg.Busybox

	// Firmware boots the guest by UEFI with Secure Boot; the kernel must be signed for
	// it. The firmware uses memory of its own, so a crash record may be lost in a reset.
	Firmware *kernelpkg.Firmware

	MemoryMB int      // 512 if 0; at least 256
	CPUs     int      // 1 if 0
	Disk     string   // ext4 image, made (64 MB, sparse, or a copy of Debian) if missing; without one, state ends with QEMU
	Debian   string   // ext4 image with a Debian, see kernelpkg.Debian; its systemd is PID 1 then
	Drives   []string // further raw images, /dev/vdb and so on after Disk, which must be given too; nothing mounts them
	Network  bool     // a card with user networking: this machine's loopback is 10.0.2.2 in the guest

	// Ports of this machine's loopback that lead to the same ports of the guest; they need Network.
	Ports []int

	Files    []File    // put into the initramfs, or onto a Debian's disk at its first boot
	Services []Service // kept running
	Modules  []string  // loaded at boot, with what they need, beyond the guest's own
	Cmdline  []string  // further kernel parameters

	Accel Accel // AccelTCG if empty

	// SkipIdle lets the guest's clock run by what its processor does, eight nanoseconds
	// an instruction, and leap to the next timer while it idles: a day takes about a
	// minute. Whoever waits outside for it waits in another time, so a guest that talks
	// to others needs a process that keeps it from idling meanwhile.
	SkipIdle bool
}

// File is a file in the guest's initramfs. Parent directories are made.
type File struct {
	Path   string      // absolute, in the guest
	Mode   fs.FileMode // permission bits; 0644 if 0
	Source string      // file on this machine, or
	Data   []byte      // its content
}

// Service is a program that PID 1 starts after boot and starts again, after
// about a second, whenever it ends. Its output goes to LogDir/NAME.log and its
// process ID to /run/service/NAME.pid. A clean shutdown sends it SIGTERM and gives
// it five seconds.
type Service struct {
	Name string   // names its log; letters, digits, dashes and underscores
	Argv []string // program, by absolute path, and arguments
	UID  int      // 0 is root
	Env  []string // KEY=VALUE; nothing else is in its environment but PATH and HOME
}

// StateDir is where a guest's disk is mounted, and LogDir where its services'
// output goes.
const (
	StateDir = "/var/lib/hotstick"
	LogDir   = StateDir + "/log"
)

// UserID and UserName are the unprivileged user that every guest has.
const (
	UserID   = 900
	UserName = "hotstick"
)

// Addresses of a guest with Network: its own, and this machine's loopback.
const (
	GuestAddress = "10.0.2.15"
	HostAddress  = "10.0.2.2"
)

// Memory of a guest. It is not all used: the default is large so that after a
// panic the next kernel is mostly unpacked to where the last one was not, because
// QEMU 7.2 overwrites translated code five times slower than other memory.
const (
	defaultMemoryMB = 512
	minimumMemoryMB = 256
)

var (
	hostName    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	serviceName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	envEntry    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

// complete fills defaults in and refuses what cannot work.
func (c Config) complete() (Config, error) {
	if !hostName.MatchString(c.Name) {
		return c, fmt.Errorf("cannot start guest: %q is no host name (lower-case letters, digits and dashes)", c.Name)
	}
	if c.Dir == "" || c.Busybox == "" || c.Kernel.Image == "" {
		return c, fmt.Errorf("cannot start guest %s: it needs a directory, a kernel and busybox", c.Name)
	}
	if c.MemoryMB == 0 {
		c.MemoryMB = defaultMemoryMB
	}
	if c.MemoryMB < minimumMemoryMB {
		return c, fmt.Errorf("cannot start guest %s: %d MB of memory are too little, at least %d are needed", c.Name, c.MemoryMB, minimumMemoryMB)
	}
	if c.Accel == "" {
		c.Accel = AccelTCG
	}
	if c.SkipIdle && c.Accel != AccelTCG {
		return c, fmt.Errorf("cannot start guest %s: only emulation (%s) counts instructions", c.Name, AccelTCG)
	}
	for _, p := range []*string{&c.Dir, &c.Disk, &c.Debian} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return c, fmt.Errorf("cannot start guest %s: %w", c.Name, err)
		}
		*p = abs
	}
	c.Drives = slices.Clone(c.Drives)
	for i, d := range c.Drives {
		abs, err := filepath.Abs(d)
		if err != nil {
			return c, fmt.Errorf("cannot start guest %s: %w", c.Name, err)
		}
		c.Drives[i] = abs
	}
	if len(c.Drives) > 0 && c.Disk == "" {
		return c, fmt.Errorf("cannot start guest %s: its first drive would be taken for its disk", c.Name)
	}
	if len(c.Ports) > 0 && !c.Network {
		return c, fmt.Errorf("cannot start guest %s: without a network no port leads to it", c.Name)
	}
	c.Files = slices.Clone(c.Files)
	for i, f := range c.Files {
		if f.Mode.Perm() == 0 {
			c.Files[i].Mode = 0o644
		}
		if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path {
			return c, fmt.Errorf("cannot start guest %s: file name %q must be absolute and clean", c.Name, f.Path)
		}
		if (f.Source == "") == (f.Data == nil) {
			return c, fmt.Errorf("cannot start guest %s: file %s needs either a source or data", c.Name, f.Path)
		}
	}
	for _, p := range c.Cmdline {
		if strings.ContainsAny(p, "\n\x00") {
			return c, fmt.Errorf("cannot start guest %s: kernel parameter %q has a line break", c.Name, p)
		}
	}
	if c.Debian != "" && len(c.Services) > 0 {
		return c, fmt.Errorf("cannot start guest %s: in a Debian its services are units", c.Name)
	}
	return c, c.checkServices()
}

func (c Config) checkServices() error {
	var names []string
	for _, s := range c.Services {
		switch {
		case !serviceName.MatchString(s.Name):
			return fmt.Errorf("cannot start guest %s: %q is no service name", c.Name, s.Name)
		case slices.Contains(names, s.Name):
			return fmt.Errorf("cannot start guest %s: service %s is given twice", c.Name, s.Name)
		case len(s.Argv) == 0 || !path.IsAbs(s.Argv[0]):
			return fmt.Errorf("cannot start guest %s: service %s needs a program with an absolute path", c.Name, s.Name)
		case s.UID < 0 || s.UID > 65533:
			return fmt.Errorf("cannot start guest %s: service %s has user ID %d", c.Name, s.Name, s.UID)
		}
		for _, e := range s.Env {
			if !envEntry.MatchString(e) {
				return fmt.Errorf("cannot start guest %s: service %s has environment entry %q, which is not KEY=VALUE", c.Name, s.Name, e)
			}
		}
		names = append(names, s.Name)
	}
	return nil
}
