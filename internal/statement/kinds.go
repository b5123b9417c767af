package statement

import (
	"time"

	"github.com/hotstick/hotstick"
)

// Kind is the type of a statement. The set is closed; an envelope of any other
// kind is refused.
type Kind string

// The kinds, each with its signer.
const (
	// KindPlan is signed by its author and at least m approvers.
	KindPlan Kind = "plan"
	// KindGrant lets one host start one attempt now; signed by the server.
	KindGrant Kind = "grant"
	// KindBan forbids a patch; signed by the server, negative only.
	KindBan Kind = "ban"
	// KindHalt ends a plan for ever; signed by the server, negative only.
	KindHalt Kind = "halt"
	// KindOrder sends a listed host back to the level before; signed by the server.
	KindOrder Kind = "order"
	// KindClear lifts a strike, a ban or a recall; signed by at least m persons.
	KindClear Kind = "clear"
	// KindTemplate says how fast plans may go in an emergency; signed by at least m
	// persons.
	KindTemplate Kind = "template"
	// KindAuthority names the certificate authority that follows another; signed by
	// the server.
	KindAuthority Kind = "authority"
	// KindDowngrade allows an older level on hosts that have confirmed a newer one;
	// signed by at least m persons.
	KindDowngrade Kind = "downgrade"
	// KindWaiver excepts hosts from a policy; signed by at least m persons.
	KindWaiver Kind = "waiver"
	// KindEvidence says what was proved, built or tested; signed by a laboratory or a
	// builder.
	KindEvidence Kind = "evidence"
)

// Kinds lists the kinds, which is all of them.
func Kinds() []Kind {
	return []Kind{KindPlan, KindGrant, KindBan, KindHalt, KindOrder, KindClear, KindTemplate, KindAuthority,
		KindDowngrade, KindWaiver, KindEvidence}
}

// payloadType is what DSSE signs as the kind of a payload. That of evidence is
// in-toto's.
func payloadType(kind Kind) string {
	if kind == KindEvidence {
		return inTotoPayload
	}
	return "application/vnd.hotstick." + string(kind) + ".v1+json"
}

// kindOf is the kind with a payload type.
func kindOf(typ string) (Kind, bool) {
	for _, k := range Kinds() {
		if payloadType(k) == typ {
			return k, true
		}
	}
	return "", false
}

// Grant is the only way a new change starts on a host. It is bound to a nonce
// that the host's loader made less than a minute ago.
type Grant struct {
	Plan     hotstick.PlanID      `json:"plan"`
	Host     hotstick.HostID      `json:"host"`
	Identity hotstick.Fingerprint `json:"identity"`
	Build    hotstick.KernelBuild `json:"build"`
	// Driver says with Build which lane is the host's (hotstick.PlanHost.Driver); empty
	// where the plan has one patch for all.
	Driver string `json:"driver,omitempty"`
	// Wave is the first in which the host may start (hotstick.PlanHost.EarliestWave),
	// whichever wave it starts in; for a late host it is the plan's last.
	Wave int `json:"wave"`
	// Calendar is the host's (hotstick.PlanHost.Calendar), or that of the rule for late
	// hosts. The loader starts nothing outside its windows.
	Calendar string `json:"calendar,omitempty"`
	Attempt  int    `json:"attempt"`
	// Index and Proof show that the host is listed in the plan.
	Index int64    `json:"index"`
	Proof []string `json:"proof"`
	// Late: the host is not listed and joins by the plan's rule for late hosts, which
	// its own loader judges. There is no proof then.
	Late  bool   `json:"late,omitempty"`
	Nonce string `json:"nonce"`
	Epoch uint64 `json:"epoch"`
	// Generation is the plan's generation when the grant was made.
	Generation uint64 `json:"generation"`
	// TTLSeconds is its life on the loader's monotonic clock, counted from the
	// making of the nonce; at most [MaxGrantSeconds].
	TTLSeconds int `json:"ttl_seconds"`
}

// MaxGrantSeconds bounds a grant's and an order's life.
const MaxGrantSeconds = 60

// Ban forbids a patch level on every kernel build until it is cleared.
type Ban struct {
	Patch    hotstick.PatchRef `json:"patch"`
	Reason   hotstick.Reason   `json:"reason"`
	Epoch    uint64            `json:"epoch"`
	IssuedAt time.Time         `json:"issued_at"`
}

// Halt tells loaders that a plan starts nothing more, for ever.
type Halt struct {
	Plan     hotstick.PlanID `json:"plan"`
	Reason   hotstick.Reason `json:"reason"`
	Epoch    uint64          `json:"epoch"`
	IssuedAt time.Time       `json:"issued_at"`
}

// Order sends one listed host back to the level that was in effect before the
// plan's attempt. Like a grant it is bound to a nonce of the loader.
type Order struct {
	Plan       hotstick.PlanID `json:"plan"`
	Host       hotstick.HostID `json:"host"`
	Nonce      string          `json:"nonce"`
	Epoch      uint64          `json:"epoch"`
	TTLSeconds int             `json:"ttl_seconds"`
	Reason     hotstick.Reason `json:"reason"`
}

// Clear lifts a ban, the recalls, and the strikes of the listed hosts, for one patch
// level. One that lists no host also lifts the stops on kinds of machines that crashed
// with the level (see hotstick.CrashPrint), up to when it was issued; such a one may do
// nothing else.
type Clear struct {
	Patch hotstick.PatchRef `json:"patch"`
	// Hosts whose strike is lifted; empty lifts no strike.
	Hosts []hotstick.HostID `json:"hosts"`
	// Ban lifts the ban as well.
	Ban bool `json:"ban"`
	// Recall lifts the recalls of the level that were issued no later than the clear.
	Recall   bool      `json:"recall,omitempty"`
	IssuedAt time.Time `json:"issued_at"`
	NotAfter time.Time `json:"not_after"`
}
