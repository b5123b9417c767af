package agent_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
	"github.com/hotstick/hotstick/internal/loader/link"
)

// told is an agent with everything to tell.
func told() agent.Told {
	return agent.Told{Reached: true, Contact: agent.Contact{Answered: time.Unix(1_800_000_000, 0), SkewMillis: -1500, Failures: 2},
		Loader: link.Response{InEffect: hotstick.PatchRef{Name: "fix", Level: 3}, Hold: &hotstick.HostHold{By: "alice"},
			Stall: &hotstick.Stall{Tasks: 4}, Off: hotstick.OffByFile, CatalogVersion: 9}}
}

func TestMetricsSayWhatTheAgentKnows(t *testing.T) {
	text := string(agent.Metrics(told()))
	for _, want := range []string{
		"hotstick_agent_level_in_effect{patch=\"fix\"} 3\n", "hotstick_agent_held 1\n", "hotstick_agent_switched_off 1\n",
		"hotstick_agent_transition_stalled_tasks 4\n", "hotstick_agent_clock_skew_seconds -1.5\n", "hotstick_agent_catalog_version 9\n",
		"hotstick_agent_check_in_timestamp_seconds 1.8e+09\n", "hotstick_agent_check_in_failures 2\n", "hotstick_agent_loader_up 1\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %q:\n%s", want, text)
		}
	}
}

func TestMetricsOfALoaderThatIsAwayClaimNothingOfIt(t *testing.T) {
	away := told()
	away.Reached = false
	text := string(agent.Metrics(away))
	if !strings.Contains(text, "hotstick_agent_loader_up 0\n") || strings.Contains(text, "in_effect") || strings.Contains(text, "held") {
		t.Errorf("of a loader that does not answer the metrics say\n%s", text)
	}
}

var metricLine = regexp.MustCompile(`(?m)^(hotstick_agent_[a-z_]+)(\{[a-z]+="[^"]*"\})? [-+0-9.e]+$`)

func TestEveryMetricIsInTheReference(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/host-metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	found := metricLine.FindAllStringSubmatch(string(agent.Metrics(told())), -1)
	if len(found) != strings.Count(string(agent.Metrics(told())), "# TYPE") {
		t.Errorf("%d lines are metrics", len(found))
	}
	for _, m := range found {
		if !strings.Contains(string(page), "`"+m[1]+"`") {
			t.Errorf("the reference lacks %s", m[1])
		}
	}
	if rows := strings.Count(string(page), "| `hotstick_agent_"); rows != len(found) {
		t.Errorf("the reference has %d metrics, the agent %d", rows, len(found))
	}
}

func TestTheTextfileIsReplacedAsAWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hotstick.prom")
	for range 2 {
		if err := agent.SaveTextfile(path, told()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != string(agent.Metrics(told())) {
		t.Errorf("the file has %q (%v)", got, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside it lies %v (%v)", entries, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("node_exporter finds %v (%v)", info.Mode(), err)
	}
}

func TestTheTextfileIsOffOrElsewhere(t *testing.T) {
	for configured, want := range map[string]string{"off": "", "/srv/x.prom": "/srv/x.prom"} {
		if got := agent.TextfileAt(configured); got != want {
			t.Errorf("textfile %s goes to %q", configured, got)
		}
	}
}
