package ksplice

import (
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// Exit codes of the Uptrack client, from its published source.
const (
	codeNoNetwork    = 10
	codeNotConfirmed = 12
	codeUnsupported  = 13
	codeInvalidKey   = 14
	codeExpired      = 17
	codeServerError  = 18
	codeNotActivated = 19
	codeMissingKey   = 20
	codeNoSys        = 21
	codeOldToInstall = 15
	codeOldToParse   = 16
)

var codes = map[int]struct {
	reason hotstick.ReasonCode
	retry  bool
}{
	codeNoNetwork:    {hotstick.ReasonToolFailed, true},
	codeServerError:  {hotstick.ReasonToolFailed, true},
	codeUnsupported:  {hotstick.ReasonUnsupported, false},
	codeInvalidKey:   {hotstick.ReasonNotEntitled, false},
	codeExpired:      {hotstick.ReasonNotEntitled, false},
	codeNotActivated: {hotstick.ReasonNotEntitled, false},
	codeMissingKey:   {hotstick.ReasonNotEntitled, false},
	codeNoSys:        {hotstick.ReasonToolFailed, false},
	codeOldToInstall: {hotstick.ReasonToolFailed, false},
	codeOldToParse:   {hotstick.ReasonToolFailed, false},
}

// sentences are what the client says to people of a failure whose exit code says little.
// It breaks its lines, so they are looked for in the text with its white space evened out.
// The words in brackets are the kernel side's own, which a later client may print.
var sentences = []struct {
	words  string
	reason hotstick.ReasonCode
	retry  bool
}{
	{"another Uptrack process is currently running", hotstick.ReasonToolFailed, true},
	{"constantly using the kernel functions patched by this update", hotstick.ReasonTransitionStalled, true},
	{"code_busy", hotstick.ReasonTransitionStalled, true},
	{"modules that Uptrack patched off-line are currently loaded", hotstick.ReasonNoWayBack, false},
	{"cold_update_loaded", hotstick.ReasonNoWayBack, false},
	{"in use by one or more kernel modules", hotstick.ReasonNoWayBack, false},
	{"module_busy", hotstick.ReasonNoWayBack, false},
	{"does not match the expected version", hotstick.ReasonKernelRefused, false},
	{"has been modified from the version provided by your vendor", hotstick.ReasonKernelRefused, false},
	{"could not match the code to be patched", hotstick.ReasonKernelRefused, false},
	{"no_match", hotstick.ReasonKernelRefused, false},
	{"failed_to_find", hotstick.ReasonKernelRefused, false},
	{"your kernel is out of memory", hotstick.ReasonToolFailed, true},
	{"could not verify", hotstick.ReasonSignature, false},
	{"Invalid checksum for update", hotstick.ReasonSignature, false},
	{"Uptrack disabled by system administrator", hotstick.ReasonNotEntitled, false},
	{"subscription has expired", hotstick.ReasonNotEntitled, false},
	{"You must specify an access key", hotstick.ReasonNotEntitled, false},
	{"check your network connection", hotstick.ReasonToolFailed, true},
	{"No space left on device", hotstick.ReasonToolFailed, false},
}

// Refusal says what the words of a client that ended mean; nil if it ended well. applied: the
// host has updates, so the vendor knew its kernel once.
func Refusal(ran driver.Ran, applied bool) *driver.Refusal {
	if ran.Code == 0 {
		return nil
	}
	r := driver.Refuse(hotstick.ReasonToolFailed, "Ksplice's client ended with %d: %s", ran.Code, ran.Said())
	if c, ok := codes[ran.Code]; ok {
		r.Reason.Code, r.Retry = c.reason, c.retry
	} else {
		said := strings.Join(strings.Fields(ran.Stdout+"\n"+ran.Stderr), " ")
		for _, s := range sentences {
			if strings.Contains(said, s.words) {
				r.Reason.Code, r.Retry = s.reason, s.retry
				break
			}
		}
	}
	if applied && r.Reason.Code == hotstick.ReasonUnsupported {
		r.Reason.Code = hotstick.ReasonCoverEnded
	}
	return r
}

// Pretended reports whether a client that was run with [Pretend] came as far as its plan.
func Pretended(ran driver.Ran) bool { return ran.Code == 0 || ran.Code == codeNotConfirmed }
