package show

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// Whoever signs sees what a level touches, and what of it cannot be put back.
func TestWhatALevelTouchesIsShownBeforeItIsSigned(t *testing.T) {
	patch := hotstick.Patch{Ref: ref, Touches: []hotstick.Touch{
		{Kind: hotstick.TouchSysctl, When: hotstick.TouchBefore, Name: "kernel.kexec_load_disabled", Value: "1"},
		{Kind: hotstick.TouchServiceRestart, When: hotstick.TouchAfter, Name: "nginx.service"},
		{Kind: hotstick.TouchCommand, When: hotstick.TouchAfter, Name: "flush", Do: []string{"/usr/bin/flush", "--all"}, Undo: []string{"/usr/bin/fill"}},
	}}
	for what, text := range map[string]string{
		"the plan's review": Review{Plan: hotstick.Plan{Patch: ref}, Levels: []hotstick.Patch{patch}}.Text(Style{}),
		"the patch":         Patch(api.Patch{Patch: patch}, Style{}),
		"what is published": Touches(patch),
		"what people sign":  strings.Join(func() []string { var d difference; d.touches(patch); return d.lines }(), "\n"),
	} {
		for _, want := range []string{"set sysctl kernel/kexec_load_disabled to 1", "restart nginx.service", "run /usr/bin/flush --all"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", what, want, text)
			}
		}
		if !strings.Contains(text, "cannot be put back") && !strings.Contains(text, "put back: no") {
			t.Errorf("%s does not say that something cannot be put back:\n%s", what, text)
		}
	}
}
