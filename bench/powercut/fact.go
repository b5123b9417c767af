package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/bench/powercut/writelog"
	"github.com/hotstick/hotstick/internal/audit"
)

// maxMark is how long a mark may be: what is left of a sector of 512 bytes.
const maxMark = 512 - 32 - 1

// factKind says what a fact is about.
type factKind string

// The kinds.
const (
	factJoined    factKind = "joined"    // a host has joined
	factPublished factKind = "published" // a level is in the catalog
	factPlan      factKind = "plan"      // a plan has come so far
	factState     factKind = "state"     // the server says where a host stands in a plan
	factBanned    factKind = "banned"    // a level is banned
	factExcluded  factKind = "excluded"  // a host is kept out, or is no more
	factHeld      factKind = "held"      // a person on the host holds it, or does no more
	factAudit     factKind = "audit"     // the server signed a head of its audit log
	factLoaded    factKind = "loaded"    // the kernel has a live patch
	factGone      factKind = "gone"      // the kernel has one no more
)

// fact is something that was acknowledged, or seen in the kernel, and so must be known
// after every later cut. It stands as a mark in the log of writes.
type fact struct {
	Kind factKind        `json:"k"`
	Host hotstick.HostID `json:"h,omitempty"`
	// Begins: somebody is about to do it. It may be so from now on, or not.
	Begins bool `json:"b,omitempty"`
	// On says of what can be undone which it is.
	On       bool                `json:"on,omitempty"`
	Plan     hotstick.PlanID     `json:"p,omitempty"`
	Status   hotstick.PlanStatus `json:"s,omitempty"`
	Approved int                 `json:"n,omitempty"`
	Attempt  int                 `json:"a,omitempty"`
	State    hotstick.HostState  `json:"t,omitempty"`
	Patch    hotstick.PatchRef   `json:"r,omitzero"`
	Module   string              `json:"m,omitempty"`
	Head     audit.Head          `json:"d,omitzero"`
}

// text is the fact as a mark has it.
func (f fact) text() string {
	data, err := json.Marshal(f)
	if err != nil || len(data) > maxMark || strings.ContainsAny(string(data), " \\") {
		panic(fmt.Sprintf("the fact %+v does not fit a mark: %v", f, err)) // a mistake in this program
	}
	return string(data)
}

// factsIn reads the marks of a log's entries, oldest first.
func factsIn(entries []writelog.Entry) ([]fact, error) {
	var facts []fact
	for _, e := range entries {
		if !e.Is(writelog.Mark) || string(e.Data) == "dm-log-writes-end" {
			continue
		}
		var f fact
		if err := json.Unmarshal(e.Data, &f); err != nil {
			return nil, fmt.Errorf("cannot read the mark %q: %w", e.Data, err)
		}
		facts = append(facts, f)
	}
	return facts, nil
}

// newest is the last fact of a kind, and whether it may have changed since: somebody had
// begun to. It is nil if there is none.
func newest(facts []fact, kind factKind) (f *fact, unsure bool) {
	for i := range facts {
		switch {
		case facts[i].Kind != kind:
		case facts[i].Begins:
			unsure = true
		default:
			f, unsure = &facts[i], false
		}
	}
	return f, unsure
}
