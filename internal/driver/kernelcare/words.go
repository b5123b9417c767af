package kernelcare

import (
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// meanings says what follows from words of the tool, the first that fits. The vendor
// documents options and exit codes and hardly any sentence, so single words are looked
// for, in any case.
var meanings = []struct {
	words []string // all of them
	code  hotstick.ReasonCode
	retry bool
}{
	{[]string{"freez"}, hotstick.ReasonTransitionStalled, true},
	{[]string{"kprobe"}, hotstick.ReasonTransitionStalled, true},
	{[]string{"unknown kernel"}, hotstick.ReasonUnsupported, false},
	{[]string{"kernel", "not supported"}, hotstick.ReasonUnsupported, false},
	{[]string{"kernel", "unsupported"}, hotstick.ReasonUnsupported, false},
	{[]string{"not registered"}, hotstick.ReasonNotEntitled, false},
	{[]string{"unregistered"}, hotstick.ReasonNotEntitled, false},
	{[]string{"no valid license"}, hotstick.ReasonNotEntitled, false},
	{[]string{"license", "expired"}, hotstick.ReasonNotEntitled, false},
	{[]string{"license", "inactive"}, hotstick.ReasonNotEntitled, false},
	{[]string{"license", "not found"}, hotstick.ReasonNotEntitled, false},
	{[]string{"trial", "expired"}, hotstick.ReasonNotEntitled, false},
	{[]string{"key limit reached"}, hotstick.ReasonNotEntitled, false},
	{[]string{"another", "running"}, hotstick.ReasonToolFailed, true},
	{[]string{"lock"}, hotstick.ReasonToolFailed, true},
	{[]string{"timed out"}, hotstick.ReasonToolFailed, true},
	{[]string{"connect"}, hotstick.ReasonToolFailed, true},
	{[]string{"name resolution"}, hotstick.ReasonToolFailed, true},
	{[]string{"unreachable"}, hotstick.ReasonToolFailed, true},
	{[]string{"bad signature"}, hotstick.ReasonSignature, false},
	{[]string{"required key not available"}, hotstick.ReasonKeyMissing, false},
	{[]string{"key was rejected"}, hotstick.ReasonKeyMissing, false},
}

// Refusal says what the words of a program that ended mean; nil if it ended well and said
// nothing of the kind. One that ended badly with words that are not known is tool_failed.
func Refusal(ran driver.Ran) *driver.Refusal {
	// The vendor's own name, as in its addresses, is no word about a kernel.
	said := strings.ReplaceAll(strings.ToLower(ran.Stdout+"\n"+ran.Stderr), "kernelcare", "")
	for _, m := range meanings {
		all := true
		for _, w := range m.words {
			all = all && strings.Contains(said, w)
		}
		if all && (ran.Code != 0 || m.code == hotstick.ReasonNotEntitled) {
			r := driver.Refuse(m.code, "%s", ran.Said())
			r.Retry = m.retry
			return r
		}
	}
	if ran.Code == 0 {
		return nil
	}
	return driver.Refuse(hotstick.ReasonToolFailed, "%s ended with %d: %s", Tool, ran.Code, ran.Said())
}
