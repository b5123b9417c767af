package view

import (
	"fmt"
	"strings"

	"github.com/hotstick/hotstick"
	"github.com/hotstick/hotstick/api"
	"github.com/hotstick/hotstick/internal/decide/why"
	"github.com/hotstick/hotstick/internal/identity"
	"github.com/hotstick/hotstick/internal/inventory"
	"github.com/hotstick/hotstick/internal/store"
)

// Events makes the entries of the audit log readable.
func Events(events []store.Event) []api.Event {
	out := make([]api.Event, len(events))
	for i, e := range events {
		out[i] = Event(e)
	}
	return out
}

// Event makes one entry readable.
func Event(e store.Event) api.Event {
	return api.Event{Seq: e.Seq, At: e.At, Kind: e.Kind, Actor: e.Actor, Plan: e.Plan, Host: e.Host, HostName: e.HostName,
		Patch: e.Patch, State: e.State, Reason: Reason(e.Reason, why.Place{Plan: e.Plan.Short(), Host: e.HostName, Patch: e.Patch}), Evidence: e.Evidence, Text: eventText(e)}
}

// eventText is one sentence; it never needs the other fields to be understood.
func eventText(e store.Event) string {
	text := headline(e)
	if e.Reason != nil {
		text = strings.TrimSuffix(text, ".") + ": " + why.Text(*e.Reason)
	}
	return text
}

func headline(e store.Event) string {
	switch about, _, _ := strings.Cut(e.Kind, "."); about {
	case "host", "grant", "slots":
		host := subject(e.HostName, string(e.Host), "A host")
		if text, known := steeredText(e, host, subject(e.Actor, "Somebody")); known {
			return text
		}
		return hostText(e, host)
	case "plan":
		return planText(e, "rollout of "+closes(e))
	}
	return fleetText(e, subject(e.Actor, "Somebody"))
}

func hostText(e store.Event, host string) string {
	switch e.Kind {
	case identity.HostEnrolled:
		return host + " enrolled."
	case identity.HostCertified:
		return host + " got a new certificate."
	case inventory.HostBooted:
		return host + " booted."
	case inventory.HostFacts:
		return host + " sent new facts; it runs " + e.State + "."
	case inventory.HostReturned:
		return host + " is back after a silence."
	case inventory.HostEffect:
		return effectText(host, e.Patch)
	case inventory.HostAnnounced:
		return host + " has been told of the plan " + e.Plan.Short() + "."
	case inventory.HostStruck:
		return host + " refuses " + e.Patch.String() + " from now on."
	case inventory.HostRefused:
		return host + " refused a document."
	case inventory.HostCloned:
		return host + " is cloned: two machines use its identity" + differing(e.Evidence) + "."
	case inventory.HostUncloned:
		return subject(e.Actor, "Somebody") + " ended the quarantine of " + host + " as a clone."
	case inventory.HostRepinned:
		return "Somebody pinned another root of the catalog on " + host + "."
	case inventory.HostRestored:
		return host + " was put back to an earlier moment" + differing(e.Evidence) + "."
	case inventory.HostState:
		return fmt.Sprintf("%s is %s.", host, stateText(e.State))
	case inventory.HostCrashed:
		return fmt.Sprintf("%s went down after %s was confirmed on it.", host, e.Patch)
	case inventory.HostPermit:
		return fmt.Sprintf("%s, on its own permit for %s, is %s.", host, e.Patch, stateText(e.State))
	case inventory.HostReport:
		return fmt.Sprintf("%s says of %s that it is %s.", host, e.Patch, stateText(e.State))
	case inventory.HostRevoked:
		return host + " was written off; its identity is revoked."
	case inventory.SlotsReleased:
		return host + " no longer counts against its disruption budgets."
	case inventory.GrantIssued:
		return host + " was granted a start" + classOf(e) + "."
	}
	return e.Kind
}

// classOf says, of a grant, what holds of what the host may load: the trust class.
func classOf(e store.Event) string {
	for _, said := range e.Evidence {
		if class, _, _ := strings.Cut(said.Text, ":"); said.Kind == inventory.EvidenceTrust {
			return " of class " + class
		}
	}
	return ""
}

// steeredText is about hosts that somebody, or a rule, dealt with.
func steeredText(e store.Event, host, who string) (string, bool) {
	switch e.Kind {
	case inventory.HostIll:
		return host + " is ill: one of its probes fails.", true
	case inventory.HostWell:
		return host + " is well again.", true
	case inventory.HostUnstruck:
		return host + " holds no strike against " + e.Patch.String() + " any more.", true
	case inventory.HostMarked:
		return e.Patch.String() + " was taken back out of " + host + " and needs a signed clear to come back.", true
	case inventory.HostCleared:
		return host + " may take " + e.Patch.String() + " again.", true
	case inventory.HostDrifted:
		return driftText(e, host), true
	case inventory.HostAligned:
		return host + " is as expected again.", true
	case inventory.HostStalled:
		return "A transition of " + host + " does not end.", true
	case inventory.HostUnstalled:
		return "No transition of " + host + " stalls any more.", true
	case inventory.HostHeld:
		return host + " holds back on its own.", true
	case inventory.HostUnheld:
		return host + " holds nothing back any more.", true
	case inventory.HostExcluded:
		return who + " keeps " + host + " out of rollouts.", true
	case inventory.HostIncluded:
		return who + " lets " + host + " take part in rollouts again.", true
	case inventory.HostJoined:
		return host + " joined the rollout late.", true
	case inventory.HostStandsIn:
		return host + " stands in for a canary.", true
	case inventory.HostRecalled:
		return who + " wants " + host + " back at the level before.", true
	}
	return "", false
}

// closes says what the plan of an event is for.
func closes(e store.Event) string {
	for _, evidence := range e.Evidence {
		if evidence.Kind == inventory.EvidenceCVE {
			return evidence.Text
		}
	}
	return e.Patch.String()
}

func planText(e store.Event, plan string) string {
	switch e.Kind {
	case inventory.PlanPromoted:
		return fmt.Sprintf("%s opened wave %q of the %s.", subject(e.Actor, "Somebody"), e.State, plan)
	case inventory.PlanRetried:
		return fmt.Sprintf("%s gave %s of the %s a new attempt.", subject(e.Actor, "Somebody"), hostsText(e.State), plan)
	case inventory.WaveReverting:
		return fmt.Sprintf("%s sends wave %q of the %s back.", subject(e.Actor, "Somebody"), e.State, plan)
	case inventory.LaneStopped:
		return fmt.Sprintf("%s is stopped in the %s; the other systems' lanes go on.", e.Patch, plan)
	case inventory.PlanProposed:
		return "A plan for " + closes(e) + " was proposed."
	case inventory.PlanSigned:
		return subject(e.Actor, "Somebody") + " approved the " + plan + "."
	case inventory.PlanStatus:
		return fmt.Sprintf("The %s is %s.", plan, e.State)
	case inventory.PlanReverting:
		return "The " + plan + " is sending hosts back."
	}
	return e.Kind
}

func fleetText(e store.Event, who string) string {
	switch e.Kind {
	case identity.TokenMade:
		return fmt.Sprintf("%s made a token (%s).", who, e.State)
	case identity.AccountMade, identity.AccountRoles, identity.AccountPassword, identity.AccountDisabled, identity.AccountEnabled:
		return accountText(e, who)
	case identity.AuthorityAnnounced:
		return who + " announced another certificate authority."
	case identity.AuthorityReplaced:
		return who + " ended the old certificate authority."
	case identity.AuthoritySucceeded:
		return "Another certificate authority took the place of all that were stolen."
	case identity.TokenRevoked:
		return fmt.Sprintf("%s took a token back (%s).", who, e.State)
	case inventory.PatchBanned:
		return e.Patch.String() + " was banned."
	case inventory.PatchStopped:
		return fmt.Sprintf("%s was stopped on machines like %s (%s).", e.Patch, subject(e.HostName, string(e.Host)), subject(evidence(e, "model"), "model unknown"))
	case inventory.PatchCleared:
		return e.Patch.String() + " was cleared by a signed statement."
	case inventory.StatementTaken:
		return fmt.Sprintf("%s handed in %s.", who, statementKind(e.Evidence))
	case inventory.FleetFrozen:
		return who + " froze changes."
	case inventory.FleetThawed:
		return who + " took a freeze back."
	case inventory.FeedAdded:
		return fmt.Sprintf("%s added the feed of advisories %s.", who, e.State)
	case inventory.FeedChanged:
		return fmt.Sprintf("%s changed the feed of advisories %s.", who, e.State)
	case inventory.FeedRemoved:
		return fmt.Sprintf("%s took out the feed of advisories %s.", who, e.State)
	case inventory.FleetStopped:
		return "Everything was stopped; new starts are blocked."
	case inventory.FleetLifted:
		return "New starts are allowed again."
	case inventory.CatalogPublished:
		return "The catalog was published anew."
	case inventory.ArtifactUploaded:
		return who + " uploaded an artifact."
	case inventory.TrustChanged:
		return "The catalog has another root, of epoch " + e.State + "."
	case inventory.ServerRestored:
		return "The server was restored from a backup; nothing starts before it is reconciled."
	case inventory.LogReconciled:
		return who + " reconciled the server with its hosts."
	case inventory.LogDisputed:
		return "The log does not continue what the server had signed before; a host holds a checkpoint of " + e.State + " leaves."
	case inventory.SessionOpened:
		return who + " signed in to the console."
	case inventory.SessionClosed:
		return who + " signed out of the console."
	}
	return e.Kind
}

// statementKind is what a signed statement is called.
func statementKind(evidence []hotstick.Evidence) string {
	for _, e := range evidence {
		switch {
		case e.Kind == "kind" && e.Text == "evidence":
			return "signed evidence"
		case e.Kind == "kind":
			return "a signed " + e.Text
		}
	}
	return "a signed statement"
}

// accountText tells of a change of somebody's account.
func accountText(e store.Event, who string) string {
	person := subject(evidence(e, "person"), "somebody")
	switch e.Kind {
	case identity.AccountMade:
		return fmt.Sprintf("%s made an account for %s (%s).", who, person, evidence(e, "roles"))
	case identity.AccountRoles:
		return fmt.Sprintf("%s gave %s other roles (%s).", who, person, evidence(e, "roles"))
	case identity.AccountPassword:
		return fmt.Sprintf("%s set the password of %s.", who, person)
	case identity.AccountDisabled:
		return fmt.Sprintf("%s disabled the account of %s.", who, person)
	}
	return fmt.Sprintf("%s enabled the account of %s again.", who, person)
}

// evidence is the text of an event's evidence of a kind.
func evidence(e store.Event, kind string) string {
	for _, v := range e.Evidence {
		if v.Kind == kind {
			return v.Text
		}
	}
	return ""
}

// hostsText is a count that came as text.
func hostsText(n string) string {
	if n == "1" {
		return "1 host"
	}
	return n + " hosts"
}

// stateText is a state as the end of a sentence.
func stateText(state string) string {
	if hotstick.HostState(state) == hotstick.Probation {
		return "on probation"
	}
	return state
}

// driftText says how a host drifts, what was found, and when it happened.
func driftText(e store.Event, host string) string {
	meaning, _ := hotstick.DriftKind(e.State).Meaning()
	expected := "the kernel as it booted"
	if !e.Patch.IsZero() {
		expected = e.Patch.String()
	}
	return fmt.Sprintf("%s drifts. %s", host, strings.TrimSpace(fmt.Sprintf("%s Found %s in the place of %s, %s.", meaning,
		subject(evidence(e, "found"), "something else"), expected, subject(evidence(e, "when"), "at an unknown time"))))
}

func effectText(host string, level hotstick.PatchRef) string {
	if level.IsZero() {
		return host + " runs its kernel as it booted."
	}
	return host + " runs " + level.String() + "."
}

func subject(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}

// differing says in what two machines, or two moments of one, differ.
func differing(evidence []hotstick.Evidence) string {
	var out strings.Builder
	for i, e := range evidence {
		out.WriteString([]string{", ", "; "}[min(i, 1)] + e.Kind + " " + e.Text)
	}
	return out.String()
}
