package loader_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
)

// someoneTraces has a probe in a function.
func someoneTraces(function string) hotstick.TracingFacts {
	return hotstick.TracingFacts{FunctionsRead: true, Functions: []hotstick.TracedFunction{{Function: function, Users: 1, Modifies: true}}}
}

func TestTheAgentIsToldWhoHasHookedIntoTheKernel(t *testing.T) {
	w := newWorld(t)
	w.tracing = someoneTraces("vmlinux:vfs_read")
	w.start()
	if got := w.exchange().Tracing; !reflect.DeepEqual(got, w.tracing) {
		t.Errorf("before the first tick it is told %+v", got)
	}
	before := w.rung
	w.tracing = someoneTraces("vmlinux:vfs_write")
	w.pass(6 * time.Minute)
	if w.rung == before {
		t.Error("nothing rings for another one")
	}
	w.mustRing("another one")
	if got := w.exchange().Tracing; !reflect.DeepEqual(got, w.tracing) {
		t.Errorf("it is told %+v", got)
	}
}

// TestTracersAreLookedForSeldomAndNeverDuringAnAttempt: the kernel keeps others from
// hooking in while it tells.
func TestTracersAreLookedForSeldomAndNeverDuringAnAttempt(t *testing.T) {
	w := newWorld(t)
	looked := w.traced
	w.pass(time.Hour)
	if n := w.traced - looked; n < 6 || n > 12 {
		t.Errorf("it has looked %d times in an hour", n)
	}
	w.offer(w.publish("fix@1", fake.Behaviour{}), 1)
	w.pass(time.Second)
	looked = w.traced
	for w.exchange().Busy {
		if w.traced != looked {
			t.Fatal("it has looked during an attempt")
		}
		w.pass(time.Second)
	}
	w.mustEnd(hotstick.Confirmed, "")
}
