package identity

import (
	"fmt"
	"slices"
	"strings"
)

// Right is one thing that a caller may do. Routes name the one that they take; the
// set is closed.
type Right string

// Rights that change nothing.
const (
	// Self: see and end the own session, list the own tokens. Everybody has it.
	Self Right = "self"
	// Read: the fleet, rollouts, catalog, policies, the activity page, checkpoints of
	// the audit log and proofs that it continues an older one, metrics.
	Read Right = "read"
	// Audit: the audit log's leaves as it commits to them, whoever has an account and
	// which tokens there are.
	Audit Right = "audit"
)

// Rights that change something.
const (
	// Credentials: make tokens with no more rights than one's own, take them back,
	// change the own password.
	Credentials Right = "credentials"
	// Steer: draft and hand in plans; start, hold, halt and revert rollouts; exclude
	// and write off hosts; ban levels, freeze changes, stop everything.
	Steer Right = "steer"
	// Sign: hand in signatures of persons, such as approvals and clears. What a
	// signature is worth is decided by its key alone.
	Sign Right = "sign"
	// Publish: upload artifacts, hand in signed catalog metadata.
	Publish Right = "publish"
	// Enrol: make join tokens and take them back.
	Enrol Right = "enrol"
	// Administer: accounts, everybody's tokens, the certificate authority, what
	// follows a restore.
	Administer Right = "administer"
)

// Rights returns all rights, in the order of this file.
func Rights() []Right {
	return []Right{Self, Read, Audit, Credentials, Steer, Sign, Publish, Enrol, Administer}
}

// ReadingRights are those that change nothing: what a read-only token keeps.
func ReadingRights() []Right { return []Right{Self, Read, Audit} }

// Roles of persons and of their tokens. A role is a set of rights, not a rank;
// somebody may have several.
const (
	// Viewer reads everything but secrets and raw leaves.
	Viewer = "viewer"
	// Operator also plans, starts, stops, reverts and bans.
	Operator = "operator"
	// Approver also hands in signatures.
	Approver = "approver"
	// Publisher also hands in artifacts and signed metadata.
	Publisher = "publisher"
	// Auditor also reads and exports the audit log, and sees who may do what.
	Auditor = "auditor"
	// Admin may do all of it, and makes accounts and join tokens.
	Admin = "admin"
)

// Roles returns the roles.
func Roles() []string { return []string{Viewer, Operator, Approver, Publisher, Auditor, Admin} }

// RightsOf returns the rights of a role; none for an unknown one.
func RightsOf(role string) []Right {
	own := []Right{Self, Read, Credentials}
	switch role {
	case Viewer:
		return own
	case Operator:
		return append(own, Steer)
	case Approver:
		return append(own, Sign)
	case Publisher:
		return append(own, Publish)
	case Auditor:
		return append(own, Audit)
	case Admin:
		return Rights()
	}
	return nil
}

// RightsOfAll returns the rights of several roles together, in the order of
// [Rights].
func RightsOfAll(roles []string) []Right {
	return slices.DeleteFunc(Rights(), func(r Right) bool {
		return !slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(RightsOf(role), r) })
	})
}

// limited keeps the rights that a token is limited to; no limit keeps all.
func limited(rights []Right, only []string) []Right {
	if len(only) == 0 {
		return rights
	}
	return slices.DeleteFunc(rights, func(r Right) bool { return !slices.Contains(only, string(r)) })
}

// within keeps the rights that are among others.
func within(rights, others []Right) []Right {
	return slices.DeleteFunc(rights, func(r Right) bool { return !slices.Contains(others, r) })
}

// Include reports whether all of these rights are among others.
func Include(others, rights []Right) bool {
	return !slices.ContainsFunc(rights, func(r Right) bool { return !slices.Contains(others, r) })
}

// CheckRoles refuses no role at all, roles that do not exist, and one twice.
func CheckRoles(roles []string) error {
	if len(roles) == 0 {
		return fmt.Errorf("cannot go on without a role: choose of %s", strings.Join(Roles(), ", "))
	}
	for i, role := range roles {
		if !slices.Contains(Roles(), role) {
			return fmt.Errorf("cannot use %q as a role: choose of %s", role, strings.Join(Roles(), ", "))
		}
		if slices.Contains(roles[:i], role) {
			return fmt.Errorf("cannot have the role %s twice", role)
		}
	}
	return nil
}

// CheckOnly refuses limits that are no rights.
func CheckOnly(only []string) error {
	for i, right := range only {
		if !slices.Contains(Rights(), Right(right)) || slices.Contains(only[:i], right) {
			return fmt.Errorf("cannot limit a token to %q: choose of %v, each once", right, Rights())
		}
	}
	return nil
}
