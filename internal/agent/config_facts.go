package agent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hotstick/hotstick"
)

// FactsFile configures which facts are reported.
type FactsFile struct {
	// Off are groups that are kept back (see [hotstick.OptionalGroups]): they are not sent, and
	// the server is told which they are. The agent does not read them either; tracing is what
	// the loader reads, and tells the agent alone.
	Off []string `yaml:"off,omitempty"`
}

// neededGroups are those that what may be planned for a host rests on.
var neededGroups = []string{"host", "kernel", "security", "livepatch", "modules", "drivers", "masters", "labels", "windows"}

func (f FactsFile) validate() error {
	optional := strings.Join(hotstick.OptionalGroups(), ", ")
	for _, group := range f.Off {
		switch {
		case slices.Contains(hotstick.OptionalGroups(), group):
		case slices.Contains(neededGroups, group):
			return fmt.Errorf("cannot keep back the facts %q: plans rest on them; the groups that may be kept back are %s", group, optional)
		default:
			return fmt.Errorf("cannot keep back the facts %.80q: the groups that may be kept back are %s", group, optional)
		}
	}
	return nil
}

// Withheld are the groups that are kept back, in order, each once.
func (f FactsFile) Withheld() []string {
	groups := slices.Sorted(slices.Values(f.Off))
	return slices.Compact(groups)
}
