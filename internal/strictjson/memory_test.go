package strictjson_test

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/strictjson"
)

type large struct {
	Words [32]int `json:"-"`
	N     int     `json:"n"`
}

type hungry struct {
	Structs  []large                    `json:"structs"`
	Pointers []*large                   `json:"pointers"`
	Times    []*time.Time               `json:"times"`
	Lists    [][]string                 `json:"lists"`
	Maps     []map[string]string        `json:"maps"`
	Map      map[string]large           `json:"map"`
	Nested   map[string][]int           `json:"nested"`
	Raw      []json.RawMessage          `json:"raw"`
	Inside   json.RawMessage            `json:"inside"`
	Any      any                        `json:"any"`
	Deep     [][]struct{ Self *hungry } `json:"deep"`
}

// bombs are documents whose values take far more memory than their text.
func bombs(n int) map[string]string {
	list := func(elem string) string { return "[" + strings.Repeat(elem+",", n-1) + elem + "]" }
	return map[string]string{
		"structs":                `{"structs":` + list("{}") + `}`,
		"pointers":               `{"pointers":` + list("{}") + `}`,
		"pointers that read":     `{"times":` + list(`"2026-01-01T00:00:00Z"`) + `}`,
		"lists":                  `{"lists":` + list("[]") + `}`,
		"strings":                `{"lists":[` + list(`""`) + `]}`,
		"maps":                   `{"maps":` + list("{}") + `}`,
		"maps of one entry":      `{"maps":` + list(`{"":""}`) + `}`,
		"entries":                `{"map":` + object(n, "{}") + `}`,
		"entries of lists":       `{"nested":` + object(n, "[0]") + `}`,
		"raw parts":              `{"raw":` + list("0") + `}`,
		"anything: lists":        `{"any":` + list("[]") + `}`,
		"anything: maps":         `{"any":` + list("{}") + `}`,
		"anything: numbers":      `{"any":` + list("1") + `}`,
		"anything: small maps":   `{"any":` + list(`{"":1}`) + `}`,
		"anything: entries":      `{"any":` + object(n, "1") + `}`,
		"lists of lists of maps": `{"deep":` + list(`[{"Self":{}}]`) + `}`,
	}
}

func object(n int, value string) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(`,"` + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26)) + string(rune('a'+i/17576)) + `":` + value)
	}
	return "{" + text.String()[1:] + "}"
}

// needed finds the least memory with which a document is taken.
func needed(t *testing.T, data []byte) int64 {
	t.Helper()
	low, high := int64(0), int64(1)<<26
	for low < high {
		middle := (low + high) / 2
		err := strictjson.UnmarshalWithin(data, middle, &hungry{})
		switch {
		case err == nil:
			high = middle
		case strings.Contains(err.Error(), "memory"):
			low = middle + 1
		default:
			t.Fatal(err)
		}
	}
	return low
}

// What is counted must be what the decoder allocates: a list that grows is allocated
// anew again and again, up to six times its length in sum.
func TestNoDocumentFillsMuchMoreThanIsCounted(t *testing.T) {
	for what, text := range bombs(2000) {
		counted := needed(t, []byte(text))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := json.Unmarshal([]byte(text), &hungry{})
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if filled := int64(after.TotalAlloc - before.TotalAlloc); filled > 6*counted+3*int64(len(text)) {
			t.Errorf("%s: %d bytes were allocated, %d counted in a text of %d", what, filled, counted, len(text))
		}
	}
}

func TestADocumentThatFillsMuchMemoryIsRefusedBeforeItIsDecoded(t *testing.T) {
	for what, text := range bombs(400_000) {
		if what == "strings" || what == "raw parts" || what == "pointers that read" {
			continue // they are written with about as many bytes as they fill
		}
		data := []byte(text)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := strictjson.Unmarshal(data, &hungry{})
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "memory") {
			t.Errorf("%s in %d bytes: got %v", what, len(data), err)
		}
		if filled := after.TotalAlloc - before.TotalAlloc; filled > 32<<20 {
			t.Errorf("%s: %d MiB were allocated", what, filled>>20)
		}
	}
}

func TestAnObjectOfManyKeysForATypeThatReadsItselfIsCounted(t *testing.T) {
	data := []byte(`{"inside":` + object(400_000, "1") + `}`)
	if err := strictjson.Unmarshal(data, &hungry{}); err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("got %v", err)
	}
	// The keys of one object are forgotten before the next one.
	few := object(200, "1")
	data = []byte(`{"raw":[` + strings.Repeat(few+",", 2000) + few + `]}`)
	if err := strictjson.Unmarshal(data, &hungry{}); err != nil {
		t.Error(err)
	}
}

// The densest lists that honest programs write, with as few words as can be.
func TestTheDensestHonestDocumentsAreTaken(t *testing.T) {
	ref := hotstick.PatchRef{Name: "a", Level: 1}
	build := hotstick.KernelBuild{BuildID: strings.Repeat("0", 40)}
	mustBeTaken(t, "patches", 10_000, hotstick.Patch{Ref: ref, Artifacts: []hotstick.Artifact{{Build: build}}})
	mustBeTaken(t, "recalls", 10_000, hotstick.Recall{Patch: ref})
	mustBeTaken(t, "plan hosts", 50_000, hotstick.PlanHost{Host: "h-abcdefghijklmnop", Build: build,
		Domains: map[string]string{"rack": "a"}, StandIn: &hotstick.StandIn{For: "h-abcdefghijklmnop"}})
	mustBeTaken(t, "lanes", hotstick.MaxPlanLanes, hotstick.Lane{Build: build, RevertTo: make([]hotstick.RevertTarget, 64)})
	mustBeTaken(t, "windows", hotstick.MaxCalendars*hotstick.MaxIntervals, hotstick.Interval{})
	mustBeTaken(t, "reports", 10_000, hotstick.Report{Evidence: make([]hotstick.Evidence, hotstick.MaxEvidence), Reason: &hotstick.Reason{}})
	mustBeTaken(t, "readings", 20_000, hotstick.Reading{})
}

func mustBeTaken[T any](t *testing.T, what string, n int, one T) {
	t.Helper()
	elem, err := json.Marshal(one)
	if err != nil {
		t.Fatal(err)
	}
	var list []T
	if err := strictjson.Unmarshal([]byte("["+strings.Repeat(string(elem)+",", n-1)+string(elem)+"]"), &list); err != nil || len(list) != n {
		t.Errorf("%s: %d, %v", what, len(list), err)
	}
}
