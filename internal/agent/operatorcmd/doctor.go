package operatorcmd

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/durable"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

// verdict is what a check comes to. The set is closed.
type verdict string

const (
	ok   verdict = "OK"
	warn verdict = "WARN"
	fail verdict = "FAIL"
)

// check is one thing that was looked at.
type check struct {
	Name    string  `json:"name"`
	Verdict verdict `json:"verdict"`
	// Found is what was found, and Hint what to do about it; empty if nothing need be.
	Found string `json:"found"`
	Hint  string `json:"hint,omitempty"`
}

// Thresholds of the doctor.
const (
	// certificateSoon and catalogSoon are when an end is near.
	certificateSoon = 3 * 24 * time.Hour
	catalogSoon     = 7 * 24 * time.Hour
	// skewLimit is the skew of clocks that is worth a word.
	skewLimit = 30 * time.Second
	// contactLimit is how long a server may not have answered.
	contactLimit = 10 * time.Minute
	// roomLimit is the free room below which plans and artifacts may not fit, in bytes.
	roomLimit = 128 << 20
)

// doctor looks at every prerequisite, one by one.
func doctor(ctx context.Context, s *session) error {
	v := s.look(ctx)
	checks := append(kernelChecks(s.root, v.facts), s.diskChecks()...)
	checks = append(checks, s.contactChecks(v)...)
	checks = append(checks, s.certificate())
	checks = append(checks, s.loaderChecks(v)...)
	checks = append(checks, s.units(ctx)...)
	worst := ok
	for _, c := range checks {
		if c.Verdict == fail || c.Verdict == warn && worst == ok {
			worst = c.Verdict
		}
	}
	if s.json {
		s.print(struct {
			Verdict verdict `json:"verdict"`
			Checks  []check `json:"checks"`
		}{worst, checks})
	} else {
		for _, c := range checks {
			fmt.Fprintf(s.out, "%-4s  %-18s %s\n", c.Verdict, c.Name, clean(c.Found))
			if c.Hint != "" {
				fmt.Fprintf(s.out, "      %-18s -> %s\n", "", clean(c.Hint))
			}
		}
	}
	if worst == fail {
		return errIll
	}
	return nil
}

// say makes a check: well, or else with the verdict, what was found and a hint.
func say(name string, well bool, good string, bad verdict, found, hint string) check {
	if well {
		return check{Name: name, Verdict: ok, Found: good}
	}
	return check{Name: name, Verdict: bad, Found: found, Hint: hint}
}

func kernelChecks(root fs.FS, f hotstick.Facts) []check {
	sec := f.Security
	disabled := sec.ModulesDisabled != nil && *sec.ModulesDisabled
	checks := []check{
		say("live patching", f.Kernel.LivepatchSupported, "the kernel has it", fail, "the kernel has no /sys/kernel/livepatch", "boot a kernel with CONFIG_LIVEPATCH=y"),
		say("modules", !disabled, "the kernel loads modules", fail, "kernel.modules_disabled is 1", "reboot: this setting cannot be taken back"),
	}
	if usable := klp.Usable(root); usable != nil && f.Kernel.LivepatchSupported && !disabled {
		checks = append(checks, check{"driver", fail, usable.Error(), ""})
	}
	signed := "modules need no signature"
	if sec.DemandsSignatures() {
		signed = fmt.Sprintf("the kernel takes signed modules only (lockdown %s)", dash(sec.Lockdown))
	}
	_, err := fs.Stat(root, "sys/fs/pstore")
	return append(checks, check{Name: "signatures", Verdict: ok, Found: signed},
		say("pstore", err == nil, "crash records are kept over a reboot", warn, "there is no /sys/fs/pstore: a crash leaves no trace", "load efi_pstore or ramoops"))
}

// diskChecks look at the directories.
func (s *session) diskChecks() []check {
	var checks []check
	for _, dir := range []string{s.state, filepath.Join(filepath.Dir(s.state), "loader")} {
		info, err := os.Stat(dir)
		checks = append(checks, say("directory", err == nil && info.Mode().Perm()&0o022 == 0, dir, fail, fmt.Sprintf("%s: %s", dir, stateOf(info, err)), "systemd-tmpfiles --create"))
		var st unix.Statfs_t
		if err != nil || unix.Statfs(dir, &st) != nil {
			continue
		}
		free := int64(st.Bavail) * st.Bsize
		checks = append(checks, say("room", free >= roomLimit, fmt.Sprintf("%d MiB free at %s", free>>20, dir), warn, fmt.Sprintf("only %d MiB free at %s", free>>20, dir), "make room: nothing starts once the ledger cannot be written"))
	}
	return checks
}

func stateOf(info fs.FileInfo, err error) string {
	if err != nil {
		return err.Error()
	}
	return "others may write it (" + info.Mode().String() + ")"
}

func (s *session) contactChecks(v hostView) []check {
	c := v.Contact
	if c == nil || c.Answered.IsZero() {
		text := "the agent has never reached it"
		if c != nil && c.Error != "" {
			text += ": " + c.Error
		}
		return []check{{"server", warn, text, "systemctl status hotstick-agent; has the host joined?"}}
	}
	silent := s.now().Sub(c.Answered)
	skew := time.Duration(c.SkewMillis) * time.Millisecond
	return []check{
		say("server", silent < contactLimit, fmt.Sprintf("%s answered %s ago", c.Server, s.ago(c.Answered)), warn, fmt.Sprintf("%s has not answered for %s: %s", c.Server, s.ago(c.Answered), c.Error), "what is in effect stays; nothing new starts"),
		say("clock", skew.Abs() < skewLimit, "agrees with the server's", warn, fmt.Sprintf("is %s ahead of the server's", skew.Round(time.Second)), "set the host's clock: windows and ends are judged by it"),
	}
}

// maxCertificate bounds the file of the agent's certificate and key, in bytes.
const maxCertificate = 64 << 10

// certificate looks at the agent's certificate.
func (s *session) certificate() check {
	const name = "certificate"
	data, err := durable.ReadUntrusted(filepath.Join(s.state, "tls.pem"), maxCertificate)
	if err != nil {
		return check{name, warn, err.Error(), "the host has not joined, or only root may look: hotstick-agent join"}
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			break
		}
		left := leaf.NotAfter.Sub(s.now()).Round(time.Minute)
		bad := warn
		if left <= 0 {
			bad = fail
		}
		return say(name, left > certificateSoon, "is good for "+left.String(), bad, "ends in "+left.String(), "the agent renews it by itself once its server answers; after its end, join again")
	}
	return check{name, fail, "tls.pem holds no certificate", "hotstick-agent join"}
}

func (s *session) loaderChecks(v hostView) []check {
	if v.Loader == nil {
		hint := "systemctl status hotstick-loader"
		if errors.Is(v.away, fs.ErrPermission) {
			hint = "only root may ask it: sudo hotstick-agent doctor"
		}
		return []check{{"loader", fail, v.Away, hint}}
	}
	h, l := v.Loader, v.Loader.Link
	checks := []check{
		{Name: "loader", Verdict: ok, Found: "version " + h.Version + " answers"},
		say("truth", v.Agree, "kernel and loader agree", fail, strings.Join(v.Notes, "; "), "hotstick-agent journal tells what happened"),
		say("ledger", h.Health.Ledger == "", "can be read and written", fail, h.Health.Ledger, "nothing starts before that is mended: is the disk full?"),
		say("kernel log", h.Health.Log == "", "can be read", fail, h.Health.Log, "without it an ill patch may go unseen"),
		say("crash records", h.Health.Crashes == "", "can be read", warn, h.Health.Crashes, ""),
		driverCheck(h.Drivers),
		say("root", !h.Catalog.Strange, "is the one that was pinned", fail, "the loader was told another catalog root than it has pinned", "if that is meant: hotstick-loader --new-root"),
		s.catalogCheck(h.Catalog),
		say("off switch", l.Off == "", "is not set", warn, "Hotstick is switched off by "+l.Off, "docs/how-to: turn it all off"),
	}
	if hd := l.Hold; hd != nil {
		checks = append(checks, check{"hold", warn, fmt.Sprintf("held by %s since %s: %s", hd.By, hd.Since.Format(time.DateTime), dash(hd.Reason)), "hotstick-agent unhold"})
	} else {
		checks = append(checks, check{Name: "hold", Verdict: ok, Found: "nobody holds the host"})
	}
	for _, m := range h.Masters {
		checks = append(checks, say("live-patch system", !m.Active || m.Adopted && m.Lifted == nil, masterWords(m), warn, masterWords(m), "hotstick-agent adopt, or switch it off"))
	}
	switch a := h.Adopted; {
	case a == nil:
	case a.Stage == ledger.Releasing:
		checks = append(checks, check{"adoption", warn, holdWords(a, h.Schedule), "repeat hotstick-agent release; " + byHand(a)})
	case a.Stage != ledger.Taken:
		checks = append(checks, check{"adoption", warn, holdWords(a, h.Schedule), "repeat hotstick-agent adopt, or release"})
	case a.Lifted != nil:
		checks = append(checks, check{"adoption", fail, holdWords(a, nil), "hotstick-agent adopt puts it on hold again, release gives it back"})
	default:
		checks = append(checks, check{Name: "adoption", Verdict: ok, Found: holdWords(a, nil)})
	}
	if why := hotstick.Ruled(h.Masters, h.Drivers); why != nil {
		text := (&refused{reason: *why}).Error()[len("cannot do that: "):]
		checks = append(checks, check{"beside it", warn, text, "nothing starts on this host until that is over"})
	}
	return append(checks, stallCheck(l.Stall))
}

// driverCheck says which drivers can be used on this host; one is enough.
func driverCheck(drivers []hotstick.Capabilities) check {
	var names []string
	for _, d := range drivers {
		if d.Available {
			names = append(names, d.Driver)
		}
	}
	return say("driver", len(names) > 0, strings.Join(names, ", ")+" can be used", fail, "none can be used here", "see live patching and modules")
}

func (s *session) catalogCheck(c operate.CatalogState) check {
	if !c.Known {
		return check{"catalog", warn, "none was verified yet", "nothing starts before that; is the server reached?"}
	}
	left := c.Expires.Sub(s.now()).Round(time.Minute)
	if left <= 0 {
		return check{"catalog", fail, "expired " + (-left).String() + " ago", "nothing new starts; its publisher must sign it anew"}
	}
	return say("catalog", left > catalogSoon, "is good for "+left.String(), warn, "ends in "+left.String(), "its publisher must sign it anew")
}

// stallCheck says which tasks keep a transition from ending, and why.
func stallCheck(st *hotstick.Stall) check {
	if st == nil {
		return check{Name: "transition", Verdict: ok, Found: "none is stalled"}
	}
	found := fmt.Sprintf("%s is stalled for %s by %d tasks", st.Module, millis(st.ForMillis), st.Tasks)
	for _, b := range st.Blockers {
		meaning, _ := b.Cause.Meaning()
		found += fmt.Sprintf("; %s (%d, %s): %s", b.Command, b.TID, dash(b.Unit), meaning)
	}
	return check{"transition", fail, found, "docs/how-to: a transition is stuck"}
}

// units asks systemd whether both programs start at boot.
func (s *session) units(ctx context.Context) []check {
	var checks []check
	for _, unit := range []string{"hotstick-loader", "hotstick-agent"} {
		out, err := s.systemctl(ctx, "is-enabled", unit)
		if err != nil && strings.HasPrefix(unit, "hotstick-loader") {
			if also, socketErr := s.systemctl(ctx, "is-enabled", unit+".socket"); socketErr == nil {
				out, err = also, nil
			}
		}
		checks = append(checks, say("unit", err == nil, unit+" is "+out, warn, unit+": "+dash(out), "systemctl enable "+unit))
	}
	return checks
}
