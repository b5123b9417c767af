package server

import (
	"crypto/ed25519"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/store/memory"
	"github.com/hotstick/hotstick/internal/wire"
)

// clock is a server's clock that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// onEachStoreWithAClock is onEachStore with a clock that server and store share.
func onEachStoreWithAClock(t *testing.T, test func(*world, *clock)) {
	t.Parallel()
	for _, name := range []string{"memory", "sqlite"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &clock{}
			var kept store.Store
			if name == "memory" {
				kept = memory.Open(c.now)
			}
			w := newWorld(t, kept)
			w.stop()
			w.options.Now = c.now
			w.start()
			w.admin = w.client(identity.Admin)
			test(w, c)
		})
	}
}

// renew asks for a new certificate, and uses it if it comes.
func (h *simulated) renew() (int, error) {
	request := h.enrolment("").Request
	var renewed wire.RenewResponse
	status, err := h.post("/agent/v1/renew", &wire.RenewRequest{Request: request, Proof: ed25519.Sign(h.identity, request)}, &renewed)
	if status == 200 {
		h.useCertificate(renewed.Certificate)
	}
	return status, err
}

// checkInStatus checks in with the same boot and tells the answer's status.
func (h *simulated) checkInStatus() int {
	var answer wire.SyncResponse
	status, _ := h.post("/agent/v1/sync", h.message(0), &answer)
	return status
}

func TestHowLongAHostThatWasSwitchedOffFindsBack(t *testing.T) {
	onEachStoreWithAClock(t, func(w *world, c *clock) {
		for _, tt := range []struct {
			off          time.Duration
			sync, renews int
		}{
			{23 * time.Hour, 200, 200},
			{25 * time.Hour, 401, 200},
			{identity.LapsedLife, 401, 200},
			{identity.CertificateLife + identity.LapsedLife + time.Minute, 401, 401},
		} {
			c.ahead.Store(0)
			h := w.enrol("host-"+tt.off.String(), buildA)
			h.useCertificate(h.cert)
			c.ahead.Store(int64(tt.off))
			if status := h.checkInStatus(); status != tt.sync {
				w.Errorf("a check-in after %s: %d", tt.off, status)
			}
			if status, err := h.renew(); status != tt.renews {
				w.Errorf("a renewal after %s: %d, %v", tt.off, status, err)
			}
			if tt.renews != 200 {
				continue
			}
			if status := h.checkInStatus(); status != 200 {
				w.Errorf("a check-in after %s and the renewal: %d", tt.off, status)
			}
		}
	})
}

func TestTheServersClockSetBackLocksNobodyOut(t *testing.T) {
	onEachStoreWithAClock(t, func(w *world, c *clock) {
		c.ahead.Store(int64(time.Hour))
		h := w.enrol("host-1", buildA)
		c.ahead.Store(int64(-300 * 24 * time.Hour))
		if status := h.checkInStatus(); status != 401 {
			w.Errorf("a check-in with a certificate of the future: %d", status)
		}
		if status, err := h.renew(); status != 200 {
			w.Fatalf("a renewal with a certificate of the future: %d, %v", status, err)
		}
		if status := h.checkInStatus(); status != 200 {
			w.Errorf("a check-in after the renewal: %d", status)
		}
	})
}

func TestARevokedHostNeverRenews(t *testing.T) {
	onEachStoreWithAClock(t, func(w *world, c *clock) {
		h := w.enrol("host-1", buildA)
		_, err := w.admin.WriteOff(w.Context(), string(h.id), api.ActionRequest{Reason: "stolen"})
		w.must(err)
		for _, ahead := range []time.Duration{0, 20 * time.Hour, 48 * time.Hour, -48 * time.Hour} {
			c.ahead.Store(int64(ahead))
			if status, err := h.renew(); status != 403 {
				w.Errorf("clock moved by %s: %d, %v", ahead, status, err)
			}
		}
		w.must(w.server.store.View(w.Context(), func(tx store.Tx) error {
			events, err := tx.Events().List(store.EventFilter{Host: h.id})
			for _, e := range events {
				if e.Kind == identity.HostCertified {
					w.Errorf("a certificate was made: %+v", e)
				}
			}
			return err
		}))
	})
}

func TestAThiefOfTheAuthorityCannotRenewForAHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	h, thief := w.enrol("host-1", buildA), w.newHost("host-1", buildA)
	// Whoever owns the authority makes a TLS certificate for any host. The identity
	// key never left the host.
	w.must(w.server.store.Update(t.Context(), func(tx store.Tx) error {
		request := h.enrolment("").Request
		der, err := w.server.authority.Renew(tx, h.id, wire.RenewRequest{Request: request, Proof: ed25519.Sign(h.identity, request)})
		thief.id, thief.tls = h.id, h.tls
		thief.useCertificate(der)
		return err
	}))
	if status, _ := thief.renew(); status != 403 {
		t.Errorf("a renewal by a thief: %d", status)
	}
	if hotstick.NewHostID(thief.identity.Public().(ed25519.PublicKey)) == h.id {
		t.Fatal("the thief has the identity key")
	}
}
