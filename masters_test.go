package hotstick_test

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
)

// host reads a host such as "klp kernelcare! kcare*+": drivers, where a ! schedules itself,
// a ~ does and is on hold and a - cannot be used; then masters after a bar, where a * is
// active, a + adopted by its own driver, a < by klp, and a ^ adopted and lifted.
func host(text string) ([]hotstick.Master, []hotstick.Capabilities) {
	before, after, _ := strings.Cut(text, "|")
	var drivers []hotstick.Capabilities
	for _, word := range strings.Fields(before) {
		name := strings.TrimRight(word, "!~-")
		drivers = append(drivers, hotstick.Capabilities{Driver: name, TrustClass: hotstick.ClassOf(name), Available: !strings.Contains(word, "-"),
			Schedules: strings.ContainsAny(word, "!~"), Held: strings.Contains(word, "~")})
	}
	var masters []hotstick.Master
	for _, word := range strings.Fields(after) {
		m := hotstick.Master{System: strings.TrimRight(word, "*+<^"), Active: strings.Contains(word, "*")}
		take := hotstick.Takeover{System: m.System, Driver: m.System}
		if strings.Contains(word, "<") {
			take.Driver = "klp"
		}
		if strings.Contains(word, "^") {
			take.Lifted = &hotstick.Lift{Detail: "a line"}
		}
		if strings.ContainsAny(word, "+<^") {
			m = take.Mark([]hotstick.Master{m})[0]
		}
		masters = append(masters, m)
	}
	return masters, drivers
}

func TestWhichSystemKeepsADriverFromAHost(t *testing.T) {
	for _, c := range []struct {
		host, driver string
		want         hotstick.ReasonCode
		of           string
	}{
		{"klp reboot |", "klp", "", ""},
		{"klp | kpatch", "klp", "", ""},
		{"klp | kpatch*", "klp", hotstick.ReasonOtherMaster, "kpatch"},
		{"klp kpatch | kpatch*", "kpatch", "", ""},
		{"klp kpatch | kpatch<", "klp", "", ""},
		{"klp kpatch | kpatch*<", "klp", hotstick.ReasonOtherMaster, "kpatch"},
		{"klp kpatch | kpatch*<^", "klp", hotstick.ReasonHoldLifted, "kpatch"},
		{"klp suse | suse*", "suse", "", ""},
		{"klp suse | suse*", "klp", hotstick.ReasonOtherMaster, "suse"},
		{"klp kernelcare! | kernelcare*", "kernelcare", hotstick.ReasonOtherMaster, "kernelcare"},
		{"klp kernelcare~ | kernelcare*", "kernelcare", "", ""},
		{"klp kernelcare~ | kernelcare*+", "kernelcare", "", ""},
		{"klp kernelcare~ | kernelcare*+", "klp", hotstick.ReasonOtherMaster, "kernelcare"},
		{"klp kernelcare! | kernelcare*+", "kernelcare", hotstick.ReasonHoldLifted, "kernelcare"},
		{"klp kernelcare~ | kernelcare*^", "kernelcare", hotstick.ReasonHoldLifted, "kernelcare"},
		{"klp kernelcare~ canonical~ | canonical* kernelcare*+", "kernelcare", hotstick.ReasonOtherMaster, "canonical"},
		{"klp kernelcare~ canonical~ | canonical* kernelcare*+", "canonical", hotstick.ReasonOtherMaster, "kernelcare"},
		{"windows! |", "windows", hotstick.ReasonOtherMaster, "windows"},
		{"klp reboot kernelcare! | kernelcare*", "reboot", "", ""},
		{"klp reboot kernelcare! canonical! | canonical* kernelcare*^", "reboot", "", ""},
	} {
		masters, drivers := host(c.host)
		got := hotstick.Rival(c.driver, masters, drivers)
		if (got == nil) != (c.want == "") || got != nil && (got.Code != c.want || got.Subject != c.of) {
			t.Errorf("on %q %s is kept away by %+v, want %s of %q", c.host, c.driver, got, c.want, c.of)
		}
	}
}

func TestAHostIsRuledIfNoDriverOfItsMayPatchLive(t *testing.T) {
	for _, c := range []struct {
		host string
		want hotstick.ReasonCode
	}{
		{"klp reboot |", ""},
		{"|", ""},
		{"| kpatch*", hotstick.ReasonOtherMaster},
		{"klp | kpatch*", hotstick.ReasonOtherMaster},
		{"klp kpatch | kpatch*", ""},
		{"klp reboot kernelcare! | kernelcare*", hotstick.ReasonOtherMaster},
		{"klp reboot kernelcare~ | kernelcare*+", ""},
		{"klp reboot kernelcare- | kernelcare*", hotstick.ReasonOtherMaster},
		{"klp reboot kernelcare~ | kernelcare*^", hotstick.ReasonHoldLifted},
		{"klp kernelcare~ canonical~ | canonical* kernelcare*", hotstick.ReasonOtherMaster},
	} {
		masters, drivers := host(c.host)
		got := hotstick.Ruled(masters, drivers)
		if (got == nil) != (c.want == "") || got != nil && got.Code != c.want {
			t.Errorf("%q is ruled by %+v, want %s", c.host, got, c.want)
		}
	}
	masters, drivers := host("klp kernelcare! | kernelcare*")
	if why := hotstick.Ruled(masters, drivers); why == nil || why.Detail == "" {
		t.Errorf("the reason does not say what to do: %+v", why)
	}
}
