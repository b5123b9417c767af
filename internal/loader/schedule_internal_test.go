package loader

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/ledger"
)

// listed are the other live-patch systems of a host.
type listed struct {
	Others
	masters []hotstick.Master
}

func (l listed) Masters([]hotstick.LoadedPatch) []hotstick.Master { return l.masters }

// A system of steps that installs nothing by itself, such as SUSE's, is adopted without a unit:
// the host loads at boot what is installed, and that is no hold that somebody lifted.
func TestWhatOnlyLoadsWhatIsInstalledHasNothingToHold(t *testing.T) {
	for _, c := range []struct {
		adopted ledger.Adoption
		held    bool
	}{
		{ledger.Adoption{System: "suse"}, true},
		{ledger.Adoption{System: "kpatch", Unit: "kpatch.service"}, false},
	} {
		l := &Loader{cfg: Config{Others: listed{masters: []hotstick.Master{{System: "suse", Active: true}, {System: "kpatch", Active: true}}}}}
		if held, detail, err := l.lookAtHold(t.Context(), c.adopted, nil); held != c.held || err != nil || !held && !strings.Contains(detail, c.adopted.Unit) {
			t.Errorf("%s: held %v, %q, %v", c.adopted.System, held, detail, err)
		}
	}
}
