package inventory

// Kinds of events in the audit log. The part before the dot says what the event
// is about.
const (
	// HostBooted: a boot that was not seen before; the evidence is its ID.
	HostBooted = "host.booted"
	// HostFacts: the facts differ from those stored.
	HostFacts = "host.facts"
	// HostReturned: the host had been silent and is back.
	HostReturned = "host.returned"
	// HostEffect: another level is in effect than before.
	HostEffect = "host.effect"
	// HostAnnounced: the host's loader has taken the plan into its ledger.
	HostAnnounced = "host.announced"
	// HostStruck: the host's loader refuses the patch from now on.
	HostStruck = "host.struck"
	// HostRefused: the host's loader refused a signed document.
	HostRefused = "host.refused"
	// HostCloned: a boot that was followed by another checks in again.
	HostCloned = "host.cloned"
	// HostState: the host's state in a plan changed.
	HostState = "host.state"
	// HostPermit: what the host did from its permit, without a plan.
	HostPermit = "host.permit"
	// HostReport: a report that changes nothing, such as one of an old attempt.
	HostReport = "host.report"
	// HostRevoked: the host's identity was ended.
	HostRevoked = "host.revoked"
	// SlotsReleased: the host no longer counts against its disruption budgets.
	SlotsReleased = "slots.released"
	// GrantIssued: a grant was signed for the host.
	GrantIssued = "grant.issued"

	// PlanProposed: a plan that its author signed was handed in.
	PlanProposed = "plan.proposed"
	// PlanSigned: an approver's signature was added.
	PlanSigned = "plan.signed"
	// PlanStatus: the plan's status changed.
	PlanStatus = "plan.status"
	// PlanReverting: hosts that took the patch are being sent back.
	PlanReverting = "plan.reverting"

	// PatchBanned: nobody may arm the patch any more.
	PatchBanned = "patch.banned"
	// FleetStopped and FleetLifted: new starts are blocked everywhere, and
	// allowed again.
	FleetStopped = "fleet.stopped"
	FleetLifted  = "fleet.lifted"
	// CatalogPublished: signed targets metadata was taken in.
	CatalogPublished = "catalog.published"
	// SessionOpened and SessionClosed: somebody signed in to, and out of, the
	// console.
	SessionOpened = "session.opened"
	SessionClosed = "session.closed"
)
