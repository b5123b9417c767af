package evil

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/statement"
)

const (
	typePrefix = "application/vnd.hotstick."
	typeSuffix = ".v1+json"
)

// paper is an envelope of a statement as a thief writes it, who need not keep to
// what package statement would sign.
type paper struct {
	Type       string `json:"payloadType"`
	Payload    string `json:"payload"`
	Signatures []mark `json:"signatures"`
}

type mark struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"`
}

func readPaper(raw []byte) (paper, bool) {
	var p paper
	err := json.Unmarshal(raw, &p)
	return p, err == nil
}

// body decodes what an envelope says into v and reports whether it could. Nothing is
// verified: the thief knows what it stole.
func (p paper) body(v any) bool {
	payload, err := base64.StdEncoding.DecodeString(p.Payload)
	return err == nil && json.Unmarshal(payload, v) == nil
}

// says puts another body under the signatures that the envelope has.
func (p paper) says(body any) json.RawMessage {
	payload, err := json.Marshal(body)
	if err != nil {
		return nil
	}
	p.Payload = base64.StdEncoding.EncodeToString(payload)
	return encode(p)
}

// forge signs a body without looking at it. Each signature goes by the key ID in
// names, and by its signer's own where there is none.
func forge(kind statement.Kind, body any, names []string, signers ...statement.Signer) json.RawMessage {
	payload, err := json.Marshal(body)
	if err != nil {
		return nil
	}
	p := paper{Type: typePrefix + string(kind) + typeSuffix, Payload: base64.StdEncoding.EncodeToString(payload)}
	for i, s := range signers {
		sig, err := s.Sign(dsse.PAE(p.Type, payload))
		if err != nil {
			return nil
		}
		name := statement.KeyID(s.Public())
		if i < len(names) {
			name = names[i]
		}
		p.Signatures = append(p.Signatures, mark{name, base64.StdEncoding.EncodeToString(sig)})
	}
	return encode(p)
}

// inTheNames is one key that signs once for every person, with the IDs of their keys.
func (l *Loot) inTheNames(by statement.Signer) (signers []statement.Signer, names []string) {
	for _, p := range l.Trust.Persons {
		signers, names = append(signers, by), append(names, statement.KeyID(p.Keys[0]))
	}
	return signers, names
}

func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return raw
}

// is reports the kind that a document claims, without reading all of it.
func is(raw []byte, kind statement.Kind) bool {
	return bytes.Contains(raw, []byte(typePrefix+string(kind)+typeSuffix))
}

// only returns the documents of a kind, and without those that are of none of kinds.
func only(documents []json.RawMessage, kind statement.Kind) []json.RawMessage {
	return slices.DeleteFunc(slices.Clone(documents), func(raw json.RawMessage) bool { return !is(raw, kind) })
}

func without(documents []json.RawMessage, kinds ...statement.Kind) []json.RawMessage {
	return slices.DeleteFunc(slices.Clone(documents), func(raw json.RawMessage) bool {
		return slices.ContainsFunc(kinds, func(k statement.Kind) bool { return is(raw, k) })
	})
}

// seat returns the host's line in the plan, -1 if it has none.
func (p Plan) seat(t Turn) int {
	return slices.IndexFunc(p.Hosts, func(h hotstick.PlanHost) bool { return h.Identity == t.Identity })
}

// with returns a copy of the plan that somebody edited after it was signed, under the
// signatures that the plan has. The list of its hosts may be edited too; its root is
// made anew.
func (p Plan) with(edit func(plan *hotstick.Plan, hosts []hotstick.PlanHost) []hotstick.PlanHost) (Plan, bool) {
	signed, ok := readPaper(p.Envelope)
	var body hotstick.Plan
	if !ok || !signed.body(&body) {
		return p, false
	}
	p.Hosts = edit(&body, slices.Clone(p.Hosts))
	root, err := statement.HostsRoot(p.Hosts)
	if err != nil {
		return p, false
	}
	body.HostsRoot, body.HostCount = root, len(p.Hosts)
	for i := range body.Waves {
		body.Waves[i].Hosts = 0
		for _, h := range p.Hosts {
			if h.Wave == i {
				body.Waves[i].Hosts++
			}
		}
	}
	p.Envelope = signed.says(body)
	read, err := statement.ParsePlan(p.Envelope)
	if err != nil {
		return p, false // nobody would take it for a plan at all
	}
	p.Body, p.ID = read.Plan, read.ID
	return p, true
}

// signers returns the persons whose keys the plan's signatures name, one for each
// signature.
func (p Plan) signers(trust hotstick.Trust) []hotstick.Person {
	signed, _ := readPaper(p.Envelope)
	var persons []hotstick.Person
	for _, s := range signed.Signatures {
		for _, person := range trust.Persons {
			for _, k := range person.Keys {
				if statement.KeyID(k) == s.KeyID {
					persons = append(persons, person.Person)
				}
			}
		}
	}
	return persons
}

// unapproved reports whether too few persons have signed the plan, and whether one of
// them did twice.
func (p Plan) unapproved(trust hotstick.Trust) (few, twice bool) {
	persons := p.signers(trust)
	signatures := len(persons)
	slices.Sort(persons)
	persons = slices.Compact(persons)
	return len(persons) < 1+max(trust.Approvals, p.Body.Approvals), len(persons) < signatures
}

// grant is one that nothing speaks against but the plan's own delay: for the host of
// the turn, in its own seat, on its newest nonce. Its attempt is one that nobody used.
func (l *Loot) grant(t Turn, p Plan, seat int) statement.Grant {
	g := statement.Grant{Plan: p.ID, Host: t.Request.Host, Identity: t.Identity, Build: t.Build, Nonce: t.Request.Loader.Nonce,
		Attempt: max(1, int(t.Now.Sub(p.Body.CreatedAt)/time.Second)), Epoch: l.Trust.Epoch, TTLSeconds: statement.MaxGrantSeconds}
	if seat >= 0 {
		g.Index, g.Wave, g.Calendar = int64(seat), p.Hosts[seat].EarliestWave(), p.Hosts[seat].Calendar
		// A list that was signed has a tree; of any other the proof stays empty.
		g.Proof, _ = statement.ProveHost(p.Hosts, int64(seat))
	}
	return g
}

// attack makes the documents of one attack by one plan. seat is the host's line in
// it, -1 if the plan does not list the host.
type attack func(l *Loot, t Turn, p Plan, seat int) []json.RawMessage

// by makes an answer of the honest documents and an attack by one of the plans that
// fit; without such a plan the answer is honest. The plan goes along if the host does
// not know it.
func by(fits func(l *Loot, t Turn, p Plan) bool, do attack) func(*Loot, Turn) []json.RawMessage {
	return func(l *Loot, t Turn) []json.RawMessage {
		return append(slices.Clone(t.Honest), one(l, t, fits, do)...)
	}
}

func one(l *Loot, t Turn, fits func(l *Loot, t Turn, p Plan) bool, do attack) []json.RawMessage {
	var fit []Plan
	for _, p := range l.Plans {
		if fits(l, t, p) {
			fit = append(fit, p)
		}
	}
	if len(fit) == 0 || t.Request.Loader.Nonce == "" {
		return nil
	}
	p := fit[t.Random.IntN(len(fit))]
	forged := do(l, t, p, p.seat(t))
	if len(forged) > 0 && !slices.Contains(t.Request.Loader.Plans, p.ID) {
		forged = append([]json.RawMessage{p.Envelope}, forged...)
	}
	return forged
}

// listed fits plans that list the host.
func listed(_ *Loot, t Turn, p Plan) bool { return p.seat(t) >= 0 }

// unlisted fits plans that do not list the host and have a lane for its build.
func unlisted(_ *Loot, t Turn, p Plan) bool {
	_, lane := p.Body.Lane(t.Build, "")
	return lane && p.seat(t) < 0
}

// signed signs a grant with the stolen key.
func (l *Loot) signed(g statement.Grant) []json.RawMessage {
	return []json.RawMessage{forge(statement.KindGrant, g, nil, l.Online)}
}

// changed is an attack by a grant that nothing speaks against but what edit does.
func changed(edit func(l *Loot, t Turn, p Plan, g *statement.Grant)) attack {
	return func(l *Loot, t Turn, p Plan, seat int) []json.RawMessage {
		g := l.grant(t, p, seat)
		edit(l, t, p, &g)
		return l.signed(g)
	}
}

// start is an attack by a grant that nothing speaks against but the plan itself.
func start(l *Loot, t Turn, p Plan, seat int) []json.RawMessage {
	return l.signed(l.grant(t, p, seat))
}
