package server

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/server/view"
	"github.com/hotstick/hotstick/internal/store"
)

// copied is a second machine with the same disk: the same keys, another boot.
func (h *simulated) copied() *simulated {
	h.w.Helper()
	other := h.w.newHost(h.name, h.build)
	other.id, other.identity, other.tls = h.id, h.identity, h.tls
	other.useCertificate(h.cert)
	return other
}

// mustCheckIn checks in and returns when the server wants to hear again.
func (h *simulated) mustCheckIn() time.Duration {
	h.w.Helper()
	answer, err := h.checkIn(h.w.Context(), 0)
	h.w.must(err)
	return time.Duration(answer.NextMillis) * time.Millisecond
}

// mustBeCloned lets two machines check in in turns and fails unless the server finds
// them out soon.
func (w *world) mustBeCloned(a, b *simulated) {
	w.Helper()
	for range 4 {
		a.mustCheckIn()
		if pace := b.mustCheckIn(); pace > paceActive+paceActive/10 {
			w.Errorf("the server wants to hear of a doubtful host again after %s", pace)
		}
	}
	d, err := w.admin.Host(w.Context(), string(a.id))
	w.must(err)
	if d.Host.State != view.StateCloned {
		w.Fatalf("two machines with one identity are %s", d.Host.State)
	}
}

func TestTwoMachinesFromOneDiskAreQuarantinedUntilOneJoinsAnew(t *testing.T) {
	onEachStore(t, func(w *world) {
		a := w.enrol("web-1", buildA)
		b := a.copied()
		a.mustCheckIn()
		r := w.approved(w.publish(1), quick)
		w.mustBeCloned(a, b)

		d, err := w.admin.Host(w.Context(), string(a.id))
		w.must(err)
		if d.Host.Reason == nil || !strings.Contains(d.Host.Reason.Text, a.boot) || !strings.Contains(d.Host.Reason.Text, b.boot) {
			w.Errorf("nobody is told in what they differ: %+v", d.Host.Reason)
		}
		kinds := w.kindsOf(a.id)
		if n := len(slices.DeleteFunc(kinds, func(k string) bool { return k != inventory.HostCloned })); n != 1 {
			w.Errorf("%d leaves tell of it", n)
		}

		// Neither of the two is granted anything.
		_, err = w.admin.Start(w.Context(), string(r.Plan))
		w.must(err)
		for range 20 {
			a.mustCheckIn()
			b.mustCheckIn()
		}
		if n := a.granted(r.Plan) + b.granted(r.Plan); n != 0 {
			w.Errorf("the two were granted %d starts", n)
		}

		// One of them joins anew, and the operator ends the quarantine.
		token := w.joinToken()
		fresh := w.newHost("web-2", buildA)
		if status, code := w.enrolWith(fresh, fresh.enrolment(token)); status != 200 || fresh.id == a.id {
			w.Fatalf("joining anew: %d %s", status, code)
		}
		_, err = w.admin.Unclone(w.Context(), string(a.id), api.ActionRequest{})
		w.refused(err, 422, "invalid")
		d, err = w.admin.Unclone(w.Context(), string(a.id), said)
		w.must(err)
		if d.Host.State == view.StateCloned {
			w.Error("it is quarantined still")
		}
		for range 10 {
			b.mustCheckIn() // who spoke last keeps the identity
			fresh.mustCheckIn()
		}
		if d, err = w.admin.Host(w.Context(), string(a.id)); err != nil || d.Host.State == view.StateCloned {
			w.Errorf("it is %s again, %v", d.Host.State, err)
		}
	})
}

func TestAClonedHostIsLeftOutOfDrafts(t *testing.T) {
	onEachStore(t, func(w *world) {
		a := w.enrol("web-1", buildA)
		w.enrol("web-2", buildA).mustCheckIn()
		b := a.copied()
		a.mustCheckIn()
		w.mustBeCloned(a, b)
		d, err := w.admin.Draft(w.Context(), api.DraftRequest{Patch: w.publish(1).String(), Selector: "true", Author: alice})
		w.must(err)
		if len(d.Hosts) != 1 || d.Hosts[0].Host == a.id {
			w.Errorf("the draft lists %+v", d.Hosts)
		}
		if len(d.LeftOut) != 1 || d.LeftOut[0].Host != a.id || d.LeftOut[0].Reason.Code != hotstick.ReasonCloned {
			w.Errorf("left out are %+v", d.LeftOut)
		}
	})
}

func TestAQuarantineThatIsEndedTooEarlyComesBack(t *testing.T) {
	onEachStore(t, func(w *world) {
		a := w.enrol("web-1", buildA)
		b := a.copied()
		a.mustCheckIn()
		w.mustBeCloned(a, b)
		_, err := w.admin.Unclone(w.Context(), string(a.id), said)
		w.must(err)
		w.mustBeCloned(a, b)
	})
}

func TestAHostThatRebootsAgainAndAgainIsNoClone(t *testing.T) {
	onEachStore(t, func(w *world) {
		h := w.enrol("web-1", buildA)
		for range 12 {
			h.boot, h.seq = random(), 0
			h.mustCheckIn()
			h.mustCheckIn()
		}
		d, err := w.admin.Host(w.Context(), string(h.id))
		w.must(err)
		if d.Host.State == view.StateCloned || d.Host.Boots != 12 {
			w.Errorf("after 12 boots it is %s with %d", d.Host.State, d.Host.Boots)
		}
	})
}

// kindsOf lists the kinds of a host's events.
func (w *world) kindsOf(id hotstick.HostID) (kinds []string) {
	w.Helper()
	w.must(w.server.store.View(w.Context(), func(tx store.Tx) error {
		events, err := tx.Events().List(store.EventFilter{Host: id})
		for _, e := range events {
			kinds = append(kinds, e.Kind)
		}
		return err
	}))
	return kinds
}
