package why

import (
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
)

// coverMeanings say what an answer about a kernel's cover follows from.
var coverMeanings = map[hotstick.CoverReason]string{
	hotstick.CoverTold:           "its live-patch system says so",
	hotstick.CoverCounted:        "counted from the day on which the kernel was published",
	hotstick.CoverBaseline:       "the next baseline is published then",
	hotstick.CoverSet:            "the rule names that day",
	hotstick.CoverReleaseUnknown: "nobody told when the kernel was published",
	hotstick.CoverChoiceUnknown:  "the vendor covers chosen kernels only, and nothing shows that this is one",
	hotstick.CoverUnpublished:    "the vendor does not say how long it covers a kernel",
	hotstick.CoverNoRule:         "no rule is for this system and kernel",
	hotstick.CoverOwn:            "no vendor promises any, so they come as long as somebody builds them",
	hotstick.CoverNoSystem:       "no live-patch system of the host can be used",
	hotstick.CoverOver:           "its live-patch system says that there are none any more",
	hotstick.CoverLeftOut:        "the vendor makes none for such kernels",
}

// coverRemedies say what a person could do, where there is something.
var coverRemedies = map[hotstick.CoverReason]string{
	hotstick.CoverReleaseUnknown: "Write into a file of your own when it was published.",
	hotstick.CoverChoiceUnknown:  "Boot a kernel that the vendor has chosen, or write a rule of your own.",
	hotstick.CoverUnpublished:    "Ask the vendor, and write a rule of your own.",
	hotstick.CoverNoRule:         "Write a rule of your own.",
	hotstick.CoverNoSystem:       "Look at why none of its live-patch systems can be used: hotstick host show HOST",
	hotstick.CoverOver:           "Reboot it into a kernel that is covered.",
	hotstick.CoverLeftOut:        "Boot a kernel that the vendor covers.",
}

// Covered says until when there are live patches for a host's kernel, by whose word, and
// what a person could do about it.
func Covered(host string, c hotstick.Cover, now time.Time) string {
	meaning := follows(c)
	remedy := fill(coverRemedies[c.Reason], word{"HOST", host})
	var text string
	switch c.State {
	case hotstick.CoverEnds:
		text = fmt.Sprintf("Live patches for the kernel of %s end after %s: %s.", host, c.Until.Format(time.DateOnly), meaning)
		remedy = "It must boot another kernel by then."
		if c.Ended(now) {
			text = fmt.Sprintf("Live patches for the kernel of %s ended after %s: %s.", host, c.Until.Format(time.DateOnly), meaning)
			remedy = "Reboot it into a kernel that is covered."
		}
	case hotstick.CoverUnpromised:
		text = fmt.Sprintf("Nothing ends the live patches for the kernel of %s: %s.", host, meaning)
	case hotstick.CoverNone:
		text = fmt.Sprintf("There are no live patches for the kernel of %s: %s.", host, meaning)
	default:
		text = fmt.Sprintf("Nobody knows until when there are live patches for the kernel of %s: %s.", host, meaning)
	}
	if remedy != "" {
		text += " " + remedy
	}
	return text
}

// follows says what the answer follows from.
func follows(c hotstick.Cover) string {
	meaning, known := coverMeanings[c.Reason]
	if !known {
		meaning = fmt.Sprintf("the reason %q is unknown", string(c.Reason))
	}
	if c.Reason == hotstick.CoverCounted {
		meaning += fmt.Sprintf(", %s (%s)", c.Released.Day.Format(time.DateOnly), c.Released.Origin)
	}
	if c.Rule != "" {
		meaning += ", by the rule " + c.Rule
	}
	return meaning
}

// maxNames bounds how many hosts a text names.
const maxNames = 100

// Due says of a kernel whose cover ends, in one line and in several, which hosts must boot
// another one and what the day follows from.
func Due(release string, hosts []string, c hotstick.Cover) (summary, description string) {
	summary = fmt.Sprintf("Last day of live patches for %s on %s", release, count(len(hosts), "host"))
	lines := []string{"After this day its vendor makes none: " + follows(c) + ".", "By then these must boot another kernel:"}
	lines = append(lines, hosts[:min(len(hosts), maxNames)]...)
	if more := len(hosts) - maxNames; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return summary, strings.Join(lines, "\n")
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
