package why

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/hotstick/hotstick"
)

// Exposure is what the answer for one host and one CVE rests on. What is not known is
// empty.
type Exposure struct {
	Host, CVE string
	Reason    hotstick.ExposureReason
	// Product and Version are of the booted kernel; Memory is the level in memory where the
	// system tells one beside it.
	Product         hotstick.KernelProduct
	Version, Memory string
	// Patch is in effect and closes it.
	Patch hotstick.PatchRef
	// Offers are the levels of the catalog that would close it on this kernel build, the
	// best first.
	Offers []hotstick.PatchRef
	// Word is the source's that decides; nil where none speaks.
	Word *Word
	// Disputed: sources disagree on whether it is open.
	Disputed bool
}

// Word is what one source says of the booted kernel.
type Word struct {
	Source hotstick.AdvisorySource
	// Introduced and Fixed are the range that the answer follows from.
	Introduced, Fixed string
	Justification     hotstick.Justification
	// Module is the only one that has the hole, where the source names it.
	Module string
}

// standing says for each state where the host stands; the reason's meaning follows.
var standing = map[hotstick.ExposureState]string{
	hotstick.Exposed:          "%s is exposed to %s",
	hotstick.ExposureUnknown:  "Nobody knows whether %s is exposed to %s, so it counts as open",
	hotstick.Mitigated:        "%s has the hole of %s, and nobody can use it before the next boot",
	hotstick.FixedByLivePatch: "%s is not exposed to %s as long as it does not boot",
	hotstick.FixedByBoot:      "%s is not exposed to %s any more",
	hotstick.NotAffected:      "%s is not affected by %s",
}

// exposureMeanings say a reason as the second half of a sentence.
var exposureMeanings = map[hotstick.ExposureReason]string{
	hotstick.ExposedInRange:       "the version that it has booted has the hole, and a later one is fixed",
	hotstick.ExposedNoFix:         "the version that it has booted has the hole, and no version is fixed yet",
	hotstick.UnknownNoSource:      "no source speaks of the CVE in this kernel's product",
	hotstick.UnknownProduct:       "its kernel does not tell which product it is of",
	hotstick.UnknownVersion:       "its kernel does not tell its version, or tells one that cannot be compared",
	hotstick.UnknownUnreadable:    "a source calls versions affected in a way that cannot be read",
	hotstick.UnknownInvestigating: "the source does not know yet whether this kernel is affected",
	hotstick.UnknownSilent:        "it was closed when the host last spoke, and that is too long ago: it may have booted something else since",
	hotstick.MitigatedModule:      "the only module that has it is not in the running kernel, and no module can be loaded any more",
	hotstick.ClosedByPatch:        "a live patch that closes it is in effect",
	hotstick.ClosedByLevel:        "the level in its memory is a fixed one, though the one that it has booted is not",
	hotstick.ClosedByBoot:         "the version that it has booted is a fixed one",
	hotstick.NeverIntroduced:      "the version that it has booted is older than the hole",
	hotstick.NeverByVendor:        "the source says that this kernel is not affected",
	hotstick.NeverListed:          "a source that names every kernel which has the hole leaves this one out",
	hotstick.NeverOtherSystem:     "the hole is in another system's kernel",
}

// exposureRemedies say what a person could do. Of what is neither here nor in
// exposureEnds nothing is left to do.
var exposureRemedies = map[hotstick.ExposureReason]string{
	hotstick.ExposedInRange:    "Publish a live patch for its kernel build, or install a fixed version and reboot: hotstick patch publish FOLDER --key FILE",
	hotstick.ExposedNoFix:      "There is no version to boot yet. Publish a live patch for its kernel build: hotstick patch publish FOLDER --key FILE",
	hotstick.UnknownNoSource:   "Configure a feed that speaks of this product; if one does and leaves out what is not affected, call it complete there.",
	hotstick.UnknownProduct:    "Look at what the host tells of its kernel; one that somebody built is of no product that sources know: hotstick host show HOST",
	hotstick.UnknownVersion:    "Look at what the host tells of its kernel: hotstick host show HOST",
	hotstick.UnknownUnreadable: "Read the source's document, and tell whoever publishes it.",
	hotstick.UnknownSilent:     "Look at the host: is it up, and does its agent reach the server?",
	hotstick.MitigatedModule:   "The next boot brings it back: boot a fixed version, or close it by a live patch before.",
	hotstick.ClosedByPatch:     "A boot without the patch brings it back; a fixed version closes it for good.",
	hotstick.ClosedByLevel:     "A boot brings it back until the level is put in again; a fixed version closes it for good.",
}

// exposureEnds say what ends a state that needs nobody.
var exposureEnds = map[hotstick.ExposureReason]string{
	hotstick.UnknownInvestigating: "It is judged again when the source says more.",
}

// ExplainExposure answers why a host stands where it stands with a CVE in a few lines, the most
// telling first, and says what would change it (empty if nothing needs to).
func ExplainExposure(e Exposure) (lines []string, changes string) {
	lines = append(lines, ExposureSentence(e), booted(e))
	if w := e.Word; w != nil {
		lines = append(lines, spoken(*w))
	}
	if e.Disputed {
		lines = append(lines, "Sources disagree on whether it is open: the vendor's own word holds, and among equals the worst.")
	}
	return lines, ExposureRemedy(e)
}

// ExposureSentence says where a host stands with a CVE, and why.
func ExposureSentence(e Exposure) string {
	meaning, known := exposureMeanings[e.Reason]
	if !known {
		meaning = fmt.Sprintf("the reason %q is unknown", string(e.Reason))
	}
	switch {
	case e.Reason == hotstick.ClosedByPatch && !e.Patch.IsZero():
		meaning += ", " + e.Patch.String()
	case e.Reason == hotstick.MitigatedModule && e.Word != nil && e.Word.Module != "":
		meaning = strings.Replace(meaning, "module that has it", "module that has it, "+e.Word.Module+",", 1)
	case e.Reason == hotstick.ExposedInRange && e.Word != nil && e.Word.Fixed != "":
		meaning = strings.Replace(meaning, "a later one is fixed", "it is fixed from "+e.Word.Fixed+" on", 1)
	}
	return fmt.Sprintf(standing[e.Reason.State()], e.Host, e.CVE) + ": " + meaning + "."
}

// ExposureRemedy says what a person could do about it, or what else ends it; empty if
// nothing needs to.
func ExposureRemedy(e Exposure) string {
	text := exposureRemedies[e.Reason]
	if text == "" {
		return exposureEnds[e.Reason]
	}
	offered := len(e.Offers) > 0
	switch {
	case offered && e.Reason.State() == hotstick.Exposed:
		text = e.Offers[0].String() + " closes it on this kernel. See whom a plan would reach: hotstick rollout plan --fixes CVE --select true --dry-run"
	case offered && e.Reason == hotstick.MitigatedModule:
		text = "The next boot brings it back, and " + e.Offers[0].String() + " closes it before: hotstick rollout plan --fixes CVE --select true --dry-run"
	case e.Word != nil && version.MatchString(e.Word.Fixed):
		text = strings.Replace(text, "a fixed version", e.Word.Fixed+" or later", 1)
	}
	return fill(text, word{"HOST", e.Host}, word{"CVE", e.CVE})
}

// version matches what versions are written with. They come from documents that somebody
// serves: nothing else of them may stand beside a command that somebody copies.
var version = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+~^:_-]*$`)

func booted(e Exposure) string {
	kernel := strings.TrimSpace(e.Product.Package + " " + e.Version)
	if kernel == "" {
		return "What it has booted is not known."
	}
	text := "It has booted " + kernel
	if e.Product.Distribution != "" {
		text += " of " + e.Product.Distribution
	}
	if e.Memory != "" {
		text += ", and the level in its memory is " + e.Memory
	}
	return text + "."
}

func spoken(w Word) string {
	text := "So says " + w.Source.Feed
	if w.Source.Document != "" {
		text += " (" + w.Source.Document + ")"
	}
	var more []string
	for _, m := range []struct{ what, is string }{{"introduced in ", w.Introduced}, {"fixed in ", w.Fixed}, {"in the module ", w.Module}, {"because: ", string(w.Justification)}} {
		if m.is != "" {
			more = append(more, m.what+m.is)
		}
	}
	if len(more) > 0 {
		text += ": " + strings.Join(more, ", ")
	}
	return text + "."
}
