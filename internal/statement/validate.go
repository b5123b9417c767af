package statement

import (
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
)

// Limits of bodies.
const (
	// MaxNonce bounds a loader's nonce, in bytes.
	MaxNonce = 128
	// MaxProof bounds an inclusion proof; a million hosts need 20 hashes.
	MaxProof = 64
	// MaxClearHosts bounds the hosts of one clear.
	MaxClearHosts = 1000
	// MaxRevertTargets bounds the revert_to of one lane.
	MaxRevertTargets = 64
	// MaxSeconds bounds every time span in a plan, so that none of them overflows
	// when it is added to a time: two years.
	MaxSeconds = 2 * 366 * 24 * 3600
	// MaxLateLabels bounds the labels of a rule for late hosts; a host has no more.
	MaxLateLabels = 64
	// maxNameBytes bounds the names of calendars, and labels and their values.
	maxNameBytes = 128
	// maxReasonText bounds subject and detail of a reason, in bytes.
	maxReasonText = 4 << 10
)

// validate checks that body is the kind's type and well formed.
func validate(kind Kind, body any) error {
	var want Kind
	var err error
	switch b := body.(type) {
	case hotstick.Plan:
		want, err = KindPlan, validatePlan(b)
	case Grant:
		want, err = KindGrant, b.Validate()
	case Ban:
		want, err = KindBan, b.Validate()
	case Halt:
		want, err = KindHalt, b.Validate()
	case Order:
		want, err = KindOrder, b.Validate()
	case Clear:
		want, err = KindClear, b.Validate()
	case Template:
		want, err = KindTemplate, b.Validate()
	case Authority:
		want, err = KindAuthority, b.Validate()
	case Downgrade:
		want, err = KindDowngrade, b.Validate()
	case Waiver:
		want, err = KindWaiver, b.Validate()
	case Evidence:
		want, err = KindEvidence, b.Validate()
	}
	if want == "" || want != kind {
		return fmt.Errorf("cannot sign a %T as a %s", body, kind)
	}
	return err
}

// Validate reports the first thing that is malformed.
func (g Grant) Validate() error {
	switch {
	case g.Attempt < 1:
		return fmt.Errorf("cannot use a grant for attempt %d: attempts start at 1", g.Attempt)
	case g.Wave < 0 || g.Index < 0:
		return errors.New("cannot use a grant with a negative wave or index")
	case len(g.Proof) > MaxProof:
		return fmt.Errorf("cannot use a grant with a proof of %d hashes: the limit is %d", len(g.Proof), MaxProof)
	case len(g.Calendar) > maxNameBytes || strings.Contains(g.Calendar, "\n"):
		return fmt.Errorf("cannot use a grant whose calendar's name has %d bytes: it has one line of at most %d", len(g.Calendar), maxNameBytes)
	case g.Late && (g.Index != 0 || len(g.Proof) > 0):
		return errors.New("cannot use a grant for a late host that also brings a proof")
	}
	if err := errors.Join(g.Plan.Validate(), g.Identity.Validate(), g.Build.Validate()); err != nil {
		return err
	}
	if g.Host != hostOf(g.Identity) {
		return fmt.Errorf("cannot use a grant for host %.40q: its identity belongs to %s", g.Host, hostOf(g.Identity))
	}
	return checkLease("grant", g.Nonce, g.TTLSeconds, g.Epoch)
}

// Validate reports the first thing that is malformed.
func (b Ban) Validate() error {
	if err := b.Patch.Validate(); err != nil {
		return err
	}
	return checkNotice("ban", b.Reason, b.Epoch, b.IssuedAt)
}

// Validate reports the first thing that is malformed.
func (h Halt) Validate() error {
	if err := h.Plan.Validate(); err != nil {
		return err
	}
	return checkNotice("halt", h.Reason, h.Epoch, h.IssuedAt)
}

// Validate reports the first thing that is malformed.
func (o Order) Validate() error {
	if err := errors.Join(o.Plan.Validate(), o.Host.Validate(), checkReason(o.Reason)); err != nil {
		return err
	}
	return checkLease("order", o.Nonce, o.TTLSeconds, o.Epoch)
}

// Validate reports the first thing that is malformed.
func (c Clear) Validate() error {
	if err := c.Patch.Validate(); err != nil {
		return err
	}
	switch {
	case len(c.Hosts) > MaxClearHosts:
		return fmt.Errorf("cannot use a clear for %d hosts: the limit is %d", len(c.Hosts), MaxClearHosts)
	case !c.NotAfter.After(c.IssuedAt):
		return errors.New("cannot use a clear that ends before it begins")
	}
	for _, h := range c.Hosts {
		if err := h.Validate(); err != nil {
			return err
		}
	}
	return errors.Join(checkTime(c.IssuedAt), checkTime(c.NotAfter))
}

// checkLease checks what grants and orders share: they live for seconds and are
// bound to a nonce.
func checkLease(what, nonce string, ttl int, epoch uint64) error {
	switch {
	case nonce == "" || len(nonce) > MaxNonce:
		return fmt.Errorf("cannot use a %s with a nonce of %d bytes: want 1 to %d", what, len(nonce), MaxNonce)
	case ttl < 1 || ttl > MaxGrantSeconds && !planted.Bug("long-life-taken"):
		return fmt.Errorf("cannot use a %s that lives for %d seconds: want 1 to %d", what, ttl, MaxGrantSeconds)
	case epoch < 1 || epoch > MaxEpoch:
		return fmt.Errorf("cannot use a %s of epoch %d", what, epoch)
	}
	return nil
}

// checkNotice checks what bans and halts share.
func checkNotice(what string, reason hotstick.Reason, epoch uint64, issued time.Time) error {
	if epoch < 1 || epoch > MaxEpoch {
		return fmt.Errorf("cannot use a %s of epoch %d", what, epoch)
	}
	return errors.Join(checkReason(reason), checkTime(issued))
}

func checkReason(r hotstick.Reason) error {
	if len(r.Subject) > maxReasonText || len(r.Detail) > maxReasonText {
		return fmt.Errorf("cannot use a reason of more than %d bytes", maxReasonText)
	}
	return r.Validate()
}

// checkTime makes sure that what a person reads is what is signed.
func checkTime(t time.Time) error {
	_, offset := t.Zone()
	if t.IsZero() || offset != 0 || t.Nanosecond() != 0 || t.Year() > 9999 {
		return fmt.Errorf("cannot use the time %s: want UTC and whole seconds", t.Format(time.RFC3339Nano))
	}
	return nil
}

// hostOf returns the ID of the host with this identity, as hotstick.NewHostID
// makes it from the key itself.
func hostOf(identity hotstick.Fingerprint) hotstick.HostID {
	sum, err := hex.DecodeString(identity.Hex())
	if err != nil || len(sum) != 32 {
		return ""
	}
	return hotstick.HostID("h-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10])))
}

// validatePlan checks what the plan's own Validate leaves to its format: times,
// spans, names, and where the lanes' hosts may go back to.
func validatePlan(p hotstick.Plan) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if err := errors.Join(checkTime(p.CreatedAt), checkTime(p.NotAfter)); err != nil {
		return err
	}
	if _, err := parseHash(p.HostsRoot); err != nil {
		return fmt.Errorf("cannot use a plan without the root of its host list: %w", err)
	}
	switch {
	case len(p.Author) > maxPersonBytes:
		return fmt.Errorf("cannot use an author's name of %d bytes: the limit is %d", len(p.Author), maxPersonBytes)
	case p.Epoch < 1 || p.Epoch > MaxEpoch:
		return fmt.Errorf("cannot use a plan of epoch %d", p.Epoch)
	case p.ProbationSeconds > MaxSeconds || p.TransitionSeconds > MaxSeconds:
		return fmt.Errorf("cannot use a probation or transition of more than %d seconds", MaxSeconds)
	}
	for i, w := range p.Waves {
		if w.DelaySeconds < 0 || w.DelaySeconds > MaxSeconds || w.BakeSeconds > MaxSeconds {
			return fmt.Errorf("cannot use wave %d: its delay and bake must be 0 to %d seconds", i, MaxSeconds)
		}
		if w.Proven && p.Continues == "" {
			return fmt.Errorf("cannot use wave %d as proven: the plan continues no other", i)
		}
	}
	for _, l := range p.Lanes {
		if l.TransitionSeconds > MaxSeconds {
			return fmt.Errorf("cannot use a transition of more than %d seconds", MaxSeconds)
		}
		if err := validateRevertTo(l); err != nil {
			return err
		}
	}
	if err := validateCalendars(p.Calendars); err != nil {
		return err
	}
	if err := validateLate(p.Late); err != nil {
		return err
	}
	return validateEmergency(p)
}

func validateCalendars(calendars []hotstick.Calendar) error {
	for _, c := range calendars {
		if len(c.Name) > maxNameBytes || strings.Contains(c.Name, "\n") {
			return fmt.Errorf("cannot use a calendar's name of %d bytes: it has one line of at most %d", len(c.Name), maxNameBytes)
		}
		for _, i := range c.Opens {
			if err := errors.Join(checkTime(i.From), checkTime(i.Until)); err != nil {
				return fmt.Errorf("cannot use calendar %q: %w", c.Name, err)
			}
		}
	}
	return nil
}

func validateLate(rule *hotstick.LateRule) error {
	if rule == nil {
		return nil
	}
	if len(rule.Labels) > MaxLateLabels {
		return fmt.Errorf("cannot use a rule for late hosts with %d labels: the limit is %d", len(rule.Labels), MaxLateLabels)
	}
	for k, v := range rule.Labels {
		if k == "" || v == "" || len(k) > maxNameBytes || len(v) > maxNameBytes {
			return fmt.Errorf("cannot use the label %.80q in a rule for late hosts: names and values have 1 to %d bytes", k, maxNameBytes)
		}
	}
	return nil
}

// validateEmergency checks that a plan keeps within the template that it carries,
// so that nobody signs one that no loader would take. Who signed the template is
// checked when the plan is opened.
func validateEmergency(p hotstick.Plan) error {
	if len(p.Emergency) == 0 {
		return nil
	}
	unverified, err := ParseTemplate(p.Emergency)
	if err != nil {
		return err
	}
	return unverified.Template.Permits(p)
}

func validateRevertTo(l hotstick.Lane) error {
	if len(l.RevertTo) > MaxRevertTargets {
		return fmt.Errorf("cannot use %d levels to go back to: the limit is %d", len(l.RevertTo), MaxRevertTargets)
	}
	for _, r := range l.RevertTo {
		if r == (hotstick.RevertTarget{}) {
			continue // the kernel as it booted
		}
		if err := errors.Join(r.Patch.Validate(), r.Artifact.Validate()); err != nil {
			return fmt.Errorf("cannot go back to %s on %s: %w", r.Patch, l.Build, err)
		}
		if r.Module == "" || r.Artifact == l.Artifact {
			return fmt.Errorf("cannot go back to %s on %s: it needs its own artifact and module", r.Patch, l.Build)
		}
	}
	return nil
}
