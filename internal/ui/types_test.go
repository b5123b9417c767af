package ui_test

import (
	"fmt"
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
	"HostRef": api.HostRef{}, "CoverageGap": api.CoverageGap{}, "Uncovered": api.Uncovered{},
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

// Every kind of drift has words of its own in the console; a reason's the server sends along.
func TestTheConsoleHasWordsForEveryKindOfDrift(t *testing.T) {
	source, err := os.ReadFile("web/src/lib/format.ts")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(source), "const drifts: Record<string, string> = {")
	table, _, _ := strings.Cut(rest, "};")
	words := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+): '([^']+)'`).FindAllStringSubmatch(table, -1) {
		words[m[1]] = m[2]
	}
	for _, kind := range hotstick.DriftKinds() {
		if words[string(kind)] == "" {
			t.Errorf("format.ts has no words for %s", kind)
		}
		delete(words, string(kind))
	}
	if !found || len(words) > 0 {
		t.Errorf("format.ts has words for drift that there is not: %v", words)
	}
}

// What holds of each trust class is said in one wording everywhere, and the browser has it
// written down.
func TestTheConsoleClaimsWhatThePlansSignersRead(t *testing.T) {
	source, err := os.ReadFile("web/src/lib/drivers.ts")
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range []hotstick.TrustClass{hotstick.TrustBytes, hotstick.TrustPin, hotstick.TrustStep} {
		if want := fmt.Sprintf("  %s: %q,\n", class, class.Claim()); !strings.Contains(string(source), want) {
			t.Errorf("drivers.ts does not say %s", want)
		}
	}
	for _, driver := range hotstick.Drivers() {
		if says := strings.Contains(string(source), "driver === '"+driver+"'"); says != hotstick.Reboots(driver) {
			t.Errorf("drivers.ts takes %s for one that reboots: %t", driver, says)
		}
	}
}
