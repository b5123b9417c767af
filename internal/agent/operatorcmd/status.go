package operatorcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/driver/klp"
	"github.com/hotstick/hotstick/internal/kernel"
	"github.com/hotstick/hotstick/internal/loader/ledger"
	"github.com/hotstick/hotstick/internal/loader/operate"
	"github.com/hotstick/hotstick/internal/version"
)

// hostView is everything that is known on the host, as it is printed for programs.
type hostView struct {
	// Agent is this program's version.
	Agent string `json:"agent"`
	// Host is the ID by the agent's directory; empty where it cannot be read.
	Host  hotstick.HostID      `json:"host,omitempty"`
	Boot  string               `json:"boot"`
	Build hotstick.KernelBuild `json:"build"`
	// Patches are what the kernel itself lists, and Sight is why it lists none.
	Patches []hotstick.LoadedPatch `json:"patches"`
	Sight   string                 `json:"sight,omitempty"`
	// Contact is the agent's with its server; nil if there was none.
	Contact *agent.Contact `json:"contact,omitempty"`
	// Loader is what the loader says; nil with Away why.
	Loader *operate.HostState `json:"loader,omitempty"`
	Away   string             `json:"away,omitempty"`
	// Agree: kernel and loader say the same of what is in effect.
	Agree bool `json:"agree"`
	// Notes say where they do not.
	Notes []string `json:"notes,omitempty"`
	facts hotstick.Facts
	away  error
}

// look gathers everything that can be had; what cannot is said in the view.
func (s *session) look(ctx context.Context) hostView {
	v := hostView{Agent: version.Version}
	v.facts, _ = kernel.Read(s.root, kernel.Machine())
	v.Boot, v.Build = v.facts.Host.BootID, v.facts.Kernel.Build
	patches, err := klp.NewObserver(s.root).Observe(ctx)
	if err != nil {
		v.Sight = err.Error()
	}
	v.Patches = patches
	if key, err := agent.LoadIdentity(s.state); err == nil {
		v.Host = hotstick.NewHostID(key)
	}
	if c, err := agent.LoadContact(s.state); err == nil {
		v.Contact = &c
	} else if !errors.Is(err, fs.ErrNotExist) {
		v.Notes = append(v.Notes, err.Error())
	}
	answer, err := s.ask(ctx, operate.Request{Action: operate.State})
	if err != nil {
		v.Away, v.away = err.Error(), err
		return v
	}
	v.Loader = answer.State
	v.compare()
	return v
}

// compare holds the loader's word against the kernel's.
func (v *hostView) compare() {
	ref, before := v.Loader.Link.InEffect, len(v.Notes)
	module := ""
	if p := v.Loader.Permit; p != nil && p.Level.Patch == ref {
		module = p.Level.Module
		for _, own := range v.Loader.Link.Rooted { // its system is none that the kernel lists
			if own.Module == module {
				module = ""
			}
		}
	}
	effect := hotstick.Effect("")
	for _, p := range v.Patches {
		switch {
		case p.Module == module:
			effect = p.State
		case p.State != hotstick.Disabled && v.Loader.Attempt == nil:
			v.Notes = append(v.Notes, fmt.Sprintf("the kernel has %s (%s), which is not what Hotstick has confirmed", p.Module, p.State))
		}
	}
	if module != "" && effect != hotstick.InEffect {
		v.Notes = append(v.Notes, fmt.Sprintf("the loader sees %s in effect, the kernel says %q of %s", ref, string(effect), module))
	}
	if v.Boot != v.Loader.Link.Boot {
		v.Notes = append(v.Notes, "the loader is of another boot")
	}
	v.Agree = len(v.Notes) == before && v.Sight == ""
}

func status(ctx context.Context, s *session) error {
	v := s.look(ctx)
	if s.json {
		s.print(v)
	} else {
		s.show(v)
	}
	switch {
	case v.away != nil && s.json:
		return errIllOr(v.away)
	case v.away != nil:
		return v.away
	case !v.Agree:
		return errIll
	}
	return nil
}

// errIllOr keeps the exit code of an unreachable loader where the answer was printed.
func errIllOr(err error) error {
	if errors.Is(err, operate.ErrUnreachable) {
		return operate.ErrUnreachable
	}
	return errIll
}

// show prints a view for people.
func (s *session) show(v hostView) {
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	defer w.Flush()
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, clean(fmt.Sprintf(format, args...)))
	}
	line("host", "%s", dash(string(v.Host)))
	line("boot", "%s", v.Boot)
	line("kernel", "%s", v.Build)
	s.showContact(v.Contact, line)
	line("kernel says", "%s", kernelWords(v))
	if v.Loader == nil {
		line("loader", "%s", v.Away)
	} else {
		s.showLoader(v.Loader, line)
	}
	for _, n := range v.Notes {
		line("!", "%s", n)
	}
}

func (s *session) showContact(c *agent.Contact, line func(string, string, ...any)) {
	switch {
	case c == nil:
		line("server", "never reached")
	case c.Answered.IsZero():
		line("server", "%s, never reached: %s", c.Server, c.Error)
	default:
		line("server", "%s, answered %s ago", c.Server, s.ago(c.Answered))
		if c.Failures > 0 {
			line("", "%d check-ins failed since: %s", c.Failures, c.Error)
		}
	}
}

func kernelWords(v hostView) string {
	if v.Sight != "" {
		return v.Sight
	}
	if len(v.Patches) == 0 {
		return "no live patch"
	}
	var words []string
	for _, p := range v.Patches {
		words = append(words, p.Module+" "+string(p.State))
	}
	return strings.Join(words, ", ")
}

func (s *session) showLoader(h *operate.HostState, line func(string, string, ...any)) {
	l := h.Link
	line("loader says", "%s in effect", inWords(l.InEffect))
	if e := l.Expected; e != nil && *e != l.InEffect {
		line("", "%s should be", inWords(*e))
	}
	if a := h.Attempt; a != nil {
		line("attempt", "%s is %s for %s, at most %s more", a.Patch, a.Phase, millis(a.ForMillis), millis(a.LeftMillis))
		if a.Reason != nil {
			line("", "%s", (&refused{reason: *a.Reason}).Error()[len("cannot do that: "):])
		}
	}
	if p := h.Permit; p != nil {
		line("after a reboot", "%s comes back by its permit", p.Level.Patch)
	} else {
		line("after a reboot", "nothing comes back")
	}
	if l.Hold != nil {
		line("held", "by %s since %s: %s", l.Hold.By, l.Hold.Since.Format(time.DateTime), dash(l.Hold.Reason))
	}
	if l.Off != "" {
		line("off", "switched off by %s", l.Off)
	}
	if st := l.Stall; st != nil {
		line("stalled", "%s for %s, %d tasks have not switched", st.Module, millis(st.ForMillis), st.Tasks)
	}
	list(line, "strikes", l.Strikes)
	list(line, "bans", l.Bans)
	list(line, "recalls", l.Recalls)
	switch c := h.Catalog; {
	case !c.Known:
		line("catalog", "none was verified yet")
	case s.now().After(c.Expires):
		line("catalog", "version %d, expired %s ago", c.Version, s.ago(c.Expires))
	default:
		line("catalog", "version %d, expires in %s", c.Version, c.Expires.Sub(s.now()).Round(time.Minute))
	}
	for _, m := range h.Masters {
		line("live-patch system", "%s", masterWords(m))
	}
	if a := h.Adopted; a != nil {
		line("adopted", "%s", adoptionWords(a))
		line("", "%s", holdWords(a, h.Schedule))
	}
	if f := h.Forgotten; f != nil {
		line("forgotten", "%s", forgottenWords(f))
	}
}

// forgottenWords say of which system the settings were not given back.
func forgottenWords(f *ledger.Forgotten) string {
	return fmt.Sprintf("%s was not given its settings back, by %s at %s; they were: %s", f.Adoption.System, f.By, f.At.UTC().Format(time.RFC3339), dash(string(f.Adoption.Settings)))
}

// adoptionWords say what was adopted, by whom and since when.
func adoptionWords(a *ledger.Adoption) string {
	what := "no level"
	if !a.Level.Patch.IsZero() {
		what = a.Level.Patch.String()
	}
	return fmt.Sprintf("%s from %s by %s since %s", what, a.System, a.By, a.At.UTC().Format(time.RFC3339))
}

// holdWords say whether the adopted system is on hold.
func holdWords(a *ledger.Adoption, why *hotstick.Reason) string {
	doing := ""
	switch {
	case a.Stage == ledger.Taken && a.Lifted == nil && a.Driver == "" && a.Unit == "":
		return "there is nothing of it to put on hold"
	case a.Stage == ledger.Taken && a.Lifted == nil:
		return "on hold"
	case a.Stage == ledger.Taken:
		return fmt.Sprintf("NOT on hold since %s at the latest: %s", a.Lifted.At.UTC().Format(time.RFC3339), a.Lifted.Detail)
	case a.Stage == ledger.Releasing:
		doing = "is being given back"
	default:
		doing = "is being put on hold"
	}
	if why != nil {
		doing += "; not yet: " + (&refused{reason: *why}).Error()[len("cannot do that: "):]
	}
	return doing
}

func list(line func(string, string, ...any), name string, refs []hotstick.PatchRef) {
	var words []string
	for _, r := range refs {
		words = append(words, r.String())
	}
	if len(words) > 0 {
		line(name, "%s", strings.Join(words, ", "))
	}
}

func masterWords(m hotstick.Master) string {
	words := m.System
	if m.Unit != "" {
		words += " (" + m.Unit + ")"
	}
	switch {
	case m.Lifted != nil:
		return words + " is adopted and not on hold any more: nothing starts"
	case m.Adopted:
		return words + " is adopted"
	case m.Active:
		return words + " is active: nothing of another system starts beside it"
	}
	return words + " is there and not active"
}

func (s *session) ago(t time.Time) time.Duration { return s.now().Sub(t).Round(time.Second) }

func millis(n int64) time.Duration {
	return (time.Duration(n) * time.Millisecond).Round(100 * time.Millisecond)
}
