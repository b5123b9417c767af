package wire_test

import (
	"strings"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/wire"
)

func TestAnOlderServerReadsNoReasonThatItDoesNotKnow(t *testing.T) {
	fresh := []hotstick.ReasonCode{hotstick.ReasonHeldOnHost, hotstick.ReasonSwitchedOff, hotstick.ReasonCrashedElsewhere,
		hotstick.ReasonNotReversible, hotstick.ReasonOtherMaster, hotstick.ReasonTouchFailed}
	for _, code := range fresh {
		req := goodSync()
		reason := hotstick.Reason{Code: hotstick.ReasonRevertFailed, Cause: code}
		req.Reports[0].Reason = &reason
		req.Loader.Refusals = []wire.DocumentRefusal{{Document: hotstick.NewDigest(nil), Reason: hotstick.Reason{Code: code}}}
		for protocol, want := range map[int]bool{1: false, 2: true} {
			data, err := wire.EncodeAs(req, protocol, wire.MaxRequestBytes)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(string(data), `"`+string(code)+`"`); got != want {
				t.Errorf("protocol %d has the word %s: %t, want %t", protocol, code, got, want)
			}
		}
		if reason.Cause != code {
			t.Errorf("the request itself was changed")
		}
	}
}
