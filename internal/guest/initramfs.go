package guest

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
)

// The guest's own scripts. They are plain shell for busybox.
var (
	//go:embed scripts/boot.sh
	bootScript string
	//go:embed scripts/commands.sh
	commandScript string
	//go:embed scripts/shutdown.sh
	shutdownScript string
	//go:embed scripts/debian.sh
	debianScript string
	//go:embed scripts/debian.service
	debianService string
)

// ownModules are what every guest loads after the module for crash evidence. The
// random number generator is among them because programs that use TLS would
// otherwise wait for entropy, for seconds.
var ownModules = []string{"virtio_pci", "virtio_rng", "virtio_blk", "virtio_net", "ext4"}

// crashModule is loaded with parameters, so it is not in the list of the others.
const crashModule = "ramoops"

// The memory kept for crash evidence. It lies above what the kernel and its
// unpacking use at the bottom and below where QEMU puts the initramfs (the top).
const (
	crashAddress    = 0xa000000 // 160 MiB
	crashSize       = 0x100000
	crashRecordSize = 0x20000
)

// archive collects the content of an initramfs.
type archive struct {
	records []cpio.Record
	dirs    map[string]bool
}

func (a *archive) dir(name string) {
	name = strings.Trim(name, "/")
	if name == "" || a.dirs[name] {
		return
	}
	a.dir(path.Dir("/" + name))
	a.dirs[name] = true
	a.records = append(a.records, cpio.Directory(name, 0o755))
}

func (a *archive) file(name string, data []byte, perm uint64) {
	a.dir(path.Dir(name))
	a.records = append(a.records, cpio.StaticFile(strings.TrimPrefix(name, "/"), string(data), perm))
}

func (a *archive) link(name, target string) {
	a.dir(path.Dir(name))
	a.records = append(a.records, cpio.Symlink(strings.TrimPrefix(name, "/"), target))
}

// buildInitramfs writes the whole initramfs of a guest. applets are the commands
// that busybox has.
func buildInitramfs(c Config, applets []string, modules, crash []module) ([]byte, error) {
	a := &archive{dirs: map[string]bool{}}
	for _, d := range []string{"/bin", "/sbin", "/dev", "/proc", "/sys", "/run", "/tmp", "/root", "/etc", "/lib/modules", StateDir} {
		a.dir(d)
	}
	// The kernel opens /dev/console for PID 1 before devtmpfs can be mounted.
	a.records = append(a.records, cpio.CharDev("dev/console", 0o600, 5, 1))

	box, err := os.ReadFile(c.Busybox)
	if err != nil {
		return nil, fmt.Errorf("cannot read busybox: %w", err)
	}
	a.file("/bin/busybox", box, 0o755)
	if c.Debian == "" {
		a.link("/init", "/bin/busybox")
	} else {
		a.file("/init", []byte(debianScript), 0o755)
		a.file("/etc/hotstick/commands.service", []byte(debianService), 0o644)
	}
	for _, name := range applets {
		a.link("/bin/"+name, "busybox")
	}
	system := systemFiles(c)
	for _, f := range c.Files {
		delete(system, f.Path) // a guest may play another distribution, and the first record of a name counts
	}
	for _, name := range slices.Sorted(maps.Keys(system)) {
		a.file(name, []byte(system[name]), 0o644)
	}
	a.file("/etc/hotstick/boot", []byte(bootScript), 0o755)
	a.file("/etc/hotstick/commands", []byte(commandScript), 0o755)
	a.file("/etc/hotstick/shutdown", []byte(shutdownScript), 0o755)
	for _, s := range c.Services {
		a.file("/etc/hotstick/service/"+s.Name, []byte(serviceScript(s)), 0o755)
	}
	a.modules(c.Kernel.Release, modules, crash)
	if c.Debian == "" { // else they have a disk of their own
		for _, f := range c.Files {
			data, err := f.content()
			if err != nil {
				return nil, err
			}
			a.file(f.Path, data, uint64(f.Mode.Perm()))
		}
	}
	return a.bytes()
}

// modules adds modules and the list of what to load, in order.
func (a *archive) modules(release string, modules, crash []module) {
	var list strings.Builder
	added := map[string]bool{}
	add := func(m module) {
		name := "/lib/modules/" + release + "/" + m.Path
		if !added[m.Name] {
			a.file(name, m.Data, 0o644)
			list.WriteString(name)
			if m.Name == crashModule {
				fmt.Fprintf(&list, " mem_address=%#x mem_size=%#x record_size=%#x console_size=%#x pmsg_size=0 ftrace_size=0",
					crashAddress, crashSize, crashRecordSize, crashRecordSize)
			}
			list.WriteString("\n")
		}
		added[m.Name] = true
	}
	for _, m := range crash {
		add(m)
	}
	for _, m := range modules {
		add(m)
	}
	a.file("/etc/hotstick/modules", []byte(list.String()), 0o644)
}

// content reads what is in a caller's file.
func (f File) content() ([]byte, error) {
	if f.Source == "" {
		return f.Data, nil
	}
	data, err := os.ReadFile(f.Source)
	if err != nil {
		return nil, fmt.Errorf("cannot put %s into guest: %w", f.Path, err)
	}
	return data, nil
}

func (a *archive) bytes() ([]byte, error) {
	var b bytes.Buffer
	w := cpio.Newc.Writer(&b)
	records := a.records
	cpio.MakeAllReproducible(records)
	if err := cpio.WriteRecords(w, records); err != nil {
		return nil, fmt.Errorf("cannot write initramfs: %w", err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, fmt.Errorf("cannot write initramfs: %w", err)
	}
	return b.Bytes(), nil
}

// systemFiles are the small files of /etc, with their content.
func systemFiles(c Config) map[string]string {
	network := ""
	if c.Network {
		network = GuestAddress + " 255.255.255.0 " + HostAddress + "\n"
	}
	passwd := "root:x:0:0:root:/root:/bin/sh\n"
	group := "root:x:0:\n"
	users := map[int]string{0: "root", UserID: UserName}
	order := []int{UserID}
	for _, s := range c.Services {
		if users[s.UID] == "" {
			users[s.UID] = userName(s.UID)
			order = append(order, s.UID)
		}
	}
	for _, uid := range order {
		passwd += fmt.Sprintf("%s:x:%d:%d::/tmp:/bin/sh\n", users[uid], uid, uid)
		group += fmt.Sprintf("%s:x:%d:\n", users[uid], uid)
	}
	return map[string]string{
		"/etc/hostname":           c.Name + "\n",
		"/etc/hosts":              "127.0.0.1 localhost\n127.0.1.1 " + c.Name + "\n" + HostAddress + " host\n",
		"/etc/resolv.conf":        "",
		"/etc/passwd":             passwd,
		"/etc/group":              group,
		"/etc/inittab":            inittab(c.Services),
		"/etc/os-release":         "ID=hotstick-guest\nPRETTY_NAME=\"Hotstick guest\"\n",
		"/etc/hotstick/network":   network,
		"/etc/hotstick/state-dir": StateDir + "\n",
	}
}

func userName(uid int) string {
	if uid == UserID {
		return UserName
	}
	return fmt.Sprintf("u%d", uid)
}

// inittab tells busybox init what to run. An empty first field is the console.
func inittab(services []Service) string {
	lines := []string{
		"::sysinit:/etc/hotstick/boot",
		"::respawn:/etc/hotstick/commands",
	}
	for _, s := range services {
		lines = append(lines, "::respawn:/etc/hotstick/service/"+s.Name)
	}
	lines = append(lines,
		"::ctrlaltdel:/bin/busybox reboot",
		"::shutdown:/etc/hotstick/shutdown",
	)
	return strings.Join(lines, "\n") + "\n"
}

// pidDir holds NAME.pid of every service.
const pidDir = "/run/service"

// serviceScript becomes the service: it execs, so its process ID is the
// service's, and killing that is what makes PID 1 start it again.
func serviceScript(s Service) string {
	env := append([]string{"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/tmp"}, s.Env...)
	words := append([]string{"exec", "/bin/busybox", "env", "-i"}, quoteAll(env)...)
	if s.UID != 0 {
		// start-stop-daemon without -b stays in the foreground and execs. The pid
		// file never exists, so it does not mistake another process for this one.
		user := userName(s.UID) + ":" + userName(s.UID)
		words = append(words, "/bin/busybox", "start-stop-daemon", "-S", "-q", "-c", user,
			"-p", "/run/none", "-x", quote(s.Argv[0]), "--")
	} else {
		words = append(words, quote(s.Argv[0]))
	}
	words = append(words, quoteAll(s.Argv[1:])...)
	return "#!/bin/sh\ncd /\nmkdir -p " + pidDir + "\necho $$ >" + pidDir + "/" + s.Name + ".pid\n" +
		"exec >>" + LogDir + "/" + s.Name + ".log 2>&1 </dev/null\n" + strings.Join(words, " ") + "\n"
}

func quoteAll(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = quote(w)
	}
	return out
}

// quote makes one word for a POSIX shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
