package evil

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

// Allowed returns what a thief can do all the same. Nothing here breaks a claim; the
// threat model lists each.
func Allowed() []Strategy {
	return []Strategy{
		{Name: "answer-nothing", Does: "serves no documents and no files: nothing starts",
			Answer: func(*Loot, Turn) []json.RawMessage { return nil }, Serve: func(*Loot, File) []byte { return nil }},
		{Name: "ban-everything", Does: "bans every patch of every plan, until persons clear it",
			Answer: by(listed, banned)},
		{Name: "halt-everything", Does: "halts every plan, for ever", Answer: by(listed, stopped)},
		{Name: "order-everything-back", Does: "takes out what a plan has brought, to what was there before",
			Answer: by(listed, ordered(func(*Loot, Turn, *statement.Order) {}))},
		{Name: "start-without-gates-and-budgets", Does: "starts every host of an approved plan the moment its signed delay is over, whatever became of those before it",
			Answer: by(listed, start)},
		{Name: "hide-the-halt", Does: "keeps a halt from hosts that have not seen it yet and goes on within the signed delays",
			Answer: hushed(by(listed, start))},
		{Name: "try-again", Does: "starts an attempt again on a host where the last one ended badly without a strike",
			Answer: by(listed, start)},
		{Name: "serve-one-side", Does: "shows the newest catalog to some hosts only, until what the publishers signed expires",
			Serve: oneSide},
		{Name: "fast-forward", Does: "counts the versions of timestamp and snapshot up, so that honest ones look old until a new root", Forges: true,
			Serve: rewritten(renewed)},
	}
}

func notice(l *Loot, t Turn) (hotstick.Reason, uint64, time.Time) {
	return hotstick.Reason{Code: hotstick.ReasonOperator}, l.Trust.Epoch, t.Now.UTC().Truncate(time.Second)
}

func banned(l *Loot, t Turn, p Plan, _ int) []json.RawMessage {
	b := statement.Ban{Patch: p.Body.Patch}
	b.Reason, b.Epoch, b.IssuedAt = notice(l, t)
	return []json.RawMessage{forge(statement.KindBan, b, nil, l.Online)}
}

func stopped(l *Loot, t Turn, p Plan, _ int) []json.RawMessage {
	h := statement.Halt{Plan: p.ID}
	h.Reason, h.Epoch, h.IssuedAt = notice(l, t)
	return []json.RawMessage{forge(statement.KindHalt, h, nil, l.Online)}
}

// oneSide serves every second host the oldest catalog.
func oneSide(l *Loot, f File) []byte {
	for _, p := range l.Plans {
		if i := slices.IndexFunc(p.Hosts, func(h hotstick.PlanHost) bool { return h.Host == f.Host }); i >= 0 && i%2 == 0 {
			return oldest(l, f)
		}
	}
	return f.Honest
}
