package view

import (
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// TestAHostileHostCannotFillAListOfHosts: what it tells at length is on its own page only.
func TestAHostileHostCannotFillAListOfHosts(t *testing.T) {
	h := api.Host{
		Stall:   &hotstick.Stall{Module: "m", Tasks: 1, Blockers: make([]hotstick.Blocker, hotstick.MaxBlockers)},
		Masters: []hotstick.Master{{System: "kpatch", Active: true, Modules: make([]string, 1024)}},
	}
	listed := Listed(h)
	if len(listed.Stall.Blockers) != 0 || len(listed.Masters[0].Modules) != 0 {
		t.Errorf("a list has %d blockers and %d modules", len(listed.Stall.Blockers), len(listed.Masters[0].Modules))
	}
	if listed.Stall.Module != "m" || listed.Stall.Tasks != 1 {
		t.Errorf("a list has %+v, %+v", listed.Stall, listed.Masters)
	}
	if len(h.Stall.Blockers) == 0 || len(h.Masters[0].Modules) == 0 {
		t.Error("the host's own page lost them")
	}
}
