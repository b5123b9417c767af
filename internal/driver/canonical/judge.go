package canonical

import (
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// phrases are what the client says of causes that have a reason of their own, in lower
// case; the first that is found counts.
var phrases = []struct {
	words []string // all of them
	code  hotstick.ReasonCode
	retry bool
}{
	{[]string{"machine is not enabled"}, hotstick.ReasonNotEntitled, false},
	{[]string{"cutoff-date", "subscri"}, hotstick.ReasonNotEntitled, false},
	{[]string{"cutoff-date", "not available"}, hotstick.ReasonNotEntitled, false},
	{[]string{"unauthorized"}, hotstick.ReasonNotEntitled, false},
	{[]string{"invalid", "token"}, hotstick.ReasonNotEntitled, false},
	{[]string{"expired", "token"}, hotstick.ReasonNotEntitled, false},
	{[]string{"end of life"}, hotstick.ReasonCoverEnded, false},
	{[]string{"verify the signature"}, hotstick.ReasonSignature, false},
	{[]string{"no such host"}, hotstick.ReasonToolFailed, true},
	{[]string{"connection refused"}, hotstick.ReasonToolFailed, true},
	{[]string{"i/o timeout"}, hotstick.ReasonToolFailed, true},
	{[]string{"network is unreachable"}, hotstick.ReasonToolFailed, true},
	{[]string{"error response with status 5"}, hotstick.ReasonToolFailed, true},
	{[]string{"canonical-livepatchd.sock"}, hotstick.ReasonToolFailed, true},
	{[]string{"livepatch check failed"}, hotstick.ReasonToolFailed, true},
}

// Judge says why a run of the client failed.
func Judge(verb string, ran driver.Ran) *driver.Refusal {
	text := strings.ToLower(ran.Stderr + "\n" + ran.Stdout)
	for _, p := range phrases {
		all := true
		for _, w := range p.words {
			all = all && strings.Contains(text, w)
		}
		if all {
			r := driver.Refuse(p.code, "%s", ran.Said())
			r.Retry = p.retry
			return r
		}
	}
	return driver.Refuse(hotstick.ReasonToolFailed, "canonical-livepatch %s ended with exit code %d: %s", verb, ran.Code, ran.Said())
}
