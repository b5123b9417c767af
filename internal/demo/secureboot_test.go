package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/demo/house"
	"github.com/hotstick/hotstick/internal/guest"
	"github.com/hotstick/hotstick/internal/guest/kernelpkg"
	"github.com/hotstick/hotstick/internal/turn"
)

// TestAHostWithSecureBootTakesOnlyWhatItsKernelTrusts boots a kernel by UEFI with
// Secure Boot. Its firmware's db holds a key; a level signed with it is taken, a plan
// for one without a signature is refused before any host is asked.
func TestAHostWithSecureBootTakesOnlyWhatItsKernelTrusts(t *testing.T) {
	if os.Getenv("HOTSTICK_GUESTS") == "" {
		t.Skip("boots a real kernel: run make test-guests, or set HOTSTICK_GUESTS=1 after make build")
	}
	turn.Take(t, "secureboot", takeTurns()...)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	var course bytes.Buffer
	d, _, err := prepare(house.Options{Dir: t.TempDir(), Programs: "../../bin", Patches: "../../patches", Listen: "127.0.0.1:0", Out: &course})
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{name: "secure"}
	t.Cleanup(func() {
		if t.Failed() && m.Guest != nil {
			console, _ := m.ConsoleLog()
			t.Logf("%s\nthe guest's console ends with\n%s", course.String(), console[max(0, len(console)-3000):])
		}
		d.close()
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(d.bootSecure(ctx, m))
	must(d.enrol(ctx, m))
	must(host.Until(ctx, 2*time.Minute, "the host's facts", d.allHaveFacts))
	detail, err := d.Client.Host(ctx, m.name)
	must(err)
	s := detail.Facts.Security
	if s.SecureBoot == nil || !*s.SecureBoot || s.Lockdown != "integrity" {
		t.Errorf("the host says of itself %+v", s)
	}

	// By hand, the kernel takes the one and refuses the other.
	if out, code, err := m.serial(ctx, "insmod /demo/unsigned.ko"); err != nil || code == 0 || !strings.Contains(out, "rejected") && !strings.Contains(out, "not permitted") {
		t.Errorf("the kernel took a module without a signature: %s, %v", out, err)
	}
	closed, line, err := m.fault(ctx)
	if must(err); closed {
		t.Errorf("the hole is not open before: %s", line)
	}
	must(d.launch(ctx, "signed", d.levels[goodLevel], bake))
	r, err := d.follow(ctx, "signed", 3*time.Minute, over)
	must(err)
	closed, line, err = m.fault(ctx)
	if must(err); !closed || r.Status != hotstick.Completed || !m.enabled(ctx, d.levels[goodLevel]) {
		t.Errorf("the rollout is %s: %s", r.Status, line)
	}

	must(d.publish(ctx, d.levels[againLevel]))
	refused, err := d.Propose(ctx, "unsigned", d.levels[againLevel].ref(), wishes(bake)...)
	if must(err); refused.Code != exitRefused || !strings.Contains(refused.Say(), "sign") {
		t.Errorf("a plan for a level without a signature ended with %d: %s", refused.Code, refused.Say())
	}
	t.Logf("a plan without a signature: %s", refused.Say())
}

// bootSecure starts the server and a guest with Secure Boot, whose levels are signed but
// for the last.
func (d *demo) bootSecure(ctx context.Context, m *machine) error {
	if err := d.stepInitialise(ctx); err != nil {
		return err
	}
	say := d.rec.Progress
	k, err := kernelpkg.Fetch(ctx, d.cache, kernelpkg.Want{Line: "6.1", Which: kernelpkg.Oldest}, say)
	if err != nil {
		return err
	}
	firmware, err := kernelpkg.SecureBoot(ctx, d.cache, say)
	if err != nil {
		return err
	}
	busybox, err := kernelpkg.Busybox(ctx, d.cache, say)
	if err != nil {
		return err
	}
	d.kernels = []kernelpkg.Kernel{k}
	for _, n := range []int{goodLevel, againLevel} {
		l := &level{number: n, folder: filepath.Join(d.patches, fmt.Sprintf("%s-%d", patchName, n)), module: fmt.Sprintf("hotstick_unix_ioctl_%d", n)}
		ko, err := k.BuildModule(ctx, l.folder, filepath.Join(d.Dir, "build"))
		if err == nil && n == goodLevel {
			err = firmware.SignModule(ctx, k, ko)
		}
		if err != nil {
			return err
		}
		l.artifacts = map[string]string{k.Release: ko}
		d.levels[n] = l
	}
	if err := d.buildPrograms(ctx); err != nil {
		return err
	}
	files, err := d.guestFiles(m)
	if err != nil {
		return err
	}
	services, err := d.guestServices()
	if err != nil {
		return err
	}
	signed, err := firmware.SignKernel(ctx, k, d.Dir)
	if err != nil {
		return err
	}
	unsigned := guest.File{Path: "/demo/unsigned.ko", Source: d.levels[againLevel].artifacts[k.Release]}
	m.kernel = k
	if m.Guest, err = guest.Start(ctx, guest.Config{Name: m.name, Dir: filepath.Join(d.Dir, m.name), Kernel: signed, Busybox: busybox,
		Firmware: &firmware, Disk: filepath.Join(d.Dir, "disk.img"), Network: true,
		Files: append(slices.Clone(files), unsigned), Services: services}); err != nil {
		return err
	}
	d.guests = []*machine{m}
	m.bootID, err = m.WaitBoot(ctx)
	return err
}
