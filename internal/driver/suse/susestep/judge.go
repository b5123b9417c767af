package susestep

import (
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver"
)

// Exit codes of zypper(8). From 100 on they are no failures of the program itself.
const (
	errPrivileges      = 5
	errNoRepositories  = 6
	errLocked          = 7
	rebootNeeded       = 102
	restartNeeded      = 103
	capabilityNotFound = 104
	onSignal           = 105
	repositoriesSkip   = 106
	scriptFailed       = 107
)

// phrases are what zypper, rpm and the kernel say of causes that have a reason of their
// own, in lower case; the first that is found counts.
var phrases = []struct {
	words []string // all of them
	code  hotstick.ReasonCode
	retry bool
}{
	{[]string{"permission to access", "denied"}, hotstick.ReasonNotEntitled, false},
	{[]string{"subscription", "expired"}, hotstick.ReasonNotEntitled, false},
	{[]string{"system", "not registered"}, hotstick.ReasonNotEntitled, false},
	{[]string{"signature verification failed"}, hotstick.ReasonSignature, false},
	{[]string{"package is not signed"}, hotstick.ReasonSignature, false},
	{[]string{"public key is unavailable"}, hotstick.ReasonSignature, false},
	{[]string{"public key is not available"}, hotstick.ReasonSignature, false},
	{[]string{"key was rejected by service"}, hotstick.ReasonKeyMissing, false},
	{[]string{"required key not available"}, hotstick.ReasonKeyMissing, false},
	{[]string{"device or resource busy"}, hotstick.ReasonTransitionBusy, true},
	{[]string{"curl error"}, hotstick.ReasonToolFailed, true},
	{[]string{"could not resolve host"}, hotstick.ReasonToolFailed, true},
	{[]string{"timeout exceeded"}, hotstick.ReasonToolFailed, true},
	{[]string{"download", "failed"}, hotstick.ReasonToolFailed, true},
}

// judge says why a run of zypper did not bring a level into effect.
func judge(ran driver.Ran) *driver.Refusal {
	text := strings.ToLower(ran.Stderr + "\n" + ran.Stdout)
	for _, p := range phrases {
		if ran.Code == 0 || !containsAll(text, p.words) {
			continue
		}
		r := driver.Refuse(p.code, "%s", ran.Said())
		r.Retry = p.retry
		return r
	}
	tell := func(code hotstick.ReasonCode, what string) *driver.Refusal {
		return driver.Refuse(code, "%s: %s", what, ran.Said())
	}
	switch ran.Code {
	case 0, rebootNeeded, restartNeeded:
		return tell(hotstick.ReasonVerificationFailed, "zypper says that it is done, and the kernel does not list the level's module")
	case errPrivileges:
		return tell(hotstick.ReasonToolFailed, "zypper lacks the right")
	case errNoRepositories:
		return tell(hotstick.ReasonNotEntitled, "the host has no repositories")
	case errLocked:
		return retry(tell(hotstick.ReasonToolFailed, "another program has the lock of the package manager"))
	case capabilityNotFound:
		return tell(hotstick.ReasonToolFailed, "no repository has that version")
	case onSignal:
		return retry(tell(hotstick.ReasonToolFailed, "zypper was ended by a signal"))
	case repositoriesSkip:
		return retry(tell(hotstick.ReasonToolFailed, "zypper left out a repository that does not answer"))
	case scriptFailed:
		return tell(hotstick.ReasonKernelRefused, "the package's script failed, which loads the module")
	}
	return tell(hotstick.ReasonToolFailed, "zypper failed")
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
