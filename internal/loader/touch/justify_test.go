package touch

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

func TestNothingIsTouchedWithoutARecordAndASignature(t *testing.T) {
	fix, other := hotstick.PatchRef{Name: "fix", Level: 2}, hotstick.PatchRef{Name: "fix", Level: 1}
	signed := hotstick.Touch{Kind: hotstick.TouchSysctl, When: hotstick.TouchBefore, Name: "vm.a", Value: "1"}
	forged := signed
	forged.Value = "9"
	command := hotstick.Touch{Kind: hotstick.TouchCommand, When: hotstick.TouchAfter, Name: "x", Do: []string{"/bin/x"}, Undo: []string{"/bin/y"}}
	listed := func(ref hotstick.PatchRef) (hotstick.Patch, bool) {
		return hotstick.Patch{Ref: ref, Touches: []hotstick.Touch{signed}}, ref == fix
	}
	record := func(edit func(*ledger.Touched)) []ledger.Touched {
		r := ledger.Touched{Level: fix, Touch: signed, Boot: "b", Was: "0", Set: "1"}
		if edit != nil {
			edit(&r)
		}
		return []ledger.Touched{r}
	}
	for _, c := range []struct {
		what    string
		journal []ledger.Touched
		boot    string
		idle    bool
		touch   hotstick.Touch
		value   string
		want    string // empty: it is justified
	}{
		{what: "a signed change", journal: record(nil), touch: signed, value: "1"},
		{what: "the way back of it", journal: record(nil), touch: signed, value: "0"},
		{what: "the way back when nothing is under way", journal: record(nil), idle: true, touch: signed, value: "0"},
		{what: "a command's way back", journal: record(func(r *ledger.Touched) { r.Touch, r.Was, r.Set = command, Undone, Done }), touch: command, value: Undone},
		{what: "without a record", touch: signed, value: "1", want: "no record of it"},
		{what: "with another value", journal: record(nil), touch: signed, value: "7", want: "no record of the ledger says so"},
		{what: "a second time", journal: record(func(r *ledger.Touched) { r.Done = true }), touch: signed, value: "1", want: "says so"},
		{what: "in another boot", journal: record(nil), boot: "c", touch: signed, value: "1", want: "another boot"},
		{what: "with no attempt under way", journal: record(nil), idle: true, touch: signed, value: "1", want: "says so"},
		{what: "for another level", journal: record(func(r *ledger.Touched) { r.Level = other }), touch: signed, value: "1", want: "says so"},
		{what: "a value that nobody signed", journal: record(func(r *ledger.Touched) { r.Touch, r.Set = forged, "9" }), touch: forged, value: "9", want: "not in its signed manifest"},
		{what: "a record that says more than its touch", journal: record(func(r *ledger.Touched) { r.Set = "9" }), touch: signed, value: "9", want: "not in its signed manifest"},
		{what: "a command that nobody signed", journal: record(func(r *ledger.Touched) { r.Touch, r.Was, r.Set = command, Undone, Done }), touch: command, value: Done, want: "not in its signed manifest"},
		{what: "settled without an older record", journal: record(func(r *ledger.Touched) { r.Settled, r.Set = true, "5" }), touch: signed, value: "5", want: "says so"},
	} {
		led := ledger.New("b")
		led.Touched = c.journal
		if !c.idle {
			led.Attempt = &ledger.Attempt{Level: ledger.Level{Patch: fix}}
		}
		boot := c.boot
		if boot == "" {
			boot = "b"
		}
		err := Justify(led, boot, listed, c.touch, c.value)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error is %v, want it to say %q", c.what, err, c.want)
		}
	}
}

func TestTwoValuesMayMeanTheSame(t *testing.T) {
	sysctl, parameter := hotstick.Touch{Kind: hotstick.TouchSysctl}, hotstick.Touch{Kind: hotstick.TouchParameter}
	module := hotstick.Touch{Kind: hotstick.TouchModuleLoad}
	for _, c := range []struct {
		touch hotstick.Touch
		a, b  string
		want  bool
	}{
		{sysctl, "4096\t131072\t6291456", "4096 131072 6291456", true},
		{sysctl, "1", "Y", false},
		{parameter, "1", "Y", true},
		{parameter, "0", "N", true},
		{parameter, "1", "N", false},
		{module, "absent crc32c", "absent", true},
		{module, "absent", "loaded", false},
	} {
		if Same(c.touch, c.a, c.b) != c.want {
			t.Errorf("%s: %q and %q: want %t", c.touch.Kind, c.a, c.b, c.want)
		}
	}
}
