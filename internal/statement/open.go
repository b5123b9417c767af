package statement

import (
	"errors"
	"time"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/internal/planted"
	"github.com/hotstick/hotstick/internal/strictjson"
)

// open parses an envelope of one kind and decodes and validates its body. No
// signature has been checked when it returns.
func open[T any](raw []byte, kind Kind) (*envelope, T, error) {
	var body T
	e, err := parse(raw)
	if err != nil {
		return nil, body, err
	}
	if e.kind != kind {
		return nil, body, refuse(hotstick.ReasonSignature, "cannot take a %s for a %s", e.kind, kind)
	}
	if err := strictjson.Unmarshal(e.payload, &body); err != nil {
		return nil, body, refuse(hotstick.ReasonSignature, "cannot read the %s: %v", kind, err)
	}
	if err := validate(kind, body); err != nil {
		if refusal, ok := errors.AsType[*Error](err); ok {
			return nil, body, refusal
		}
		return nil, body, refuse(hotstick.ReasonSignature, "%v", err)
	}
	return e, body, nil
}

// usable refuses trust that nobody filled in: zero trust asks for zero approvals.
func usable(trust hotstick.Trust) error {
	if err := CheckTrust(trust); err != nil {
		return refuse(hotstick.ReasonCatalogUnknown, "%v", err)
	}
	return nil
}

func checkEpoch(kind Kind, epoch uint64, trust hotstick.Trust) error {
	switch {
	case epoch < trust.Epoch && !planted.Bug("old-epoch-taken"):
		return refuse(hotstick.ReasonStaleEpoch, "cannot take a %s of epoch %d: the epoch is %d", kind, epoch, trust.Epoch)
	case epoch > trust.Epoch:
		return refuse(hotstick.ReasonCatalogUnknown, "cannot take a %s of epoch %d yet: the newest known catalog says %d", kind, epoch, trust.Epoch)
	}
	return nil
}

// checkServer checks that a server key of the trust's epoch signed. Of a statement
// from another epoch the keys may be unknown here; it is then refused for its
// epoch, which tells more, and refused either way.
func checkServer(e *envelope, epoch uint64, trust hotstick.Trust) error {
	if err := usable(trust); err != nil {
		return err
	}
	if err := checkEpoch(e.kind, epoch, trust); err != nil {
		return err
	}
	if len(e.signedBy(trust.ServerKeys)) == 0 {
		return refuse(hotstick.ReasonSignature, "cannot take the %s: no server key of epoch %d signed it", e.kind, trust.Epoch)
	}
	return nil
}

// OpenGrant verifies a grant: signed by a server key of the trust's epoch. The
// caller still compares nonce, host, identity and build with its own, counts the
// life on its own clock and calls [CheckHost].
func OpenGrant(raw []byte, trust hotstick.Trust) (Grant, error) {
	e, grant, err := open[Grant](raw, KindGrant)
	if err == nil {
		err = checkServer(e, grant.Epoch, trust)
	}
	if err != nil {
		return Grant{}, err
	}
	return grant, nil
}

// OpenBan verifies a ban.
func OpenBan(raw []byte, trust hotstick.Trust) (Ban, error) {
	e, ban, err := open[Ban](raw, KindBan)
	if err == nil {
		err = checkServer(e, ban.Epoch, trust)
	}
	if err != nil {
		return Ban{}, err
	}
	return ban, nil
}

// OpenHalt verifies a halt.
func OpenHalt(raw []byte, trust hotstick.Trust) (Halt, error) {
	e, halt, err := open[Halt](raw, KindHalt)
	if err == nil {
		err = checkServer(e, halt.Epoch, trust)
	}
	if err != nil {
		return Halt{}, err
	}
	return halt, nil
}

// OpenOrder verifies an order to revert. The caller still compares nonce and host,
// and counts the life on its own clock.
func OpenOrder(raw []byte, trust hotstick.Trust) (Order, error) {
	e, order, err := open[Order](raw, KindOrder)
	if err == nil {
		err = checkServer(e, order.Epoch, trust)
	}
	if err != nil {
		return Order{}, err
	}
	return order, nil
}

// checkPersons checks that at least m persons signed what persons alone answer for,
// and that its life is not over at now, nor begins more than [MaxAhead] after it (reason
// grant_expired). It returns who signed, sorted.
func checkPersons(e *envelope, trust hotstick.Trust, issued, until, now time.Time) ([]hotstick.Person, error) {
	if err := usable(trust); err != nil {
		return nil, err
	}
	by := personsOf(e, trust)
	if len(by) < trust.Approvals {
		return nil, refuse(hotstick.ReasonSignature, "cannot take the %s: %d of %d persons signed it", e.kind, len(by), trust.Approvals)
	}
	if !now.Before(until) {
		return nil, refuse(hotstick.ReasonGrantExpired, "cannot take the %s: its life ended at %s", e.kind, until.Format(time.RFC3339))
	}
	if issued.After(now.Add(MaxAhead)) {
		return nil, refuse(hotstick.ReasonGrantExpired, "cannot take the %s yet: it is dated %s, and it is %s; if that is wrong, set the clock right",
			e.kind, issued.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return by, nil
}

// UnverifiedClear is a clear whose signatures nobody has checked.
type UnverifiedClear struct{ Clear Clear }

// ParseClear reads a clear without checking any signature, for whoever is asked
// to sign it as well.
func ParseClear(raw []byte) (UnverifiedClear, error) {
	_, c, err := open[Clear](raw, KindClear)
	return UnverifiedClear{c}, err
}

// OpenClear verifies a clear: at least m persons signed it and its life is not
// over at now, nor begins after it (reason grant_expired; see [MaxAhead]).
func OpenClear(raw []byte, trust hotstick.Trust, now time.Time) (Clear, error) {
	e, c, err := open[Clear](raw, KindClear)
	if err == nil {
		_, err = checkPersons(e, trust, c.IssuedAt, c.NotAfter, now)
	}
	if err != nil {
		return Clear{}, err
	}
	return c, nil
}
