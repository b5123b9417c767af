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
	case why == nil, why.Code == hotstick.ReasonSilentAfter, why.Code == hotstick.ReasonNotBack:
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

// outageKinds are the labels of what is cut off or loses its power as a whole, the
// widest first.
var outageKinds = [...]string{"zone", "site", "datacenter", "room", "rack"}

// Domain is the widest domain, by its labels, in which a host goes down together
// with others whatever the patch; empty where its labels name none.
func Domain(labels map[string]string) string {
	for _, kind := range outageKinds {
		if value := labels[kind]; value != "" {
			return kind + "=" + value
		}
	}
	return ""
}
