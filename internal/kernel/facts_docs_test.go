package kernel

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
)

// documented is docs/reference/facts.md as it is told apart here.
type documented struct {
	// facts are the first cells of the tables, in order; rows has each row's cells.
	facts []string
	rows  map[string][]string
	// lists are the fenced blocks without a language, and optional the groups whose heading
	// says that they may be kept back.
	lists    [][]string
	optional []string
}

func readPage(t *testing.T) documented {
	t.Helper()
	data, err := os.ReadFile("../../docs/reference/facts.md")
	if err != nil {
		t.Fatal(err)
	}
	page := documented{rows: map[string][]string{}}
	group, fence := "", ""
	for l := range strings.Lines(string(data)) {
		l = strings.TrimSpace(l)
		switch {
		case strings.HasPrefix(l, "```"):
			if fence == "" {
				fence = l
				if l == "```" {
					page.lists = append(page.lists, nil)
				}
			} else {
				fence = ""
			}
		case fence == "```":
			page.lists[len(page.lists)-1] = append(page.lists[len(page.lists)-1], l)
		case strings.HasPrefix(l, "## "):
			name, may := strings.CutSuffix(l[3:], " (may be kept back)")
			if group = name; may {
				page.optional = append(page.optional, name)
			}
		case strings.HasPrefix(l, "| `"):
			cells := strings.Split(strings.Trim(l, "| "), " | ")
			fact := strings.Trim(cells[0], "`")
			if of, _, _ := strings.Cut(strings.ReplaceAll(fact, "[]", ""), "."); of != group {
				t.Errorf("%s stands under %s", fact, group)
			}
			page.facts, page.rows[fact] = append(page.facts, fact), cells
		}
	}
	return page
}

// factsOf lists the facts of a type in the order of the code, with what must have a cap.
func factsOf(at string, of reflect.Type) (facts []string, bounded map[string]bool) {
	bounded = map[string]bool{}
	var walk func(string, reflect.Type, bool)
	walk = func(at string, of reflect.Type, list bool) {
		switch {
		case of.Kind() == reflect.Pointer:
			walk(at, of.Elem(), list)
		case of.Kind() == reflect.Slice:
			walk(at+"[]", of.Elem(), true)
		case of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]():
			for i := range of.NumField() {
				name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
				walk(strings.TrimPrefix(at+"."+name, "."), of.Field(i).Type, false)
			}
		default:
			facts = append(facts, at)
			bounded[at] = list || of.Kind() == reflect.String || of.Kind() == reflect.Map
		}
	}
	walk(at, of, false)
	return facts, bounded
}

func TestTheReferenceHasEveryFact(t *testing.T) {
	page := readPage(t)
	facts, bounded := factsOf("", reflect.TypeFor[hotstick.Facts]())
	for i := range max(len(facts), len(page.facts)) {
		if i >= len(facts) || i >= len(page.facts) || facts[i] != page.facts[i] {
			t.Fatalf("from the fact %d on the code has %v\nand the page %v", i, facts[min(i, len(facts)):], page.facts[min(i, len(page.facts)):])
		}
	}
	for fact, cells := range page.rows {
		switch {
		case len(cells) != 4 || slices.Contains(cells, ""):
			t.Errorf("%s: %d cells, want what it is, its source and its cap", fact, len(cells))
		case bounded[fact] != strings.ContainsAny(cells[3], "0123456789"):
			t.Errorf("%s: its cap is %q", fact, cells[3])
		}
	}
	if !slices.Equal(page.optional, hotstick.OptionalGroups()) {
		t.Errorf("the page lets %v be kept back, the code %v", page.optional, hotstick.OptionalGroups())
	}
	if want := [][]string{MindedUnits(), Sysctls()}; !reflect.DeepEqual(page.lists, want) {
		t.Errorf("the page lists %v, want %v", page.lists, want)
	}
}

func TestTheReferenceHasTheCapsOfTheCode(t *testing.T) {
	page := readPage(t)
	for fact, limit := range map[string]int{
		"host.hostname": smallFile, "host.hardware": maxCards, "host.model": maxModel, "kernel.installed[]": maxInstalled, "kernel.built_in[]": maxBuiltIn,
		"security.keys[].name": maxKeys, "livepatch.patches[].functions[]": maxFunctions,
		"tracing.functions[].function": hotstick.MaxTraced, "tracing.functions[].handlers[]": hotstick.MaxHandlers, "tracing.kprobes[].function": hotstick.MaxTraced,
		"tracing.tracers[].process": hotstick.MaxTracers, "tracing.tracers[].functions[]": hotstick.MaxTracerFunctions,
		"machine.firmware.vendor": maxFirmware, "machine.drivers[].driver": hotstick.MaxDeviceDrivers,
		"services.running[]": len(MindedUnits()), "services.kubernetes_node": maxNodeName, "services.cluster.name": maxClusterName,
		"services.cluster.nodes[]": hotstick.MaxClusterNodes, "services.reboot_for[]": hotstick.MaxRebootFor, "withheld[]": len(hotstick.OptionalGroups()),
	} {
		if cells := page.rows[fact]; len(cells) != 4 || strings.TrimRight(strings.Fields(cells[3])[0], ",") != fmt.Sprint(limit) {
			t.Errorf("%s: the page says %v, the code %d", fact, cells, limit)
		}
	}
	if want := fmt.Sprintf("%d values of %d bytes", len(Sysctls()), maxSysctl); page.rows["sysctls"][3] != want {
		t.Errorf("sysctls: the page says %v, the code %s", page.rows["sysctls"], want)
	}
	if want := fmt.Sprintf("first %d of a class", maxDevices); !strings.Contains(page.rows["machine.drivers[].devices"][1], want) {
		t.Errorf("devices: the page says %v, the code %s", page.rows["machine.drivers[].devices"], want)
	}
}
