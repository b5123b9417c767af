package statement_test

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// exceptions are the statements that except from a rule for a time.
func (w *world) exceptions() map[statement.Kind]any {
	return map[statement.Kind]any{statement.KindDowngrade: w.downgrade(), statement.KindWaiver: w.waiver(), statement.KindClear: w.clear()}
}

func TestAnExceptionThatTooFewSignedIsRefused(t *testing.T) {
	w := newWorld(t)
	for kind, body := range w.exceptions() {
		for _, who := range [][]string{{"bob"}, {"bob", "bob's other"}, {"bob", "mallory"}, {"mallory"}, {"server"}, {"server", "bob"}} {
			w.mustRefuse(open(w.mustSign(kind, body, who...), kind, w.trust), hotstick.ReasonSignature)
		}
		if err := open(w.mustAdd(w.mustSign(kind, body, "bob"), "ann"), kind, w.trust); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestAnExceptionOfSomebodyWhoLeftIsRefused(t *testing.T) {
	w := newWorld(t)
	for kind, body := range w.exceptions() {
		raw := w.mustSign(kind, body, "bob", "dan")
		left := w.trust
		left.Persons = left.Persons[:3] // without dan
		w.mustRefuse(open(raw, kind, left), hotstick.ReasonSignature)
	}
}

func TestAnExceptionBeyondItsLifeIsRefused(t *testing.T) {
	w := newWorld(t)
	d, x := w.downgrade(), w.waiver()
	for _, at := range []time.Time{d.NotAfter, d.NotAfter.AddDate(10, 0, 0)} {
		_, err := statement.OpenDowngrade(w.mustSign(statement.KindDowngrade, d, "bob", "cid"), w.trust, at)
		w.mustRefuse(err, hotstick.ReasonGrantExpired)
	}
	if _, by, err := statement.OpenWaiver(w.mustSign(statement.KindWaiver, x, "cid", "bob"), w.trust, x.NotAfter.Add(-time.Second)); err != nil || len(by) != 2 || by[0] != "bob" {
		t.Errorf("by %v, %v", by, err)
	}
	_, _, err := statement.OpenWaiver(w.mustSign(statement.KindWaiver, x, "bob", "cid"), w.trust, x.NotAfter)
	w.mustRefuse(err, hotstick.ReasonGrantExpired)
}

// A statement that is dated ahead outlives its limit, and beats or lifts what comes
// before its date.
func TestAnExceptionThatIsDatedAheadIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		ahead time.Duration
		taken bool
	}{{-time.Hour, true}, {0, true}, {statement.MaxAhead, true}, {statement.MaxAhead + time.Second, false}, {statement.MaxExceptionLife, false}} {
		d, x, c := w.downgrade(), w.waiver(), w.clear()
		d.IssuedAt, d.NotAfter = now.Add(tt.ahead), now.Add(tt.ahead+2*time.Hour)
		x.IssuedAt, x.NotAfter = d.IssuedAt, d.NotAfter
		c.IssuedAt, c.NotAfter = d.IssuedAt, d.NotAfter
		for kind, body := range map[statement.Kind]any{statement.KindDowngrade: d, statement.KindWaiver: x, statement.KindClear: c} {
			err := open(w.mustSign(kind, body, "bob", "cid"), kind, w.trust)
			if tt.taken && err != nil {
				t.Errorf("a %s of %s from now: %v", kind, tt.ahead, err)
			} else if !tt.taken {
				w.mustRefuse(err, hotstick.ReasonGrantExpired)
			}
		}
		template := w.template()
		template.IssuedAt, template.NotAfter = d.IssuedAt, d.NotAfter
		_, err := statement.OpenTemplate(w.mustSign(statement.KindTemplate, template, "bob", "cid"), w.trust, now)
		if tt.taken && err != nil {
			t.Errorf("a template of %s from now: %v", tt.ahead, err)
		} else if !tt.taken {
			w.mustRefuse(err, hotstick.ReasonPlanExpired)
		}
	}
}

// A host whose clock is behind takes it once the clock is right.
func TestAnExceptionThatAHostWithAWrongClockRefusedIsTakenLater(t *testing.T) {
	w := newWorld(t)
	raw := w.mustSign(statement.KindDowngrade, w.downgrade(), "bob", "cid")
	_, err := statement.OpenDowngrade(raw, w.trust, now.AddDate(-30, 0, 0))
	w.mustRefuse(err, hotstick.ReasonGrantExpired)
	if _, err = statement.OpenDowngrade(raw, w.trust, now); err != nil {
		t.Error(err)
	}
}

func TestWhichLevelsADowngradeCovers(t *testing.T) {
	w := newWorld(t)
	listed, else1 := hotstick.NewHostID(identityKey(1)), hotstick.NewHostID(identityKey(2))
	level := func(n int) hotstick.PatchRef { return hotstick.PatchRef{Name: "unix-ioctl", Level: n} }
	for _, tt := range []struct {
		name    string
		level   hotstick.PatchRef
		host    hotstick.HostID
		build   hotstick.KernelBuild
		highest int
		covers  bool
	}{
		{"a listed host", level(1), listed, build, 3, true},
		{"a host with a listed build", level(1), else1, other, 2, true},
		{"a host that is neither", level(1), else1, build, 3, false},
		{"another level", level(2), listed, build, 3, false},
		{"a still older level", level(0), listed, build, 3, false},
		{"a host that has been further", level(1), listed, build, 4, false},
		{"another patch", hotstick.PatchRef{Name: "unix-bind", Level: 1}, listed, build, 3, false},
	} {
		if got := w.downgrade().Covers(tt.level, tt.host, tt.build, tt.highest); got != tt.covers {
			t.Errorf("%s: covered is %t", tt.name, got)
		}
	}
}

func TestAnExceptionWithoutLimitsIsNone(t *testing.T) {
	w := newWorld(t)
	downgrade := func(edit func(*statement.Downgrade)) any { d := w.downgrade(); edit(&d); return d }
	waiver := func(edit func(*statement.Waiver)) any { x := w.waiver(); edit(&x); return x }
	for name, body := range map[string]any{
		"a downgrade of nothing":               downgrade(func(d *statement.Downgrade) { d.Patch = hotstick.PatchRef{} }),
		"a downgrade to the same level":        downgrade(func(d *statement.Downgrade) { d.From = 1 }),
		"a downgrade upwards":                  downgrade(func(d *statement.Downgrade) { d.From = 0 }),
		"a downgrade of no host":               downgrade(func(d *statement.Downgrade) { d.Hosts, d.Builds = nil, nil }),
		"a downgrade of a host without name":   downgrade(func(d *statement.Downgrade) { d.Hosts[0] = "" }),
		"a downgrade of a build without name":  downgrade(func(d *statement.Downgrade) { d.Builds = []hotstick.KernelBuild{{}} }),
		"a downgrade of too many":              downgrade(func(d *statement.Downgrade) { d.Hosts = make([]hotstick.HostID, 1001) }),
		"a downgrade for no reason":            downgrade(func(d *statement.Downgrade) { d.Why = "" }),
		"a downgrade without an end":           downgrade(func(d *statement.Downgrade) { d.NotAfter = time.Time{} }),
		"a downgrade for ever":                 downgrade(func(d *statement.Downgrade) { d.NotAfter = now.AddDate(2, 0, 0) }),
		"a waiver without a name":              waiver(func(x *statement.Waiver) { x.Name = "" }),
		"a waiver with a name that forges":     waiver(func(x *statement.Waiver) { x.Name = "a\nb" }),
		"a waiver of no policy":                waiver(func(x *statement.Waiver) { x.Policy = "" }),
		"a waiver of every rule":               waiver(func(x *statement.Waiver) { x.Rules = nil }),
		"a waiver both in and out":             waiver(func(x *statement.Waiver) { x.LeaveOut = true }),
		"a waiver of a rule without name":      waiver(func(x *statement.Waiver) { x.Rules = []string{""} }),
		"a waiver of a text that is no digest": waiver(func(x *statement.Waiver) { x.Text = "sha256:1" }),
		"a waiver for nobody":                  waiver(func(x *statement.Waiver) { x.Hosts = " " }),
		"a waiver for no reason":               waiver(func(x *statement.Waiver) { x.Why = "" }),
		"a waiver for ever":                    waiver(func(x *statement.Waiver) { x.NotAfter = now.AddDate(2, 0, 0) }),
		"a waiver in local time":               waiver(func(x *statement.Waiver) { x.IssuedAt = now.In(time.FixedZone("", 3600)) }),
	} {
		kind := statement.KindDowngrade
		if _, ok := body.(statement.Waiver); ok {
			kind = statement.KindWaiver
		}
		if _, err := statement.Sign(kind, body, keys("bob", "cid")...); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func (w *world) downgrade() statement.Downgrade {
	return statement.Downgrade{Patch: hotstick.PatchRef{Name: "unix-ioctl", Level: 1}, From: 3, Hosts: []hotstick.HostID{hotstick.NewHostID(identityKey(1))},
		Builds: []hotstick.KernelBuild{other}, Why: "level 3 slows the mail queue down", IssuedAt: now, NotAfter: now.Add(24 * time.Hour)}
}

func (w *world) waiver() statement.Waiver {
	return statement.Waiver{Name: "build-farm", Policy: "shop", Rules: []string{"ours"}, Hosts: `host.labels.role == "build"`,
		Why: "the farm moves to the common kernel in December", IssuedAt: now, NotAfter: now.AddDate(0, 0, 40)}
}
