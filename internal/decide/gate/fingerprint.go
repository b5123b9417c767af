package gate

import (
	"regexp"

	"github.com/hotstick/hotstick"
)

// stopped matches the function in which a kernel stopped, as x86_64 and arm64
// print it. What the compiler split off a function counts as the function.
var stopped = regexp.MustCompile(`(?:RIP: [0-9a-f]{4}:|pc : |PC is at )([A-Za-z_$][\w$]*)[\w.$]*\+0x`)

// Fingerprint says of which kind a host's failure is: its cause, with what that
// speaks of. The kind of a crash is the function in which the trace says that the
// kernel stopped, for its reason speaks of the patch, whatever the kind. Empty
// where nothing tells.
func Fingerprint(why *hotstick.Reason, evidence []hotstick.Evidence) string {
	switch {
	case why == nil, why.Code == hotstick.ReasonSilentAfter:
		return ""
	case why.Code == hotstick.ReasonCrash:
		for _, e := range evidence {
			if m := stopped.FindStringSubmatch(e.Text); e.Kind == "crash_trace" && m != nil {
				return string(why.Code) + " " + m[1]
			}
		}
		return ""
	case why.Subject == "":
		return ""
	}
	return string(why.Code) + " " + why.Subject
}
