package guest

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
)

// image is an initramfs taken apart again.
type image map[string]cpio.Record

func mustImage(t *testing.T, c Config) image {
	t.Helper()
	c.Busybox = filepath.Join(t.TempDir(), "busybox")
	if err := os.WriteFile(c.Busybox, []byte("the box"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.Kernel = kernelpkg.Kernel{Release: "6.1.0-47", Image: "/k"}
	c.Dir = t.TempDir()
	c, err := c.complete()
	if err != nil {
		t.Fatal(err)
	}
	crash := []module{{Name: "reed_solomon", Path: "kernel/rs.ko", Data: []byte("rs")}, {Name: "ramoops", Path: "kernel/ramoops.ko", Data: []byte("ro")}}
	data, err := buildInitramfs(c, []string{"sh", "ls"}, []module{{Name: "virtio_blk", Path: "kernel/vb.ko", Data: []byte("vb")}, crash[0]}, crash)
	if err != nil {
		t.Fatal(err)
	}
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	img := image{}
	for _, r := range records {
		if _, twice := img[r.Name]; twice {
			t.Errorf("%s is in the initramfs twice", r.Name)
		}
		if dir := filepath.Dir(r.Name); dir != "." && img[dir].Mode&cpio.S_IFMT != cpio.S_IFDIR {
			t.Errorf("%s comes before its directory", r.Name)
		}
		img[r.Name] = r
	}
	return img
}

func (img image) text(t *testing.T, name string) string {
	t.Helper()
	r, ok := img[name]
	if !ok {
		t.Fatalf("the initramfs has no %s", name)
	}
	data, err := io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTheInitramfsHasWhatPID1Needs(t *testing.T) {
	img := mustImage(t, Config{Name: "g1"})
	if c := img["dev/console"]; c.Mode&cpio.S_IFMT != cpio.S_IFCHR || c.Rmajor != 5 || c.Rminor != 1 {
		t.Errorf("dev/console is %+v", c.Info)
	}
	for link, target := range map[string]string{"init": "/bin/busybox", "bin/sh": "busybox", "bin/ls": "busybox"} {
		if r := img[link]; r.Mode&cpio.S_IFMT != cpio.S_IFLNK || img.text(t, link) != target {
			t.Errorf("%s is no link to %s", link, target)
		}
	}
	for name, want := range map[string]string{
		"bin/busybox":          "the box",
		"etc/hostname":         "g1\n",
		"etc/hotstick/network": "",
	} {
		if got := img.text(t, name); got != want {
			t.Errorf("%s says %q", name, got)
		}
	}
	if !strings.Contains(img.text(t, "etc/passwd"), "hotstick:x:900:900:") {
		t.Error("the unprivileged user is missing")
	}
}

func TestModulesAreLoadedInOrderAndCrashEvidenceFirst(t *testing.T) {
	img := mustImage(t, Config{Name: "g1"})
	var loaded []string
	for line := range strings.Lines(img.text(t, "etc/hotstick/modules")) {
		loaded = append(loaded, filepath.Base(strings.Fields(line)[0]))
		if strings.Contains(line, "ramoops.ko") && !strings.Contains(line, "mem_address=0xa000000 mem_size=0x100000") {
			t.Errorf("ramoops is loaded as %q", line)
		}
	}
	if got := strings.Join(loaded, " "); got != "rs.ko ramoops.ko vb.ko" {
		t.Errorf("loaded: %s", got)
	}
	if got := img.text(t, "lib/modules/6.1.0-47/kernel/vb.ko"); got != "vb" {
		t.Errorf("the module is %q", got)
	}
}

func TestServicesRunAsTheirUserWithOnlyTheirEnvironment(t *testing.T) {
	img := mustImage(t, Config{Name: "g1", Network: true, Services: []Service{
		{Name: "agent", Argv: []string{"/bin/agent", "--say", "it's $HOME"}, UID: 900, Env: []string{"KEY=a b"}},
		{Name: "loader", Argv: []string{"/bin/loader"}},
		{Name: "other", Argv: []string{"/bin/other"}, UID: 1000},
	}})
	inittab := img.text(t, "etc/inittab")
	for _, name := range []string{"agent", "loader", "other"} {
		if !strings.Contains(inittab, "::respawn:/etc/hotstick/service/"+name+"\n") {
			t.Errorf("%s is not kept running:\n%s", name, inittab)
		}
	}
	agent := img.text(t, "etc/hotstick/service/agent")
	for _, part := range []string{"env -i ", "-c hotstick:hotstick", "-x /bin/agent --", `'it'\''s $HOME'`, "'KEY=a b'", "/var/lib/hotstick/log/agent.log", "/run/service/agent.pid"} {
		if !strings.Contains(agent, part) {
			t.Errorf("the agent's script lacks %q:\n%s", part, agent)
		}
	}
	if loader := img.text(t, "etc/hotstick/service/loader"); strings.Contains(loader, "start-stop-daemon") {
		t.Errorf("a service of root changes its user:\n%s", loader)
	}
	if !strings.Contains(img.text(t, "etc/passwd"), "u1000:x:1000:1000:") {
		t.Error("the service's user is missing")
	}
	if got := img.text(t, "etc/hotstick/network"); got != "10.0.2.15 255.255.255.0 10.0.2.2\n" {
		t.Errorf("network: %q", got)
	}
}

func TestTheCallersFilesAreInTheInitramfs(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	img := mustImage(t, Config{Name: "g1", Files: []File{
		{Path: "/opt/deep/down/a", Source: source, Mode: 0o755},
		{Path: "/opt/b", Data: []byte("from memory")},
	}})
	if got := img.text(t, "opt/deep/down/a"); got != "from a file" || img["opt/deep/down/a"].Mode&0o7777 != 0o755 {
		t.Errorf("got %q, mode %o", got, img["opt/deep/down/a"].Mode)
	}
	if got := img.text(t, "opt/b"); got != "from memory" || img["opt/b"].Mode&0o7777 != 0o644 {
		t.Errorf("got %q, mode %o", got, img["opt/b"].Mode)
	}
}

func TestAGuestCanPlayAnotherDistribution(t *testing.T) {
	img := mustImage(t, Config{Name: "g", Files: []File{{Path: "/etc/os-release", Data: []byte("ID=sles\n")}}})
	if have := img.text(t, "etc/os-release"); have != "ID=sles\n" {
		t.Errorf("it is %q", have)
	}
}

func TestTheSameGuestHasTheSameInitramfs(t *testing.T) {
	c := Config{Name: "g1", Busybox: os.Args[0], Kernel: kernelpkg.Kernel{Release: "r"}, Services: []Service{{Name: "a", Argv: []string{"/a"}, UID: 7}}}
	first, err := buildInitramfs(c, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := buildInitramfs(c, nil, nil, nil)
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("it differs (%v)", err)
		}
	}
}

func TestQuotedWordsReachTheProgramUnchanged(t *testing.T) {
	for _, word := range []string{"", "plain", "a b", "it's", `"$(reboot)"`, "`x`", "a\nb", "*", "--flag=x,y", "~", "#", "\\"} {
		out, err := exec.Command("sh", "-c", "printf %s "+quote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q became %q (%v)", word, out, err)
		}
	}
}
