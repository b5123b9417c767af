package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hotstick/hotstick/internal/demo/host"
	"github.com/hotstick/hotstick/internal/evil"
	"github.com/hotstick/hotstick/internal/guest"
)

// logMarks are the lengths of the logs of agent and loader; nil where nobody wants to
// know.
type logMarks []string

// logEnds measures the logs before a strategy that serves files: what comes of those
// nobody but the agent may ever see.
func logEnds(ctx context.Context, g *guest.Guest, s evil.Strategy) (logMarks, error) {
	if s.Serve == nil {
		return nil, nil
	}
	out, err := host.MustRun(ctx, g, "wc -c <"+guest.LogDir+"/agent.log; wc -c <"+guest.LogDir+"/loader.log")
	return strings.Fields(out), err
}

// since returns what agent and loader have complained of since, each complaint once.
func (l logMarks) since(ctx context.Context, g *guest.Guest) ([]string, error) {
	if len(l) != 2 {
		return nil, nil
	}
	out, err := host.MustRun(ctx, g, fmt.Sprintf("tail -c +$((%s+1)) %s/agent.log; tail -c +$((%s+1)) %s/loader.log", l[0], guest.LogDir, l[1], guest.LogDir))
	if err != nil {
		return nil, err
	}
	return complaints(out), nil
}

// complaints reads log lines; those that are not whole are left out.
func complaints(log string) []string {
	var all []string
	seen := map[string]bool{}
	for text := range strings.Lines(log) {
		var line struct{ Level, Msg, Error, Program string }
		if json.Unmarshal([]byte(text), &line) != nil || line.Level != "WARN" && line.Level != "ERROR" || line.Error == "" {
			continue
		}
		said := strings.TrimPrefix(line.Program, "hotstick-") + ": " + line.Msg + ": " + line.Error
		if !seen[said] {
			seen[said] = true
			all = append(all, said)
		}
	}
	return all
}
