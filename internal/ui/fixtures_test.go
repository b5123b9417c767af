package ui_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
)

// answer is one recorded answer of the fake API that the browser tests use.
type answer struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// types gives, for each name in the records, a fresh value of the real API's type.
var types = map[string]func() any{
	"Session":       func() any { return new(api.Session) },
	"Overview":      func() any { return new(api.Overview) },
	"HostList":      func() any { return new(api.HostList) },
	"HostDetail":    func() any { return new(api.HostDetail) },
	"RolloutList":   func() any { return new(api.RolloutList) },
	"Rollout":       func() any { return new(api.Rollout) },
	"Uncovered":     func() any { return new(api.Uncovered) },
	"CellList":      func() any { return new(api.CellList) },
	"FreezeList":    func() any { return new(api.FreezeList) },
	"ExclusionList": func() any { return new(api.ExclusionList) },
	"Rehearsal":     func() any { return new(api.Rehearsal) },
	"Catalog":       func() any { return new(api.Catalog) },
	"Patch":         func() any { return new(api.Patch) },
	"EventList":     func() any { return new(api.EventList) },
	"JoinToken":     func() any { return new(api.JoinToken) },
}

// The browser tests talk to a fake. This holds the fake to the real API: every
// field it sends exists there, and every state and reason is a known one.
func TestTheFakeSpeaksTheRealAPI(t *testing.T) {
	records, err := filepath.Glob("testdata/*.json")
	if err != nil || len(records) == 0 {
		t.Fatalf("cannot find the records: %v", err)
	}
	for _, name := range records {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var answers []answer
			if err := json.Unmarshal(data, &answers); err != nil {
				t.Fatal(err)
			}
			for _, a := range answers {
				check(t, a)
			}
		})
	}
}

func check(t *testing.T, a answer) {
	t.Helper()
	fresh, known := types[a.Type]
	if !known {
		t.Errorf("the records name the type %q, which this test does not know", a.Type)
		return
	}
	value := fresh()
	dec := json.NewDecoder(bytes.NewReader(a.Value))
	dec.DisallowUnknownFields()
	if err := dec.Decode(value); err != nil {
		t.Errorf("%s: %v", a.Type, err)
		return
	}
	if r, ok := value.(*api.Rollout); ok {
		checkRollout(t, r)
	}
	if h, ok := value.(*api.HostDetail); ok {
		if err := h.Host.ID.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func checkRollout(t *testing.T, r *api.Rollout) {
	t.Helper()
	problems := []error{r.Description.Validate(), r.Status.Validate(), r.Plan.Validate()}
	for _, w := range r.Waves {
		problems = append(problems, w.Gate.Reason.Validate())
		for _, c := range w.Hosts {
			problems = append(problems, c.State.Validate(), c.Host.Validate(), validReason(c.Reason))
		}
	}
	for _, e := range r.Timeline {
		problems = append(problems, validReason(e.Reason))
	}
	for _, err := range problems {
		if err != nil {
			t.Errorf("rollout %s: %v", r.Name, err)
		}
	}
}

func validReason(r *api.Reason) error {
	if r == nil {
		return nil
	}
	return hotstick.Reason{Code: r.Code}.Validate()
}
