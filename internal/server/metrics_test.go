package server

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// pageRow is one row of the reference: name, type and labels.
var pageRow = regexp.MustCompile("(?m)^\\| `(hotstick_[a-z_]+)` \\| ([a-z]+) \\| ([a-z` ]*?) ?\\| [^|]+ \\|$")

var (
	typeLine  = regexp.MustCompile(`(?m)^# TYPE ((?:hotstick|go|process)_[a-z_]+) ([a-z]+)$`)
	labelName = regexp.MustCompile(`([a-z]+)="`)
)

// TestTheReferenceHasEveryMetricAndNoOther compares the page with what a scrape shows,
// after a request has given each of the vectors a series.
func TestTheReferenceHasEveryMetricAndNoOther(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	w.join("host-1", buildA)
	scrape := w.ask("GET", "/metrics", "", "Authorization", w.bearer("viewer")).body
	shown := map[string]string{}
	for _, m := range typeLine.FindAllStringSubmatch(scrape, -1) {
		if strings.HasPrefix(m[1], "hotstick_") {
			shown[m[1]] = m[2] + " " + strings.Join(labelsOf(scrape, m[1]), " ")
		}
	}
	if len(shown) < 15 {
		t.Fatalf("the scrape shows %v", shown)
	}
	for _, m := range pageRow.FindAllStringSubmatch(string(raw), -1) {
		labels := strings.Fields(strings.ReplaceAll(m[3], "`", " "))
		slices.Sort(labels)
		says := m[2] + " " + strings.Join(labels, " ")
		if got, ok := shown[m[1]]; !ok || got != says {
			t.Errorf("the page says of %s %q, the server %q", m[1], says, got)
		}
		delete(shown, m[1])
	}
	for name := range shown {
		t.Errorf("the page lacks %s", name)
	}
}

// labelsOf lists the labels of a metric's series.
func labelsOf(scrape, name string) []string {
	var labels []string
	line := regexp.MustCompile(`(?m)^` + name + `(?:_bucket|_sum|_count)?\{(.*)\} [^ ]+$`)
	for _, m := range line.FindAllStringSubmatch(scrape, -1) {
		for _, l := range labelName.FindAllStringSubmatch(m[1], -1) {
			if l[1] != "le" && !slices.Contains(labels, l[1]) {
				labels = append(labels, l[1])
			}
		}
	}
	slices.Sort(labels)
	return labels
}

func TestMetricsAreNamedAsPrometheusWants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	problems, err := promlint.New(strings.NewReader(w.ask("GET", "/metrics", "", "Authorization", w.bearer("viewer")).body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "hotstick_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}
