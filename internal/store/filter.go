package store

import (
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
)

// Fold brings a text into the form in which searches compare it: lower case.
func Fold(s string) string { return strings.ToLower(s) }

// Cursor is the host's place in lists, for [HostFilter].After. It is opaque: it
// has the host's ID and name and may hold any byte that a name may.
func (h Host) Cursor() string { return string(h.ID) + "/" + h.Name }

// Position reads After back: the name and ID after which the page begins.
func (f HostFilter) Position() (name string, id hotstick.HostID, err error) {
	before, name, ok := strings.Cut(f.After, "/")
	if !ok && f.After != "" {
		return "", "", fmt.Errorf("cannot page after %q: want the cursor of a host", f.After)
	}
	return name, hotstick.HostID(before), nil
}

// Matches reports whether the host is one that the filter asks for, paging apart.
func (f HostFilter) Matches(h Host) bool {
	if f.Build != "" && f.Build != h.Build().BuildID {
		return false
	}
	search := Fold(f.Search)
	for _, text := range []string{h.Name, string(h.ID), h.Build().Release} {
		if strings.Contains(Fold(text), search) {
			return true
		}
	}
	return false
}

// Build returns the kernel build that the host last reported; zero before the
// first check-in.
func (h Host) Build() hotstick.KernelBuild {
	if h.Facts == nil {
		return hotstick.KernelBuild{}
	}
	return h.Facts.Kernel.Build
}

// ListedTwice reports whether a host or an index appears twice in a plan's hosts.
func ListedTwice(hosts []PlanHost) bool {
	ids := make(map[hotstick.HostID]bool, len(hosts))
	indexes := make(map[int]bool, len(hosts))
	for _, h := range hosts {
		if ids[h.Listed.Host] || indexes[h.Index] {
			return true
		}
		ids[h.Listed.Host], indexes[h.Index] = true, true
	}
	return false
}

// Unfinished reports whether a line keeps a plan that is over from coming to rest;
// see [PlanTable].Unfinished.
func (h PlanHost) Unfinished(p Plan) bool {
	return h.State.HoldsSlot() || h.State == hotstick.Confirmed && (p.Reverting || h.Recall != nil)
}
