package loader_test

import (
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/driver/fake"
)

// mustExpect checks what the loader says should be in effect; nothing where want is
// empty.
func (w *world) mustExpect(want string) {
	w.t.Helper()
	got := w.exchange().Expected
	switch {
	case want == "" && got != nil:
		w.t.Errorf("the loader expects %s during an attempt", got)
	case want != "" && got == nil:
		w.t.Errorf("the loader says nothing, want %s", want)
	case want != "" && got.String() != want:
		w.t.Errorf("the loader expects %s, want %s", got, want)
	}
}

func TestALoaderSaysWhatItExpects(t *testing.T) {
	w := newWorld(t)
	booted := hotstick.PatchRef{}.String()
	w.mustExpect(booted)
	first := w.publish("fix@1", fake.Behaviour{})
	w.mustConfirm(first)
	w.mustExpect("fix@1")
	w.offer(w.publish("fix@2", fake.Behaviour{Stall: true}), 1)
	w.mustExpect("")
	w.pass(2 * time.Minute)
	w.mustExpect("fix@1")
	w.reboot(true)
	w.mustExpect("fix@1")
	w.exchange(w.ban(first))
	w.mustExpect(booted)
}

func TestACrashIsReportedWithItsPrint(t *testing.T) {
	w := newWorld(t)
	p := w.publish("fix@1", fake.Behaviour{})
	w.offer(p, 1)
	w.pass(2 * time.Second)
	w.machine.Crash("")
	w.reboot(false)
	var prints []hotstick.CrashPrint
	for _, r := range w.reports {
		if r.Crash != nil {
			if r.State != hotstick.Quarantined {
				t.Errorf("a report of %s has a print", r.State)
			}
			prints = append(prints, *r.Crash)
		}
	}
	want := hotstick.CrashPrint{Patch: p.Ref, Build: p.Artifacts[0].Build, Model: "Maker Product"}
	if len(prints) != 1 || prints[0] != want {
		t.Errorf("prints %+v, want %+v", prints, want)
	}
}
