package failpoint

// Name names one point.
type Name string

// Programs that reach points.
const (
	Agent  = "agent"
	Loader = "loader"
	Server = "server"
	Backup = "backup" // hotstick server backup
)

// The points, in the order of their table.
const (
	DurableTempWritten Name = "durable/temp-written"
	DurableTempSynced  Name = "durable/temp-synced"
	DurableRenamed     Name = "durable/renamed"
	DurableDirSynced   Name = "durable/dir-synced"

	LoaderLedgerBeforeSave   Name = "loader/ledger-before-save"
	LoaderLedgerAfterSave    Name = "loader/ledger-after-save"
	LoaderBootWritten        Name = "loader/boot-written"
	LoaderStrikeBeforeSave   Name = "loader/strike-before-save"
	LoaderIdentityPinned     Name = "loader/identity-pinned"
	LoaderPlanKept           Name = "loader/plan-kept"
	LoaderPlanAnnounced      Name = "loader/plan-announced"
	LoaderArtifactKept       Name = "loader/artifact-kept"
	LoaderSweepBefore        Name = "loader/sweep-before"
	LoaderSweepOneGone       Name = "loader/sweep-one-gone"
	LoaderIntentBeforeSave   Name = "loader/intent-before-save"
	LoaderIntentAfterSave    Name = "loader/intent-after-save"
	LoaderLoadBefore         Name = "loader/load-before"
	LoaderLoadAfter          Name = "loader/load-after"
	LoaderApplyingAfterSave  Name = "loader/applying-after-save"
	LoaderTransitionEnded    Name = "loader/transition-ended"
	LoaderStepBeforeAsked    Name = "loader/step-before-asked"
	LoaderStepAsked          Name = "loader/step-asked"
	LoaderStepTaken          Name = "loader/step-taken"
	LoaderStepDone           Name = "loader/step-done"
	LoaderStepAnswered       Name = "loader/step-answered"
	LoaderProbationAfterSave Name = "loader/probation-after-save"
	LoaderConfirmBeforeSave  Name = "loader/confirm-before-save"
	LoaderConfirmAfterSave   Name = "loader/confirm-after-save"
	LoaderRevertBeforeSave   Name = "loader/revert-before-save"
	LoaderRevertAfterSave    Name = "loader/revert-after-save"
	LoaderDisableBefore      Name = "loader/disable-before"
	LoaderDisableAfter       Name = "loader/disable-after"
	LoaderUnloadBefore       Name = "loader/unload-before"
	LoaderUnloadAfter        Name = "loader/unload-after"
	LoaderRestoreBefore      Name = "loader/restore-before"
	LoaderRestoreAfter       Name = "loader/restore-after"
	LoaderRevertedBeforeSave Name = "loader/reverted-before-save"
	LoaderRevertedAfterSave  Name = "loader/reverted-after-save"
	LoaderPermitBeforeSave   Name = "loader/permit-before-save"
	LoaderPermitAfterSave    Name = "loader/permit-after-save"
	LoaderAckBefore          Name = "loader/acknowledge-before"
	LoaderAckAfter           Name = "loader/acknowledge-after"
	LoaderHaltTaken          Name = "loader/halt-taken"
	LoaderBanTaken           Name = "loader/ban-taken"
	LoaderRecallTaken        Name = "loader/recall-taken"
	LoaderAnswerBefore       Name = "loader/answer-before"

	AgentEnrolBefore       Name = "agent/enrol-before"
	AgentEnrolAnswered     Name = "agent/enrol-answered"
	AgentEnrolLabelsSaved  Name = "agent/enrol-labels-saved"
	AgentEnrolRootSaved    Name = "agent/enrol-root-saved"
	AgentEnrolAuthSaved    Name = "agent/enrol-authority-saved"
	AgentEnrolTLSSaved     Name = "agent/enrol-tls-saved"
	AgentSyncBefore        Name = "agent/sync-before"
	AgentSyncAfter         Name = "agent/sync-after"
	AgentDocumentsTaken    Name = "agent/documents-taken"
	AgentCatalogRefreshed  Name = "agent/catalog-refreshed"
	AgentArtifactKept      Name = "agent/artifact-kept"
	AgentCheckpointBefore  Name = "agent/checkpoint-before"
	AgentCheckpointAfter   Name = "agent/checkpoint-after"
	CatalogFileStaged      Name = "catalog/file-staged"
	CatalogFileRenamed     Name = "catalog/file-renamed"
	CatalogFileDirSynced   Name = "catalog/file-dir-synced"
	CatalogArtifactsPlaced Name = "catalog/artifacts-placed"
	CatalogTargetsWritten  Name = "catalog/targets-written"
	CatalogSnapshotWritten Name = "catalog/snapshot-written"
	CatalogTimestampBefore Name = "catalog/timestamp-before"
	CatalogTimestampAfter  Name = "catalog/timestamp-after"

	StoreCommitBefore       Name = "store/commit-before"
	StoreCommitAfter        Name = "store/commit-after"
	AuditLeafBefore         Name = "audit/leaf-before"
	AuditLeafAfter          Name = "audit/leaf-after"
	ControllerDecideBefore  Name = "controller/decide-before"
	ControllerDecideWritten Name = "controller/decide-written"
	ControllerDecideAfter   Name = "controller/decide-after"
	ControllerGrantSigned   Name = "controller/grant-signed"
	ControllerGrantAfter    Name = "controller/grant-after"
	ControllerNotifyWritten Name = "controller/notify-written"
	ServerReportsTaken      Name = "server/reports-taken"
	ServerCheckInBefore     Name = "server/check-in-before"
	ServerCheckInStored     Name = "server/check-in-stored"
	ServerCheckInAnswered   Name = "server/check-in-answered"
	ServerEnrolWritten      Name = "server/enrol-written"
	ServerEnrolAfter        Name = "server/enrol-after"
	BackupSnapshotMade      Name = "backup/snapshot-made"
	BackupDatabaseCopied    Name = "backup/database-copied"
	BackupManifestBefore    Name = "backup/manifest-before"
	BackupRenameBefore      Name = "backup/rename-before"
)

// Point is one place, and what a crash there leaves behind.
type Point struct {
	Name Name
	// Programs reach it.
	Programs []string
	// Leaves is the state after the crash, in a sentence.
	Leaves string
}

// Points lists every point. The set is closed: a name that is not here cannot be armed.
func Points() []Point {
	host, all := []string{Agent, Loader}, []string{Agent, Loader, Server}
	var list []Point
	add := func(programs []string, more ...Point) {
		for _, p := range more {
			p.Programs = programs
			list = append(list, p)
		}
	}
	add(host,
		Point{Name: DurableTempWritten, Leaves: "The old file, and beside it a temporary one whose bytes may be lost."},
		Point{Name: DurableTempSynced, Leaves: "The old file, and beside it the new one under a temporary name."},
		Point{Name: DurableRenamed, Leaves: "The new file; a power cut may still bring the old one back."},
		Point{Name: DurableDirSynced, Leaves: "The new file, and whoever wrote it does not know."})
	add([]string{Loader}, loaderPoints()...)
	add([]string{Agent}, agentPoints()...)
	add(all,
		Point{Name: CatalogFileStaged, Leaves: "The old file of the catalog, and a stray temporary one."},
		Point{Name: CatalogFileRenamed, Leaves: "The new file; a power cut may still bring the old one back."},
		Point{Name: CatalogFileDirSynced, Leaves: "The new file; those that go with it may be missing."})
	add([]string{Server}, serverPoints()...)
	add([]string{Backup},
		Point{Name: BackupSnapshotMade, Leaves: "A copy of the database in a hidden directory, no backup."},
		Point{Name: BackupDatabaseCopied, Leaves: "An archive with the database alone, which restore refuses."},
		Point{Name: BackupManifestBefore, Leaves: "An archive without its manifest, which restore refuses."},
		Point{Name: BackupRenameBefore, Leaves: "A whole archive under a temporary name."})
	return list
}

func loaderPoints() []Point {
	return []Point{
		{Name: LoaderLedgerBeforeSave, Leaves: "The old ledger; nothing of the step has happened."},
		{Name: LoaderLedgerAfterSave, Leaves: "The new ledger; nobody was told of the step."},
		{Name: LoaderBootWritten, Leaves: "The ledger is of this boot, and the loader does not listen yet."},
		{Name: LoaderStrikeBeforeSave, Leaves: "A boot that ended badly is judged, and the strike is not written."},
		{Name: LoaderIdentityPinned, Leaves: "The identity is pinned; no plan was taken."},
		{Name: LoaderPlanKept, Leaves: "A plan's envelope is kept and the ledger does not know it."},
		{Name: LoaderPlanAnnounced, Leaves: "A plan's delays have begun; the agent was not told."},
		{Name: LoaderArtifactKept, Leaves: "An artifact is kept that nobody was told of."},
		{Name: LoaderSweepBefore, Leaves: "Kept bytes that nothing needs are still there."},
		{Name: LoaderSweepOneGone, Leaves: "Some of the kept bytes that nothing needs are gone."},
		{Name: LoaderIntentBeforeSave, Leaves: "A grant was good and there is no intent."},
		{Name: LoaderIntentAfterSave, Leaves: "The intent is durable, nothing was loaded, the grant's nonce is forgotten."},
		{Name: LoaderLoadBefore, Leaves: "The intent is durable, the bytes are sealed, the kernel was not asked."},
		{Name: LoaderLoadAfter, Leaves: "The kernel has begun; the ledger says armed."},
		{Name: LoaderApplyingAfterSave, Leaves: "The transition runs and the ledger says so."},
		{Name: LoaderTransitionEnded, Leaves: "The level is in effect; the ledger says applying."},
		{Name: LoaderStepBeforeAsked, Leaves: "The intent is durable, no step was asked for."},
		{Name: LoaderStepAsked, Leaves: "A step is asked for and nobody was told to start it."},
		{Name: LoaderStepTaken, Leaves: "A step has begun and done nothing; its lock is gone."},
		{Name: LoaderStepDone, Leaves: "A vendor's tool has ended; nobody knows how."},
		{Name: LoaderStepAnswered, Leaves: "A step has said how it went; what it had taken is still there."},
		{Name: LoaderProbationAfterSave, Leaves: "Probation has begun; its watch is gone."},
		{Name: LoaderConfirmBeforeSave, Leaves: "Probation ended well and nothing says so."},
		{Name: LoaderConfirmAfterSave, Leaves: "The level is confirmed; the report is in the ledger only."},
		{Name: LoaderRevertBeforeSave, Leaves: "Something spoke against the level; the ledger says probation."},
		{Name: LoaderRevertAfterSave, Leaves: "The way back is decided; the kernel was not asked."},
		{Name: LoaderDisableBefore, Leaves: "The level on its way back is still enabled."},
		{Name: LoaderDisableAfter, Leaves: "The level is being disabled; the loader does not know."},
		{Name: LoaderUnloadBefore, Leaves: "The level is disabled and in memory."},
		{Name: LoaderUnloadAfter, Leaves: "The module is gone; the loader does not know."},
		{Name: LoaderRestoreBefore, Leaves: "The level before is not there yet."},
		{Name: LoaderRestoreAfter, Leaves: "The level before has begun to replace; the loader does not know."},
		{Name: LoaderRevertedBeforeSave, Leaves: "The level before is in effect; the ledger says reverting."},
		{Name: LoaderRevertedAfterSave, Leaves: "The attempt is over; the report is in the ledger only."},
		{Name: LoaderPermitBeforeSave, Leaves: "After a reboot nothing is loaded and there is no intent."},
		{Name: LoaderPermitAfterSave, Leaves: "After a reboot the permit's intent is durable, nothing is loaded."},
		{Name: LoaderAckBefore, Leaves: "The server has reports that the ledger still holds."},
		{Name: LoaderAckAfter, Leaves: "The reports are dropped; the agent was not told."},
		{Name: LoaderHaltTaken, Leaves: "A halt is durable; the agent was not told."},
		{Name: LoaderBanTaken, Leaves: "A ban is durable; the agent was not told."},
		{Name: LoaderRecallTaken, Leaves: "The loader's catalog has a recall that was not acted on."},
		{Name: LoaderAnswerBefore, Leaves: "All documents of a call are taken; the agent has no answer."},
	}
}

func agentPoints() []Point {
	return []Point{
		{Name: AgentEnrolBefore, Leaves: "An identity key; the server has heard nothing."},
		{Name: AgentEnrolAnswered, Leaves: "The server has the host; the host has no certificate."},
		{Name: AgentEnrolLabelsSaved, Leaves: "The join line's labels are kept, nothing else."},
		{Name: AgentEnrolRootSaved, Leaves: "The catalog's root is kept; there is no certificate."},
		{Name: AgentEnrolAuthSaved, Leaves: "Root and authority are kept; there is no certificate."},
		{Name: AgentEnrolTLSSaved, Leaves: "The host has joined and was not heard."},
		{Name: AgentSyncBefore, Leaves: "A check-in that was never sent; its nonce is spent time."},
		{Name: AgentSyncAfter, Leaves: "The server took a check-in; its answer is lost."},
		{Name: AgentDocumentsTaken, Leaves: "The loader has the documents; its answer is lost."},
		{Name: AgentCatalogRefreshed, Leaves: "The agent's catalog is newer than the loader's."},
		{Name: AgentArtifactKept, Leaves: "An artifact is staged that the loader was not told of."},
		{Name: AgentCheckpointBefore, Leaves: "The server's newest checkpoint is not remembered."},
		{Name: AgentCheckpointAfter, Leaves: "The checkpoint is remembered; the answer is lost."},
	}
}

func serverPoints() []Point {
	return []Point{
		{Name: CatalogArtifactsPlaced, Leaves: "Artifacts are served that no targets metadata lists."},
		{Name: CatalogTargetsWritten, Leaves: "Targets metadata that no snapshot names."},
		{Name: CatalogSnapshotWritten, Leaves: "A snapshot that no timestamp names."},
		{Name: CatalogTimestampBefore, Leaves: "All of a publication but the timestamp: it has not happened."},
		{Name: CatalogTimestampAfter, Leaves: "The publication has happened; the publisher was not told."},
		{Name: StoreCommitBefore, Leaves: "A batch of updates that nobody was told of: none has happened."},
		{Name: StoreCommitAfter, Leaves: "A batch of updates that nobody was told of: all have happened."},
		{Name: AuditLeafBefore, Leaves: "A change without its leaf, in a transaction that is rolled back."},
		{Name: AuditLeafAfter, Leaves: "A change with its leaf, in a transaction that is rolled back."},
		{Name: ControllerDecideBefore, Leaves: "A plan that is due; nothing is decided."},
		{Name: ControllerDecideWritten, Leaves: "A decision in a transaction that is rolled back."},
		{Name: ControllerDecideAfter, Leaves: "A decision that is committed and that nobody was woken for."},
		{Name: ControllerGrantSigned, Leaves: "A signed grant that is recorded nowhere and was sent to nobody."},
		{Name: ControllerGrantAfter, Leaves: "A recorded grant that was sent to nobody."},
		{Name: ControllerNotifyWritten, Leaves: "A notice in a transaction that is rolled back."},
		{Name: ServerReportsTaken, Leaves: "Reports in a transaction that is rolled back."},
		{Name: ServerCheckInBefore, Leaves: "A check-in that was read and not taken."},
		{Name: ServerCheckInStored, Leaves: "A check-in that is stored; its documents were not collected."},
		{Name: ServerCheckInAnswered, Leaves: "Everything is stored; the answer was not sent."},
		{Name: ServerEnrolWritten, Leaves: "A host in a transaction that is rolled back."},
		{Name: ServerEnrolAfter, Leaves: "A host that is stored and has no certificate."},
	}
}
