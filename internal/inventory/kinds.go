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
	// HostCloned: two machines use the host's identity; the evidence says in what they
	// differ. No grant is given to it. HostUncloned: an operator (Actor) says, for
	// Reason, that one of them is gone or has joined anew.
	HostCloned   = "host.cloned"
	HostUncloned = "host.uncloned"
	// HostRestored: the host was put back to an earlier moment, as from a snapshot, and
	// goes on from there; the evidence says in what it is older.
	HostRestored = "host.restored"
	// HostRepinned: a person on the host pinned another root of the catalog, with which
	// its loader's trust begins; the evidence is its digest.
	HostRepinned = "host.repinned"
	// HostState: the host's state in a plan changed.
	HostState = "host.state"
	// HostCrashed: the host went down uncleanly after its attempt in the plan was
	// confirmed, for Reason, with what it left of its end as evidence.
	HostCrashed = "host.crashed"
	// HostPermit: what the host did from its permit, without a plan.
	HostPermit = "host.permit"
	// HostReport: a report that changes nothing, such as one of an old attempt.
	HostReport = "host.report"
	// HostRevoked: an operator (Actor) wrote the host off, for Reason: its identity is
	// ended and its lines in plans are skipped.
	HostRevoked = "host.revoked"
	// HostIll: a probe of the host began to fail; Reason.Subject is the probe, and the
	// evidence what it said. HostWell: none fails any more.
	HostIll  = "host.ill"
	HostWell = "host.well"
	// HostUnstruck: the host's loader holds no strike against Patch any more.
	HostUnstruck = "host.unstruck"
	// HostMarked: Patch was taken back out of the host, and is not offered to it again
	// before a clear; Reason says why it was. HostCleared: a signed clear, whose digest
	// is State, allows it again.
	HostMarked  = "host.marked"
	HostCleared = "host.cleared"
	// HostExcluded: an operator (Actor) keeps the host out until Reason.Until, for
	// Reason.Detail. HostIncluded: an operator took that back.
	HostExcluded = "host.excluded"
	HostIncluded = "host.included"
	// HostJoined: the host joined the last wave of a running plan by its rule for
	// late hosts.
	HostJoined = "host.joined"
	// HostStandsIn: the host takes the place of the canary that it stands in for.
	HostStandsIn = "host.stands_in"
	// HostRecalled: an operator (Actor) wants the host back at the level before its
	// attempt in the plan, for Reason. The order follows as the budget of reverts
	// allows.
	HostRecalled = "host.recalled"
	// HostDrifted: the kernel is not as expected, and Hotstick did not do it; State is the
	// kind, Patch what should be in effect, and the evidence what is and between which
	// check-ins it happened. HostAligned: it is as expected again.
	HostDrifted = "host.drifted"
	HostAligned = "host.aligned"
	// HostStalled: a transition does not end; State is its module. HostUnstalled: none
	// stalls any more.
	HostStalled   = "host.stalled"
	HostUnstalled = "host.unstalled"
	// HostHeld: somebody on the host holds it, or has switched Hotstick off there, for
	// Reason. HostUnheld: neither is so any more.
	HostHeld   = "host.held"
	HostUnheld = "host.unheld"
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
	// PlanPromoted: an operator (Actor) opened the wave whose name is State.
	PlanPromoted = "plan.promoted"
	// PlanRetried: an operator (Actor) let hosts that had failed wait for a new
	// attempt; State is how many.
	PlanRetried = "plan.retried"
	// WaveReverting: an operator (Actor) sends back the wave whose name is State.
	WaveReverting = "plan.wave_reverting"
	// LaneStopped: in a plan for a CVE the lanes of Patch are stopped, for Reason, and who
	// has it goes back; the other lanes go on.
	LaneStopped = "plan.lane_stopped"

	// EvidenceCVE is the kind of evidence by which an event of a plan names the CVE that the
	// plan closes; it has no patch then.
	EvidenceCVE = "cve"
	// EvidenceTrust is the kind of evidence by which a grant says what holds of what the
	// host brings into effect: the class of its driver, in words.
	EvidenceTrust = "trust"

	// PatchBanned: nobody may arm the patch any more.
	PatchBanned = "patch.banned"
	// PatchStopped: the host (Host) went down with Patch, for Reason, and no machine with
	// its kernel build and model arms it any more; the evidence names both.
	PatchStopped = "patch.crash_stopped"
	// PatchCleared: a clear that enough persons signed was taken in; State is its
	// digest. It lifts the ban if Reason.Code is banned, and what was held against the
	// hosts that it lists.
	PatchCleared = "patch.cleared"
	// StatementTaken: a signed statement other than a clear was handed in (by Actor):
	// a downgrade, a waiver or evidence. State is the digest of what it says, and the
	// evidence its kind.
	StatementTaken = "statement.taken"
	// LogDisputed: a host (Host) holds a checkpoint of as many leaves as State says, which
	// this server's key signed and this log does not continue; the evidence is both
	// notes.
	LogDisputed = "log.disputed"
	// ServerRestored: the database was put back from a backup; the evidence is the
	// checkpoint that the backup holds. Nothing starts until LogReconciled.
	ServerRestored = "server.restored"
	// LogReconciled: an operator (Actor) took in what hosts know better than a database
	// that was put back, for Reason.
	LogReconciled = "log.reconciled"
	// FleetStopped and FleetLifted: new starts are blocked everywhere, and
	// allowed again.
	FleetStopped = "fleet.stopped"
	FleetLifted  = "fleet.lifted"
	// FleetFrozen: an operator (Actor) froze changes; State is the freeze's ID, and
	// Reason.Until its end. FleetThawed: the freeze of the ID State was taken back.
	FleetFrozen = "fleet.frozen"
	FleetThawed = "fleet.thawed"
	// FeedAdded, FeedChanged and FeedRemoved: an operator (Actor) named a source of
	// advisories, said something else of it, or took it out; State is its name. What feeds
	// say, and what follows from it, is no event.
	FeedAdded   = "feed.added"
	FeedChanged = "feed.changed"
	FeedRemoved = "feed.removed"
	// CatalogPublished: signed targets metadata was taken in; the evidence is its digest.
	CatalogPublished = "catalog.published"
	// ArtifactUploaded: the bytes of an artifact were taken in; the evidence is their
	// digest. Nothing loads them before signed targets metadata lists them.
	ArtifactUploaded = "artifact.uploaded"
	// TrustChanged: the catalog has another root, that is, other persons, keys or epoch;
	// State is the epoch, and the evidence the root's digest.
	TrustChanged = "trust.changed"
	// SessionOpened and SessionClosed: somebody signed in to, and out of, the
	// console.
	SessionOpened = "session.opened"
	SessionClosed = "session.closed"
)

// Marks of the store.
const (
	// MarkDisputed is set while a host holds a checkpoint that the audit log does not
	// continue: its size, and the leaf that tells of it.
	MarkDisputed = "log.disputed"
	// MarkRestored is when the database was restored from a backup (RFC 3339, with its
	// fraction), until that
	// is reconciled.
	MarkRestored = "server.restored"
	// MarkReconciled is when an operator last took note of such checkpoints (RFC 3339);
	// those that are not younger are settled.
	MarkReconciled = "log.reconciled"
)
