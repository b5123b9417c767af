package link_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/loader/link"
)

// says is a loader with one answer.
type says link.Response

func (s says) Exchange(context.Context, link.Request) (link.Response, error) {
	return link.Response(s), nil
}

func TestAnOlderAgentReadsNoReasonThatItDoesNotKnow(t *testing.T) {
	reason := hotstick.Reason{Code: hotstick.ReasonTouchFailed, Cause: hotstick.ReasonSwitchedOff}
	loader := says{Boot: "b", Nonce: "n",
		Reports:  []hotstick.Report{{Seq: 1, Boot: "b", State: hotstick.Failed, Reason: &reason}},
		Refusals: []link.Refusal{{Document: hotstick.NewDigest(nil), Reason: hotstick.Reason{Code: hotstick.ReasonHeldOnHost}}}}
	path := serve(t, loader, me())
	for protocol, want := range map[int][3]hotstick.ReasonCode{
		1: {hotstick.ReasonVerificationFailed, hotstick.ReasonOperator, hotstick.ReasonOperator},
		2: {hotstick.ReasonTouchFailed, hotstick.ReasonSwitchedOff, hotstick.ReasonHeldOnHost},
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		call := `{"acknowledged":0}`
		if protocol > 1 {
			call = fmt.Sprintf(`{"protocol":%d,"acknowledged":0}`, protocol)
		}
		fmt.Fprintln(conn, call)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Response link.Response }
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		r := got.Response
		if said := [3]hotstick.ReasonCode{r.Reports[0].Reason.Code, r.Reports[0].Reason.Cause, r.Refusals[0].Reason.Code}; said != want {
			t.Errorf("version %d has the words %v, want %v", protocol, said, want)
		}
	}
	if reason.Code != hotstick.ReasonTouchFailed {
		t.Error("the loader's own report was changed")
	}
}

func TestOnlyARefusalOfTheVersionMakesTheAgentSpeakAnOlderOne(t *testing.T) {
	loader := &echo{err: errors.New("cannot write the ledger")}
	client := link.Dial(serve(t, loader, me()))
	defer client.Close()
	for range 2 {
		if _, err := client.Exchange(t.Context(), link.Request{}); !errors.Is(err, link.ErrRefused) {
			t.Fatalf("answered %v", err)
		}
	}
	if n := loader.count(); n != 2 {
		t.Errorf("the loader was asked %d times, want twice", n)
	}
	for _, call := range loader.calls {
		if call.Protocol != link.Protocol {
			t.Errorf("it was asked in version %d, want %d", call.Protocol, link.Protocol)
		}
	}
}
