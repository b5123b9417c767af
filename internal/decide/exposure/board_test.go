package exposure_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/decide/exposure"
)

// drawVulnerability is what is known of a CVE whatever the product.
func drawVulnerability(t *rapid.T, cve string) hotstick.Vulnerability {
	v := hotstick.Vulnerability{CVE: cve}
	if rapid.Bool().Draw(t, "exploited") {
		v.Exploited = &hotstick.Exploited{Added: time.Unix(1, 0)}
	}
	if rapid.Bool().Draw(t, "predicted") {
		v.Prediction = &hotstick.Prediction{Probability: rapid.SampledFrom([]float64{0.01, 0.2}).Draw(t, "probability")}
	}
	if rapid.Bool().Draw(t, "scored") {
		v.Scores = []hotstick.Score{{Version: "3.1", Base: rapid.SampledFrom([]float64{2, 5, 9}).Draw(t, "base")}}
	}
	return v
}

// TestABoardCountsWhatTheTreeSaysOfEveryHost asks the tree host by host and CVE by CVE.
func TestABoardCountsWhatTheTreeSaysOfEveryHost(t *testing.T) {
	tree := mustDefault(t)
	rapid.Check(t, func(t *rapid.T) {
		w := world{map[exposure.Key]hotstick.Advisory{}, map[hotstick.HostID]hotstick.Facts{}, nil}
		for _, a := range rapid.SliceOfN(rapid.Custom(drawAdvisory), 1, 8).Draw(t, "advisories") {
			w.advisories[exposure.KeyOf(a)] = a
		}
		labels, sites := map[hotstick.HostID]map[string]string{}, map[hotstick.HostID]exposure.Site{}
		for i, f := range rapid.SliceOfN(rapid.Custom(drawFacts), 0, 6).Draw(t, "hosts") {
			id := hotstick.HostID(fmt.Sprint(i))
			w.facts[id], labels[id] = f, map[string]string{}
			for label, values := range map[string][]string{"exposure": {"", "Small", "open", "else"}, "criticality": {"", "low", "high"}} {
				if v := rapid.SampledFrom(values).Draw(t, label); v != "" {
					labels[id][label] = v
				}
			}
			if s := tree.Site(labels[id]); s != (exposure.Site{}) {
				sites[id] = s
			}
		}
		known := map[string]hotstick.Vulnerability{}
		for _, cve := range cves {
			known[cve] = drawVulnerability(t, cve)
		}
		fleet := w.full()
		board := fleet.Rank(tree, sites, func(cve string) hotstick.Vulnerability { return known[cve] })
		w.checkBoard(t, fleet, board, func(cve string, id hotstick.HostID) exposure.Decision {
			return tree.Decide(known[cve], labels[id]).Decision
		})
	})
}

func (w world) checkBoard(t *rapid.T, fleet *exposure.Fleet, board *exposure.Board, decide func(string, hotstick.HostID) exposure.Decision) {
	open, busy := map[exposure.Decision]int{}, map[exposure.Decision]map[hotstick.HostID]bool{}
	counts := fleet.Counts()
	for _, cve := range cves {
		line, there := board.Line(cve)
		if _, spoken := counts[cve]; spoken != there {
			t.Fatalf("%s is on the board: %v", cve, there)
		}
		want := map[exposure.Decision]int{}
		for id, reason := range fleet.Stands(cve) {
			if have, _ := fleet.Stand(id, cve); have != reason {
				t.Fatalf("%s on %s stands at %s and at %s", cve, id, have, reason)
			}
			if !reason.State().Open() {
				continue
			}
			d := decide(cve, id)
			want[d]++
			open[d]++
			if busy[d] == nil {
				busy[d] = map[hotstick.HostID]bool{}
			}
			busy[d][id] = true
		}
		if there && (!maps.Equal(line.Open, want) || !maps.Equal(line.Count, counts[cve])) {
			t.Fatalf("%s is open on %v, want %v; counted are %v, want %v", cve, line.Open, want, line.Count, counts[cve])
		}
		w.checkKernels(t, fleet, cve, counts[cve])
	}
	for _, d := range exposure.Decisions() {
		if board.Open[d] != open[d] || board.Hosts[d] != len(busy[d]) {
			t.Fatalf("%s: %d open on %d hosts, want %d on %d", d, board.Open[d], board.Hosts[d], open[d], len(busy[d]))
		}
	}
	if !slices.IsSortedFunc(board.Lines, exposure.Line.Compare) {
		t.Fatalf("the lines are in disorder: %+v", board.Lines)
	}
}

// checkKernels adds the kernels up.
func (w world) checkKernels(t *rapid.T, fleet *exposure.Fleet, cve string, want exposure.Count) {
	sum, quarrels := exposure.Count{}, 0
	for _, k := range fleet.Kernels(cve) {
		for reason, n := range k.Count {
			sum[reason] += n
		}
		quarrels += k.Disputed
	}
	disputed := 0
	for id := range w.facts {
		if a, ok := fleet.Explain(id, cve); ok && a.Disputed {
			disputed++
		}
		of := exposure.Count{}
		for name, reason := range fleet.OfHost(id) {
			if name == cve {
				of[reason]++
			}
		}
		if have, spoken := fleet.Stand(id, cve); spoken && of[have] != 1 {
			t.Fatalf("%s on %s is %s; of all it is %v", cve, id, have, of)
		}
	}
	if !maps.Equal(sum, want) && len(sum)+len(want) > 0 || quarrels != disputed {
		t.Fatalf("%s by kernel is %v with %d disputed, want %v with %d", cve, sum, quarrels, want, disputed)
	}
}

func TestTheMostUrgentComesFirst(t *testing.T) {
	fleet := exposure.Full(exposure.Compile([]hotstick.Advisory{
		advisory("osv", "CVE-2026-0001", debian, "..6.1-3"), advisory("osv", "CVE-2026-0002", debian, "..6.1-3"),
		advisory("osv", "CVE-2026-0003", debian, "..6.1-3"), advisory("osv", "CVE-2026-0004", debian, "..6.1-1"), advisory("osv", "CVE-2026-0005", debian, "..6.1-3"),
	}, nil, nil), []exposure.Host{{ID: "a", Class: exposure.Class{Kernel: exposure.Kernel{Product: debian, Version: "6.1-2"}}}})
	likely := func(p float64) *hotstick.Prediction { return &hotstick.Prediction{Probability: p} }
	low := []hotstick.Score{{Version: "3.1", Base: 1}}
	known := map[string]hotstick.Vulnerability{
		"CVE-2026-0001": {Scores: low, Prediction: likely(0.3)},
		"CVE-2026-0002": {Scores: low, Prediction: likely(0.6)},
		"CVE-2026-0003": {Scores: low, Prediction: likely(0.6), Exploited: &hotstick.Exploited{}},
		"CVE-2026-0004": {Prediction: likely(1), Exploited: &hotstick.Exploited{}}, // is open nowhere
		"CVE-2026-0005": {Scores: []hotstick.Score{{Version: "3.1", Base: 9}}, Prediction: likely(0.01)},
	}
	var got []string
	for _, l := range fleet.Rank(mustDefault(t), nil, func(cve string) hotstick.Vulnerability { return known[cve] }).Lines {
		got = append(got, l.Vulnerability.CVE[len("CVE-2026-000"):]+" "+string(l.Worst()))
	}
	if want := []string{"3 act", "5 attend", "2 track", "1 track", "4 "}; !slices.Equal(got, want) {
		t.Errorf("the order is %q, want %q", got, want)
	}
}
