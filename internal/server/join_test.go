package server

import (
	"strings"
	"testing"
	"time"

	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/store"
	"github.com/hotstick/hotstick/internal/wire"
)

// mustGroupToken makes a join token for hosts of a site.
func (w *world) mustGroupToken(site string, hosts int) api.JoinToken {
	w.Helper()
	token, err := w.admin.MakeJoinToken(w.Context(), api.JoinTokenRequest{Group: map[string]string{"site": site}, Hosts: hosts})
	w.must(err)
	return token
}

// enrolment of a host with labels.
func (h *simulated) labelled(token string, labels map[string]string) *wire.EnrollRequest {
	req := h.enrolment(token)
	req.Labels = labels
	return req
}

func TestAJoinTokenIsForItsGroupOnly(t *testing.T) {
	onEachStore(t, func(w *world) {
		token := w.mustGroupToken("a", 1)
		if !strings.HasSuffix(token.Command, " --label site=a") {
			w.Errorf("the join line is %s", token.Command)
		}
		for _, tt := range []struct {
			name   string
			labels map[string]string
			want   string
		}{
			{"without labels", nil, "and the host has no label site"},
			{"of another site", map[string]string{"site": "b"}, `and the host says site=\"b\"`},
			{"of a site whose name begins so", map[string]string{"site": "a1"}, `and the host says site=\"a1\"`},
			{"with the value under another name", map[string]string{"rack": "a"}, "and the host has no label site"},
		} {
			h := w.newHost("stray", buildA)
			var answer wire.EnrollResponse
			status, err := h.post("/agent/v1/enroll", h.labelled(token.Token, tt.labels), &answer)
			if status != 403 || err == nil || !strings.Contains(err.Error(), tt.want) {
				w.Errorf("a host %s: %d %v; want %q", tt.name, status, err, tt.want)
			}
		}
		h := w.newHost("host-1", buildA)
		if status, code := w.enrolWith(h, h.labelled(token.Token, map[string]string{"site": "a", "role": "db"})); status != 200 {
			w.Fatalf("a host of the group: %d %s", status, code)
		}
		// A refusal does not use the token up; an enrolment does.
		other := w.newHost("host-2", buildA)
		if status, code := w.enrolWith(other, other.labelled(token.Token, map[string]string{"site": "a"})); status != 403 || code != "token_used" {
			w.Errorf("a second host: %d %s", status, code)
		}
	})
}

func TestAHostThatLeavesItsGroupIsNotHeard(t *testing.T) {
	onEachStore(t, func(w *world) {
		h := w.newHost("host-1", buildA)
		if status, code := w.enrolWith(h, h.labelled(w.mustGroupToken("a", 1).Token, map[string]string{"site": "a"})); status != 200 {
			w.Fatalf("%d %s", status, code)
		}
		var answer wire.SyncResponse
		for _, tt := range []struct {
			labels map[string]string
			status int
		}{
			{map[string]string{"site": "a"}, 200},
			{map[string]string{"site": "b"}, 403},
			{nil, 403},
			{map[string]string{"site": "a", "role": "db"}, 200},
		} {
			req := h.message(0)
			req.Facts.Labels = tt.labels
			if status, err := h.post("/agent/v1/sync", req, &answer); status != tt.status {
				w.Errorf("a check-in with %v: %d %v; want %d", tt.labels, status, err, tt.status)
			}
		}
	})
}

func TestAJoinTokenForThreeHostsTakesThree(t *testing.T) {
	onEachStore(t, func(w *world) {
		token := w.mustGroupToken("a", 3)
		labels := map[string]string{"site": "a"}
		for i := range 3 {
			h := w.newHost("host", buildA)
			for range 2 { // the answer to the first is lost
				if status, code := w.enrolWith(h, h.labelled(token.Token, labels)); status != 200 {
					w.Fatalf("host %d: %d %s", i, status, code)
				}
			}
			list, err := w.admin.JoinTokens(w.Context())
			w.must(err)
			if open := len(list.Tokens) == 1 && list.Tokens[0].Joined == i+1 && list.Tokens[0].ID == token.ID; open != (i < 2) {
				w.Errorf("after %d hosts the open tokens are %+v", i+1, list.Tokens)
			}
		}
		h := w.newHost("host", buildA)
		if status, code := w.enrolWith(h, h.labelled(token.Token, labels)); status != 403 || code != "token_used" {
			w.Errorf("a fourth host: %d %s", status, code)
		}
	})
}

func TestAJoinTokenThatWasTakenBackIsRefused(t *testing.T) {
	onEachStore(t, func(w *world) {
		token := w.mustGroupToken("a", 3)
		labels := map[string]string{"site": "a"}
		h := w.newHost("host-1", buildA)
		if status, code := w.enrolWith(h, h.labelled(token.Token, labels)); status != 200 {
			w.Fatalf("%d %s", status, code)
		}
		_, err := w.admin.RevokeJoinToken(w.Context(), token.ID, api.ActionRequest{})
		w.refused(err, 422, "invalid")
		_, err = w.admin.RevokeJoinToken(w.Context(), "aaaaaaaaaaaa", said)
		w.refused(err, 404, "not_found")
		for range 2 {
			list, err := w.admin.RevokeJoinToken(w.Context(), token.ID, said)
			w.must(err)
			if len(list.Tokens) != 0 {
				w.Errorf("open are %+v", list.Tokens)
			}
		}
		other := w.newHost("host-2", buildA)
		if status, code := w.enrolWith(other, other.labelled(token.Token, labels)); status != 403 || code != "token_revoked" {
			w.Errorf("a host after that: %d %s", status, code)
		}
		if status := h.checkInStatus(); status != 403 { // it has no label in its facts
			w.Errorf("a check-in without the label: %d", status)
		}
		revoked := 0
		w.must(w.server.store.View(w.Context(), func(tx store.Tx) error {
			events, err := tx.Events().List(store.EventFilter{})
			for _, e := range events {
				if e.Kind == identity.TokenRevoked {
					revoked++
				}
				for _, v := range e.Evidence {
					if strings.Contains(v.Text, token.Token) {
						w.Errorf("the audit log has the token: %+v", e)
					}
				}
			}
			return err
		}))
		if revoked != 1 {
			w.Errorf("%d events tell of it", revoked)
		}
	})
}

func TestGroupsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, req := range []api.JoinTokenRequest{
		{Group: map[string]string{"site": ""}},
		{Group: map[string]string{"": "a"}},
		{Group: map[string]string{"site": "a; rm -rf /"}},
		{Group: map[string]string{"site": "$(reboot)"}},
		{Group: map[string]string{"Site Name": "a"}},
		{Group: map[string]string{"site": strings.Repeat("a", 129)}},
		{Hosts: -1}, {Hosts: identity.MaxHosts + 1},
		{TTLSeconds: int((8 * 24 * time.Hour).Seconds())},
	} {
		_, err := w.admin.MakeJoinToken(t.Context(), req)
		w.refused(err, 422, "invalid")
	}
}
