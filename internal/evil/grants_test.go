package evil_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/evil"
	"github.com/hotstick/hotstick/internal/statement"
)

// TestYesterdaysGrantsAlwaysHaveSomebodyToAttack: whatever the identities of a plan's
// hosts are, every second one's grants are kept back, and given when they are old.
func TestYesterdaysGrantsAlwaysHaveSomebodyToAttack(t *testing.T) {
	all := evil.Strategies()
	yesterday := all[slices.IndexFunc(all, func(s evil.Strategy) bool { return s.Name == "grant-of-yesterday" })]
	night := time.Unix(90*1000, 0) // grants are kept back for 70 seconds from here, and given for 20
	for first := range 16 {
		loot := &evil.Loot{Online: key("server"), Seen: map[hotstick.HostID][]json.RawMessage{}}
		plan := evil.Plan{ID: hotstick.PlanID(hotstick.NewDigest([]byte("plan")))}
		for n := byte(0); len(plan.Hosts) < 4; n++ { // hosts whose identities begin alike
			public := []byte{byte(first), n}
			if identity := hotstick.NewFingerprint(public); identity.Hex()[:1] == fmt.Sprintf("%x", first) {
				plan.Hosts = append(plan.Hosts, hotstick.PlanHost{Host: hotstick.NewHostID(public), Identity: identity, Build: build})
			}
		}
		loot.Plans = []evil.Plan{plan}
		for seat, h := range plan.Hosts {
			grant := func(nonce string) json.RawMessage {
				raw, err := statement.Sign(statement.KindGrant, statement.Grant{Plan: plan.ID, Host: h.Host, Identity: h.Identity, Build: build, Attempt: 1,
					Nonce: nonce, Epoch: 1, Generation: 1, TTLSeconds: 60}, key("server"))
				if err != nil {
					t.Fatal(err)
				}
				return raw
			}
			old, fresh := grant("00000000000000000000000000000001"), grant("00000000000000000000000000000002")
			loot.Seen[h.Host] = []json.RawMessage{old, fresh}
			turn := evil.Turn{Identity: h.Identity, Build: build, Honest: []json.RawMessage{fresh}, Now: night, Random: rand.New(rand.NewPCG(1, 1))}
			turn.Request.Host, turn.Request.Loader.Nonce = h.Host, "00000000000000000000000000000002"
			want := [][]json.RawMessage{{fresh}, {fresh}}
			if seat%2 == 1 {
				want = [][]json.RawMessage{{}, {old}}
			}
			for i, now := range []time.Time{night, night.Add(75 * time.Second)} {
				turn.Now = now
				if got := yesterday.Answer(loot, turn); !slices.EqualFunc(got, want[i], slices.Equal[json.RawMessage]) {
					t.Errorf("seat %d gets %s at %s, want %s", seat, got, now, want[i])
				}
			}
		}
	}
}
