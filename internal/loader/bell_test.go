package loader_test

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
	"github.com/hotstick/hotstick/internal/loader/operate"
)

// mustRing checks that the bell says what the agent is told now.
func (w *world) mustRing(what string) {
	w.t.Helper()
	rung := w.rung
	if told := w.exchange().State(); rung == "" || rung != told {
		w.t.Errorf("%s: the bell says %q, and a call %q", what, rung, told)
	}
}

func TestTheBellRingsForWhateverAnAgentIsNotTold(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(p)
	w.exchange() // its reports are stored
	w.mustRing("after an attempt")
	before := w.rung
	w.mustDo(operate.Request{Action: operate.Hold, Reason: "backup"})
	if w.rung == before {
		t.Error("nothing rings for a hold")
	}
	w.mustRing("held")
	before = w.rung
	w.off.By = hotstick.OffByFile
	w.loader.Tick(t.Context())
	if w.rung == before {
		t.Error("nothing rings for the off-switch")
	}
	w.off.By = ""
	w.loader.Tick(t.Context())
	w.start()
	w.loader.Tick(t.Context())
	w.mustRing("another process")
}

func TestDuringAnAttemptTheBellSaysNothing(t *testing.T) {
	w := newWorld(t)
	w.offer(w.publish("fix@1", fake.Behaviour{}), 1)
	for range 5 {
		if w.rung != "" {
			t.Fatalf("the bell says %s", w.rung)
		}
		w.pass(time.Second)
	}
	w.pass(time.Minute)
	if w.mustEnd(hotstick.Confirmed, ""); w.rung == "" {
		t.Error("the bell says nothing after it")
	}
}
