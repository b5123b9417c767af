package agent_test

import (
	"reflect"
	"testing"

	"github.com/hotstick/hotstick"
)

func TestTheFactsSayWhoTheLoaderSaysHasHookedIn(t *testing.T) {
	s := newRested(t)
	s.state.Tracing = hotstick.TracingFacts{FunctionsRead: true, Functions: []hotstick.TracedFunction{{Function: "vmlinux:vfs_read", Users: 1, Modifies: true}}}
	req, calls := s.checksIn()
	if calls != 1 || req.Delta == nil || req.Delta.Tracing == nil || !reflect.DeepEqual(*req.Delta.Tracing, s.state.Tracing) {
		t.Errorf("%d calls, sent %+v", calls, req.Delta)
	}
	s.state.Tracing = hotstick.TracingFacts{}
	if req, _ := s.checksIn(); req.Delta == nil || req.Delta.Tracing == nil || req.Delta.Tracing.FunctionsRead {
		t.Errorf("that it cannot tell any more is not sent: %+v", req.Delta)
	}
}

func TestTracingThatIsKeptBackIsNotSent(t *testing.T) {
	s := newRested(t)
	s.facts.Withheld = []string{hotstick.GroupTracing}
	s.state.Tracing = hotstick.TracingFacts{FunctionsRead: true}
	req, _ := s.checksIn()
	if req.Delta == nil || req.Delta.Tracing != nil || req.Delta.Withheld == nil {
		t.Errorf("sent %+v", req.Delta)
	}
}
