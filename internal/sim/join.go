package sim

import (
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/agent"
)

// ParseJoin reads the line that hotstick host add prints, as the agent's own
// command line would.
func ParseJoin(line string) (agent.Join, error) {
	fields := strings.Fields(line)
	values := map[string]string{}
	for i := 0; i+1 < len(fields); i++ {
		if name, ok := strings.CutPrefix(fields[i], "--"); ok {
			values[name] = fields[i+1]
			i++
		}
	}
	join := agent.Join{Server: values["server"], Token: values["token"], Authority: hotstick.Digest(values["ca"]), Root: hotstick.Digest(values["root"])}
	if err := join.Validate(); err != nil {
		return join, fmt.Errorf("cannot read the join line: %w", err)
	}
	return join, nil
}
