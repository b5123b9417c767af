package ui_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// mirrored are the types of the API that web/src/lib/api.ts writes down again.
var mirrored = map[string]any{
	"Reason": api.Reason{}, "KernelBuild": hotstick.KernelBuild{}, "PatchRef": hotstick.PatchRef{}, "Timing": hotstick.Timing{},
	"Evidence": hotstick.Evidence{}, "Reading": hotstick.Reading{}, "Session": api.Session{}, "JoinToken": api.JoinToken{},
	"LevelCount": api.LevelCount{}, "BuildCoverage": api.BuildCoverage{}, "RolloutSummary": api.RolloutSummary{}, "Ban": api.Ban{}, "Recall": hotstick.Recall{}, "Expiry": api.Expiry{},
	"Event": api.Event{}, "EventList": api.EventList{}, "Overview": api.Overview{}, "Host": api.Host{}, "HostList": api.HostList{},
	"LoadedPatch": api.LoadedPatch{}, "ModuleFacts": hotstick.ModuleFacts{}, "Capabilities": hotstick.Capabilities{},
	"Facts": hotstick.Facts{}, "HostRollout": api.HostRollout{}, "HostDetail": api.HostDetail{}, "Artifact": hotstick.Artifact{},
	"Patch": api.Patch{}, "Trust": hotstick.Trust{}, "Catalog": api.Catalog{}, "Plan": hotstick.Plan{}, "Cell": api.Cell{},
	"Gate": api.Gate{}, "Wave": api.Wave{}, "BudgetUse": api.BudgetUse{}, "Approval": api.Approval{}, "Rollout": api.Rollout{},
	"RolloutList": api.RolloutList{}, "StopResult": api.StopResult{}, "SlotUse": api.SlotUse{},
	"Exclusion": api.Exclusion{}, "ExclusionList": api.ExclusionList{}, "WriteOffResult": api.WriteOffResult{}, "Interval": hotstick.Interval{},
	"CellList": api.CellList{}, "CellGroup": api.CellGroup{}, "Lane": api.Lane{}, "CalendarUse": api.CalendarUse{}, "Freeze": api.Freeze{},
	"FreezeList": api.FreezeList{}, "StandIn": api.StandIn{}, "PlanLink": api.PlanLink{}, "Spread": api.Spread{}, "Blast": api.Blast{},
	"RehearsedStop": api.RehearsedStop{}, "RehearsedPatch": api.RehearsedPatch{}, "Rehearsal": api.Rehearsal{}, "RehearsalModel": api.RehearsalModel{}, "Change": api.Change{}, "Problem": api.Problem{},
	"CrashStop": api.CrashStop{}, "Drift": hotstick.Drift{}, "Blocker": hotstick.Blocker{}, "Stall": hotstick.Stall{}, "HostHold": hotstick.HostHold{}, "Master": hotstick.Master{}, "Measure": hotstick.Measure{},
}

var (
	declared = regexp.MustCompile(`(?ms)^export interface (\w+)(?: extends \w+)? \{(.*?)^?\}$`)
	nested   = regexp.MustCompile(`\{[^{}]*\}`)
	property = regexp.MustCompile(`(\w+)(\??):`)
)

// The console's own notes of the API's types can only name what the API sends,
// and must know which of it may be missing.
func TestTheConsoleKnowsTheAPIsTypes(t *testing.T) {
	source, err := os.ReadFile("web/src/lib/api.ts")
	if err != nil {
		t.Fatal(err)
	}
	found := declared.FindAllStringSubmatch(string(source), -1)
	if len(found) != len(mirrored) {
		t.Errorf("api.ts declares %d interfaces, this test knows %d", len(found), len(mirrored))
	}
	for _, m := range found {
		value, known := mirrored[m[1]]
		if !known {
			t.Errorf("api.ts declares %s, which this test does not know", m[1])
			continue
		}
		fields := map[string]bool{}
		jsonFields(reflect.TypeOf(value), fields)
		body := m[2]
		for nested.MatchString(body) {
			body = nested.ReplaceAllString(body, "")
		}
		for _, p := range property.FindAllStringSubmatch(body, -1) {
			optional, sent := fields[p[1]]
			if !sent {
				t.Errorf("%s.%s: the API sends no such field", m[1], p[1])
			} else if optional && p[2] == "" {
				t.Errorf("%s.%s: the API may leave it out", m[1], p[1])
			}
		}
	}
}

// jsonFields collects a struct's JSON names, embedded structs included, and
// whether each may be left out.
func jsonFields(t reflect.Type, into map[string]bool) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			jsonFields(f.Type, into)
			continue
		}
		said := strings.Split(options, ",")
		into[name] = slices.Contains(said, "omitempty") || slices.Contains(said, "omitzero")
	}
}
