package statement

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/shape"
)

// Waiver excepts hosts from a policy for a time. It either lets hosts in that do not
// keep some of the policy's rules, or leaves hosts out. internal/decide/policy judges
// by it.
type Waiver struct {
	// Name is how people call it; of two with one name the younger counts.
	Name string `json:"name"`
	// Policy is the name of the policy, and Text the digest of the documents that it
	// must stand in; without it the policy may change under the waiver.
	Policy string          `json:"policy"`
	Text   hotstick.Digest `json:"text,omitempty"`
	// Rules are those that the hosts need not keep.
	Rules []string `json:"rules"`
	// LeaveOut: the hosts are not touched; there are no rules then.
	LeaveOut bool `json:"leave_out,omitempty"`
	// Hosts is the CEL expression that is true for the hosts that are meant, as in
	// policies.
	Hosts    string    `json:"hosts"`
	Why      string    `json:"why"`
	IssuedAt time.Time `json:"issued_at"`
	NotAfter time.Time `json:"not_after"`
}

// Limits of waivers.
const (
	// MaxWaiverRules bounds the rules of one waiver; a policy has no more.
	MaxWaiverRules = 64
	// MaxWaiverHosts bounds the expression, in bytes.
	MaxWaiverHosts = 4 << 10
)

// policyName is how policies and their rules are called. A waiver's name is shorter,
// for it becomes part of a calendar's.
var (
	policyName = shape.Of("a-z", "a-z0-9-", 1, 63)
	waiverName = shape.Of("a-z", "a-z0-9-", 1, 32)
)

// Validate reports the first thing that is malformed. Whether the expression can be
// judged is not known here.
func (w Waiver) Validate() error {
	switch {
	case !waiverName.MatchString(w.Name):
		return fmt.Errorf("cannot use %.80q as a waiver's name: want lower-case letters, digits and dashes", w.Name)
	case !policyName.MatchString(w.Policy):
		return fmt.Errorf("cannot use %.80q as the policy of a waiver", w.Policy)
	case w.LeaveOut == (len(w.Rules) > 0):
		return errors.New("cannot use a waiver: want either rules that need not be kept, or leave_out")
	case len(w.Rules) > MaxWaiverRules:
		return fmt.Errorf("cannot use a waiver of %d rules: the limit is %d", len(w.Rules), MaxWaiverRules)
	case strings.TrimSpace(w.Hosts) == "" || len(w.Hosts) > MaxWaiverHosts:
		return fmt.Errorf("cannot use a waiver whose hosts are chosen in %d bytes: want 1 to %d; empty is never all", len(w.Hosts), MaxWaiverHosts)
	}
	if w.Text != "" {
		if err := w.Text.Validate(); err != nil {
			return err
		}
	}
	for _, r := range w.Rules {
		if !policyName.MatchString(r) {
			return fmt.Errorf("cannot use %.80q as the rule of a waiver", r)
		}
	}
	return checkException("waiver", w.Why, w.IssuedAt, w.NotAfter)
}

// UnverifiedWaiver is a waiver whose signatures nobody has checked.
type UnverifiedWaiver struct{ Waiver Waiver }

// ParseWaiver reads a waiver without checking any signature, for whoever is asked to
// sign it as well.
func ParseWaiver(raw []byte) (UnverifiedWaiver, error) {
	_, w, err := open[Waiver](raw, KindWaiver)
	return UnverifiedWaiver{w}, err
}

// OpenWaiver verifies a waiver: at least m persons signed it, who are returned
// sorted, and its life is not over at now, nor begins after it (reason grant_expired;
// see [MaxAhead]).
func OpenWaiver(raw []byte, trust hotstick.Trust, now time.Time) (Waiver, []hotstick.Person, error) {
	e, w, err := open[Waiver](raw, KindWaiver)
	if err != nil {
		return Waiver{}, nil, err
	}
	by, err := checkPersons(e, trust, w.IssuedAt, w.NotAfter, now)
	if err != nil {
		return Waiver{}, nil, err
	}
	return w, by, nil
}
